//! What to do next: the one place that decides it.

use super::audit::{Audit, Task};
use super::course::{FUTURE_CROWD, MAX_FUTURE};
use super::cycle::Cycle;
use super::repair::Repair;
use super::tiles::Scope;
use super::walk::Walk;
use super::{Call, Collector, Halt, Need, Reason, Shared, Work, next_id};
use crate::api::{MAX_LIMIT, Query};
use crate::clock::rfc3339;
use crate::expiry;
use crate::finding::Kind;
use crate::settings::{DAY, Settings};
use crate::survey;

/// The clock of this machine may be wrong by this much before the first answer
/// has told JumpCloud's: the first request looks so far back, in ms.
const FIRST_LOOK: i64 = 3_600_000;

/// A tile that is read again begins anew after each failure. So it is one page, as
/// a rule, over however many batches its rows go.
const TILE_PAGE: usize = 1_000;

/// An audit begins so long after the last one, in ms.
const AUDIT_EVERY: i64 = 300_000;

impl Collector {
    /// Chooses what to do next, and begins it.
    pub(super) fn choose(&mut self, shared: &mut Shared<'_>) -> std::result::Result<Need, Halt> {
        let Some(now) = shared.clock.now(shared.reading) else {
            return Ok(self.ask_the_time(shared));
        };
        self.meet_changes(now, shared)?;
        self.warn_of_expiry(now, shared);
        if let Some(need) = self.size(now, shared) {
            return Ok(need);
        }
        if self.cycle.went_on && self.cycle.is_over(shared) {
            self.cycle.begin();
        }
        if !self.cycle.followed {
            if let Some(need) = self.follow(now, shared) {
                return Ok(need);
            }
            self.cycle.follow(shared.reading.monotonic);
        }
        let need = match self.cycle.fill_first {
            false => self.audit(now, shared).or_else(|| self.fill(now, shared)),
            true => self.fill(now, shared).or_else(|| self.audit(now, shared)),
        };
        if let Some(need) = need.or_else(|| self.survey(now, shared)) {
            self.cycle.went_on = true;
            return Ok(need);
        }
        self.cycle = Cycle::default();
        Ok(Need::Caught)
    }

    /// The first request tells the time: nothing is resolved or compared before.
    /// Counts may fail where pages do not, and are not needed to follow: the two
    /// take turns until one is answered.
    fn ask_the_time(&mut self, shared: &mut Shared<'_>) -> Need {
        self.probed = !self.probed;
        if self.probed {
            return self.probe(shared);
        }
        let query = self.unread(shared);
        let need = self.call("/events", query.events(1, None), shared);
        self.work = Work::Look(query);
        need
    }

    /// Counts what is not read yet.
    fn probe(&mut self, shared: &mut Shared<'_>) -> Need {
        let query = self.unread(shared);
        let need = self.count(&query, shared);
        self.work = Work::Probe(query);
        need
    }

    /// All from the position on.
    fn unread(&self, shared: &Shared<'_>) -> Query {
        let position = self.memory.as_ref().map(|memory| memory.ledger.position());
        let start = position.unwrap_or(shared.reading.wall.saturating_sub(FIRST_LOOK));
        Query::new(shared.settings, start, None)
    }

    /// How much a new feed has before it: one count from its start.
    fn size(&mut self, now: i64, shared: &mut Shared<'_>) -> Option<Need> {
        let ledger = &self.memory.as_ref()?.ledger;
        let far = now.saturating_sub(ledger.position()) > FIRST_LOOK;
        if std::mem::replace(&mut self.sized, true) || ledger.has_moved() || !far {
            return None;
        }
        Some(self.probe(shared))
    }

    /// Reads what is new. None: there can't be anything.
    fn follow(&mut self, now: i64, shared: &mut Shared<'_>) -> Option<Need> {
        let scope = self.scope(now, shared.settings);
        let ledger = &mut self.memory.as_mut()?.ledger;
        if ledger.position() >= now {
            return None;
        }
        ledger.begin(scope);
        if ledger.is_crowded() {
            shared.batch.find(
                Kind::Undated,
                "100,000 records and more have no time that can be read",
            );
        }
        let mut end = None;
        // None of them is to be read again and again: they wait for their day, or
        // if very many are known, for their time.
        let ahead = ledger.after(now);
        if ahead >= MAX_FUTURE {
            shared.batch.find(Kind::FarFuture, FUTURE_CROWD);
            let later = if ahead < 2 * MAX_FUTURE { DAY } else { 0 };
            end = Some(now.saturating_add(later));
        }
        let start = ledger.position();
        Some(self.walk(start, end, Reason::Follow, shared))
    }

    /// Compares what was read with JumpCloud's count, and reads again what
    /// differs. None: nothing more of that is due now.
    fn audit(&mut self, now: i64, shared: &mut Shared<'_>) -> Option<Need> {
        if self.audit.is_none() {
            self.begin_audit(now, shared);
        }
        let (audit, memory) = (self.audit.as_mut()?, self.memory.as_mut()?);
        let Some(task) = audit.next(memory.ledger.tiles()) else {
            memory.notes.audit = audit.outcome(memory.ledger.tiles(), now, &memory.notes.audit);
            (self.audit, self.cycle.audited) = (None, true);
            return None;
        };
        if !self.budget.take(shared.reading.monotonic) && !shared.limits.drain {
            return None;
        }
        match task {
            Task::Count(start, end) => {
                let query = Query::new(shared.settings, start, Some(end));
                let need = self.count(&query, shared);
                self.work = Work::Count(query);
                Some(need)
            }
            Task::Read(from) => {
                let repair = Repair::new(memory.ledger.tiles().get(from)?);
                Some(self.repair(repair, shared))
            }
        }
    }

