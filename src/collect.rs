//! One organisation: what to read next, and why.
//!
//! ```text
//!   probe ──► walk ──► idle ──► walk ──► idle …
//!   (what time is it?)  (from the position, to the end)
//! ```
//!
//! [`Collector::next`] alone chooses; [`walk`] alone reads pages; both talk to
//! the [`ledger`]. A failure ends what is under way, and the next poll chooses
//! anew from what was handed out.

pub mod call;
pub mod ledger;
pub mod page;
pub mod retention;
pub mod walk;

use self::call::{Answer, Call};
use self::ledger::Ledger;
use self::retention::Retention;
use self::walk::{Desk, Turn, Walk};
use crate::api::{self, MAX_LIMIT, Query, Request};
use crate::batch::{Batch, Limits, Output, Progress};
use crate::clock::{Clock, Reading};
use crate::credential::Credential;
use crate::error::{Error, Problem, Result};
use crate::feed::Input;
use crate::finding::Kind;
use crate::mapping;
use crate::refusal::{self, Asked, Refusal};
use crate::settings::{DAY, Settings, Start};
use crate::state::{Owner, Restored, Slot, Write};

/// Identifies a request for as long as it is open.
pub type RequestId = u32;

/// The clock of this machine may be wrong by this much before the first answer
/// has told JumpCloud's: the first request looks so far back, in ms.
const FIRST_LOOK: i64 = 3_600_000;

/// So many ids in the future are held; beyond, events more than a day ahead
/// wait for their day.
const MAX_FUTURE_IDS: usize = 10_000;

/// One organisation's collection.
#[derive(Debug)]
pub struct Collector {
    /// Sent as `x-org-id`, if the settings name organisations.
    requested: Option<String>,
    owner: Owner,
    slot: Slot,
    /// None until a start was resolved against JumpCloud's clock.
    ledger: Option<Ledger>,
    work: Work,
    /// The answer that is being taken whole: of a probe, or the refusal of a
    /// page.
    call: Option<Call>,
    retention: Retention,
    /// This address has served this feed before.
    established: bool,
    /// Events not read yet, by the last count.
    backlog: Option<u64>,
    /// The next walk expects rows of other organisations.
    mixed: bool,
}

/// What is under way.
#[derive(Debug)]
enum Work {
    None,
    /// A count, for its answer's `Date`.
    Probe(Query),
    Walk(Box<Walk>),
}

/// What every organisation shares, lent for one call.
pub struct Shared<'a> {
    /// Checked settings.
    pub settings: &'a Settings,
    /// The credential.
    pub credential: &'a Credential,
    /// JumpCloud's clock.
    pub clock: &'a mut Clock,
    /// This machine's clocks.
    pub reading: Reading,
    /// What is handed out.
    pub batch: &'a mut Batch,
    /// Its bounds.
    pub limits: Limits,
    /// The last request id that was given.
    pub last_request: &'a mut RequestId,
    /// Records received since the feed was opened.
    pub received: &'a mut u64,
}

/// Why what is under way ends before all is read.
#[derive(Debug)]
pub enum Halt {
    /// To be begun anew from the position; nobody needs to hear of it.
    Restart,
    /// It failed.
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What the collector needs next.
#[derive(Debug)]
pub enum Need {
    /// This request sent.
    Send(RequestId, Request),
    /// More of this request's answer.
    Read(RequestId),
    /// The batch handed out: it is full.
    HandOut,
    /// Nothing: all is read.
    Caught,
}

impl Collector {
    /// Of the organisation named, or of the credential's own.
    pub fn new(settings: &Settings, requested: Option<String>) -> Self {
        let owner = Owner {
            origin: settings.api_base_url.origin().to_owned(),
            organization: requested.clone(),
        };
        Self {
            slot: Slot::new(requested.as_deref()),
            requested,
            owner,
            ledger: None,
            work: Work::None,
            call: None,
            retention: Retention::new(settings.retention),
            established: false,
            backlog: None,
            mixed: false,
        }
    }

    /// The organisation, as far as it is known.
    pub fn partition(&self) -> &str {
        self.owner.organization.as_deref().unwrap_or_default()
    }

    /// Where its state lies.
    pub fn slot(&mut self) -> &mut Slot {
        &mut self.slot
    }

    /// Takes the stored state; the number of its last acked batch. The state
    /// of another origin is a wrong setting.
    pub fn restore(&mut self, restored: Restored) -> Result<u64> {
        let Restored {
            owner,
            sequence,
            ledger,
        } = restored;
        if owner.origin != self.owner.origin {
            let message = format!(
                "it is {}, but the state under this feed's name was collected from {}",
                self.owner.origin, owner.origin
            );
            return Err(Error::BadSettings(vec![
                Problem::new("api_base_url", message)
                    .hint("give the other address a feed of its own, or reset this one"),
            ]));
        }
        self.owner.organization = owner.organization.or(self.owner.organization.take());
        self.ledger = Some(ledger);
        self.established = true;
        Ok(sequence)
    }

