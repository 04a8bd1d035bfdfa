//! The mapping alone, for a stream of raw records that were collected
//! elsewhere (WIT `transform`).

use crate::batch::{Added, Batch, Limits, Output};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::settings::Settings;
use crate::split::{Broken, Piece, Splitter};

/// A batch holds what its bytes hold.
const UNLIMITED: Limits = Limits {
    max_wait: u64::MAX,
    max_bytes: usize::MAX,
    max_events: usize::MAX,
    drain: false,
};

/// One stream of raw records: a JSON array, or records one after the other.
pub struct Transformer {
    output: Output,
    splitter: Splitter,
    /// Records so far.
    number: u64,
}

impl Transformer {
    /// By the settings that bear on the output; all of them are checked.
    pub fn open(settings: &str) -> Result<Self> {
        let settings = Settings::parse(settings).map_err(Error::BadSettings)?;
        let output = Output {
            types: settings.event_types,
            include_raw: settings.include_raw,
        };
        Ok(Self {
            output,
            splitter: Splitter::stream(),
            number: 0,
        })
    }

    /// Takes the next bytes; gives the records that are complete with them.
    pub fn push(&mut self, bytes: &[u8]) -> Batch {
        let mut batch = Batch::default();
        let mut at = 0;
        // A stream is never garbage: what can't be read is a rejected record.
        while let Ok(Some(piece)) = self.splitter.next(bytes, &mut at) {
            self.number += 1;
            add(&mut batch, piece, self.number, self.output);
        }
        batch.counters.bytes = bytes.len() as u64;
        batch
    }

    /// The end of the stream; the next one may follow.
    pub fn finish(&mut self) -> Batch {
        let mut batch = Batch::default();
        let cut = match self.splitter.finish() {
            Ok(None) => false,
            Ok(Some(piece)) => {
                self.number += 1;
                add(&mut batch, piece, self.number, self.output);
                false
            }
            Err(Broken::Cut | Broken::Garbage(_)) => true,
        };
        if cut {
            let partial = self.splitter.take_partial();
            let reason = "the input ends before its array does".to_owned();
            batch.counters.received += 1;
            batch.reject(self.number + 1, "cut", reason, &partial);
        }
        *self = Self {
            output: self.output,
            splitter: Splitter::stream(),
            number: 0,
        };
        batch
    }
}

fn add(batch: &mut Batch, piece: Piece<'_>, number: u64, output: Output) {
    batch.counters.received += 1;
    let bytes = match piece {
        Piece::Refused(refused) => return batch.refuse(number, refused),
        Piece::Record(bytes) => bytes,
    };
    let added = Event::parse(bytes).and_then(|event| batch.add(&event, output, UNLIMITED));
    match added {
        Ok(Added::Emitted | Added::NotSelected | Added::Full) => {}
        Err(reject) => batch.reject(number, reject.code(), reject.to_string(), bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKOUT: &str =
        r#"{"id":"1","timestamp":"2026-01-01T00:00:00Z","event_type":"user_lockout"}"#;

    fn lines(batch: &Batch) -> usize {
        batch.events.iter().filter(|byte| **byte == b'\n').count()
    }

    #[test]
    fn arrays_and_lines_give_the_same_bytes_in_pieces_of_any_length() {
        let other = r#"{"timestamp":"2026-01-01T00:00:00Z","event_type":"group_create"}"#;
        let bad = r#"{"event_type":"user_lockout"}"#;
        let array = format!("[{LOCKOUT},{other},{bad},{LOCKOUT}]");
        let stream = format!("{LOCKOUT}\n{other}\n{bad}\n{LOCKOUT}");
        let mut outputs = Vec::new();
        for input in [&array, &stream] {
            for piece in [1, 10, 1000] {
                let mut transformer = Transformer::open("").unwrap();
                let mut batches: Vec<Batch> = input
                    .as_bytes()
                    .chunks(piece)
                    .map(|bytes| transformer.push(bytes))
                    .collect();
                batches.push(transformer.finish());
                assert_eq!(batches.iter().map(lines).sum::<usize>(), 2);
                let rejected: Vec<u64> = batches
                    .iter()
                    .flat_map(|b| &b.rejected)
                    .map(|r| r.number)
                    .collect();
                assert_eq!(rejected, [3]);
                let not_selected: u64 = batches.iter().map(|b| b.counters.not_selected).sum();
                assert_eq!(not_selected, 1);
                outputs.push(
                    batches
                        .into_iter()
                        .flat_map(|b| b.events)
                        .collect::<Vec<u8>>(),
                );
            }
        }
        assert!(outputs.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn a_cut_array_is_told() {
        let mut transformer = Transformer::open("").unwrap();
        assert_eq!(
            lines(&transformer.push(format!("[{LOCKOUT},{{").as_bytes())),
            1
        );
        let batch = transformer.finish();
        assert_eq!(
            (batch.rejected[0].number, batch.rejected[0].code),
            (2, "cut")
        );
        assert_eq!(
            lines(&transformer.push(format!("[{LOCKOUT}]").as_bytes())),
            1
        );
    }
}