    /// Begins an audit, if one is due.
    fn begin_audit(&mut self, now: i64, shared: &mut Shared<'_>) {
        let scope = self.scope(now, shared.settings);
        let Some(memory) = self.memory.as_mut().filter(|_| !self.cycle.audited) else {
            return;
        };
        let last = memory.notes.audit.at;
        let due = last.is_none_or(|last| last.saturating_add(AUDIT_EVERY) <= now);
        if !due && !shared.limits.drain {
            return;
        }
        if memory.ledger.tidy(scope) {
            let from = rfc3339(memory.ledger.tiles().start());
            let message = format!(
                "too many events within `late_horizon`: late ones are looked for from {from} on"
            );
            shared.batch.find(Kind::HorizonShortened, message);
        }
        self.audit = Some(Audit::new(
            memory.ledger.tiles(),
            memory.notes.audit.doubted,
            shared.limits.drain,
        ));
    }

    /// Loads the ids of a tile that is to be read again, and then reads it.
    pub(super) fn repair(&mut self, repair: Repair, shared: &mut Shared<'_>) -> Need {
        match repair.wants() {
            Some(number) => {
                self.work = Work::Load(repair);
                Need::Load(self.slot.key(number))
            }
            None => {
                let (from, to) = (repair.from(), repair.to());
                self.walk(from, Some(to), Reason::Repair(repair), shared)
            }
        }
    }

    /// Reads on in what lies before, from an earlier start or in a gap.
    fn fill(&mut self, now: i64, shared: &mut Shared<'_>) -> Option<Need> {
        let scope = self.scope(now, shared.settings);
        let fill = self.memory.as_ref()?.fill.as_ref();
        if fill?.is_done() {
            self.end_fill();
        }
        let memory = self.memory.as_mut()?;
        let fill = memory.fill.as_mut().filter(|fill| fill.gap.is_none())?;
        if self.cycle.filled {
            return None;
        }
        fill.ledger.begin(scope);
        let (start, end) = (fill.ledger.position(), fill.end);
        Some(self.walk(start, Some(end), Reason::Fill, shared))
    }

    /// Tells once a day that the credential expires soon: of several
    /// organisations the first one does.
    fn warn_of_expiry(&mut self, now: i64, shared: &mut Shared<'_>) {
        let Some(memory) = &mut self.memory else {
            return;
        };
        let mine = shared.settings.org_ids.first() == self.requested.as_ref();
        if !mine || !a_day_passed(memory.notes.warned, now) {
            return;
        }
        if let Some(message) = expiry::warning(shared.settings, now) {
            memory.notes.warned = Some(now);
            shared.batch.find_of_feed(Kind::KeyExpiry, message);
        }
    }

    /// Asks once a day which types of events there are. Whoever means to stop
    /// at once has `check` for that.
    fn survey(&mut self, now: i64, shared: &mut Shared<'_>) -> Option<Need> {
        let memory = self.memory.as_mut()?;
        if !a_day_passed(memory.notes.surveyed, now) || shared.limits.drain {
            return None;
        }
        memory.notes.surveyed = Some(now);
        let start = now.saturating_sub(DAY).max(self.retention.oldest(now));
        let query = Query::new(shared.settings, start, None);
        let need = self.call("/events/distinct", query.distinct(survey::FIELD), shared);
        self.work = Work::Survey(query);
        Some(need)
    }

    fn walk(
        &mut self,
        start: i64,
        end: Option<i64>,
        reason: Reason,
        shared: &mut Shared<'_>,
    ) -> Need {
        let query = Query::new(shared.settings, start, end);
        let memory = self.memory.as_ref();
        let known = memory.is_some_and(|memory| memory.notes.mixed);
        let rows = shared.limits.max_events;
        let (rows, mixed) = match reason {
            Reason::Follow => (rows, self.mixed),
            Reason::Fill => (rows, self.fill_mixed),
            Reason::Repair(_) => (rows.max(TILE_PAGE), known),
        };
        let limit = u32::try_from(rows).map_or(MAX_LIMIT, |rows| rows.min(MAX_LIMIT));
        let id = next_id(shared.last_request);
        let request = self.request(shared, "/events", query.events(limit, None));
        let walk = Walk::new(query, limit, mixed, id, shared.now());
        self.work = Work::Walk(Box::new(walk), reason);
        Need::Send(id, request)
    }

    fn count(&mut self, query: &Query, shared: &mut Shared<'_>) -> Need {
        self.call("/events/count", query.count(), shared)
    }

    /// Asks for a small answer.
    fn call(&mut self, path: &str, body: Vec<u8>, shared: &mut Shared<'_>) -> Need {
        let id = next_id(shared.last_request);
        let request = self.request(shared, path, body);
        self.call = Some(Call::new(id, None));
        Need::Send(id, request)
    }

    pub(super) fn scope(&self, now: i64, settings: &Settings) -> Scope {
        let kept = self.retention.oldest(now);
        let oldest = now.saturating_sub(settings.late_horizon).max(kept);
        Scope { now, oldest, kept }
    }
}

/// Whether it is a day since something was last done.
fn a_day_passed(last: Option<i64>, now: i64) -> bool {
    last.is_none_or(|last| now.saturating_sub(last) >= DAY)
}
