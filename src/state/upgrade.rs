//! Reading what earlier versions of the plugin have stored.
//!
//! | format | what it was |
//! |---|---|
//! | 1 | a position and its ids |
//! | 2 | tiles as well, in a table of two layouts that can't be told apart |
//! | 3 | today's |

use serde::Deserialize;

use super::FORMAT;
use super::head::{Blob, Head, LedgerHead};
use crate::collect::audit::Outcome;
use crate::collect::memory::Notes;

/// A head of this format; none: the format is a newer one.
pub fn read(format: u32, bytes: &[u8]) -> Option<serde_json::Result<Head>> {
    Some(match format {
        1 => serde_json::from_slice::<HeadV1>(bytes).map(Head::from),
        2 => serde_json::from_slice(bytes).map(Head::without_tiles),
        FORMAT => serde_json::from_slice(bytes),
        _ => return None,
    })
}

/// Format 1.
#[derive(Debug, Deserialize)]
struct HeadV1 {
    version: String,
    origin: String,
    organization: Option<String>,
    sequence: u64,
    start: i64,
    position: i64,
    ids: String,
    keys: Vec<u64>,
    obsolete: Vec<u64>,
}

impl Head {
    /// Of format 2: tiles begin at the position, as after format 1. Whatever
    /// key the tables may have named is obsolete: all but the few that are
    /// named still.
    fn without_tiles(mut self) -> Self {
        let fill = self.fill.as_mut().map(|fill| &mut fill.ledger);
        for ledger in [Some(&mut self.ledger), fill].into_iter().flatten() {
            ledger.tiles = Blob::None;
        }
        let mut named: Vec<u64> = self.numbers().collect();
        named.sort_unstable();
        let mut first = 0;
        self.obsolete.clear();
        for number in named.into_iter().chain([self.next]) {
            if first < number {
                self.obsolete.push((first, number - 1));
            }
            first = number.saturating_add(1);
        }
        self.notes.audit = Outcome::default();
        self
    }
}

impl From<HeadV1> for Head {
    fn from(head: HeadV1) -> Self {
        let numbers = head.keys.iter().chain(&head.obsolete);
        Self {
            next: numbers.max().map_or(0, |last| last + 1),
            format: FORMAT,
            version: head.version,
            origin: head.origin,
            organization: head.organization,
            sequence: head.sequence,
            ledger: LedgerHead {
                start: head.start,
                position: head.position,
                ids: if head.keys.is_empty() {
                    Blob::Inline(head.ids)
                } else {
                    Blob::Keys(head.keys)
                },
                tiles: Blob::None,
            },
            fill: None,
            notes: Notes::default(),
            obsolete: head
                .obsolete
                .iter()
                .map(|number| (*number, *number))
                .collect(),
            more_obsolete: Blob::None,
        }
    }
}
