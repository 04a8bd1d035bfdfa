//! A feed whose files are read along all the time.

use std::collections::BTreeSet;

use jumpcloud_tests::{CLASSES, Feed, Tenant, assert_same_lines, sorted_lines};

use crate::tail::Tail;

/// A feed, and a reader for each of its files.
pub struct Watched {
    pub feed: Feed,
    tails: Vec<Tail>,
}

impl Watched {
    pub fn new(tenant: &Tenant) -> Self {
        let feed = Feed::of(tenant);
        let tail = |class| Tail::of(feed.path(&format!("out/{class}.ndjson")));
        Self {
            tails: CLASSES.map(tail).into(),
            feed,
        }
    }

    /// How many lines the readers have seen by now.
    pub fn lines_seen(&self) -> usize {
        self.tails.iter().map(Tail::lines).sum()
    }

    /// Runs to the end: the files have what they must, and so have the readers
    /// seen it.
    pub fn finish(self, tenant: &Tenant) {
        self.feed.once().output().expect_code(0);
        let expected = tenant.expected();
        assert_same_lines(&self.feed.lines(), &expected);
        let seen: Vec<String> = self.tails.into_iter().map(Tail::finish).collect();
        assert_same_lines(&sorted_lines(&seen.concat()), &expected);
        let letters = self.feed.dead_letters();
        let hashes: BTreeSet<_> = letters
            .iter()
            .map(|letter| letter["sha256"].as_str())
            .collect();
        assert_eq!(hashes.len(), letters.len(), "dead letters come once too");
        let dead = tenant.events(jumpcloud_simulator::Kind::DeadLetter);
        assert_eq!(letters.len(), dead.len(), "and all of them");
    }
}
