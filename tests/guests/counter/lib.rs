//! The smallest honest source: it collects numbers from a service that answers
//! `GET URL/numbers?after=N` with those that follow N, one a line, as many as it likes;
//! with none there is nothing new.
//!
//! It is written against `wit/` alone, and is the shortest answer to the
//! question of what a source has to do: keep the position, hand out what comes
//! after it, move it in `ack`, classify what goes wrong. It neither waits nor
//! retries.

use std::cell::RefCell;
use std::collections::VecDeque;

use guest_fetch::{Answer, Fetch, Request};
use serde_json::{Value, json};

use self::exports::log_pipeline::source::source::{self, Guest, GuestFeed};
use self::log_pipeline::source::types::{
    Activity, Batch, Counters, Descriptor, Entry, Error, EventClass, Failure, Finding, Limits,
    Next, Problem, Unavailability,
};
use self::wasi::keyvalue::store;

wit_bindgen::generate!({ path: "../../../wit", world: "source-plugin", generate_all });

export!(Counter);

/// The class of all events, and what has happened in each.
const CLASS: u32 = 1;
const COUNTED: u32 = 1;

/// How long to rest when there is nothing new, in ms.
const IDLE: u64 = 1_000;

/// The key of the position: the last number that was acked and the last
/// batch's, as text.
const POSITION: &str = "position";

struct Counter;

impl Guest for Counter {
    type Feed = Feed;

    fn describe() -> Descriptor {
        let url = json!({
            "type": "string",
            "format": "uri",
            "description": "Where the numbers are.",
        });
        let schema = json!({"type": "object", "properties": {"url": url}, "required": ["url"]});
        Descriptor {
            name: "counter".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            mapping_version: "1".to_owned(),
            classes: vec![EventClass {
                uid: CLASS,
                caption: "Number".to_owned(),
                name: "number".to_owned(),
                activities: vec![Activity {
                    id: COUNTED,
                    caption: "Counted".to_owned(),
                }],
            }],
            settings_schema: schema.to_string(),
            secrets: Vec::new(),
            findings: Vec::new(),
        }
    }
}

/// One collection.
struct Feed {
    url: String,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// None: not read from the store yet.
    position: Option<Position>,
    /// Where the position will be when the batch in hand is acked.
    in_hand: Option<Position>,
    /// Numbers that were received and not handed out.
    received: VecDeque<u64>,
    request: Option<Fetch>,
}

#[derive(Clone, Copy, Default)]
struct Position {
    number: u64,
    checkpoint: u64,
}

impl GuestFeed for Feed {
    fn open(settings: String, _: Vec<(String, String)>) -> Result<source::Feed, Error> {
        let settings: Value = serde_json::from_str(&settings).map_err(internal)?;
        let Some(url) = settings["url"].as_str().filter(|url| url.contains("://")) else {
            return Err(Error::BadSettings(vec![Problem {
                setting: "url".to_owned(),
                message: "not an absolute URL".to_owned(),
                hints: Vec::new(),
            }]));
        };
        Ok(source::Feed::new(Self {
            url: url.trim_end_matches('/').to_owned(),
            state: RefCell::default(),
        }))
    }

    fn check(&self) -> Result<Vec<Finding>, Error> {
        let request = self.ask(0)?;
        match request.wait(60_000) {
            Some(answer) => numbers(answer).map(|_| Vec::new()),
            None => Err(unavailable("no answer within a minute")),
        }
    }

