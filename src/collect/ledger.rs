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

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sha2::{Digest, Sha256};

use super::account::Account;
use super::tiles::{Scope, Tiles};

/// Position, ids and tiles of one organisation.
#[derive(Clone, Debug, PartialEq)]
pub struct Ledger {
    start: i64,
    position: i64,
    dated: BTreeSet<(i64, Identity)>,
    /// Rejected records without a readable time, each with that of the next
    /// event in the API's order: it lies no later. From [`OUTSIDE`] on: none came
    /// yet.
    undated: BTreeMap<Identity, i64>,
    /// The same, in order of time.
    places: BTreeSet<(i64, Identity)>,
    /// Records without a time that this walk met, and of which it can't tell
    /// whether the position has passed them.
    unsure: BTreeSet<Identity>,
    /// Those that lie at the position or before, and this walk has not met.
    carried: BTreeSet<Identity>,
    /// Rows of this walk that the position has not passed.
    pending: VecDeque<Pending>,
    /// Where this walk began.
    begun: i64,
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

/// The place of an undated record after which nothing has come yet. Once the walk
/// that met it first has ended: [`OUTSIDE`] plus the position then.
const UNPLACED: i64 = i64::MAX;

/// The place of an undated record that comes first or last in every answer,
/// wherever that begins, later than any time: it is known, and in no tile.
const OUTSIDE: i64 = 1 << 62;

/// It is such a record if a walk meets it that begins so much later, in ms.
const OUT_AFTER: i64 = 3_600_000;

/// So many records without a time are known; those beyond are handed out again
/// by each walk that meets them.
pub const MAX_UNDATED: usize = 100_000;

/// Which event: the first 8 bytes of SHA-256 over organisation and id.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Identity(pub u64);

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

impl Identity {
    const MIN: Self = Self(u64::MIN);
    const MAX: Self = Self(u64::MAX);

    /// Of an event: an id counts within its organisation; without an id the
    /// bytes do.
    pub fn new(organization: Option<&str>, id: Option<&str>, bytes: &[u8]) -> Self {
        match id {
            Some(id) => {
                let mut sha256 = Sha256::new_with_prefix(organization.unwrap_or_default());
                sha256.update([0]);
                sha256.update(id);
                Self::of_hash(&sha256.finalize().into())
            }
            None => Self::of_hash(&Sha256::digest(bytes).into()),
        }
    }

    /// The same at a time, for what is known of it within a tile: at another
    /// time it is another event.
    pub fn at(self, time: Option<i64>) -> u64 {
        let time = time.unwrap_or(UNPLACED).cast_unsigned();
        self.0 ^ mix(time)
    }

