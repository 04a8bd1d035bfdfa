//! Whether what was handed out is right: against the ground truth, and in itself.

use std::collections::{BTreeMap, BTreeSet};

use jumpcloud::batch::Batch;
use jumpcloud::clock::rfc3339;
use jumpcloud_simulator::Kind;

use super::World;

/// Where logins and account changes are kept; nothing else is asked for.
const ASKED: [&str; 5] = ["directory", "ldap", "radius", "sso", "systems"];

impl World {
    /// Everything visible was handed out once, everything else not at all.
    pub fn check(&self) {
        let mut wanted = BTreeMap::new();
        let mut optional = BTreeMap::new();
        let mut dead = (0, 0);
        let mut bytes = BTreeSet::new();
        for event in self
            .model
            .events()
            .filter(|event| event.visible_at <= self.now)
        {
            let late = event.visible_at - event.ms > self.horizon || self.upheavals.hid(event);
            match event.kind {
                Kind::Login | Kind::Admin => {
                    let id = event.id.as_deref().map(str::to_owned);
                    let hash = || format!("sha256:{}", sha256(&event.raw));
                    let (named, id) = (id.is_some(), id.unwrap_or_else(hash));
                    let count = if late { &mut optional } else { &mut wanted }
                        .entry(id)
                        .or_insert(0);
                    // Without an id, equal bytes are one event.
                    *count = if named { *count + 1 } else { 1 };
                }
                Kind::DeadLetter if ASKED.contains(&event.service.name()) => {
                    // Of equal bytes some may be known by the first.
                    match !late && bytes.insert((&event.organization, &event.raw)) {
                        true => dead.0 += 1,
                        false => dead.1 += 1,
                    }
                }
                Kind::DeadLetter | Kind::Other => {}
            }
        }
        let missing: Vec<_> = wanted
            .iter()
            .filter(|(id, n)| self.emitted.get(*id) < Some(n))
            .collect();
        for event in self.model.events() {
            if missing
                .iter()
                .any(|(id, _)| event.id.as_deref() == Some(id.as_str()))
            {
                let (time, seen) = (rfc3339(event.ms), rfc3339(event.visible_at));
                eprintln!("lost: {:?} of {time}, visible at {seen}", event.id);
            }
        }
        assert!(missing.is_empty(), "lost: {missing:?}");
        let most = |id| wanted.get(id).unwrap_or(&0) + optional.get(id).unwrap_or(&0);
        let extra: Vec<_> = self
            .emitted
            .iter()
            .filter(|(id, n)| **n > most(*id))
            .collect();
        assert!(extra.is_empty(), "doubled or unasked: {extra:?}");
        let again = if self.upheavals.repeats() { dead.0 } else { 0 };
        assert!(
            (dead.0..=dead.0 + dead.1 + again).contains(&self.rejected),
            "dead letters: {} of {dead:?}",
            self.rejected
        );
    }

    /// Counts a batch that is durable, and checks it in itself.
    pub(super) fn count(&mut self, batch: &Batch) {
        if let Some(progress) = &batch.progress {
            self.reconciled
                .insert(batch.partition.clone(), progress.reconciled);
        }
        if self.checkpoint > 0 {
            // An ack may be torn before its number: then only the head tells it,
            // which is not read while its organisation is not in the settings.
            let least = self.checkpoint + u64::from(!self.upheavals.organizes());
            let numbers = least..=self.checkpoint + 1;
            let number = batch.checkpoint;
            assert!(
                numbers.contains(&number),
                "{number}, not {numbers:?}: numbers go on, also over a restart"
            );
        }
        self.checkpoint = batch.checkpoint;
        let counters = &batch.counters;
        let sum =
            counters.emitted + counters.duplicates + counters.not_selected + counters.rejected;
        assert_eq!(counters.received, sum, "the counts add up");
        assert_eq!(counters.emitted as usize, batch.index.len());
        let rejected: usize = batch.rejected.iter().map(|record| record.bytes.len()).sum();
        let number = batch.index.len() + batch.rejected.len();
        assert!(
            number == 1 || batch.events.len() + rejected <= self.limits.max_bytes,
            "the bound on bytes holds"
        );
        assert!(number <= self.limits.max_events.max(1));
        let length: usize = batch.index.iter().map(|entry| entry.length).sum();
        assert_eq!(length, batch.events.len());
        for entry in &batch.index {
            *self.emitted.entry(entry.line.id.clone()).or_default() += 1;
        }
        self.rejected += batch.rejected.len() as u64;
    }
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
