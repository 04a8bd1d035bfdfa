//! Tiles stay few: what is too old goes, what has aged is joined.

use super::{OLD_ROWS, ROWS, Scope, Tile, Tiles, YOUNG};

/// The most tiles, and the most ids in them.
pub(super) const MAX_TILES: usize = 4_096;
const MAX_IDS: u64 = 2_000_000;

/// Tiles that must be read again are joined up to so many rows.
const STALE_ROWS: u64 = 1_000;

impl Tiles {
    /// Another selection of events from now on: everything is to be read once
    /// more, in larger parts.
    pub fn make_stale(&mut self) {
        self.open.stale = true;
        self.closed.iter_mut().for_each(|tile| tile.stale = true);
        self.join_where(|tile, next| tile.takes(next, STALE_ROWS));
    }

    /// What is at this time (ms since 1970 UTC) is to be read once more.
    pub fn make_stale_at(&mut self, time: i64) {
        let before = self.closed.partition_point(|tile| tile.from <= time);
        let tile = before.checked_sub(1).and_then(|at| self.closed.get_mut(at));
        match tile.filter(|tile| time < tile.to) {
            Some(tile) => tile.stale = true,
            None => self.open.stale |= self.open.from <= time,
        }
    }

    /// Drops what is too old and joins what has aged. True: there were too many
    /// ids, and the oldest tiles went before their time.
    pub fn age(&mut self) -> bool {
        let Scope { now, oldest, kept } = self.scope;
        while self
            .closed
            .front()
            .is_some_and(|tile| tile.to <= oldest || tile.from < kept)
        {
            self.drop_oldest();
        }
        let mut ids: u64 = self.closed.iter().map(|tile| tile.ids.len()).sum();
        let crowded = std::mem::take(&mut self.crowded) | (ids > MAX_IDS);
        while ids > MAX_IDS {
            ids -= self.drop_oldest();
        }
        let young = now.saturating_sub(YOUNG);
        self.join_where(|tile, next| next.to <= young && tile.takes(next, OLD_ROWS));
        let mut rows = ROWS;
        while self.closed.len() > MAX_TILES && rows < MAX_IDS {
            rows *= 2;
            let mut excess = self.closed.len() - MAX_TILES;
            self.join_where(|tile, next| {
                let join = excess > 0 && tile.takes(next, rows);
                excess -= usize::from(join);
                join
            });
        }
        crowded
    }

    fn join_where(&mut self, mut join: impl FnMut(&Tile, &Tile) -> bool) {
        let tiles = std::mem::take(&mut self.closed);
        for tile in tiles {
            match self.closed.back_mut() {
                Some(before) if join(before, &tile) => before.join(tile),
                _ => self.closed.push_back(tile),
            }
        }
    }

    /// Drops the oldest tile; how many ids it had.
    pub(super) fn drop_oldest(&mut self) -> u64 {
        let Some(tile) = self.closed.pop_front() else {
            return 0;
        };
        let ids = tile.ids.len();
        self.dropped.extend(tile.ids.into_keys());
        ids
    }
}
