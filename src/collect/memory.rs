//! All that one organisation's collection remembers from one run to the next.

use super::audit::Outcome;
use super::lateness::Lateness;
use super::ledger::Ledger;

/// What is remembered, beside whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// From where and how far all was read.
    pub ledger: Ledger,
    /// An earlier start was set later: what is to be read up to `ledger`.
    pub fill: Option<Fill>,
    /// Fingerprint of the selection that everything was read under; none:
    /// nobody noted it.
    pub selection: Option<u32>,
    /// The `start` that was configured when it was last looked at.
    pub start: Option<String>,
    /// How the last audit came out.
    pub outcome: Outcome,
    /// How late events are.
    pub lateness: Lateness,
    /// When the types of events were last asked for, in ms since 1970 UTC.
    pub surveyed: Option<i64>,
    /// When the expiry of the credential was last told, in ms since 1970 UTC.
    pub warned: Option<i64>,
}

/// The time before what was read, being read.
#[derive(Clone, Debug, PartialEq)]
pub struct Fill {
    /// From where and how far.
    pub ledger: Ledger,
    /// It ends here, in ms since 1970 UTC.
    pub end: i64,
}

impl Memory {
    /// Of a feed that begins at `start` (ms since 1970 UTC).
    pub fn new(start: i64) -> Self {
        Self {
            ledger: Ledger::new(start),
            fill: None,
            selection: None,
            start: None,
            outcome: Outcome::default(),
            lateness: Lateness::default(),
            surveyed: None,
            warned: None,
        }
    }

    /// Forgets everything at or after `to`.
    pub fn rewind(&mut self, to: i64) {
        if let Some(fill) = &mut self.fill {
            fill.end = fill.end.min(to);
            fill.ledger.rewind(to);
        }
        self.fill = self.fill.take().filter(Fill::has_any);
        self.ledger.rewind(to);
        self.outcome = Outcome::default();
    }

    /// Other events are chosen from now on: all is to be read once more.
    pub fn reselect(&mut self) {
        self.ledger.tiles_mut().make_stale();
        if let Some(fill) = &mut self.fill {
            fill.ledger.tiles_mut().make_stale();
        }
        self.outcome = Outcome::default();
    }

    /// What lies before is to be read too, from an earlier start on.
    pub fn begin_fill(&mut self, start: i64) {
        let end = self.ledger.start();
        let ledger = Ledger::new(start);
        self.fill = self
            .fill
            .take()
            .or(Some(Fill { ledger, end }))
            .filter(Fill::has_any);
    }

    /// What lay before is read, and becomes a part of the whole.
    pub fn end_fill(&mut self) {
        if let Some(fill) = self.fill.take().filter(Fill::has_any) {
            self.ledger.prepend(fill.ledger, fill.end);
        }
    }
}

impl Fill {
    /// Whether all of it is read.
    pub fn is_done(&self) -> bool {
        self.ledger.position() >= self.end
    }

    fn has_any(&self) -> bool {
        self.ledger.start() < self.end
    }
}
