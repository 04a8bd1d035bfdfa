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

/// It is such a record if a walk meets it that begins so much later, in ms; or if
/// it is met once more after the position has passed it.
pub(super) const OUT_AFTER: i64 = 3_600_000;

/// So many are known for that when the position has passed them.
pub(super) const MAX_PASSED: usize = 1_024;

/// Known records without a time: at or after the position, or passed by it in
/// the last walk.
#[derive(Clone, Debug, PartialEq)]
pub struct Undated {
    /// Each with its place, the time of the next event in the API's order: it
    /// lies no later. From [`OUTSIDE`] on: none came yet.
    places: BTreeMap<Identity, i64>,
    /// The same, in order of place.
    ordered: BTreeSet<(i64, Identity)>,
    /// The position has passed those before this, so many.
    cursor: (i64, Identity),
    passed: usize,
    /// Those that this walk met, and of which it can't tell whether the position
    /// has passed them.
    unsure: BTreeSet<Identity>,
    /// Those that lie at the position or before, and this walk has not met.
    carried: BTreeSet<Identity>,
    /// Where this walk began.
    begun: i64,
    /// Places of those that were taken for rows there, and come in every answer.
    misplaced: Vec<i64>,
}

/// One that the position has passed.
pub(super) struct Passed {
    pub id: Identity,
    /// It lies no later, in ms since 1970 UTC.
    pub place: i64,
    /// This walk read it, as one of its rows.
    pub is_read: bool,
}

impl Default for Undated {
    fn default() -> Self {
        Self {
            places: BTreeMap::new(),
            ordered: BTreeSet::new(),
            cursor: (i64::MIN, Identity::MIN),
            passed: 0,
            unsure: BTreeSet::new(),
            carried: BTreeSet::new(),
            begun: i64::MIN,
            misplaced: Vec::new(),
        }
    }
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

    /// How many of these are not such as come in every answer.
    pub fn inside(&self, ids: &[Identity]) -> u64 {
        let inside = |id: &&Identity| self.places.get(id) != Some(&OUTSIDE);
        ids.iter().filter(inside).count() as u64
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
        self.cursor = (position, Identity::MIN);
        self.passed = self.ordered.range(..self.cursor).count();
    }

    /// This one lies at `place` (ms since 1970 UTC), if there is room for it.
    pub(super) fn put(&mut self, id: Identity, place: i64) {
        if self.remove(id).is_none() && self.is_crowded() {
            return;
        }
        self.places.insert(id, place);
        self.ordered.insert((place, id));
    }

    fn remove(&mut self, id: Identity) -> Option<i64> {
        let place = self.places.remove(&id)?;
        self.ordered.remove(&(place, id));
        self.passed -= usize::from((place, id) < self.cursor);
        Some(place)
    }

    /// It comes in every answer if the position has passed it, or that is known.
    fn is_outside(&mut self, id: Identity) -> bool {
        match self.places.get(&id) {
            Some(&OUTSIDE) => true,
            Some(&place) if (place, id) < self.cursor => {
                self.misplaced.push(place);
                self.put(id, OUTSIDE);
                true
            }
            _ => false,
        }
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
            if self.is_outside(*id) {
                self.unsure.insert(*id);
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

    /// The earliest place that is not passed.
    pub(super) fn first_place(&self) -> Option<i64> {
        let first = self.ordered.range(self.cursor..).next();
        first.map(|(place, _)| *place)
    }

    /// Passes the first whose place lies before `to`.
    pub(super) fn pass(&mut self, to: i64) -> Option<Passed> {
        let first = self.ordered.range(self.cursor..).next().copied();
        let (place, id) = first.filter(|(place, _)| *place < to)?;
        self.cursor = match id.0.checked_add(1) {
            Some(next) => (place, Identity(next)),
            None => (place.saturating_add(1), Identity::MIN),
        };
        self.passed += 1;
        if self.passed > MAX_PASSED
            && let Some((_, oldest)) = self.ordered.first().copied()
        {
            self.remove(oldest);
        }
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
        for id in last {
            self.is_outside(*id);
        }
        self.unsure.extend(last);
        let met_once = self.ordered.range(..(self.begun, Identity::MIN));
        for (_, id) in met_once.copied().collect::<Vec<_>>() {
            self.remove(id);
        }
        let mut passed = Vec::new();
        for (place, id) in self.ordered.split_off(&(OUTSIDE, Identity::MIN)) {
            let met_first = place - OUTSIDE;
            let place = match place {
                // It does not come in every answer after all: there were two of
                // the same bytes.
                OUTSIDE if !self.unsure.contains(&id) => {
                    self.places.remove(&id);
                    continue;
                }
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

    /// Places of those that were taken for rows there, and are none; once.
    pub(super) fn take_misplaced(&mut self) -> Vec<i64> {
        std::mem::take(&mut self.misplaced)
    }

    /// Forgets those at or after `to`.
    pub(super) fn rewind(&mut self, to: i64) {
        for (_, id) in self.ordered.split_off(&(to, Identity::MIN)) {
            self.places.remove(&id);
        }
        self.cursor = self.cursor.min((to, Identity::MIN));
        self.passed = self.ordered.range(..self.cursor).count();
    }
}
