//! One tile, read again: its count has changed, or its rows are those of
//! another query. What is new there is handed out; its rows become what was
//! read.

use std::collections::BTreeSet;

use super::account::Account;
use super::lateness::Lateness;
use super::ledger::{Identity, Undated};
use super::tiles::{Tile, Tiles, ids};

/// The tile, and what is known of it.
#[derive(Debug)]
pub struct Repair {
    from: i64,
    to: i64,
    /// Numbers of the keys with its ids that are still to be loaded.
    wanted: Vec<u64>,
    known: BTreeSet<u64>,
    /// Rows read.
    rows: u64,
}

/// The account of a walk that repairs. New ids are noted in the tile at once,
/// so that they are stored together with the batch that hands them out.
pub struct Reader<'a> {
    /// What is read again.
    pub repair: &'a mut Repair,
    /// Where its tile is.
    pub tiles: &'a mut Tiles,
    /// Records without a time that are known, wherever they lie.
    pub undated: &'a Undated,
    /// How late events are.
    pub lateness: &'a mut Lateness,
    /// Now, in ms since 1970 UTC.
    pub now: i64,
}

impl Repair {
    /// Of a tile.
    pub fn new(tile: &Tile) -> Self {
        let (stored, _, held) = tile.ids.parts();
        Self {
            from: tile.from,
            to: tile.to,
            wanted: stored
                .iter()
                .rev()
                .flat_map(|keys| keys.numbers().rev())
                .collect(),
            known: held.iter().copied().collect(),
            rows: 0,
        }
    }

    /// Where it begins, in ms since 1970 UTC.
    pub fn from(&self) -> i64 {
        self.from
    }

    /// Where it ends.
    pub fn to(&self) -> i64 {
        self.to
    }

    /// The key that is to be loaded next; none: its ids are known.
    pub fn wants(&self) -> Option<u64> {
        self.wanted.last().copied()
    }

    /// Takes the value of that key; none: it is missing or cut.
    pub fn load(&mut self, value: Option<&[u8]>) -> Option<()> {
        self.known.extend(ids::decode(value?)?);
        self.wanted.pop();
        Some(())
    }

    /// All is read: the tile becomes what was read.
    pub fn finish(self, tiles: &mut Tiles) {
        tiles.reread(self.from, self.rows, self.known.into_iter().collect());
    }
}

impl Account for Reader<'_> {
    fn knows(&self, time: Option<i64>, id: Identity) -> bool {
        let elsewhere = time.is_none() && self.undated.knows(id);
        elsewhere || self.repair.known.contains(&id.at(time))
    }

    fn note(&mut self, time: Option<i64>, id: Identity) {
        let id = id.at(time);
        self.repair.known.insert(id);
        if let Some(tile) = self.tiles.get_mut(self.repair.from) {
            tile.ids.insert(id);
            // Those of another selection are not late.
            let late = time.filter(|_| !tile.stale);
            late.into_iter()
                .for_each(|time| self.lateness.note(self.now.saturating_sub(time)));
        }
    }

    fn read(&mut self, _time: i64, undated: &[Identity]) {
        self.repair.rows += 1 + self.undated.inside(undated);
    }

    fn advance(&mut self, _to: i64) {}

    fn end(&mut self, undated: &[Identity], _settled: Option<i64>) {
        self.repair.rows += self.undated.inside(undated);
    }
}
