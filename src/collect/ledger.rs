//! What one organisation's feed has read: from where, how far, and which ids
//! at or after that position. Pure data.
//!
//! A time is not a cursor: events share milliseconds, turn up late within the
//! last minutes, or are dated in the future. So the position is a time *and*
//! the ids of everything handed out at or after it. Below it all is settled;
//! from it on, all is read again by each walk, and known ids are dropped.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

/// Position and ids of one organisation.
#[derive(Clone, Debug, PartialEq)]
pub struct Ledger {
    start: i64,
    position: i64,
    dated: BTreeSet<(i64, Identity)>,
    /// Rejected records without a readable time, each with that of the next
    /// event in the API's order: it lies no later. [`UNPLACED`]: none came yet.
    undated: BTreeMap<Identity, i64>,
}

/// The place of an undated record after which nothing has come yet.
const UNPLACED: i64 = i64::MAX;

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
        }
    }

    /// As it was stored.
    pub fn restore(start: i64, position: i64, known: impl IntoIterator<Item = Known>) -> Self {
        let mut ledger = Self::new(start);
        ledger.position = position;
        for Known { time, dated, id } in known {
            if dated {
                ledger.dated.insert((time, id));
            } else {
                ledger.undated.insert(id, time);
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

    /// Whether this event was handed out before. A known id at another time is
    /// another event.
    pub fn knows(&self, time: Option<i64>, id: Identity) -> bool {
        match time {
            Some(time) => self.dated.contains(&(time, id)),
            None => self.undated.contains_key(&id),
        }
    }

    /// Notes an event that is handed out.
    pub fn note(&mut self, time: i64, id: Identity) {
        self.dated.insert((time, id));
    }

    /// Notes a record without a readable time that is handed out as a dead
    /// letter.
    pub fn note_undated(&mut self, id: Identity) {
        self.undated.insert(id, UNPLACED);
    }

    /// An event of this time came after an undated record.
    pub fn place(&mut self, id: Identity, time: i64) {
        if time >= self.position {
            self.undated.insert(id, time);
        } else {
            self.undated.remove(&id);
        }
    }

    /// A whole walk from the position met only these of the unplaced records:
    /// the position has passed the others.
    pub fn forget_unplaced(&mut self, met: &[Identity]) {
        self.undated
            .retain(|id, time| *time != UNPLACED || met.contains(id));
    }

    /// Moves the position forward and forgets the ids before it.
    pub fn advance(&mut self, to: i64) {
        if to <= self.position {
            return;
        }
        self.position = to;
        while self.dated.first().is_some_and(|(time, _)| *time < to) {
            self.dated.pop_first();
        }
        if !self.undated.is_empty() {
            self.undated.retain(|_, time| *time >= to);
        }
    }

    /// Begins later: what lies before is gone, or was never asked for.
    pub fn skip(&mut self, to: i64) {
        if !self.has_moved() {
            self.start = self.start.max(to);
        }
        self.advance(to);
    }

    /// Forgets everything at or after `to`.
    pub fn rewind(&mut self, to: i64) {
        self.start = self.start.min(to);
        self.position = self.position.min(to);
        self.dated.retain(|(time, _)| *time < to);
        self.undated.retain(|_, time| *time < to);
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
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Identity = Identity(1);
    const B: Identity = Identity(2);

    #[test]
    fn ids_are_known_until_the_position_has_passed_them() {
        let mut ledger = Ledger::new(100);
        ledger.note(100, A);
        ledger.note(105, B);
        ledger.note_undated(B);
        ledger.place(B, 103);
        assert!(ledger.knows(Some(100), A) && ledger.knows(None, B));
        assert!(!ledger.knows(Some(101), A), "another time, another event");
        ledger.advance(104);
        assert!(!ledger.knows(Some(100), A) && !ledger.knows(None, B));
        assert!(ledger.knows(Some(105), B));
        ledger.advance(90);
        assert_eq!(ledger.position(), 104);
    }

    #[test]
    fn the_stored_form_is_the_whole() {
        let mut ledger = Ledger::new(5);
        ledger.note(9, A);
        ledger.note_undated(B);
        ledger.advance(7);
        let restored = Ledger::restore(5, 7, ledger.known().collect::<Vec<_>>());
        assert_eq!(restored, ledger);
    }

    #[test]
    fn a_rewind_forgets_and_may_widen() {
        let mut ledger = Ledger::new(100);
        ledger.advance(200);
        ledger.note(210, A);
        ledger.note(220, B);
        ledger.rewind(215);
        assert_eq!((ledger.position(), ledger.knows(Some(210), A)), (200, true));
        assert!(!ledger.knows(Some(220), B));
        ledger.rewind(50);
        assert_eq!((ledger.start(), ledger.position()), (50, 50));
    }

    #[test]
    fn an_id_counts_within_its_organisation() {
        let of = |organization, id| Identity::new(organization, id, b"{}");
        assert_ne!(of(Some("a"), Some("1")), of(Some("b"), Some("1")));
        assert_ne!(of(Some("a"), Some("bc")), of(Some("ab"), Some("c")));
        assert_eq!(of(Some("a"), None), of(Some("b"), None));
    }

    #[test]
    fn an_undated_record_is_known_until_it_is_sure_to_lie_behind() {
        let mut ledger = Ledger::new(100);
        ledger.note_undated(A);
        ledger.note_undated(B);
        ledger.advance(150);
        assert!(ledger.knows(None, A), "nobody knows where it lies");
        ledger.place(A, 150);
        ledger.forget_unplaced(&[]);
        assert!(ledger.knows(None, A) && !ledger.knows(None, B));
        ledger.advance(151);
        assert!(!ledger.knows(None, A));
    }

    #[test]
    fn future_ids_are_counted() {
        let mut ledger = Ledger::new(0);
        (1..=5).for_each(|n| ledger.note(n * 10, Identity(1)));
        assert_eq!(ledger.after(20), 3);
    }
}
