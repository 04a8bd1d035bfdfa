//! A source that does harm, as its settings say: what a host must survive.
//!
//! Without harm it hands out batches of one event each, `batches` of them, and
//! is idle then. `does` names the harm, `in` the call in which it is done,
//! `after` how many batches go well before, `above` that it is done only while
//! the host asks for batches of more events than that.

mod acts;

use std::cell::{Cell, RefCell};

use serde_json::{Value, json};

use self::exports::log_pipeline::source::source::{self, Guest, GuestFeed};
use self::log_pipeline::source::types::{
    Activity, Batch, Counters, Descriptor, Entry, Error, EventClass, Failure, Finding, Limits,
    Next, Rejected, Severity,
};
use self::wasi::keyvalue::store;

wit_bindgen::generate!({ path: "../../../wit", world: "source-plugin", generate_all });

export!(Hostile);

/// The key of the position: the number of the last batch that was acked.
const POSITION: &str = "position";

struct Hostile;

impl Guest for Hostile {
    type Feed = Feed;

    fn describe() -> Descriptor {
        let url = |description: &str| json!({"type": "string", "format": "uri", "description": description});
        let text = |description: &str| json!({"type": "string", "description": description});
        let number = |description: &str| json!({"type": "integer", "description": description});
        let schema = json!({"type": "object", "properties": {
            "url": url("An origin that may be called."),
            "does": text("The harm."),
            "in": text("The call in which it is done: `open`, `check`, `poll` or `ack`."),
            "after": number("So many batches go well before."),
            "above": number("Only while the host asks for batches of more events than that."),
            "batches": number("So many batches, then it is idle."),
            "target": text("What is called, whether or not it may be; `{secret}` stands for the secret."),
            "header": text("A header of that request, as `name: value`."),
            "body": text("The body of that request."),
            "size": number("A size in bytes."),
        }});
        Descriptor {
            name: "hostile".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            mapping_version: "1".to_owned(),
            classes: vec![EventClass {
                uid: 1,
                caption: "Thing".to_owned(),
                name: "thing".to_owned(),
                activities: vec![Activity {
                    id: 1,
                    caption: "Happened".to_owned(),
                }],
            }],
            settings_schema: schema.to_string(),
            secrets: Vec::new(),
            findings: Vec::new(),
        }
    }
}

struct Feed {
    settings: Settings,
    /// The number of the last batch that was acked; none: not read yet.
    acked: Cell<Option<u64>>,
    in_hand: Cell<Option<u64>>,
    /// What is kept so that it is not dropped.
    hoard: RefCell<acts::Hoard>,
}

struct Settings(Value);

impl Settings {
    fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    fn number(&self, name: &str, default: u64) -> u64 {
        self.0[name].as_u64().unwrap_or(default)
    }

    /// The harm to be done in `call`, if any.
    fn harm(&self, call: &str) -> Option<&str> {
        let place = match self.text("in") {
            "" => "poll",
            place => place,
        };
        (place == call)
            .then(|| self.text("does"))
            .filter(|harm| !harm.is_empty())
    }
}

impl GuestFeed for Feed {
    fn open(settings: String, _: Vec<(String, String)>) -> Result<source::Feed, Error> {
        let feed = Self {
            settings: Settings(serde_json::from_str(&settings).map_err(internal)?),
            acked: Cell::default(),
            in_hand: Cell::default(),
            hoard: RefCell::default(),
        };
        if let Some(harm) = feed.settings.harm("open") {
            feed.act(harm)?;
        }
        Ok(source::Feed::new(feed))
    }

    fn check(&self) -> Result<Vec<Finding>, Error> {
        match self.settings.harm("check") {
            Some("findings") => Ok(findings()),
            Some(harm) => self.act(harm).map(|_| Vec::new()),
            None => Ok(Vec::new()),
        }
    }