    /// Of a record of which only the hash is known.
    pub fn of_hash(sha256: &[u8; 32]) -> Self {
        let mut first = [0; 8];
        first
            .iter_mut()
            .zip(sha256)
            .for_each(|(to, from)| *to = *from);
        Self(u64::from_be_bytes(first))
    }
}

impl Ledger {
    /// Of a feed that begins at `start` (ms since 1970 UTC).
    pub fn new(start: i64) -> Self {
        Self {
            start,
            position: start,
            dated: BTreeSet::new(),
            undated: BTreeMap::new(),
            places: BTreeSet::new(),
            unsure: BTreeSet::new(),
            carried: BTreeSet::new(),
            pending: VecDeque::new(),
            begun: start,
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
                ledger.place(id, time);
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
    pub fn tiles_and_undated(&mut self) -> (&mut Tiles, &BTreeMap<Identity, i64>) {
        (&mut self.tiles, &self.undated)
    }

    /// A walk begins, which reads everything from the position on.
    pub fn begin(&mut self, scope: Scope) {
        self.pending.clear();
        self.unsure.clear();
        self.carried = self.at_position().collect();
        self.begun = self.position;
        self.tiles.set_scope(scope);
    }

    /// Closes the last tile at the position, if it can be.
    pub fn seal(&mut self) {
        // What is placed at the position may lie before.
        if !self.has_unplaced() && self.at_position().next().is_none() {
            self.tiles.seal(self.position);
        }
    }

    /// Nobody knows whether some record lies before or after the position.
    fn has_unplaced(&self) -> bool {
        let range = (OUTSIDE + 1, Identity::MIN)..;
        self.places.range(range).next().is_some()
    }

    /// Whether a record without a time is known, as one that comes first or last
    /// in every answer.
    fn is_outside(&self, id: Identity) -> bool {
        self.undated.get(&id) == Some(&OUTSIDE)
    }

    /// Records without a time that lie at the position or before.
    fn at_position(&self) -> impl Iterator<Item = Identity> {
        let range = (self.position, Identity::MIN)..=(self.position, Identity::MAX);
        self.places.range(range).map(|(_, id)| *id)
    }

    /// More records without a time may have come than are known.
    pub fn is_crowded(&self) -> bool {
        self.undated.len() >= MAX_UNDATED
    }

    /// A record without a time lies here, if there is room for it.
    fn place(&mut self, id: Identity, time: i64) {
        match self.undated.get(&id) {
            Some(place) => drop(self.places.remove(&(*place, id))),
            None if self.is_crowded() => return,
            None => {}
        }
        self.undated.insert(id, time);
        self.places.insert((time, id));
    }

    /// Nobody knows where a record without a time lies, any more or as before.
    fn unplace(&mut self, id: Identity) {
        if self.undated.get(&id).is_none_or(|place| *place < OUTSIDE) {
            self.place(id, UNPLACED);
        }
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
        for (_, id) in self.places.split_off(&(to, Identity::MIN)) {
            self.undated.remove(&id);
        }
        self.pending.clear();
    }

    /// Takes what an earlier one has read, from its start up to `end`.
    pub fn prepend(&mut self, mut earlier: Self, end: i64) {
        self.start = self.start.min(earlier.start);
        // Known when the seam is read again: those that came last lie there.
        for id in earlier.undated.into_keys() {
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
            time: *time,
            dated: false,
            id: *id,
        });
        dated.chain(undated)
    }

    /// The ids before `to` go into the tile that is open now.
    fn settle_ids(&mut self, to: i64) {
        while let Some((time, id)) = self.dated.first().copied().filter(|(time, _)| *time < to) {
            self.dated.pop_first();
            self.tiles.note(time, id);
        }
        while let Some((time, id)) = self.places.first().copied().filter(|(time, _)| *time < to) {
            self.places.pop_first();
            self.undated.remove(&id);
            // What this walk met is one of the rows that it read.
            match self.carried.contains(&id) {
                true => self.tiles.take_undated(id, time),
                false => self.tiles.note_undated(id),
            }
        }
    }
}

impl Account for Ledger {
    fn knows(&self, time: Option<i64>, id: Identity) -> bool {
        match time {
            Some(time) => self.dated.contains(&(time, id)),
            None => self.undated.contains_key(&id),
        }
    }

    fn note(&mut self, time: Option<i64>, id: Identity) {
        match time {
            Some(time) => drop(self.dated.insert((time, id))),
            None => self.unplace(id),
        }
    }

    fn read(&mut self, time: i64, undated: &[Identity]) {
        // The position was held back between the last row and this one, and so
        // may have passed them.
        let unsure = time > self.position && self.pending.is_empty();
        let mut rows = 1;
        for id in undated {
            if self.is_outside(*id) {
                continue;
            }
            if unsure {
                self.unsure.insert(*id);
                self.unplace(*id);
                continue;
            }
            self.carried.remove(id);
            self.place(*id, time);
            rows += 1;
        }
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
        let unplaced = self.has_unplaced();
        while let Some(row) = self.pending.front().copied().filter(|row| row.time < to) {
            self.pending.pop_front();
            // What is placed here lies somewhere after the row before.
            let placed = self.places.first();
            let glued = unplaced || placed.is_some_and(|(time, _)| *time <= row.time);
            self.tiles.take(row.time, row.rows, glued);
            self.settle_ids(row.time + 1);
        }
        self.settle_ids(to);
    }

    fn end(&mut self, undated: &[Identity], settled: Option<i64>) {
        if let Some(settled) = settled {
            self.advance(settled);
        }
        // This walk read everything from the position on: an unplaced record
        // that it did not meet lies before.
        self.unsure.extend(undated);
        for (place, id) in self.places.split_off(&(OUTSIDE, Identity::MIN)) {
            let met_first = place - OUTSIDE;
            let place = match place {
                OUTSIDE => OUTSIDE,
                _ if !self.unsure.contains(&id) => {
                    self.undated.remove(&id);
                    self.tiles.take_undated(id, self.position);
                    continue;
                }
                UNPLACED => OUTSIDE + self.position.max(1),
                _ if self.begun - met_first > OUT_AFTER => OUTSIDE,
                same => same,
            };
            self.undated.insert(id, place);
            self.places.insert((place, id));
        }
    }
}

/// A well mixed number from another (splitmix64).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
#[path = "ledger/tests.rs"]
mod tests;
