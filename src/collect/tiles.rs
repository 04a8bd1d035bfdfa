//! What is settled, remembered as tiles: time ranges with the number of rows
//! that were read there and the ids that were handed out. Pure data.
//!
//! ```text
//!   oldest looked for                                            position
//!        │ 400 rows a tile │   40 rows a tile, younger than a day   │
//!   ─────┼────────┬────────┼────┬────┬────┬────┬────┬────┬──────────┼──► time
//!        │ closed │ closed │                             │   open   │
//! ```
//!
//! Events turn up late, so what was read once may be incomplete: whoever
//! compares the rows of tiles with JumpCloud's own count finds where
//! ([`super::audit`]), and reads that tile again ([`super::repair`]). A tile is
//! the least that is read again, so a young one is small; memory grows with
//! tiles, never with rows: the ids of closed tiles lie in the store.
//!
//! Whether `end_time` is inclusive isn't documented. So an edge lies where no
//! known event is within 1 ms, and either reading gives the same rows.

mod aging;
pub mod ids;
mod tile;

use std::collections::VecDeque;

pub use self::ids::{Ids, Keys, merge, split};
pub use self::tile::Tile;
use super::ledger::Identity;

/// Rows after which a tile is closed at the next edge, while it is younger
/// than [`YOUNG`]; and the rows up to which older ones are joined.
const ROWS: u64 = 40;
const OLD_ROWS: u64 = 400;

/// Events younger than this are the likeliest to have late neighbours, in ms.
const YOUNG: i64 = 86_400_000;

/// The least distance between two events that have an edge between them, in ms:
/// event, nothing, edge, nothing, event.
const MIN_GAP: i64 = 4;

/// Everything settled, as far back as late events are looked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Tiles {
    closed: VecDeque<Tile>,
    /// The newest; it has no end yet.
    open: Tile,
    /// Time of the last row, after which an edge may lie.
    last: i64,
    /// Keys that no tile needs any more.
    dropped: Vec<Keys>,
    scope: Scope,
    /// The oldest tiles went before their time, and that is not told yet. (Not
    /// stored.)
    crowded: bool,
}

/// The times that matter, in ms since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scope {
    /// Now.
    pub now: i64,
    /// Late events are looked for from here on.
    pub oldest: i64,
    /// JumpCloud answers from here on.
    pub kept: i64,
}

impl Default for Scope {
    fn default() -> Self {
        Self {
            now: i64::MAX,
            oldest: i64::MIN,
            kept: i64::MIN,
        }
    }
}

impl Tiles {
    /// None, of a feed that begins at `start` (ms since 1970 UTC).
    pub fn new(start: i64) -> Self {
        Self {
            closed: VecDeque::new(),
            open: Tile::empty(start),
            last: i64::MIN,
            dropped: Vec::new(),
            scope: Scope::default(),
            crowded: false,
        }
    }

    /// As they were stored.
    pub fn restore(closed: Vec<Tile>, open: Tile, last: i64) -> Self {
        Self {
            closed: closed.into(),
            open,
            last,
            ..Self::new(0)
        }
    }

    /// The closed tiles, the oldest first.
    pub fn closed(&self) -> &VecDeque<Tile> {
        &self.closed
    }

    /// The newest tile, and the time of its last row.
    pub fn open(&self) -> (&Tile, i64) {
        (&self.open, self.last)
    }

    /// Late events are looked for from here on.
    pub fn start(&self) -> i64 {
        self.closed.front().unwrap_or(&self.open).from
    }

    /// The times that matter from now on.
    pub fn set_scope(&mut self, scope: Scope) {
        self.scope = scope;
    }

    /// Rows of one time are settled, in order. `glued`: a record without a time
    /// may lie right before them, so no edge does.
    pub fn take(&mut self, time: i64, rows: u64, glued: bool) {
        if time < self.scope.oldest {
            return self.restart(time.saturating_add(1));
        }
        self.trim(time.saturating_sub(1));
        let young = time > self.scope.now.saturating_sub(YOUNG);
        let target = if young { ROWS } else { OLD_ROWS };
        let edge = !glued && time.saturating_sub(self.last) >= MIN_GAP;
        if edge && self.open.rows >= target {
            self.close(self.last + 2);
        }
        self.open.rows += rows;
        self.last = time;
    }

