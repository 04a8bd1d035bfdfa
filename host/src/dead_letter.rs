//! Records that a plugin could not understand, as lines of a file: kept, so
//! that a later version can read them ([`DeadLetter`]).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::bindings::types::Rejected;

/// The code of an event that was understood, and that the sink refused.
const REFUSED: &str = "sink-refused";

/// One line of the file of dead letters.
#[derive(Serialize)]
struct Line<'a> {
    feed: &'a str,
    partition: &'a str,
    code: &'a str,
    reason: &'a str,
    /// Of the whole record, in bytes.
    length: u64,
    /// Of the whole record.
    sha256: &'a str,
    /// The record, or its first 64 KiB, if it is UTF-8;
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    /// and if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

/// One line for each record.
pub(crate) fn lines(feed: &str, partition: &str, rejected: &[Rejected]) -> Vec<u8> {
    let mut lines = Vec::new();
    for record in rejected {
        let text = text(&record.bytes, record.length);
        let line = Line {
            feed,
            partition,
            code: &record.code,
            reason: &record.reason,
            length: record.length,
            sha256: &record.sha256,
            base64: text.is_none().then(|| BASE64.encode(&record.bytes)),
            text,
        };
        // Writing strings and numbers to memory does not fail.
        if serde_json::to_writer(&mut lines, &line).is_ok() {
            lines.push(b'\n');
        }
    }
    lines
}

/// The line for an event that a sink refused.
pub(crate) fn refused(feed: &str, partition: &str, event: &[u8], reason: &str) -> Vec<u8> {
    let record = Rejected {
        number: 0,
        code: REFUSED.to_owned(),
        reason: reason.to_owned(),
        bytes: event.to_vec(),
        length: event.len() as u64,
        sha256: format!("{:x}", Sha256::digest(event)),
    };
    lines(feed, partition, &[record])
}

/// A record of the file of dead letters, read back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeadLetter {
    /// The record as it was received, or its first 64 KiB.
    pub bytes: Vec<u8>,
    /// Its whole length, in bytes.
    pub length: u64,
    /// Why it was kept.
    pub code: String,
}

impl DeadLetter {
    /// Reads one line. The error says what is wrong with it.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(expecting = "an object with `code` and `length`")]
        struct Kept {
            code: String,
            length: u64,
            text: Option<String>,
            base64: Option<String>,
        }
        let kept: Kept =
            serde_json::from_slice(line).map_err(|e| format!("not a dead letter: {e}"))?;
        let bytes = match (kept.text, kept.base64) {
            (Some(text), _) => text.into_bytes(),
            (None, Some(text)) => BASE64
                .decode(text)
                .map_err(|e| format!("its `base64` can't be read: {e}"))?,
            (None, None) => return Err("it has neither `text` nor `base64`".to_owned()),
        };
        Ok(Self {
            bytes,
            length: kept.length,
            code: kept.code,
        })
    }

    /// Whether it is no record, but an event that was understood and that the
    /// sink refused.
    pub fn is_event(&self) -> bool {
        self.code == REFUSED
    }

    /// Whether the whole record was kept.
    pub fn is_whole(&self) -> bool {
        self.bytes.len() as u64 == self.length
    }
}

/// The bytes as text, if they are; a record that was cut may end within a
/// character, which is left out.
fn text(bytes: &[u8], length: u64) -> Option<Cow<'_, str>> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text.into()),
        Err(e) if e.error_len().is_none() && (bytes.len() as u64) < length => {
            std::str::from_utf8(bytes.get(..e.valid_up_to())?)
                .ok()
                .map(Cow::from)
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(bytes: &[u8], length: u64) -> Rejected {
        Rejected {
            number: 1,
            code: "no-time".into(),
            reason: "it has no time".into(),
            bytes: bytes.to_vec(),
            length,
            sha256: "00".into(),
        }
    }

    #[test]
    fn text_or_base64() {
        let records = [
            rejected(b"{\"a\":\"\n\"}", 9),
            rejected(b"\xff", 1),
            rejected("aé".as_bytes().split_at(2).0, 70_000),
        ];
        let lines = String::from_utf8(lines("f", "p", &records)).unwrap();
        let lines: Vec<serde_json::Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0]["text"], "{\"a\":\"\n\"}");
        assert_eq!(lines[0]["code"], "no-time");
        assert_eq!(lines[1]["base64"], "/w==");
        assert!(lines[1].get("text").is_none());
        assert_eq!(lines[2]["text"], "a");
        assert_eq!(lines[2]["length"], 70_000);
    }

    #[test]
    fn an_event_that_was_refused_is_its_partition_s() {
        let line = refused("f", "p", b"{}", "no");
        let line: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(
            (&line["partition"], &line["code"]),
            (&"p".into(), &REFUSED.into())
        );
        assert_eq!(line["text"], "{}");
    }

    #[test]
    fn what_was_kept_is_read_back() {
        let records = [
            rejected(b"{\"a\":\"\n\"}", 9),
            rejected(b"\xff", 1),
            rejected(b"a", 70_000),
        ];
        let written = lines("f", "p", &records);
        let read: Vec<DeadLetter> = written
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| DeadLetter::parse(line).unwrap())
            .collect();
        let whole: Vec<bool> = read.iter().map(DeadLetter::is_whole).collect();
        assert_eq!(whole, [true, true, false]);
        assert!(
            read.iter()
                .zip(&records)
                .all(|(read, record)| read.bytes == record.bytes)
        );
        for bad in [
            &b"x"[..],
            b"{}",
            b"{\"length\":1}",
            b"{\"length\":1,\"base64\":\"*\"}",
        ] {
            assert!(DeadLetter::parse(bad).is_err());
        }
    }
}
