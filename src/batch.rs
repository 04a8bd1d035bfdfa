//! What one poll hands out: finished events in one buffer, an index of its
//! lines, dead letters, counts (WIT `types.batch`).

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::collect::lateness::Quantiles;
use crate::event::Event;
use crate::finding::{Finding, Kind};
use crate::mapping::{self, EventTypes, Line};
use crate::split::{KEPT, MAX_DEPTH, MAX_RECORD, Reason, Refused};

/// The most findings of a batch.
const MAX_FINDINGS: usize = 64;

/// The most names in [`Counters::not_selected_types`], and what the others are
/// counted under.
const MAX_NAMES: usize = 256;
const OTHER_NAMES: &str = "(other)";

/// Bounds of one batch.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Return within about so many ms.
    pub max_wait: u64,
    /// Bytes of events and dead letters; a single larger event comes alone.
    pub max_bytes: usize,
    /// Events and dead letters.
    pub max_events: usize,
    /// Say idle only once caught up and checked.
    pub drain: bool,
}

/// What the settings say of the output.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// The event types selected.
    pub types: EventTypes,
    /// Whether `raw_data` is added.
    pub include_raw: bool,
}

/// What one poll hands out.
#[derive(Debug, Default)]
pub struct Batch {
    /// The organisation; empty if it is not known.
    pub partition: String,
    /// OCSF, one JSON object a line.
    pub events: Vec<u8>,
    /// One entry a line.
    pub index: Vec<Entry>,
    /// Dead letters.
    pub rejected: Vec<Rejected>,
    /// To be passed to `ack`.
    pub checkpoint: u64,
    /// What this batch adds to the counts.
    pub counters: Counters,
    /// At most 64.
    pub findings: Vec<Finding>,
    /// How far the organisation has come.
    pub progress: Option<Progress>,
    /// When to poll again.
    pub next: Next,
    /// Bytes held by dead letters.
    rejected_bytes: usize,
}

/// One line of a batch.
#[derive(Debug, PartialEq)]
pub struct Entry {
    /// `metadata.uid`, class, activity and time.
    pub line: Line,
    /// Its bytes, `\n` included.
    pub length: usize,
}

/// A record that could not be understood.
#[derive(Debug, PartialEq)]
pub struct Rejected {
    /// Which record of the feed or stream, from 1.
    pub number: u64,
    /// Stable code of the reason.
    pub code: &'static str,
    /// The reason, for people.
    pub reason: String,
    /// Its first [`KEPT`] bytes.
    pub bytes: Vec<u8>,
    /// Its whole length.
    pub length: u64,
    /// SHA-256 of all of it.
    pub sha256: [u8; 32],
}

/// Counts: received = emitted + duplicates + not selected + rejected.
#[derive(Debug, Default, PartialEq)]
pub struct Counters {
    /// Records received.
    pub received: u64,
    /// Lines in the batch.
    pub emitted: u64,
    /// Records handed out before.
    pub duplicates: u64,
    /// Records that the settings don't ask for.
    pub not_selected: u64,
    /// Dead letters.
    pub rejected: u64,
    /// Requests sent.
    pub requests: u64,
    /// Bytes of answers.
    pub bytes: u64,
    /// `not_selected` by `event_type`.
    pub not_selected_types: BTreeMap<String, u64>,
}

/// How far an organisation has come; times in ms since 1970 UTC.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Complete from here,
    pub start: i64,
    /// to here.
    pub read_to: i64,
    /// From here on JumpCloud's own count was compared with what was read.
    pub reconciled_from: Option<i64>,
    /// Up to here it agrees.
    pub reconciled_to: Option<i64>,
    /// How far `read_to` lies behind now, in ms.
    pub behind: u64,
    /// Of so many events by JumpCloud's last count, so many were read.
    pub reconciled: Option<(u64, u64)>,
    /// About how many events are not read yet.
    pub backlog: Option<u64>,
    /// How late the late events were found.
    pub lateness: Option<Quantiles>,
}

