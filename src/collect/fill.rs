//! The time before what was read: to be filled from an earlier start on, or a
//! gap that JumpCloud did not keep.
//!
//! ```text
//!       before.before       before               fill              ledger
//!   ──┬──────┬ ─ ─ ─ ─ ┬──────┬ ─ ─ ─ ─ ─ ┬──────┬ ─ ─ ─ ─ ─ ─ ┬──────────────► time
//!     │ read │   gap   │ read │    gap    │ read │ being read  │ read
//! ```

use super::ledger::Ledger;

/// So many are known, one before the other.
const MAX_FILLS: usize = 4;

/// A time before what was read: an earlier start was set later, or JumpCloud did
/// not keep it any more.
#[derive(Clone, Debug, PartialEq)]
pub struct Fill {
    /// From where and how far it is read.
    pub ledger: Ledger,
    /// It ends here, in ms since 1970 UTC.
    pub end: i64,
    /// It is a gap, under these settings of `start` and `retention_days`: none
    /// of it is kept. Without it, it is being read.
    pub gap: Option<String>,
    /// What lies before it.
    pub before: Option<Box<Self>>,
}

impl Fill {
    /// What follows on what this ledger has read. (Of very many gaps the first
    /// are forgotten.)
    pub fn gap(ledger: Ledger, end: i64, settings: &str, before: Option<Self>) -> Self {
        let mut gap = Self {
            ledger,
            end,
            gap: Some(settings.to_owned()),
            before: before.map(Box::new),
        };
        let mut last = &mut gap;
        for _ in 1..MAX_FILLS {
            match &mut last.before {
                Some(before) => last = before,
                None => return gap,
            }
        }
        last.before = None;
        gap
    }

    /// It begins later than what was read of it: what lies between is a gap
    /// under these settings.
    pub fn begin_later(&mut self, earlier: Ledger, settings: &str) {
        let before = self.before.take().map(|before| *before);
        let gap = Self::gap(earlier, self.ledger.start(), settings, before);
        self.before = Some(Box::new(gap));
    }

    /// A gap is to be read after all, if under other settings than before
    /// JumpCloud keeps something of it: what is of this time (ms since 1970 UTC)
    /// or later.
    pub fn reach(&mut self, kept: i64, settings: &str) {
        if self.end > kept {
            self.gap.take_if(|before| before != settings);
        }
    }

    /// Whether all of it is read.
    pub fn is_done(&self) -> bool {
        self.ledger.position() >= self.end
    }
}
