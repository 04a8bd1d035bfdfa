//! What one organisation's feed has read: from where, how far, which ids at or
//! after that position, and below it the [`tiles`](super::tiles). Pure data.
//!
//! A time is not a cursor: events share milliseconds, turn up late within the
//! last minutes, or are dated in the future. So the position is a time *and*
//! the ids of everything handed out at or after it. Below it all is settled;
//! from it on, all is read again by each walk, and known ids are dropped.
//!
//! A row enters a tile exactly once: when the position passes it. Until then it
//! is *pending*; a new walk reads everything from the position again, and so
//! begins without any.

mod identity;
mod undated;

use std::collections::{BTreeSet, VecDeque};

pub use self::identity::Identity;
pub use self::undated::{MAX_UNDATED, Undated};
use super::account::Account;
use super::tiles::{Scope, Tiles};

/// Position, ids and tiles of one organisation.
#[derive(Clone, Debug, PartialEq)]
pub struct Ledger {
    start: i64,
    position: i64,
    dated: BTreeSet<(i64, Identity)>,
    undated: Undated,
    /// Rows of this walk that the position has not passed.
    pending: VecDeque<Pending>,
    tiles: Tiles,
    /// How its start was moved, if nothing was read since. (Not stored.)
    skipped: Option<Skipped>,
}

/// A start that was moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Skipped {
    /// From here, in ms since 1970 UTC.
    pub from: i64,
    /// So far that was told, in ms since 1970 UTC.
    pub told: i64,
}

/// Rows of one time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pending {
    time: i64,
    rows: u64,
}

/// One id at or after the position, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known {
    /// Time of the event in ms; of a record without one, that of the next.
    pub time: i64,
    /// Whether the time is the event's own.
    pub dated: bool,
    /// Which event.
    pub id: Identity,
}

impl Ledger {
    /// Of a feed that begins at `start` (ms since 1970 UTC).
    pub fn new(start: i64) -> Self {
        Self {
            start,
            position: start,
            dated: BTreeSet::new(),
            undated: Undated::default(),
            pending: VecDeque::new(),
            tiles: Tiles::new(start),
            skipped: None,
        }
    }

    /// As it was stored.
    pub fn restore(
        start: i64,
        position: i64,
        known: impl IntoIterator<Item = Known>,
        tiles: Tiles,
    ) -> Self {
        let mut ledger = Self::new(start);
        (ledger.position, ledger.tiles) = (position, tiles);
        for Known { time, dated, id } in known {
            if dated {
                ledger.dated.insert((time, id));
            } else {
                ledger.undated.put(id, time);
            }
        }
        ledger
    }

    /// Complete from here, in ms since 1970 UTC.
    pub fn start(&self) -> i64 {
        self.start
    }

    /// Everything before is settled, in ms since 1970 UTC.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// Whether anything has been read yet.
    pub fn has_moved(&self) -> bool {
        self.position > self.start
    }

    /// What lies before the position.
    pub fn tiles(&self) -> &Tiles {
        &self.tiles
    }

    /// What lies before the position.
    pub fn tiles_mut(&mut self) -> &mut Tiles {
        &mut self.tiles
    }

    /// The same, beside the known records without a time.
    pub fn tiles_and_undated(&mut self) -> (&mut Tiles, &Undated) {
        (&mut self.tiles, &self.undated)
    }

    /// A walk begins, which reads everything from the position on.
    pub fn begin(&mut self, scope: Scope) {
        self.pending.clear();
        self.undated.begin(self.position);
        self.tiles.set_scope(scope);
    }

    /// Closes the last tile at the position, if it can be.
    pub fn seal(&mut self) {
        // What is placed at the position may lie before.
        if !self.undated.has_unplaced() && self.undated.at(self.position).next().is_none() {
            self.tiles.seal(self.position);
        }
    }

    /// Closes what can be closed, drops and joins what is old. True: the oldest
    /// tiles went before their time.
    pub fn tidy(&mut self, scope: Scope) -> bool {
        self.seal();
        self.tiles.set_scope(scope);
        self.tiles.age()
    }

    /// More records without a time may have come than are known.
    pub fn is_crowded(&self) -> bool {
        self.undated.is_crowded()
    }

    /// How its start was moved, until that is told.
    pub fn skipped_mut(&mut self) -> &mut Option<Skipped> {
        &mut self.skipped
    }

    /// Begins later: what lies before is gone, or was never asked for.
    pub fn skip(&mut self, to: i64) {
        let (from, told) = (self.position, self.position);
        self.skipped.get_or_insert(Skipped { from, told });
        self.start = self.start.max(to);
        self.pending.clear();
        self.advance(to);
        self.tiles.restart(to);
    }

