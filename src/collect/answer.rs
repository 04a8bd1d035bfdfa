//! What the answers mean: those of pages go to the walk, the small ones are
//! taken whole and read here.

use super::call::{Answer, Call};
use super::{Collector, Halt, RequestId, Shared, Work};
use crate::clock::rfc3339;
use crate::error::Error;
use crate::feed::Input;
use crate::finding::Kind;
use crate::refusal::{self, Asked, Cause, Refusal};
use crate::survey;

impl Collector {
    /// Takes what came of an open request.
    pub fn handle(
        &mut self,
        id: RequestId,
        input: Input,
        shared: &mut Shared<'_>,
    ) -> std::result::Result<(), Halt> {
        match &input {
            Input::Head(head) => shared
                .clock
                .answered(head.status, head.date(), shared.reading),
            Input::Body(bytes) => shared.batch.counters.bytes += bytes.len() as u64,
            Input::End | Input::Failed(_) | Input::Nothing => {}
        }
        if let Some(call) = self.call.as_mut().filter(|call| call.request() == id) {
            let Some(answer) = call.take(input) else {
                return Ok(());
            };
            self.call = None;
            if matches!(self.work, Work::Survey(_)) {
                self.surveyed(answer.ok(), shared);
                return Ok(());
            }
            return match answer {
                Ok(answer) => self.answered(&answer, shared),
                Err(cause) => Err(refusal::failed(self.asked(shared), &cause).into()),
            };
        }
        let Work::Walk(walk, _) = &mut self.work else {
            return Ok(());
        };
        match input {
            Input::Head(head) if head.status != 200 => self.call = Some(Call::new(id, Some(head))),
            Input::Head(head) if head.is_html() => {
                return Err(refusal::not_the_api(self.asked(shared), "a page in HTML").into());
            }
            Input::Head(head) => {
                self.retention.accepted();
                // It may have lain about while polling paused, and by a wrong clock
                // it may be later than it is.
                let date = head.date().map(|date| date.min(shared.now()));
                walk.head(id, &head, date)?;
            }
            Input::Body(bytes) => walk.body(id, bytes),
            Input::End => walk.end(id),
            Input::Failed(Cause::Cut | Cause::Connect)
                if walk.is_paused(id) && !std::mem::replace(&mut self.broken, true) =>
            {
                return Err(Halt::Restart);
            }
            Input::Failed(cause) => {
                return Err(refusal::failed(self.asked(shared), &cause).into());
            }
            Input::Nothing => {}
        }
        Ok(())
    }

    /// An answer is whole: that of a count, or the refusal of a page.
    fn answered(
        &mut self,
        answer: &Answer,
        shared: &mut Shared<'_>,
    ) -> std::result::Result<(), Halt> {
        let asked = self.asked(shared);
        let probing = matches!(self.work, Work::Probe(_) | Work::Look(_));
        let count = match self.work {
            Work::Look(_) => refusal::paged(asked, &answer.head, &answer.body).map(|()| None),
            _ => refusal::counted(asked, &answer.head, &answer.body).map(Some),
        };
        match count {
            Ok(None) => {}
            Ok(Some(count)) if probing => self.backlog = self.memory.as_ref().map(|_| count),
            Ok(Some(count)) => self.counted(count, shared),
            Err(Refusal::PastRetention(days)) => {
                self.audit = None;
                // What a long walk began with may grow too old; its rows have
                // not. So may the oldest tile, or what waited for long.
                if !probing {
                    self.retention.refused(days)?;
                    return Err(Halt::Restart);
                }
                self.retention.learn(days);
            }
            // Any answer tells the time; this one says that ours was wrong.
            Err(Refusal::Failed(Error::Protocol(_))) if probing && answer.head.status == 400 => {}
            Err(Refusal::Failed(error)) => return Err(error.into()),
        }
        self.work = Work::None;
        self.established = true;
        if let Some(message) = shared.clock.skew_message() {
            shared.batch.find_of_feed(Kind::ClockSkew, message);
        }
        Ok(())
    }

    /// The types of events have come, or not: nothing depends on it.
    fn surveyed(&mut self, answer: Option<Answer>, shared: &mut Shared<'_>) {
        self.work = Work::None;
        let answer = answer.filter(|answer| answer.head.status == 200);
        if let Some(message) = answer.and_then(|answer| survey::unmapped(&answer.body)) {
            shared.batch.find(Kind::UnmappedTypes, message);
        }
    }

    /// The count of tiles has come.
    fn counted(&mut self, count: u64, shared: &mut Shared<'_>) {
        let (Some(audit), Some(memory)) = (&mut self.audit, &mut self.memory) else {
            return;
        };
        self.cycle.audit_works();
        let tiles = memory.ledger.tiles_mut();
        if let Some((tile, surplus)) = audit.counted(count, tiles) {
            let (from, to) = (rfc3339(tile.from), rfc3339(tile.to));
            let (rows, more) = (tile.rows, surplus);
            let message = format!(
                "from {from} to {to} JumpCloud gives {rows} events and counts {more:+} besides"
            );
            shared.batch.find(Kind::CountDiffers, message);
        }
    }

    /// What the request under way is about, in case it is refused.
    pub(super) fn asked<'a>(&'a self, shared: &Shared<'a>) -> Asked<'a> {
        let query = match &self.work {
            Work::Walk(walk, _) => Some(walk.query()),
            Work::Probe(query) | Work::Look(query) | Work::Count(query) | Work::Survey(query) => {
                Some(query)
            }
            Work::None | Work::Load(_) => None,
        };
        Asked {
            url: &shared.settings.api_base_url,
            authorization: shared.settings.authorization,
            organization: self.requested.as_deref(),
            start: query.map_or(0, |query| query.start),
            end: query.and_then(|query| query.end),
            skew: shared.clock.skew(),
            established: self.established,
            expired: shared
                .settings
                .token_expires
                .filter(|day| *day <= shared.now()),
        }
    }
}