    /// The writes that store what was handed out.
    pub fn write(&mut self, sequence: u64) -> Vec<Write> {
        match &self.ledger {
            Some(ledger) => self.slot.write(&self.owner, sequence, ledger),
            None => Vec::new(),
        }
    }

    /// Forgets everything at or after `to`.
    pub fn rewind(&mut self, to: i64) {
        match &mut self.ledger {
            Some(ledger) => ledger.rewind(to),
            None => self.ledger = Some(Ledger::new(to)),
        }
    }

    /// How far it has come.
    pub fn progress(&self, now: Option<i64>) -> Option<Progress> {
        let ledger = self.ledger.as_ref()?;
        let behind = now
            .unwrap_or(ledger.position())
            .saturating_sub(ledger.position());
        Some(Progress {
            start: ledger.start(),
            read_to: ledger.position(),
            behind: u64::try_from(behind).unwrap_or(0),
            backlog: self.backlog,
        })
    }

    /// The requests that are open.
    pub fn open_requests(&self) -> Vec<RequestId> {
        let call = self.call.as_ref().map(Call::request);
        let walk = match &self.work {
            Work::Walk(walk) => Some(walk.open_requests()),
            Work::None | Work::Probe(_) => None,
        };
        call.into_iter().chain(walk.into_iter().flatten()).collect()
    }

    /// Gives up what is under way; its requests are to be dropped.
    pub fn abandon(&mut self) -> Vec<RequestId> {
        let open = self.open_requests();
        (self.work, self.call) = (Work::None, None);
        open
    }

    /// Polling pauses here.
    pub fn pause(&mut self) {
        if let Work::Walk(walk) = &mut self.work {
            walk.pause();
        }
    }

    /// Does what can be done with what has come, and says what is needed next.
    pub fn next(&mut self, shared: &mut Shared<'_>) -> std::result::Result<Need, Halt> {
        if let Some(call) = &self.call {
            return Ok(Need::Read(call.request()));
        }
        let (Work::Walk(walk), Some(ledger)) = (&mut self.work, &mut self.ledger) else {
            return Ok(self.begin(shared).unwrap_or(Need::Caught));
        };
        let before = shared.batch.counters.received;
        let settings = shared.settings;
        let turn = walk.advance(&mut Desk {
            ledger,
            organization: &mut self.owner.organization,
            batch: shared.batch,
            limits: shared.limits,
            output: Output {
                types: settings.event_types,
                include_raw: settings.include_raw,
            },
            received: shared.received,
        });
        let rows = shared.batch.counters.received - before;
        self.backlog = self.backlog.map(|backlog| backlog.saturating_sub(rows));
        match turn {
            Turn::Read(request) => Ok(Need::Read(request)),
            Turn::HandOut => Ok(Need::HandOut),
            Turn::Ask(cursor) => {
                let body = walk.query().events(walk.limit(), Some(&cursor));
                let id = next_id(shared.last_request);
                walk.asked(id, cursor);
                Ok(Need::Send(id, self.request(shared, "/events", body)))
            }
            Turn::End => {
                self.work = Work::None;
                self.mixed = false;
                self.established = true;
                self.backlog = self.backlog.map(|_| 0);
                Ok(Need::Caught)
            }
            Turn::Restart => {
                self.mixed = walk.is_mixed();
                Err(Halt::Restart)
            }
            Turn::Fail(error) => Err(error.into()),
            Turn::Garbage(bytes) => Err(refusal::no_array(self.asked(shared), &bytes).into()),
        }
    }

    /// Takes what came of an open request.
    pub fn handle(
        &mut self,
        id: RequestId,
        input: Input,
        shared: &mut Shared<'_>,
    ) -> std::result::Result<(), Halt> {
        match &input {
            Input::Head(head) => shared.clock.answered(head.date(), shared.reading),
            Input::Body(bytes) => shared.batch.counters.bytes += bytes.len() as u64,
            Input::End | Input::Failed(_) | Input::Nothing => {}
        }
        if let Some(call) = self.call.as_mut().filter(|call| call.request() == id) {
            let Some(answer) = call.take(input) else {
                return Ok(());
            };
            self.call = None;
            return match answer {
                Ok(answer) => self.answered(&answer, shared),
                Err(cause) => Err(refusal::failed(self.asked(shared), &cause).into()),
            };
        }
        let asked = self.asked(shared);
        let Work::Walk(walk) = &mut self.work else {
            return Ok(());
        };
        match input {
            Input::Head(head) if head.status != 200 => self.call = Some(Call::new(id, Some(head))),
            Input::Head(head) if head.is_html() => {
                return Err(refusal::not_the_api(asked, "a page in HTML").into());
            }
            Input::Head(head) => {
                let now = shared
                    .clock
                    .now(shared.reading)
                    .unwrap_or(shared.reading.wall);
                walk.head(id, &head, now)?;
            }
            Input::Body(bytes) => walk.body(id, bytes),
            Input::End => walk.end(id),
            Input::Failed(_) if walk.is_paused(id) => {
                return Err(Halt::Restart);
            }
            Input::Failed(cause) => return Err(refusal::failed(asked, &cause).into()),
            Input::Nothing => {}
        }
        Ok(())
    }

