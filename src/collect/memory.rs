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

    /// Everything before is read, in ms since 1970 UTC.
    pub fn read_to(&self) -> i64 {
        let fill = self.fill.as_ref().map(|fill| fill.ledger.position());
        fill.unwrap_or(i64::MAX).min(self.ledger.position())
    }

    /// Forgets everything at or after `to`.
    pub fn rewind(&mut self, to: i64) {
        if let Some(fill) = &mut self.fill {
            fill.end = fill.end.min(to);
            fill.ledger.rewind(to);
        }
        self.fill = self.take_fill();
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
        self.fill.get_or_insert(Fill { ledger, end });
        self.fill = self.take_fill();
    }

    /// What lay before is read, and becomes a part of the whole.
    pub fn end_fill(&mut self) {
        if let Some(fill) = self.take_fill() {
            self.ledger.prepend(fill.ledger, fill.end);
        }
    }

    /// The fill, if there is anything of it; of an empty one only its keys are
    /// left, to be dropped.
    fn take_fill(&mut self) -> Option<Fill> {
        let mut fill = self.fill.take()?;
        if fill.has_any() {
            return Some(fill);
        }
        let dropped = fill.ledger.tiles_mut().clear();
        self.ledger.tiles_mut().drop_keys(dropped);
        None
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

#[cfg(test)]
mod tests {
    use super::super::tiles::{Ids, Keys, Tile, Tiles};
    use super::*;

    /// A feed from 1,000 on with a fill of the time before, as far as 500.
    fn filling() -> Memory {
        let tile = |from, to, key| Tile {
            from,
            to,
            ids: Ids::restore(vec![Keys::one(key)], 1, Vec::new()),
            ..Tile::default()
        };
        let tiles = Tiles::restore(vec![tile(0, 400, 7)], tile(400, 400, 8), 400);
        let mut memory = Memory::new(1_000);
        memory.fill = Some(Fill {
            ledger: Ledger::restore(0, 500, [], tiles),
            end: 1_000,
        });
        memory
    }

    #[test]
    fn what_is_filled_is_not_read_yet() {
        let mut memory = filling();
        assert_eq!(memory.read_to(), 500);
        memory.fill = None;
        assert_eq!(memory.read_to(), 1_000);
    }

    #[test]
    fn the_keys_of_a_fill_go_with_it() {
        let mut memory = filling();
        memory.rewind(-100);
        assert!(memory.fill.is_none());
        let mut keys = memory.ledger.tiles_mut().take_dropped();
        keys.sort_by_key(|keys| keys.first);
        assert_eq!(keys, [Keys::one(7), Keys::one(8)]);
    }
}