/// When to poll again.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Next {
    /// At once.
    #[default]
    More,
    /// In so many ms; nothing is under way.
    Idle(u64),
}

/// What became of an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Added {
    /// It is in the batch.
    Emitted,
    /// The settings don't ask for it; it is counted.
    NotSelected,
    /// There is no room for it; nothing has changed.
    Full,
}

impl Batch {
    /// Whether it holds neither events nor dead letters.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty() && self.rejected.is_empty()
    }

    /// Whether nothing more fits.
    pub fn is_full(&self, limits: Limits) -> bool {
        self.index.len() + self.rejected.len() >= limits.max_events
            || self.events.len() + self.rejected_bytes >= limits.max_bytes
    }

    /// Whether a dead letter fits that is so many bytes long as received.
    pub fn has_room(&self, length: usize, limits: Limits) -> bool {
        let kept = length.min(KEPT);
        self.is_empty() || self.events.len() + self.rejected_bytes + kept <= limits.max_bytes
    }

    /// Maps an event into the batch, if it is selected and fits. Only its own
    /// count changes; `received` is the caller's. `Err`: it can't be mapped.
    pub fn add(
        &mut self,
        event: &Event<'_>,
        output: Output,
        limits: Limits,
    ) -> Result<Added, crate::event::Reject> {
        let Some(row) = mapping::select(event, output.types)? else {
            self.count_not_selected(event.event_type()?.as_ref());
            return Ok(Added::NotSelected);
        };
        let before = self.events.len();
        let line = mapping::write(event, row, output.include_raw, &mut self.events);
        let empty = self.is_empty();
        if !empty && self.events.len() + self.rejected_bytes > limits.max_bytes {
            self.events.truncate(before);
            return Ok(Added::Full);
        }
        self.index.push(Entry {
            line,
            length: self.events.len() - before,
        });
        self.counters.emitted += 1;
        Ok(Added::Emitted)
    }

    /// Adds a record that could not be mapped, as a dead letter.
    pub fn reject(&mut self, number: u64, code: &'static str, reason: String, bytes: &[u8]) {
        self.push_rejected(Rejected {
            number,
            code,
            reason,
            bytes: bytes.iter().take(KEPT).copied().collect(),
            length: bytes.len() as u64,
            sha256: Sha256::digest(bytes).into(),
        });
    }

    /// Adds a record that was not even read, as a dead letter.
    pub fn refuse(&mut self, number: u64, refused: Refused) {
        let (code, reason) = match refused.reason {
            Reason::TooLong => (
                "too-long",
                format!(
                    "longer than {} MiB: {} bytes",
                    MAX_RECORD >> 20,
                    refused.length
                ),
            ),
            Reason::TooDeep => ("too-deep", format!("nested deeper than {MAX_DEPTH}")),
        };
        self.push_rejected(Rejected {
            number,
            code,
            reason,
            bytes: refused.head,
            length: refused.length,
            sha256: refused.sha256,
        });
    }

    /// Adds a finding of the batch's organisation.
    pub fn find(&mut self, kind: Kind, message: impl Into<String>) {
        self.push_finding(Finding::new(kind, &self.partition, message));
    }

    /// Adds a finding that concerns the whole feed.
    pub fn find_of_feed(&mut self, kind: Kind, message: impl Into<String>) {
        self.push_finding(Finding::new(kind, "", message));
    }

    /// Unless the batch has it already or is full of them.
    fn push_finding(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS && !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn push_rejected(&mut self, rejected: Rejected) {
        self.rejected_bytes += rejected.bytes.len();
        self.rejected.push(rejected);
        self.counters.rejected += 1;
    }

    fn count_not_selected(&mut self, event_type: &str) {
        self.counters.not_selected += 1;
        let names = &mut self.counters.not_selected_types;
        let name = match names.len() < MAX_NAMES || names.contains_key(event_type) {
            true => event_type,
            false => OTHER_NAMES,
        };
        match names.get_mut(name) {
            Some(count) => *count += 1,
            None => {
                names.insert(name.to_owned(), 1);
            }
        }
    }
}
