//! What must hold of any bytes that come from outside, one function each.
//!
//! Each is a target of `cargo fuzz` (`make fuzz`: libFuzzer finds the bytes), and is driven by
//! `cargo test` too (`main.rs`: cases with a few bytes changed), so that every change meets them.
//! They fail by a panic, and compare with something that was written by others wherever there is
//! such a thing.

#[path = "../mapping/lossless.rs"]
mod lossless;
#[path = "../ocsf/mod.rs"]
mod ocsf;

use chrono::DateTime;
use jumpcloud::{
    batch::Batch,
    event::{Event, Reject},
    settings::Settings,
    split::{Broken, Piece, Splitter},
    transform::Transformer,
};
use serde_json::{Value, value::RawValue};

/// An event is read exactly if it is JSON, and what is mapped is valid and holds all of it.
pub fn event(bytes: &[u8]) {
    let parsed = Event::parse(bytes);
    let Ok(text) = str::from_utf8(bytes) else {
        assert!(matches!(parsed, Err(Reject::NotUtf8(_))));
        return;
    };
    let is_json = serde_json::from_str::<&RawValue>(text).is_ok();
    match parsed.map(drop) {
        Ok(()) | Err(Reject::NotAnObject) => assert!(is_json, "{text}"),
        Err(Reject::TooDeep) => {}
        Err(reject) => assert!(!is_json, "{text}: {reject}"),
    }
    // Lone surrogates and the largest numbers are JSON, but no values to serde_json.
    if serde_json::from_str::<Value>(text).is_ok() {
        lossless::check(text);
    }
}

/// A time is what chrono says it is.
pub fn timestamp(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let event = format!("{{\"timestamp\":{}}}", Value::from(text));
    let event = Event::parse(event.as_bytes()).expect("an object");
    let theirs = DateTime::parse_from_rfc3339(text).ok();
    let has_zone =
        text.ends_with(['Z', 'z']) || text.get(19..).is_some_and(|rest| rest.contains(['+', '-']));
    let is_leap = text.get(17..19) == Some("60");
    // chrono takes a space for the `T`, and the minus sign of typographers.
    let is_lax = !text.is_ascii() || text.get(10..11) == Some(" ");
    match (event.time(), theirs) {
        (Ok(ours), Some(theirs)) if !is_leap => {
            assert_eq!(ours, theirs.timestamp_millis(), "{text}")
        }
        (Ok(_), None) => assert!(!has_zone, "{text}"),
        (Err(reject), Some(_)) => assert!(is_lax, "{text}: {reject}"),
        _ => {}
    }
}

/// Records are the same in pieces of any length, and those of an array its elements. The first byte
/// is the length of the pieces.
pub fn page(bytes: &[u8]) {
    let Some((&length, bytes)) = bytes.split_first() else {
        return;
    };
    let length = usize::from(length).max(1);
    for splitter in [Splitter::array, Splitter::stream] {
        let whole = split(splitter(), bytes, bytes.len().max(1));
        assert_eq!(split(splitter(), bytes, length), whole);
        if let Ok(elements) = serde_json::from_slice::<Vec<&RawValue>>(bytes)
            && whole.iter().all(|found| matches!(found, Found::Record(_)))
        {
            let elements = elements.iter().map(|element| element.get().as_bytes());
            assert!(elements.eq(whole.iter().map(Found::bytes)));
        }
    }
    let whole = transform(bytes, bytes.len().max(1));
    assert_eq!(transform(bytes, length), whole);
}

/// Settings are refused with a reason, or are what the rest relies on.
pub fn settings(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    match Settings::parse(text) {
        Err(problems) => {
            assert!(!problems.is_empty(), "{text}");
            assert!(problems.iter().all(|problem| !problem.message.is_empty()));
        }
        Ok(settings) => {
            assert!(
                settings.event_types.login || settings.event_types.admin,
                "{text}"
            );
            assert!(
                settings.retention > 0 && settings.late_horizon > 0 && settings.poll_interval > 0
            );
            assert!(settings.org_ids.iter().all(|id| id.len() == 24), "{text}");
            let origin = settings.api_base_url.origin();
            assert!(
                origin.starts_with("http") && !origin.ends_with('/'),
                "{text}"
            );
        }
    }
}

/// What a splitter gives.
#[derive(Debug, PartialEq)]
enum Found {
    Record(Vec<u8>),
    Refused(u64, [u8; 32]),
    Cut,
    Garbage,
}

impl Found {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Record(bytes) => bytes,
            _ => b"",
        }
    }
}

impl From<Result<Piece<'_>, Broken>> for Found {
    fn from(piece: Result<Piece<'_>, Broken>) -> Self {
        match piece {
            Ok(Piece::Record(bytes)) => Self::Record(bytes.to_vec()),
            Ok(Piece::Refused(refused)) => Self::Refused(refused.length, refused.sha256),
            Err(Broken::Cut) => Self::Cut,
            Err(Broken::Garbage(_)) => Self::Garbage,
        }
    }
}

fn split(mut splitter: Splitter, bytes: &[u8], length: usize) -> Vec<Found> {
    let mut found = Vec::new();
    for piece in bytes.chunks(length) {
        let mut at = 0;
        while let Some(next) = splitter.next(piece, &mut at).transpose() {
            let next = Found::from(next);
            let is_broken = matches!(next, Found::Cut | Found::Garbage);
            found.push(next);
            if is_broken {
                return found;
            }
        }
        assert_eq!(at, piece.len());
    }
    found.extend(splitter.finish().transpose().map(Found::from));
    found
}

/// The output, and the numbers of the rejected records.
fn transform(bytes: &[u8], length: usize) -> (Vec<u8>, Vec<u64>) {
    let mut transformer = Transformer::open("").expect("no settings are fine");
    let mut batches: Vec<Batch> = bytes
        .chunks(length)
        .map(|piece| transformer.push(piece))
        .collect();
    batches.push(transformer.finish());
    let (mut events, mut rejected) = (Vec::new(), Vec::new());
    for batch in batches {
        let counters = &batch.counters;
        let parts = counters.emitted + counters.not_selected + counters.rejected;
        assert_eq!(counters.received, parts);
        assert_eq!(counters.emitted, batch.index.len() as u64);
        events.extend(batch.events);
        rejected.extend(batch.rejected.iter().map(|record| record.number));
    }
    (events, rejected)
}
