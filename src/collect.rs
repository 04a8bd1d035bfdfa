//! One organisation: what to read next, and why.
//!
//! ```text
//!               ┌──────────────────────── a cycle ─────────────────────────┐
//!   probe ──► follow ────► audit ⇄ repair ──────► fill ─────────► survey ──► idle …
//!   (what     (from the    (count the tiles; read (an earlier     (once a
//!    time      position     those again whose      start: the      day: which
//!    is it?)   to the end)  count has changed)     time before)    types?)
//! ```
//!
//! The rules of collecting, by name, and where each is kept:
//!
//! | rule | what it says | where |
//! |---|---|---|
//! | position | a time, and the ids of all that was handed out from it on; it stays two minutes behind | [`ledger`], [`course`] |
//! | walk | one ascending query, page by page; a failure ends it, the next is a new one | [`walk`], [`reading`] |
//! | defects | a page that is not what it says is an error, never an end | [`page`] |
//! | tiles | what is settled: time ranges with their rows and ids | [`tiles`] |
//! | reconcile | JumpCloud's count of the tiles is compared, what differs is read again | [`audit`], [`repair`] |
//! | now | JumpCloud's `Date` and the time since; nothing is compared before an answer | [`crate::clock`], [`choose`] |
//! | changes | of settings, retention or owner between runs; what lies before is filled without repeats | [`changes`], [`fill`], [`retention`] |
//! | drift | which event types the tenant has that nobody maps | [`crate::survey`] |
//!
//! [`choose`] alone decides what is next, whenever nothing is under way;
//! [`walk`] alone reads pages, whatever for, row by row ([`course`]); [`audit`]
//! alone compares counts. What lasts lies in [`memory`]. A failure ends what is
//! under way, and the next poll chooses anew from what was handed out.

pub mod account;
mod answer;
pub mod audit;
pub mod call;
mod changes;
mod choose;
pub mod course;
mod cycle;
pub mod fill;
pub mod lateness;
pub mod ledger;
pub mod memory;
pub mod page;
mod reading;
pub mod repair;
pub mod retention;
pub mod tiles;
pub mod walk;

use self::audit::Audit;
use self::call::Call;
use self::cycle::{Budget, Cycle};
use self::memory::Memory;
use self::repair::Repair;
use self::retention::Retention;
use self::walk::Walk;
use crate::api::{self, Query, Request};
use crate::batch::{Batch, Limits, Progress};
use crate::clock::{Clock, Reading};
use crate::error::{Error, Failure, Problem, Result};
use crate::settings::Settings;
use crate::state::{Owner, Restored, Slot, Write};

/// Identifies a request for as long as it is open.
pub type RequestId = u32;

/// One organisation's collection.
#[derive(Debug)]
pub struct Collector {
    /// Sent as `x-org-id`, if the settings name organisations.
    requested: Option<String>,
    owner: Owner,
    /// Which events are chosen.
    selection: u32,
    slot: Slot,
    /// None until a start was resolved against JumpCloud's clock.
    memory: Option<Memory>,
    /// There is a stored state.
    stored: bool,
    work: Work,
    /// The answer that is being taken whole: of a count, or the refusal of a
    /// page.
    call: Option<Call>,
    audit: Option<Audit>,
    cycle: Cycle,
    budget: Budget,
    retention: Retention,
    /// An answer broke off while nobody listened, and nothing new has come since.
    broken: bool,
    /// This address has served this feed before.
    established: bool,
    /// Events not read yet, by the last count.
    backlog: Option<u64>,
    /// The last request for the time was a count.
    probed: bool,
    /// There was a count from the start on, or none is needed.
    sized: bool,
    /// The next walk to what is new expects rows of other organisations,
    mixed: bool,
    /// or to what lies before.
    fill_mixed: bool,
}

/// What is under way.
#[derive(Debug)]
enum Work {
    None,
    /// A count, for its answer's `Date` and the backlog.
    Probe(Query),
    /// A page of one row, for its answer's `Date` alone.
    Look(Query),
    /// A count, of tiles.
    Count(Query),
    /// The types of events that there are.
    Survey(Query),
    /// The ids of a tile are being loaded.
    Load(Repair),
    /// Pages are being read.
    Walk(Box<Walk>, Reason),
}

/// Why pages are read.
#[derive(Debug)]
enum Reason {
    /// To get what is new.
    Follow,
    /// To get what lies before the start that was.
    Fill,
    /// To get what is late in one tile.
    Repair(Repair),
}