    /// An event of this time was handed out, and is settled now.
    pub fn note(&mut self, time: i64, id: Identity) {
        if time >= self.scope.oldest {
            self.open.ids.insert(id.at(Some(time)));
            self.last = self.last.max(time);
        }
    }

    /// A record without a time was handed out. It is one of the rows that were
    /// taken.
    pub fn note_undated(&mut self, id: Identity) {
        self.open.ids.insert(id.at(None));
    }

    /// One that is a row of its own, and lies before what JumpCloud answers from
    /// `place` on: in the open tile, unless that begins no earlier.
    pub fn take_undated(&mut self, id: Identity, place: i64) {
        self.trim(place);
        if place <= self.open.from {
            return;
        }
        self.note_undated(id);
        self.open.rows += 1;
        self.last = self.last.max(place);
    }

    /// Closes the open tile just before the position, if an edge can lie there.
    pub fn seal(&mut self, position: i64) {
        let edge = position.saturating_sub(2);
        let late = self.last.saturating_add(2) > edge;
        if late || self.open.from >= edge {
            return;
        }
        self.trim(edge);
        self.close(edge);
        self.join_last();
    }

    /// Tells how many rows were read where one tile is, and which ids were
    /// handed out there in all.
    pub fn reread(&mut self, from: i64, rows: u64, ids: Vec<u64>) {
        let Some(tile) = self.get_mut(from) else {
            return;
        };
        if tile.stale {
            (tile.surplus, tile.unhealed) = (0, 0);
        }
        (tile.rows, tile.stale) = (rows, false);
        let old = tile.ids.replace(ids);
        self.dropped.extend(old);
    }

    /// The closed tile that begins here.
    pub fn get(&self, from: i64) -> Option<&Tile> {
        let at = self.closed.binary_search_by_key(&from, |tile| tile.from);
        self.closed.get(at.ok()?)
    }

    /// The closed tile that begins here.
    pub fn get_mut(&mut self, from: i64) -> Option<&mut Tile> {
        let at = self.closed.binary_search_by_key(&from, |tile| tile.from);
        self.closed.get_mut(at.ok()?)
    }

    /// The closed tiles of a time range that begins and ends with tiles.
    pub fn range(&self, from: i64, to: i64) -> impl DoubleEndedIterator<Item = &Tile> + Clone {
        let first = self.closed.partition_point(|tile| tile.from < from);
        let end = self.closed.partition_point(|tile| tile.from < to);
        self.closed.range(first..end.max(first))
    }

    /// Every run of closed tiles without a gap, as time ranges.
    pub fn runs(&self) -> Vec<(i64, i64)> {
        let mut runs: Vec<(i64, i64)> = Vec::new();
        for tile in &self.closed {
            match runs.last_mut() {
                Some(run) if run.1 == tile.from => run.1 = tile.to,
                _ => runs.push((tile.from, tile.to)),
            }
        }
        runs
    }

    /// An event was found on the edge at which this tile ends: the edge goes,
    /// and both are to be read again.
    pub fn unedge(&mut self, from: i64) {
        let Ok(at) = self.closed.binary_search_by_key(&from, |tile| tile.from) else {
            return;
        };
        let end = self.closed.get(at).map(|tile| tile.to);
        let after = self.closed.get(at + 1).unwrap_or(&self.open).from;
        let next = match self.closed.get(at + 1) {
            Some(next) if Some(next.from) == end => self.closed.remove(at + 1),
            // The next one is still open: so is this one again.
            None if Some(self.open.from) == end => {
                let open = std::mem::take(&mut self.open);
                self.last = self.last.max(open.from);
                if let Some(mut tile) = self.closed.remove(at) {
                    tile.join(open);
                    tile.stale = true;
                    self.open = tile;
                }
                None
            }
            // What follows was never asked for: the edge goes past the event.
            _ => None,
        };
        if let Some(tile) = self.closed.get_mut(at) {
            tile.to = after.clamp(tile.to, tile.to.saturating_add(2));
            tile.stale = true;
            next.into_iter().for_each(|next| tile.join(next));
        }
    }