    /// Begins anew at a later time; gives what it was, up to there. Nothing
    /// before is counted again.
    pub fn split(&mut self, to: i64) -> Self {
        let mut earlier = self.clone();
        earlier.dated.split_off(&(to, Identity::MIN));
        earlier.pending.clear();
        earlier.tiles = Tiles::new(earlier.position);
        let keys = self.tiles.clear();
        self.tiles.drop_keys(keys);
        self.skip(to);
        earlier
    }

    /// Forgets everything at or after `to`.
    pub fn rewind(&mut self, to: i64) {
        if to < self.position {
            self.tiles.rewind(to);
        }
        self.start = self.start.min(to);
        self.position = self.position.min(to);
        self.dated.retain(|(time, _)| *time < to);
        self.undated.rewind(to);
        self.pending.clear();
    }

    /// Takes what an earlier one has read, from its start up to `end`.
    pub fn prepend(&mut self, mut earlier: Self, end: i64) {
        self.start = self.start.min(earlier.start);
        // Known when the seam is read again: those that came last lie there.
        for (id, _) in earlier.undated.iter() {
            earlier.tiles.note_undated(id);
        }
        self.tiles.prepend(earlier.tiles, end);
    }

    /// How many ids lie after a time.
    pub fn after(&self, time: i64) -> usize {
        self.dated
            .iter()
            .rev()
            .take_while(|(at, _)| *at > time)
            .count()
    }

    /// Every id at or after the position, in order.
    pub fn known(&self) -> impl Iterator<Item = Known> {
        let dated = self.dated.iter().map(|(time, id)| Known {
            time: *time,
            dated: true,
            id: *id,
        });
        let undated = self.undated.iter().map(|(id, time)| Known {
            time,
            dated: false,
            id,
        });
        dated.chain(undated)
    }

    /// What was taken for a row of a tile is none: that tile is read again.
    fn read_anew_without_misplaced(&mut self) {
        for place in self.undated.take_misplaced() {
            self.tiles.make_stale_at(place);
        }
    }

    /// The ids before `to` go into the tile that is open now.
    fn settle_ids(&mut self, to: i64) {
        while let Some((time, id)) = self.dated.first().copied().filter(|(time, _)| *time < to) {
            self.dated.pop_first();
            self.tiles.note(time, id);
        }
        while let Some(passed) = self.undated.pass(to) {
            // What this walk met is one of the rows that it read.
            match passed.is_read {
                true => self.tiles.note_undated(passed.id),
                false => self.tiles.take_undated(passed.id, passed.place),
            }
        }
    }
}

impl Account for Ledger {
    fn knows(&self, time: Option<i64>, id: Identity) -> bool {
        match time {
            Some(time) => self.dated.contains(&(time, id)),
            None => self.undated.knows(id),
        }
    }

    fn note(&mut self, time: Option<i64>, id: Identity) {
        match time {
            Some(time) => drop(self.dated.insert((time, id))),
            None => self.undated.note(id),
        }
    }

    fn read(&mut self, time: i64, undated: &[Identity]) {
        // The position was held back between the last row and this one, and so
        // may have passed them.
        let is_behind = time > self.position && self.pending.is_empty();
        let rows = 1 + self.undated.read(undated, time, is_behind);
        self.read_anew_without_misplaced();
        match self.pending.back_mut() {
            Some(last) if last.time == time => last.rows += rows,
            _ => self.pending.push_back(Pending { time, rows }),
        }
    }

    /// Moves the position forward; the rows and ids before it go into tiles.
    fn advance(&mut self, to: i64) {
        if to <= self.position {
            return;
        }
        self.position = to;
        let unplaced = self.undated.has_unplaced();
        while let Some(row) = self.pending.front().copied().filter(|row| row.time < to) {
            self.pending.pop_front();
            // What is placed here lies somewhere after the row before.
            let placed = self.undated.first_place();
            let glued = unplaced || placed.is_some_and(|place| place <= row.time);
            // Known ones that this walk did not meet are near no edge either.
            self.settle_ids(row.time);
            self.tiles.take(row.time, row.rows, glued);
            self.settle_ids(row.time + 1);
        }
        self.settle_ids(to);
    }

    fn end(&mut self, undated: &[Identity], settled: Option<i64>) {
        if let Some(settled) = settled {
            self.advance(settled);
        }
        for passed in self.undated.end(undated, self.position) {
            self.tiles.take_undated(passed.id, passed.place);
        }
        self.read_anew_without_misplaced();
    }
}

#[cfg(test)]
#[path = "ledger/tests.rs"]
mod tests;
