//! All that one organisation's collection remembers from one run to the next.

use serde::{Deserialize, Serialize};

use super::audit::Outcome;
use super::fill::Fill;
use super::lateness::Lateness;
use super::ledger::Ledger;

/// So many fills are known, one before the other.
const MAX_FILLS: usize = 4;

/// What is remembered, beside whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// From where and how far all was read.
    pub ledger: Ledger,
    /// What lies before `ledger` and is not read yet.
    pub fill: Option<Fill>,
    /// What else.
    pub notes: Notes,
}

/// What is remembered beside what was read, under the names by which it is
/// stored.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Notes {
    /// Nothing before this time is read any more, in ms since 1970 UTC: a gap
    /// before it was forgotten, and with it what was read before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<i64>,
    /// Fingerprint of the selection that everything was read under; none:
    /// nobody noted it.
    pub selection: Option<u32>,
    /// The `start` and `retention_days` that were configured when there was
    /// nothing to fill.
    pub start_setting: Option<String>,
    /// For how long JumpCloud keeps events, by its own words, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<i64>,
    /// Rows of other organisations came among ours: a tile may have no others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mixed: bool,
    /// How the last audit came out.
    pub audit: Outcome,
    /// How late events are.
    pub lateness: Lateness,
    /// When the types of events were last asked for, in ms since 1970 UTC.
    pub surveyed: Option<i64>,
    /// When the expiry of the credential was last told, in ms since 1970 UTC.
    #[serde(default)]
    pub warned: Option<i64>,
}

impl Memory {
    /// Of a feed that begins at `start` (ms since 1970 UTC).
    pub fn new(start: i64) -> Self {
        Self {
            ledger: Ledger::new(start),
            fill: None,
            notes: Notes::default(),
        }
    }

    /// Everything before is read, in ms since 1970 UTC.
    pub fn read_to(&self) -> i64 {
        let fill = self.fill.as_ref().filter(|fill| fill.gap.is_none());
        let filled = fill.map_or(i64::MAX, |fill| fill.ledger.position());
        filled.min(self.ledger.position())
    }

    /// Forgets everything at or after `to`.
    pub fn rewind(&mut self, to: i64) {
        let mut fill = self.fill.as_mut();
        while let Some(one) = fill {
            one.end = one.end.min(to);
            one.ledger.rewind(to);
            fill = one.before.as_deref_mut();
        }
        self.drop_empty_fills();
        self.ledger.rewind(to);
        self.notes.floor.take_if(|floor| to < *floor);
        self.notes.audit = Outcome::default();
    }

    /// Other events are chosen from now on: all is to be read once more.
    pub fn reselect(&mut self) {
        self.ledger.tiles_mut().make_stale();
        let mut fill = self.fill.as_mut();
        while let Some(one) = fill {
            one.ledger.tiles_mut().make_stale();
            fill = one.before.as_deref_mut();
        }
        self.notes.audit = Outcome::default();
    }

    /// What lies before is to be read too, from an earlier start on.
    pub fn begin_fill(&mut self, start: i64) {
        let start = self.notes.floor.map_or(start, |floor| floor.max(start));
        self.fill.get_or_insert(Fill {
            ledger: Ledger::new(start),
            end: self.ledger.start(),
            gap: None,
            before: None,
        });
        self.drop_empty_fills();
    }

    /// What lay before is read, and becomes a part of the whole.
    pub fn end_fill(&mut self) {
        self.drop_empty_fills();
        if let Some(fill) = self.fill.take() {
            self.ledger.prepend(fill.ledger, fill.end);
            self.fill = fill.before.map(|before| *before);
        }
    }

    /// `ledger` begins later than what was read by `earlier`, if by any: what
    /// lies between is a gap under these settings.
    pub fn begin_later(&mut self, earlier: Option<Ledger>, settings: &str) {
        self.drop_empty_fills();
        let end = self.ledger.start();
        match earlier {
            Some(ledger) => {
                let before = self.fill.take().map(Box::new);
                self.fill = Some(Fill::gap(ledger, end, settings, before));
            }
            None => self.fill.iter_mut().for_each(|fill| fill.end = end),
        }
        self.forget_first_gaps();
    }

    /// Of very many gaps the first are forgotten.
    fn forget_first_gaps(&mut self) {
        let Some(mut last) = self.fill.as_mut() else {
            return;
        };
        for _ in 1..MAX_FILLS {
            match &mut last.before {
                Some(before) => last = before,
                None => return,
            }
        }
        let Some(mut gone) = last.before.take() else {
            return;
        };
        self.notes.floor = Some(last.ledger.start());
        loop {
            let dropped = gone.ledger.tiles_mut().clear();
            self.ledger.tiles_mut().drop_keys(dropped);
            match gone.before.take() {
                Some(before) => gone = before,
                None => return,
            }
        }
    }

    /// Of an empty fill only its keys are left, to be dropped.
    fn drop_empty_fills(&mut self) {
        while let Some(mut fill) = self.fill.take_if(|fill| fill.ledger.start() >= fill.end) {
            let dropped = fill.ledger.tiles_mut().clear();
            self.ledger.tiles_mut().drop_keys(dropped);
            self.fill = fill.before.map(|before| *before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::account::Account;
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
            gap: None,
            before: None,
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
    fn of_very_many_gaps_the_first_are_forgotten() {
        let mut memory = Memory::new(0);
        for n in 0..10 {
            memory.ledger.advance(n * 100 + 50);
            let earlier = memory.ledger.split(n * 100 + 100);
            memory.begin_later(Some(earlier), "");
        }
        let fills = std::iter::successors(memory.fill.as_ref(), |fill| fill.before.as_deref());
        let gaps: Vec<_> = fills
            .map(|fill| (fill.ledger.position(), fill.end))
            .collect();
        assert_eq!(gaps, [(950, 1_000), (850, 900), (750, 800), (650, 700)]);
        memory.rewind(870);
        assert_eq!(memory.fill.as_ref().map(|fill| fill.end), Some(870));
        memory.fill = None;
        memory.begin_fill(100);
        // What was read before the first gap that is known is known no more.
        assert_eq!(
            memory.fill.as_ref().map(|fill| fill.ledger.start()),
            Some(600)
        );
        memory.rewind(0);
        assert_eq!((memory.fill, memory.notes.floor), (None, None));
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
