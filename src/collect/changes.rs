//! What has changed since the last run: the settings, and what JumpCloud still
//! keeps. Looked at before anything is read.
//!
//! | change | what becomes of it |
//! |---|---|
//! | an earlier `start`, a larger `retention_days` | what lies before is read, once ([`super::fill`]) |
//! | other `event_types`; a plugin that maps others | what is settled is read once more, for the new ones |
//! | the position is older than what is kept | a gap, from when to when |
//!
//! Another address or another organisation under the same name stops the feed:
//! [`Collector::restore`], [`super::course`].

use super::memory::Memory;
use super::{Collector, Shared};
use crate::clock::rfc3339;
use crate::error::{Error, Result};
use crate::finding::Kind;
use crate::mapping::{self, EventTypes, ROWS, Row};
use crate::settings::Settings;

impl Collector {
    /// Meets every change, at this time (ms since 1970 UTC).
    pub(super) fn meet_changes(&mut self, now: i64, shared: &mut Shared<'_>) -> Result<()> {
        let start = self.begin(now, shared.settings)?;
        let reach = reach(shared.settings);
        self.reach_back(start, &reach, now);
        self.select_anew(now, shared);
        self.keep_within_retention(&reach, now, shared);
        Ok(())
    }

    /// Resolves the start at this time (ms since 1970 UTC); unless that was done
    /// before, the feed begins there.
    pub fn begin(&mut self, now: i64, settings: &Settings) -> Result<i64> {
        let start = settings.start.resolve(now);
        let start = start.map_err(|problem| Error::BadSettings(vec![problem]))?;
        self.memory.get_or_insert_with(|| {
            let mut memory = Memory::new(start);
            memory.notes.start_setting = Some(reach(settings));
            memory
        });
        Ok(start)
    }

    /// An earlier start, or more that is kept. The start is resolved once, at
    /// the first run; later only if it was changed, and one change after the
    /// other.
    fn reach_back(&mut self, start: i64, reach: &str, now: i64) {
        let kept = self.retention.oldest(now);
        let Some(memory) = &mut self.memory else {
            return;
        };
        match &mut memory.fill {
            Some(fill) => fill.reach(kept, reach),
            None => {
                let before = memory.notes.start_setting.replace(reach.to_owned());
                let changed = before.is_some_and(|before| before != reach);
                if changed {
                    memory.notes.kept = None;
                }
                if changed && start.max(kept) < memory.ledger.start() {
                    memory.begin_fill(start.max(kept));
                }
            }
        }
    }

    /// Other event types are selected, or mapped.
    fn select_anew(&mut self, now: i64, shared: &mut Shared<'_>) {
        let oldest = self.scope(now, shared.settings).oldest;
        let Some(memory) = &mut self.memory else {
            return;
        };
        let before = memory.notes.selection.replace(self.selection).map(renewed);
        if before.is_some_and(|before| before != self.selection) {
            memory.reselect();
            self.audit = None;
            let all = EventTypes {
                login: true,
                admin: true,
            };
            let message = match before == Some(selection(all)) {
                true => "fewer event types are selected than before".to_owned(),
                false => format!(
                    "other event types are selected or mapped than before; those that are new are complete from {}",
                    rfc3339(memory.ledger.tiles().start().max(oldest))
                ),
            };
            shared.batch.find(Kind::NewSelection, message);
        }
    }

    /// What is no longer kept is a gap under these settings.
    fn keep_within_retention(&mut self, reach: &str, now: i64, shared: &mut Shared<'_>) {
        let (retention, batch) = (self.retention, &mut *shared.batch);
        let Some(memory) = &mut self.memory else {
            return;
        };
        memory.notes.kept = retention.learnt().or(memory.notes.kept);
        if let Some(fill) = memory.fill.as_mut().filter(|fill| fill.gap.is_none()) {
            let (end, follows) = (fill.end, fill.before.is_some());
            let earlier = retention.keep(&mut fill.ledger, end, follows, now, batch);
            fill.begin_later(earlier, reach);
        }
        let follows = memory.fill.as_ref().is_some_and(|fill| fill.gap.is_some());
        let earlier = retention.keep(&mut memory.ledger, i64::MAX, follows, now, batch);
        memory.begin_later(earlier, reach);
    }
}

/// The settings that say how far back is read.
fn reach(settings: &Settings) -> String {
    format!("{:?} within {:?}", settings.start, settings.retention)
}

/// What stands for the events that these types choose, of those that are mapped.
pub(super) fn selection(types: EventTypes) -> u32 {
    fingerprint(types, ROWS)
}

/// What stands for a selection in states of before `fingerprint` went by the
/// types that are mapped, and what it is by those that were mapped then.
const RENEWED: [(u32, u32); 3] = [
    (0xe23b_b3c4, 0x0a56_5733),
    (0xd78c_289a, 0x20fe_edbb),
    (0x52ff_a3f7, 0x6c2f_a872),
];

fn renewed(stored: u32) -> u32 {
    let known = RENEWED.iter().find(|(before, _)| *before == stored);
    known.map_or(stored, |(_, now)| *now)
}

/// Which events are read and chosen, of what is mapped: FNV-1a over the names of
/// the selected types, of their services, and of all that they consist of.
fn fingerprint(types: EventTypes, mapped: &[Row]) -> u32 {
    let mapped = mapped.iter().filter(|row| types.contains(row.class()));
    let text = [
        types.names().join(","),
        mapping::services(types).join(","),
        mapped.map(|row| row.name).collect::<Vec<_>>().join(","),
    ];
    text.join(" ").bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Event types that were not mapped yet when a selection came to stand for
    /// what is mapped.
    const MAPPED_SINCE: [&str; 0] = [];

    fn selections() -> [EventTypes; 3] {
        [(true, false), (false, true), (true, true)]
            .map(|(login, admin)| EventTypes { login, admin })
    }

    #[test]
    fn other_types_that_are_mapped_are_another_selection() {
        let (last, before) = ROWS.split_last().unwrap();
        for types in selections() {
            let same = fingerprint(types, before) == fingerprint(types, ROWS);
            assert_eq!(same, !types.contains(last.class()), "{types:?}");
        }
    }

    #[test]
    fn a_selection_stored_before_stands_for_what_was_mapped_then() {
        for (types, (_, now)) in selections().into_iter().zip(RENEWED) {
            let rows = ROWS.iter().copied();
            let rows: Vec<Row> = rows
                .filter(|row| !MAPPED_SINCE.contains(&row.name))
                .collect();
            assert_eq!(now, fingerprint(types, &rows), "{types:?}");
        }
    }
}