    fn poll(&self, limits: Limits) -> Result<Batch, Error> {
        let state = &mut *self.state.borrow_mut();
        if state.in_hand.is_some() {
            return Err(internal("the batch before was not acked"));
        }
        let position = match state.position {
            Some(position) => position,
            None => *state.position.insert(Position::load()?),
        };
        let mut requests = 0;
        let mut next = Next::More;
        if state.received.is_empty() {
            let request = match state.request.take() {
                Some(request) => request,
                None => {
                    requests = 1;
                    self.ask(position.number)?
                }
            };
            match request.wait(limits.max_wait_ms) {
                None => state.request = Some(request),
                Some(answer) => {
                    state.received = numbers(answer)?;
                    if state.received.is_empty() {
                        next = Next::Idle(IDLE);
                    }
                }
            }
        }
        let mut batch = Batch {
            partition: String::new(),
            events: Vec::new(),
            index: Vec::new(),
            rejected: Vec::new(),
            checkpoint: position.checkpoint + 1,
            counters: nothing(),
            findings: Vec::new(),
            progress: None,
            next,
        };
        let mut last = position.number;
        while let Some(number) = state.received.front().copied() {
            let line = format!("{{\"number\":{number}}}\n");
            let is_full = batch.index.len() == limits.max_events as usize
                || batch.events.len() + line.len() > limits.max_bytes as usize;
            if is_full && !batch.index.is_empty() {
                break;
            }
            state.received.pop_front();
            last = number;
            batch.events.extend_from_slice(line.as_bytes());
            batch.index.push(Entry {
                id: number.to_string(),
                class: CLASS,
                activity: COUNTED,
                time: 0,
                length: line.len() as u32,
            });
        }
        let emitted = batch.index.len() as u64;
        batch.counters.requests = requests;
        batch.counters.received = emitted;
        batch.counters.emitted = emitted;
        state.in_hand = Some(Position {
            number: last,
            checkpoint: batch.checkpoint,
        });
        Ok(batch)
    }

    fn ack(&self, checkpoint: u64) -> Result<(), Error> {
        let state = &mut *self.state.borrow_mut();
        match state.in_hand {
            Some(position) if position.checkpoint == checkpoint => {
                position.save()?;
                state.position = Some(position);
                state.in_hand = None;
                Ok(())
            }
            None if state.position.is_some_and(|p| p.checkpoint == checkpoint) => Ok(()),
            _ => Err(internal("no batch in hand has this number")),
        }
    }

    fn rewind(&self, _: i64) -> Result<(), Error> {
        let state = &mut *self.state.borrow_mut();
        if state.in_hand.is_some() {
            return Err(internal("the batch before was not acked"));
        }
        // Numbers have no time: all come again.
        let position = Position {
            number: 0,
            ..Position::load()?
        };
        position.save()?;
        *state = State::default();
        Ok(())
    }
}

impl Feed {
    fn ask(&self, after: u64) -> Result<Fetch, Error> {
        let request = Request {
            url: format!("{}/numbers?after={after}", self.url),
            ..Request::default()
        };
        Fetch::start(&request).map_err(unavailable)
    }
}

impl Position {
    fn load() -> Result<Self, Error> {
        let bucket = store::open("").map_err(storage)?;
        let Some(stored) = bucket.get(POSITION).map_err(storage)? else {
            return Ok(Self::default());
        };
        let text = String::from_utf8_lossy(&stored);
        let parsed = text.split_once(' ').and_then(|(number, checkpoint)| {
            Some(Self {
                number: number.parse().ok()?,
                checkpoint: checkpoint.parse().ok()?,
            })
        });
        parsed.ok_or_else(|| Error::Storage(failure(format!("no position: `{text}`"))))
    }

    fn save(self) -> Result<(), Error> {
        let text = format!("{} {}", self.number, self.checkpoint);
        let bucket = store::open("").map_err(storage)?;
        bucket.set(POSITION, text.as_bytes()).map_err(storage)
    }
}

/// The numbers in an answer, or what it means that there are none.
fn numbers(answer: Result<Answer, String>) -> Result<VecDeque<u64>, Error> {
    let answer = answer.map_err(unavailable)?;
    let told = |what: &str| failure(format!("the counter answered {}: {what}", answer.status));
    match answer.status {
        200 => {}
        401 => return Err(Error::Authentication(told("who asks?"))),
        403 => return Err(Error::Permission(told("not for you"))),
        429 | 500.. => return Err(unavailable(told("not now").message)),
        _ => return Err(Error::Protocol(told("that is not in the contract"))),
    }
    let text = String::from_utf8_lossy(&answer.body);
    let parsed: Result<VecDeque<u64>, _> = text.lines().map(str::parse).collect();
    parsed.map_err(|_| Error::Protocol(failure("the answer has a line that is no number")))
}

fn nothing() -> Counters {
    Counters {
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

fn failure(message: impl Into<String>) -> Failure {
    Failure {
        message: message.into(),
        hints: Vec::new(),
    }
}

fn unavailable(message: impl Into<String>) -> Error {
    Error::Unavailable(Unavailability {
        failure: failure(message),
        retry_after_ms: None,
    })
}

fn storage(e: store::Error) -> Error {
    Error::Storage(failure(format!("{e:?}")))
}

fn internal(e: impl ToString) -> Error {
    Error::Internal(failure(e.to_string()))
}
