//! Sums over batches.

use std::collections::BTreeMap;

use crate::bindings::types::{Batch, Counters, Progress, TypeCount};

/// Names of types that are kept apart in a sum.
const NAMES: usize = 256;

/// Partitions that are kept apart.
const PARTITIONS: usize = 10_000;

/// Notes how far the partition of `batch` has come. Before the first name comes,
/// a plugin may speak of the one it does not know yet: from then on that is this
/// one.
pub(crate) fn note_progress(progress: &mut BTreeMap<String, Progress>, batch: &Batch) {
    let (Some(reached), partition) = (batch.progress, &batch.partition) else {
        return;
    };
    if !partition.is_empty() {
        progress.remove("");
    }
    if has_room(progress, partition, PARTITIONS) {
        progress.insert(partition.clone(), reached);
    }
}

/// Whether `key` may be in a map of so many entries: a plugin has no end of new
/// ones, and the host has its memory.
fn has_room<K: Ord, V>(map: &BTreeMap<K, V>, key: &K, most: usize) -> bool {
    map.len() < most || map.contains_key(key)
}

/// What one run of a feed brought.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Batches, empty ones included.
    pub batches: u64,
    /// Sums of the batches' counters.
    pub counters: Counters,
    /// Events by class and activity.
    pub events: BTreeMap<(u32, u32), u64>,
    /// Bytes of events.
    pub event_bytes: u64,
    /// Of the events, those that the sink refused for good: dead letters.
    pub refused: u64,
    /// Where each partition is.
    pub progress: BTreeMap<String, Progress>,
}

impl Totals {
    /// Adds one batch. `event_bytes` is the length of its events.
    pub(crate) fn add(&mut self, batch: &Batch, event_bytes: u64) {
        self.batches += 1;
        self.event_bytes += event_bytes;
        self.counters.add(&batch.counters);
        for entry in &batch.index {
            let kind = (entry.class, entry.activity);
            if has_room(&self.events, &kind, NAMES) {
                *self.events.entry(kind).or_default() += 1;
            }
        }
        note_progress(&mut self.progress, batch);
    }
}

impl Counters {
    /// Adds the counts of a further batch.
    pub fn add(&mut self, more: &Counters) {
        for (sum, count) in [
            (&mut self.received, more.received),
            (&mut self.emitted, more.emitted),
            (&mut self.duplicates, more.duplicates),
            (&mut self.not_selected, more.not_selected),
            (&mut self.rejected, more.rejected),
            (&mut self.requests, more.requests),
            (&mut self.bytes, more.bytes),
        ] {
            *sum = sum.saturating_add(count);
        }
        for TypeCount { name, count } in &more.not_selected_types {
            let types = &mut self.not_selected_types;
            match types.binary_search_by(|type_| type_.name.as_str().cmp(name)) {
                Ok(at) => {
                    if let Some(type_) = types.get_mut(at) {
                        type_.count = type_.count.saturating_add(*count);
                    }
                }
                // The names come from a server: there may be no end of them.
                Err(_) if types.len() >= NAMES => {}
                Err(at) => types.insert(
                    at,
                    TypeCount {
                        name: name.clone(),
                        count: *count,
                    },
                ),
            }
        }
    }
}

#[expect(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Counters {
    fn default() -> Self {
        Self {
            received: 0,
            emitted: 0,
            duplicates: 0,
            not_selected: 0,
            rejected: 0,
            requests: 0,
            bytes: 0,
            not_selected_types: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(emitted: u64, types: &[(&str, u64)]) -> Counters {
        let types = types.iter().map(|(name, count)| TypeCount {
            name: (*name).into(),
            count: *count,
        });
        Counters {
            emitted,
            not_selected_types: types.collect(),
            ..Counters::default()
        }
    }

    #[test]
    fn there_is_an_end_to_what_a_plugin_can_name() {
        let mut map = BTreeMap::new();
        for number in 0..1_000 {
            if has_room(&map, &number, NAMES) {
                map.insert(number, ());
            }
        }
        assert_eq!(map.len(), NAMES);
        assert!(has_room(&map, &0, NAMES), "it is there already");
    }

    #[test]
    fn counts_add_up_by_name() {
        let mut sum = Counters::default();
        sum.add(&counters(2, &[("b", 1)]));
        sum.add(&counters(3, &[("a", 5), ("b", 2)]));
        assert_eq!(sum, counters(5, &[("a", 5), ("b", 3)]));
        for number in 0..1_000 {
            sum.add(&counters(0, &[(&format!("n{number}"), 1)]));
        }
        assert_eq!(sum.not_selected_types.len(), NAMES);
    }
}
