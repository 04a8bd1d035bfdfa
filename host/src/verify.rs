//! What is checked of a plugin's batch before anything relies on it: a plugin's
//! numbers are not to be trusted.

use crate::bindings::types::{Batch, Limits};
use crate::error::{Error, Kind, Result};

/// Checks that the index fits the lines, that the limits hold, and that the
/// batch follows the one with the number `last` (0: none is known).
pub(crate) fn verify(batch: &Batch, limits: &Limits, last: u64) -> Result<()> {
    if !index_fits(batch) {
        return broken("has an index that does not fit its lines".to_owned());
    }
    let records = batch.index.len() + batch.rejected.len();
    let rejected: usize = batch.rejected.iter().map(|record| record.bytes.len()).sum();
    // One event may be larger than a batch: it comes alone.
    if records > 1 && batch.events.len() + rejected > limits.max_bytes as usize {
        return broken(format!("is larger than {} bytes", limits.max_bytes));
    }
    if records > limits.max_events as usize {
        return broken(format!("has more than {} records", limits.max_events));
    }
    if last != 0 && last.checked_add(1) != Some(batch.checkpoint) {
        return broken(format!(
            "has the number {} and follows {last}",
            batch.checkpoint
        ));
    }
    Ok(())
}

/// Whether each entry ends where a line does, and the last at the end, and
/// there is no line beside.
fn index_fits(batch: &Batch) -> bool {
    let lines = batch.events.iter().filter(|byte| **byte == b'\n').count();
    if lines != batch.index.len() {
        return false;
    }
    let mut end = 0usize;
    for entry in &batch.index {
        end = end.saturating_add(entry.length as usize);
        let last = end.checked_sub(1).and_then(|last| batch.events.get(last));
        if entry.length == 0 || last != Some(&b'\n') {
            return false;
        }
    }
    end == batch.events.len()
}

fn broken(what: String) -> Result<()> {
    Err(Error::new(
        Kind::Plugin,
        format!("the plugin's batch {what}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::types::{Counters, Entry, Next};

    fn batch(events: &str, lengths: &[u32]) -> Batch {
        let entry = |length: &u32| Entry {
            id: String::new(),
            class: 1,
            activity: 1,
            time: 0,
            length: *length,
        };
        Batch {
            partition: String::new(),
            events: events.into(),
            index: lengths.iter().map(entry).collect(),
            rejected: Vec::new(),
            checkpoint: 5,
            counters: Counters::default(),
            findings: Vec::new(),
            progress: None,
            next: Next::More,
        }
    }

    fn check(batch: &Batch, last: u64) -> Option<String> {
        let limits = Limits {
            max_wait_ms: 0,
            max_bytes: 6,
            max_events: 2,
            drain: false,
        };
        verify(batch, &limits, last).err().map(|e| e.to_string())
    }

    #[test]
    fn the_index_fits_the_lines() {
        assert_eq!(check(&batch("", &[]), 4), None);
        assert_eq!(check(&batch("a\nbc\n", &[2, 3]), 4), None);
        for lengths in [
            &[][..],
            &[2],
            &[2, 2],
            &[2, 4],
            &[5],
            &[3, 2],
            &[5, 0],
            &[u32::MAX, 5],
        ] {
            assert!(
                check(&batch("a\nbc\n", lengths), 4).is_some(),
                "{lengths:?}"
            );
        }
    }

    #[test]
    fn limits_hold_and_one_large_event_may_come_alone() {
        assert_eq!(check(&batch("abcdefgh\n", &[9]), 4), None);
        assert!(
            check(&batch("abcdef\nx\n", &[7, 2]), 4)
                .unwrap()
                .contains("6 bytes")
        );
        assert!(
            check(&batch("\n\n\n", &[1, 1, 1]), 4)
                .unwrap()
                .contains("2 records")
        );
    }

    #[test]
    fn numbers_grow_by_one() {
        assert_eq!(check(&batch("", &[]), 0), None);
        assert!(check(&batch("", &[]), 5).is_some());
        assert!(check(&batch("", &[]), 3).is_some());
        assert!(check(&batch("", &[]), u64::MAX).is_some());
    }
}
