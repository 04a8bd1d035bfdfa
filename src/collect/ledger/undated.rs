//! Records without a readable time. The API lists them somewhere among the
//! others: what is known of where.

use std::collections::{BTreeMap, BTreeSet};

use super::Identity;

/// So many are known; those beyond are handed out again by each walk that meets
/// them.
pub const MAX_UNDATED: usize = 100_000;

/// The place of one after which nothing has come yet. Once the walk that met it
/// first has ended: [`OUTSIDE`] plus the position then.
const UNPLACED: i64 = i64::MAX;

/// The place of one that comes first or last in every answer, wherever that
/// begins, later than any time: it is known, and in no tile.
const OUTSIDE: i64 = 1 << 62;

/// It is such a record if a walk meets it that begins so much later, in ms.
pub(super) const OUT_AFTER: i64 = 3_600_000;

/// Known records without a time, at or after the position.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Undated {
    /// Each with its place, the time of the next event in the API's order: it
    /// lies no later. From [`OUTSIDE`] on: none came yet.
    places: BTreeMap<Identity, i64>,
    /// The same, in order of place.
    ordered: BTreeSet<(i64, Identity)>,
    /// Those that this walk met, and of which it can't tell whether the position
    /// has passed them.
    unsure: BTreeSet<Identity>,
    /// Those that lie at the position or before, and this walk has not met.
    carried: BTreeSet<Identity>,
    /// Where this walk began.
    begun: i64,
}

/// One that the position has passed.
pub(super) struct Passed {
    pub id: Identity,
    /// It lies no later, in ms since 1970 UTC.
    pub place: i64,
    /// This walk read it, as one of its rows.
    pub is_read: bool,
}

impl Undated {
    /// Whether it is known.
    pub fn knows(&self, id: Identity) -> bool {
        self.places.contains_key(&id)
    }

    /// More may have come than are known.
    pub fn is_crowded(&self) -> bool {
        self.places.len() >= MAX_UNDATED
    }

    /// Each with its place.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Identity, i64)> {
        self.places.iter().map(|(id, place)| (*id, *place))
    }

    /// A walk begins, which reads everything from the position on.
    pub(super) fn begin(&mut self, position: i64) {
        self.unsure.clear();
        self.carried = self.at(position).collect();
        self.begun = position;
    }

    /// This one lies at `place` (ms since 1970 UTC), if there is room for it.
    pub(super) fn put(&mut self, id: Identity, place: i64) {
        match self.places.get(&id) {
            Some(before) => drop(self.ordered.remove(&(*before, id))),
            None if self.is_crowded() => return,
            None => {}
        }
        self.places.insert(id, place);
        self.ordered.insert((place, id));
    }

    /// This one was met, and nobody knows where it lies, any more or as before.
    pub(super) fn note(&mut self, id: Identity) {
        if self.places.get(&id).is_none_or(|place| *place < OUTSIDE) {
            self.put(id, UNPLACED);
        }
    }

    /// These were read before an event of `time`; how many of them lie there.
    /// `is_behind`: the position may have passed them.
    pub(super) fn read(&mut self, ids: &[Identity], time: i64, is_behind: bool) -> u64 {
        let mut rows = 0;
        for id in ids {
            if self.places.get(id) == Some(&OUTSIDE) {
                continue;
            }
            if is_behind {
                self.unsure.insert(*id);
                self.note(*id);
                continue;
            }
            self.carried.remove(id);
            self.put(*id, time);
            rows += 1;
        }
        rows
    }

    /// Nobody knows of one whether it lies before or after the position.
    pub(super) fn has_unplaced(&self) -> bool {
        let range = (OUTSIDE + 1, Identity::MIN)..;
        self.ordered.range(range).next().is_some()
    }

    /// Those whose place is this time; they may lie before it.
    pub(super) fn at(&self, time: i64) -> impl Iterator<Item = Identity> {
        let range = (time, Identity::MIN)..=(time, Identity::MAX);
        self.ordered.range(range).map(|(_, id)| *id)
    }

    /// The earliest place.
    pub(super) fn first_place(&self) -> Option<i64> {
        self.ordered.first().map(|(place, _)| *place)
    }

    /// Takes out the first whose place lies before `to`.
    pub(super) fn pass(&mut self, to: i64) -> Option<Passed> {
        let (place, id) = self.ordered.first().copied()?;
        if place >= to {
            return None;
        }
        self.ordered.pop_first();
        self.places.remove(&id);
        Some(Passed {
            id,
            place,
            is_read: !self.carried.contains(&id),
        })
    }

    /// The walk has read everything from where it began, these after the last
    /// event. Takes out those that it did not meet and that have no place: they
    /// lie before its beginning.
    pub(super) fn end(&mut self, last: &[Identity], position: i64) -> Vec<Passed> {
        self.unsure.extend(last);
        let mut passed = Vec::new();
        for (place, id) in self.ordered.split_off(&(OUTSIDE, Identity::MIN)) {
            let met_first = place - OUTSIDE;
            let place = match place {
                OUTSIDE => OUTSIDE,
                _ if !self.unsure.contains(&id) => {
                    self.places.remove(&id);
                    passed.push(Passed {
                        id,
                        place: self.begun,
                        is_read: false,
                    });
                    continue;
                }
                UNPLACED => OUTSIDE + position.max(1),
                _ if self.begun - met_first > OUT_AFTER => OUTSIDE,
                same => same,
            };
            self.places.insert(id, place);
            self.ordered.insert((place, id));
        }
        passed
    }

    /// Forgets those at or after `to`.
    pub(super) fn rewind(&mut self, to: i64) {
        for (_, id) in self.ordered.split_off(&(to, Identity::MIN)) {
            self.places.remove(&id);
        }
    }
}
