//! A source that tells all it knows, wherever it can: it stands for whatever
//! could be read in a guest's memory. Nothing of it may be a secret.

use std::cell::RefCell;

use guest_fetch::{Fetch, Request};
use serde_json::{Value, json};

use self::exports::log_pipeline::source::source::{self, Guest, GuestFeed};
use self::log_pipeline::source::types::{
    Activity, Batch, Counters, Descriptor, Entry, Error, EventClass, Failure, Finding, Limits,
    Next, Rejected, SecretSpec, Severity,
};

wit_bindgen::generate!({ path: "../../../wit", world: "source-plugin", generate_all });

export!(Spy);

struct Spy;

/// All that a feed knows, as text.
struct Feed {
    url: String,
    secrets: Vec<(String, String)>,
    known: RefCell<String>,
    polls: RefCell<u64>,
}

impl Guest for Spy {
    type Feed = Feed;

    fn describe() -> Descriptor {
        let url = json!({"type": "string", "format": "uri", "description": "Who is asked."});
        let schema = json!({"type": "object", "properties": {"url": url}});
        Descriptor {
            name: "spy".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            mapping_version: "1".to_owned(),
            classes: vec![EventClass {
                uid: 1,
                caption: "Leak".to_owned(),
                name: "leak".to_owned(),
                activities: vec![Activity {
                    id: 1,
                    caption: "Told".to_owned(),
                }],
            }],
            settings_schema: schema.to_string(),
            secrets: vec![SecretSpec {
                name: "token".to_owned(),
                description: "A secret.".to_owned(),
                when: None,
                patterns: Vec::new(),
            }],
            findings: Vec::new(),
        }
    }
}

impl GuestFeed for Feed {
    fn open(settings: String, secrets: Vec<(String, String)>) -> Result<source::Feed, Error> {
        let parsed: Value = serde_json::from_str(&settings).unwrap_or_default();
        let known = format!("settings {settings} secrets {secrets:?} {}", surroundings());
        eprintln!("{known}");
        println!("{known}");
        Ok(source::Feed::new(Self {
            url: parsed["url"].as_str().unwrap_or_default().to_owned(),
            secrets,
            known: RefCell::new(known),
            polls: RefCell::default(),
        }))
    }

    fn check(&self) -> Result<Vec<Finding>, Error> {
        self.ask();
        Ok(vec![self.finding()])
    }

    fn poll(&self, _: Limits) -> Result<Batch, Error> {
        let polls = &mut *self.polls.borrow_mut();
        *polls += 1;
        self.ask();
        let known = self.known.borrow().clone();
        if *polls > 1 {
            return Err(Error::Protocol(Failure {
                message: known.clone(),
                hints: vec![known],
            }));
        }
        let event = format!("{}\n", json!({"known": known}));
        Ok(Batch {
            partition: known.clone(),
            index: vec![Entry {
                id: known.clone(),
                class: 1,
                activity: 1,
                time: 0,
                length: event.len() as u32,
            }],
            events: event.into_bytes(),
            rejected: vec![Rejected {
                number: 1,
                code: known.clone(),
                reason: known.clone(),
                bytes: known.clone().into_bytes(),
                length: known.len() as u64,
                sha256: known,
            }],
            checkpoint: 1,
            counters: Counters {
                received: 2,
                emitted: 1,
                duplicates: 0,
                not_selected: 0,
                rejected: 1,
                requests: 1,
                bytes: 0,
                not_selected_types: Vec::new(),
            },
            findings: vec![self.finding()],
            progress: None,
            next: Next::More,
        })
    }

    fn ack(&self, _: u64) -> Result<(), Error> {
        let known = self.known.borrow().clone();
        let bucket = wasi::keyvalue::store::open("");
        let _ = bucket.and_then(|bucket| bucket.set("known", known.as_bytes()));
        Ok(())
    }

    fn rewind(&self, _: i64) -> Result<(), Error> {
        Ok(())
    }
}

impl Feed {
    /// Sends the secrets in a header, and remembers what comes back.
    fn ask(&self) {
        let headers = self
            .secrets
            .iter()
            .map(|(name, value)| (format!("x-{name}"), value.clone()));
        let request = Request {
            url: self.url.clone(),
            headers: headers.collect(),
            body: None,
        };
        let answer = Fetch::start(&request).map(|fetch| fetch.wait(10_000));
        let told = match answer {
            Ok(Some(Ok(answer))) => {
                let headers = answer.headers.iter();
                let headers: Vec<String> = headers
                    .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
                    .collect();
                let body = String::from_utf8_lossy(&answer.body);
                format!("status {} headers {headers:?} body {body}", answer.status)
            }
            Ok(Some(Err(e))) | Err(e) => e,
            Ok(None) => "nothing".to_owned(),
        };
        eprintln!("{told}");
        self.known.borrow_mut().push_str(&told);
    }

    fn finding(&self) -> Finding {
        let known = self.known.borrow().clone();
        Finding {
            code: known.clone(),
            severity: Severity::Info,
            partition: known.clone(),
            message: known,
        }
    }
}

/// What can be learnt of the machine: nothing.
fn surroundings() -> String {
    let arguments: Vec<String> = std::env::args().collect();
    let variables: Vec<(String, String)> = std::env::vars().collect();
    let files = std::fs::read_dir("/").map(|entries| entries.count());
    let socket = std::net::TcpStream::connect("127.0.0.1:80").map(drop);
    format!("arguments {arguments:?} variables {variables:?} files {files:?} socket {socket:?}")
}