    fn poll(&self, limits: Limits) -> Result<Batch, Error> {
        let acked = match self.acked.get() {
            Some(acked) => acked,
            None => load()?,
        };
        self.acked.set(Some(acked));
        let number = acked + 1;
        let batches = self.settings.number("batches", 3);
        let mut batch = batch(
            number,
            (number <= batches).then(|| json!({"batch": number})),
        );
        let is_time = acked >= self.settings.number("after", 0)
            && u64::from(limits.max_events) > self.settings.number("above", 0);
        if let Some(harm) = self.settings.harm("poll").filter(|_| is_time) {
            match harm {
                "bytes" => fill(&mut batch, 2, limits.max_bytes as usize),
                "events" => fill(&mut batch, limits.max_events as usize + 1, 0),
                "dead-letters" => batch.rejected = rejected(limits.max_events as usize + 1, "x"),
                "index" => batch.index[0].length += 1,
                "hidden-lines" => {
                    batch.events = b"{}\n{}\n".to_vec();
                    batch.index[0].length = 6;
                }
                "same-number" => batch.checkpoint = acked,
                "number-ahead" => batch.checkpoint += 1,
                "shared-text" => batch.index = acts::entries_that_share_their_text(),
                "findings" => batch.findings = findings(),
                "limits" if number == 1 => {
                    let given = (limits.max_wait_ms, limits.max_bytes, limits.max_events);
                    batch = self::batch(number, Some(json!({"limits": given})));
                }
                "limits" => {}
                "texts" => {
                    batch.partition = TEXT.to_owned();
                    batch.rejected = rejected(1, TEXT);
                    batch.findings.push(finding(TEXT));
                }
                "fetch" => {
                    if let Some(event) = self.act(harm)? {
                        batch = self::batch(number, Some(event));
                        batch.next = Next::Idle(0);
                    }
                }
                _ => drop(self.act(harm)?),
            }
        }
        self.in_hand.set(Some(batch.checkpoint));
        Ok(batch)
    }

    fn ack(&self, checkpoint: u64) -> Result<(), Error> {
        if self.in_hand.get() != Some(checkpoint) {
            return Err(internal("no batch in hand has this number"));
        }
        let is_time = checkpoint > self.settings.number("after", 0);
        if let Some(harm) = self.settings.harm("ack").filter(|_| is_time) {
            self.act(harm)?;
        }
        set(POSITION, checkpoint.to_string().as_bytes())?;
        self.acked.set(Some(checkpoint));
        Ok(())
    }

    fn rewind(&self, _: i64) -> Result<(), Error> {
        set(POSITION, b"0")
    }
}

/// Text that tries to be more than text: it colours the terminal, moves its
/// cursor, adds a line to the log, sets the window's title, and reads backwards.
const TEXT: &str =
    "\u{1b}[31mred\u{1b}[2J\nerror: not ours\r\u{7}\u{9b}1m\u{1b}]0;title\u{7}\u{202e}sdrawkcab";

fn batch(number: u64, event: Option<Value>) -> Batch {
    let line = event.map(|event| format!("{event}\n")).unwrap_or_default();
    let index = (!line.is_empty()).then(|| entry(line.len()));
    Batch {
        partition: String::new(),
        index: index.into_iter().collect(),
        rejected: Vec::new(),
        checkpoint: number,
        counters: Counters {
            received: 0,
            emitted: 0,
            duplicates: 0,
            not_selected: 0,
            rejected: 0,
            requests: 0,
            bytes: 0,
            not_selected_types: Vec::new(),
        },
        findings: Vec::new(),
        progress: None,
        next: match line.is_empty() {
            true => Next::Idle(100),
            false => Next::More,
        },
        events: line.into_bytes(),
    }
}

fn entry(length: usize) -> Entry {
    Entry {
        id: "x".to_owned(),
        class: 1,
        activity: 1,
        time: 0,
        length: length as u32,
    }
}

/// Makes it a batch of so many events, each a little larger than asked for.
fn fill(batch: &mut Batch, events: usize, size: usize) {
    let line = format!("\"{}\"\n", "x".repeat(size));
    batch.events = line.repeat(events).into_bytes();
    batch.index = (0..events).map(|_| entry(line.len())).collect();
}

fn rejected(count: usize, reason: &str) -> Vec<Rejected> {
    let one = |number| Rejected {
        number: number as u64,
        code: reason.to_owned(),
        reason: reason.to_owned(),
        bytes: b"{}".to_vec(),
        length: 2,
        sha256: reason.to_owned(),
    };
    (1..=count).map(one).collect()
}

fn findings() -> Vec<Finding> {
    (0..10_000)
        .map(|number| finding(&format!("finding {number}")))
        .collect()
}

fn finding(message: &str) -> Finding {
    Finding {
        code: message.to_owned(),
        severity: Severity::Warning,
        partition: message.to_owned(),
        message: message.to_owned(),
    }
}

fn load() -> Result<u64, Error> {
    let stored = store::open("").and_then(|bucket| bucket.get(POSITION));
    let stored = stored.map_err(storage)?.unwrap_or_else(|| b"0".to_vec());
    String::from_utf8_lossy(&stored).parse().map_err(internal)
}

fn set(key: &str, value: &[u8]) -> Result<(), Error> {
    store::open("")
        .and_then(|bucket| bucket.set(key, value))
        .map_err(storage)
}

fn storage(e: store::Error) -> Error {
    let message = match e {
        store::Error::Other(message) => message,
        other => format!("{other:?}"),
    };
    Error::Storage(failure(message))
}

fn internal(e: impl ToString) -> Error {
    Error::Internal(failure(e.to_string()))
}

fn failure(message: impl Into<String>) -> Failure {
    Failure {
        message: message.into(),
        hints: Vec::new(),
    }
}