    /// Forgets everything at or after `to`. What the tile of that moment had
    /// before it is to be read again.
    pub fn rewind(&mut self, to: i64) {
        while self.open.from >= to {
            match self.closed.pop_back() {
                Some(tile) if tile.to >= to => {
                    let open = std::mem::replace(&mut self.open, tile);
                    self.dropped.extend(open.ids.into_keys());
                }
                before => {
                    self.closed.extend(before);
                    return self.restart(to);
                }
            }
        }
        self.open.stale = true;
        self.last = to;
    }

    /// Begins anew here: nothing before is looked at again.
    pub fn restart(&mut self, from: i64) {
        let open = std::mem::replace(&mut self.open, Tile::empty(from));
        self.dropped.extend(open.ids.into_keys());
        self.last = i64::MIN;
    }

    /// Puts those of an earlier time, up to `end`, before these. The seam is no
    /// edge: what lies there is to be read again.
    pub fn prepend(&mut self, mut earlier: Self, end: i64) {
        if self.closed.is_empty() {
            // Perhaps no row came yet after which an edge may lie.
            self.last = self.last.max(end);
        }
        earlier.trim(end);
        let seam = self.closed.front_mut().unwrap_or(&mut self.open);
        if seam.from == end {
            let mut tile = std::mem::take(&mut earlier.open);
            tile.to = end;
            tile.join(std::mem::take(seam));
            tile.stale = true;
            *seam = tile;
        } else {
            earlier.restart(end);
        }
        earlier.closed.append(&mut self.closed);
        self.closed = earlier.closed;
        self.dropped.append(&mut earlier.dropped);
    }

    /// Every part of the ids that is to be stored under a key of its own now,
    /// in order of time, for its key to be told.
    pub fn unstored(&mut self) -> impl Iterator<Item = &mut Ids> {
        let closed = self.closed.iter_mut().map(|tile| &mut tile.ids);
        let open = Some(&mut self.open.ids).filter(|ids| ids.is_large());
        closed.chain(open)
    }

    /// Drops all of them; the keys that they had.
    pub fn clear(&mut self) -> Vec<Keys> {
        while !self.closed.is_empty() {
            self.drop_oldest();
        }
        self.restart(self.open.from);
        self.take_dropped()
    }

    /// Nothing needs these keys any more.
    pub fn drop_keys(&mut self, keys: Vec<Keys>) {
        self.dropped.extend(keys);
    }

    /// Keys that nothing needs any more, once.
    pub fn take_dropped(&mut self) -> Vec<Keys> {
        std::mem::take(&mut self.dropped)
    }

    /// Nothing was found yet, up to `end`: the open tile need not begin before
    /// the horizon. It would be dropped whole as soon as its beginning is no
    /// longer kept.
    fn trim(&mut self, end: i64) {
        if self.open.rows == 0 {
            self.open.from = self.scope.oldest.min(end).max(self.open.from);
        }
    }

    fn close(&mut self, edge: i64) {
        let mut tile = std::mem::replace(&mut self.open, Tile::empty(edge));
        tile.to = edge;
        self.closed.push_back(tile);
        // A walk may be long.
        if self.closed.len() > 2 * aging::MAX_TILES {
            self.crowded = self.age();
        }
    }

    /// Joins the last closed tile to the one before, if both are small.
    fn join_last(&mut self) {
        if let Some(tile) = self.closed.pop_back() {
            match self.closed.back_mut() {
                Some(before) if before.takes(&tile, ROWS) => before.join(tile),
                _ => self.closed.push_back(tile),
            }
        }
    }
}

#[cfg(test)]
#[path = "tiles/tests.rs"]
mod tests;
