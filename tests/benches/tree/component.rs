//! The same interface around another mapper: lines are read into a tree of `serde_json::Value`, which
//! is mapped to another tree, which is written. `make bench` runs it in the same host, and first sees
//! to it that its events equal the plugin's.

mod mapper;

use std::cell::RefCell;

use self::bindings::exports::log_pipeline::source::source;
use self::bindings::exports::log_pipeline::source::transform;
use self::bindings::log_pipeline::source::types;

mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "plugin", generate_all });
    use super::Component;
    export!(Component);
}

struct Component;

/// What is left of the last piece: the start of a line.
struct Lines(RefCell<Vec<u8>>);

impl transform::Guest for Component {
    type Transformer = Lines;
}

impl transform::GuestTransformer for Lines {
    fn open(_: String) -> Result<transform::Transformer, types::Error> {
        Ok(transform::Transformer::new(Self(RefCell::default())))
    }

    fn push(&self, bytes: Vec<u8>) -> Result<types::Batch, types::Error> {
        let mut rest = self.0.borrow_mut();
        rest.extend_from_slice(&bytes);
        let whole = rest
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let batch = batch(&rest[..whole]);
        rest.drain(..whole);
        Ok(batch)
    }

    fn finish(&self) -> Result<types::Batch, types::Error> {
        Ok(batch(&self.0.take()))
    }
}

fn batch(lines: &[u8]) -> types::Batch {
    let mut batch = types::Batch {
        partition: String::new(),
        events: Vec::new(),
        index: Vec::new(),
        rejected: Vec::new(),
        checkpoint: 0,
        counters: types::Counters {
            received: 0,
            emitted: 0,
            duplicates: 0,
            not_selected: 0,
            rejected: 0,
            requests: 0,
            bytes: lines.len() as u64,
            not_selected_types: Vec::new(),
        },
        findings: Vec::new(),
        progress: None,
        next: types::Next::More,
    };
    for line in lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        batch.counters.received += 1;
        // Not selected and not understood are the same to the bench.
        let Some(event) = mapper::map(line) else {
            batch.counters.not_selected += 1;
            continue;
        };
        let before = batch.events.len();
        serde_json::to_writer(&mut batch.events, &event).expect("memory takes it");
        batch.events.push(b'\n');
        let number = |name: &str| event[name].as_i64().unwrap_or_default();
        batch.index.push(types::Entry {
            id: event["metadata"]["uid"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            class: number("class_uid") as u32,
            activity: number("activity_id") as u32,
            time: number("time"),
            length: (batch.events.len() - before) as u32,
        });
        batch.counters.emitted += 1;
    }
    batch
}

impl source::Guest for Component {
    type Feed = NoFeed;

    fn describe() -> types::Descriptor {
        types::Descriptor {
            name: "tree".to_owned(),
            version: "0.0.0".to_owned(),
            mapping_version: "1".to_owned(),
            classes: Vec::new(),
            settings_schema: r#"{"type":"object","properties":{}}"#.to_owned(),
            secrets: Vec::new(),
            findings: Vec::new(),
        }
    }
}

/// It transforms only.
struct NoFeed;

impl NoFeed {
    fn error<T>() -> Result<T, types::Error> {
        Err(types::Error::Internal(types::Failure {
            message: "it transforms only".to_owned(),
            hints: Vec::new(),
        }))
    }
}

impl source::GuestFeed for NoFeed {
    fn open(_: String, _: Vec<(String, String)>) -> Result<source::Feed, types::Error> {
        Self::error()
    }

    fn check(&self) -> Result<Vec<types::Finding>, types::Error> {
        Self::error()
    }

    fn poll(&self, _: types::Limits) -> Result<types::Batch, types::Error> {
        Self::error()
    }

    fn ack(&self, _: u64) -> Result<(), types::Error> {
        Self::error()
    }

    fn rewind(&self, _: i64) -> Result<(), types::Error> {
        Self::error()
    }
}