/// What every organisation shares, lent for one call.
pub struct Shared<'a> {
    /// Checked settings.
    pub settings: &'a Settings,
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
    /// The stored value of this key.
    Load(String),
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
            selection: changes::selection(settings.event_types),
            memory: None,
            stored: false,
            work: Work::None,
            call: None,
            audit: None,
            cycle: Cycle::default(),
            budget: Budget::default(),
            retention: Retention::new(settings.retention),
            broken: false,
            established: false,
            backlog: None,
            probed: false,
            sized: false,
            mixed: false,
            fill_mixed: false,
        }
    }

    /// The organisation that the settings name, if they name any.
    pub fn requested(&self) -> Option<&str> {
        self.requested.as_deref()
    }

    /// Something was read.
    pub fn has_begun(&self) -> bool {
        let memory = self.memory.as_ref();
        memory.is_some_and(|memory| memory.ledger.has_moved())
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
            memory,
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
        self.memory = Some(memory);
        (self.stored, self.established) = (true, true);
        Ok(sequence)
    }

    /// The writes that store what was handed out.
    pub fn write(&mut self, sequence: u64) -> Vec<Write> {
        let Some(memory) = &mut self.memory else {
            return Vec::new();
        };
        self.stored = true;
        self.slot.write(&self.owner, sequence, memory)
    }

    /// The same, if nothing is stored yet.
    pub fn write_first(&mut self, sequence: u64) -> Vec<Write> {
        match self.stored {
            true => Vec::new(),
            false => self.write(sequence),
        }
    }

    /// Forgets everything at or after `to`, and goes on from there; from its
    /// position, if that is earlier.
    pub fn rewind(&mut self, to: i64) {
        (self.audit, self.cycle) = (None, Cycle::default());
        (self.backlog, self.sized) = (None, false);
        match &mut self.memory {
            Some(memory) => memory.rewind(to),
            None => self.memory = Some(Memory::new(to)),
        }
    }

    /// How far it has come.
    pub fn progress(&self, now: Option<i64>) -> Option<Progress> {
        let memory = self.memory.as_ref()?;
        let position = memory.ledger.position();
        let behind = now.unwrap_or(position).saturating_sub(position);
        let outcome = &memory.notes.audit;
        // Nothing was counted yet; or what was said of the last count may be no
        // longer so.
        let reconciled = outcome.from.is_some() && !self.cycle.audits_fail;
        Some(Progress {
            start: memory.ledger.start(),
            read_to: position,
            reconciled_from: outcome.from,
            reconciled_to: outcome.reconciled_to,
            behind: u64::try_from(behind).unwrap_or(0),
            reconciled: reconciled.then_some((outcome.counted, outcome.read)),
            backlog: self.backlog,
            lateness: memory.notes.lateness.quantiles(),
        })
    }

    /// Adds to a failure of JumpCloud, or a refusal by it, until when nothing is
    /// lost by it, once something was collected.
    pub fn with_deadline(&self, error: Error) -> Error {
        let memory = self.memory.as_ref();
        let memory = memory.filter(|memory| memory.ledger.has_moved());
        let (Some(memory), false) = (memory, error.is_our_own()) else {
            return error;
        };
        error.and_hints([self.retention.deadline(memory.read_to(), memory.notes.kept)])
    }

    /// The requests that are open.
    pub fn open_requests(&self) -> Vec<RequestId> {
        let call = self.call.as_ref().map(Call::request);
        let walk = match &self.work {
            Work::Walk(walk, _) => Some(walk.open_requests()),
            _ => None,
        };
        call.into_iter().chain(walk.into_iter().flatten()).collect()
    }

    /// Gives up what is under way; its requests are to be dropped.
    pub fn abandon(&mut self) -> Vec<RequestId> {
        let open = self.open_requests();
        (self.work, self.call) = (Work::None, None);
        open
    }

    /// What is under way has failed; its requests are to be dropped.
    pub fn fail(&mut self) -> Vec<RequestId> {
        match self.work {
            Work::Count(_) => self.cycle.audit_failed(),
            Work::Walk(_, Reason::Repair(_)) => {
                self.cycle.audit_failed();
                self.audit.iter_mut().for_each(Audit::put_off);
            }
            Work::Walk(_, Reason::Fill) => self.cycle.fill_first = false,
            _ => {}
        }
        self.abandon()
    }

    /// Polling pauses here.
    pub fn pause(&mut self) {
        if let Work::Walk(walk, _) = &mut self.work {
            walk.pause();
        }
    }

    /// Does what can be done with what has come, and says what is needed next.
    pub fn next(&mut self, shared: &mut Shared<'_>) -> std::result::Result<Need, Halt> {
        if let Some(call) = &self.call {
            return Ok(Need::Read(call.request()));
        }
        match &self.work {
            // What is new doesn't wait for what is old, once that has come on.
            Work::Walk(walk, Reason::Fill)
                if self.cycle.is_over(shared) && self.has_filled(walk.query().start) =>
            {
                (self.cycle.fill_first, self.fill_mixed) = (false, false);
                Err(Halt::Restart)
            }
            Work::Walk(..) => self.read_on(shared),
            Work::Load(_) => match std::mem::replace(&mut self.work, Work::None) {
                Work::Load(repair) => Ok(self.repair(repair, shared)),
                _ => Err(out_of_step()),
            },
            Work::None | Work::Probe(_) | Work::Look(_) | Work::Count(_) | Work::Survey(_) => {
                self.choose(shared)
            }
        }
    }

    /// Takes the value of the key that was to be loaded.
    pub fn load(&mut self, value: Option<&[u8]>) -> Result<()> {
        match &mut self.work {
            Work::Load(repair) => repair.load(value).ok_or_else(|| self.slot.corrupt()),
            _ => Ok(()),
        }
    }

    fn request(&self, shared: &Shared<'_>, path: &str, body: Vec<u8>) -> Request {
        api::request(shared.settings, self.requested.as_deref(), path, body)
    }
}

impl Shared<'_> {
    /// JumpCloud's time, or before its first answer this machine's: ms since
    /// 1970 UTC.
    fn now(&self) -> i64 {
        self.clock.now(self.reading).unwrap_or(self.reading.wall)
    }
}

/// What is under way is not what is to be gone on with.
fn out_of_step() -> Halt {
    let failure = Failure::new("collecting lost its place between two steps");
    Error::Internal(failure).into()
}

fn next_id(last: &mut RequestId) -> RequestId {
    // From 1 on: 0 is taken.
    *last = last.checked_add(1).unwrap_or(1);
    *last
}
