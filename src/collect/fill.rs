//! The time before what was read: to be filled from an earlier start on, or a
//! gap that JumpCloud did not keep.
//!
//! ```text
//!       before.before       before               fill              ledger
//!   ──┬──────┬ ─ ─ ─ ─ ┬──────┬ ─ ─ ─ ─ ─ ┬──────┬ ─ ─ ─ ─ ─ ─ ┬──────────────► time
//!     │ read │   gap   │ read │    gap    │ read │ being read  │ read
//! ```

use super::ledger::Ledger;

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
    /// What follows on what this ledger has read.
    pub fn gap(ledger: Ledger, end: i64, settings: &str, before: Option<Box<Self>>) -> Self {
        Self {
            ledger,
            end,
            gap: Some(settings.to_owned()),
            before,
        }
    }

    /// It begins later than what was read by `earlier`, if by any: what lies
    /// between is a gap under these settings.
    pub fn begin_later(&mut self, earlier: Option<Ledger>, settings: &str) {
        let end = self.ledger.start();
        match (earlier, &mut self.before) {
            (Some(ledger), before) => {
                *before = Some(Box::new(Self::gap(ledger, end, settings, before.take())));
            }
            (None, Some(before)) => before.end = end,
            (None, None) => {}
        }
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

#[cfg(test)]
mod tests {
    use super::super::account::Account as _;
    use super::*;

    #[test]
    fn a_gap_ends_where_what_follows_begins() {
        let mut fill = Fill {
            ledger: Ledger::new(0),
            end: 1_000,
            gap: None,
            before: None,
        };
        fill.ledger.advance(150);
        let earlier = fill.ledger.split(200);
        fill.begin_later(Some(earlier), "");
        fill.ledger.skip(300);
        fill.begin_later(None, "");
        let gap = fill.before.unwrap();
        assert_eq!((gap.ledger.position(), gap.end), (150, 300));
    }
}