    /// Chooses what to do next, and begins it. None: nothing is to be read yet.
    fn begin(&mut self, shared: &mut Shared<'_>) -> Option<Need> {
        let services = mapping::services(shared.settings.event_types);
        let id = next_id(shared.last_request);
        let Some(now) = shared.clock.now(shared.reading) else {
            let start = self.ledger.as_ref().map(Ledger::position);
            let start = start.unwrap_or(shared.reading.wall.saturating_sub(FIRST_LOOK));
            let query = Query {
                services,
                start,
                end: None,
            };
            let request = self.request(shared, "/events/count", query.count());
            self.work = Work::Probe(query);
            self.call = Some(Call::new(id, None));
            return Some(Need::Send(id, request));
        };
        let ledger = self.ledger.get_or_insert_with(|| {
            Ledger::new(match shared.settings.start {
                Start::At(moment) => moment,
                Start::Back(back) => now.saturating_sub(back),
            })
        });
        self.retention.keep(ledger, now, shared.batch);
        let start = ledger.position();
        if start >= now {
            return None;
        }
        let mut end = None;
        if ledger.after(now) > MAX_FUTURE_IDS {
            shared.batch.find(
                Kind::FarFuture,
                "more than 10,000 events are dated in the future",
            );
            end = Some(now.saturating_add(DAY));
        }
        let query = Query {
            services,
            start,
            end,
        };
        let limit = u32::try_from(shared.limits.max_events).unwrap_or(MAX_LIMIT);
        let limit = limit.clamp(1, MAX_LIMIT);
        let request = self.request(shared, "/events", query.events(limit, None));
        self.work = Work::Walk(Box::new(Walk::new(query, limit, self.mixed, id)));
        Some(Need::Send(id, request))
    }

    /// An answer is whole: that of a probe, or the refusal of a page.
    fn answered(
        &mut self,
        answer: &Answer,
        shared: &mut Shared<'_>,
    ) -> std::result::Result<(), Halt> {
        let asked = self.asked(shared);
        let probing = matches!(self.work, Work::Probe(_));
        match refusal::counted(asked, &answer.head, &answer.body) {
            Ok(count) => self.backlog = self.ledger.as_ref().map(|_| count),
            Err(Refusal::PastRetention(days)) => {
                // A long walk's own start may grow too old; its rows have not.
                let moved = self
                    .ledger
                    .as_ref()
                    .is_some_and(|it| it.position() > asked.start);
                if !self.retention.learn(days) && !moved && !probing {
                    return Err(Halt::Failed(self.retention.refused()));
                }
                if !probing {
                    return Err(Halt::Restart);
                }
            }
            // Any answer tells the time; this one says that ours was wrong.
            Err(Refusal::Failed(Error::Protocol(_))) if probing && answer.head.status == 400 => {}
            Err(Refusal::Failed(error)) => return Err(error.into()),
        }
        self.work = Work::None;
        self.established = true;
        if let Some(message) = shared.clock.skew_message() {
            shared.batch.find(Kind::ClockSkew, message);
        }
        Ok(())
    }

    fn asked<'a>(&self, shared: &Shared<'a>) -> Asked<'a> {
        let query = match &self.work {
            Work::Walk(walk) => Some(walk.query()),
            Work::Probe(query) => Some(query),
            Work::None => None,
        };
        Asked {
            url: &shared.settings.api_base_url,
            authorization: shared.settings.authorization,
            start: query.map_or(0, |query| query.start),
            end: query.and_then(|query| query.end),
            skew: shared.clock.skew(),
            established: self.established,
        }
    }

    fn request(&self, shared: &mut Shared<'_>, path: &str, body: Vec<u8>) -> Request {
        shared.batch.counters.requests += 1;
        api::request(
            shared.settings,
            shared.credential,
            self.requested.as_deref(),
            path,
            body,
        )
    }
}

fn next_id(last: &mut RequestId) -> RequestId {
    *last = last.wrapping_add(1);
    *last
}
