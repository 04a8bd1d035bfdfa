//! Single acts of harm.

use std::hint::black_box;
use std::time::{Duration, Instant};

use guest_fetch::{Fetch, Request};
use serde_json::{Value, json};
use wasi::http::types::Fields;

use super::{Error, Feed, TEXT, failure, internal, set, store};
use crate::log_pipeline::source::types::{Entry, Unavailability};

/// Things that are never let go.
#[derive(Default)]
pub struct Hoard {
    memory: Vec<Vec<u8>>,
    fields: Vec<Fields>,
    buckets: Vec<store::Bucket>,
}

impl Feed {
    /// Does what `harm` says. What came of it, if that is worth an event.
    pub fn act(&self, harm: &str) -> Result<Option<Value>, Error> {
        let hoard = &mut *self.hoard.borrow_mut();
        match harm {
            "spin" => loop {
                black_box(());
            },
            "grow" => loop {
                hoard.memory.push(black_box(vec![1; 1 << 20]));
            },
            "recurse" => {
                black_box(recurse(1));
            }
            "trap" => std::process::abort(),
            "panic" => panic!("{TEXT}"),
            "sleep" => std::thread::sleep(Duration::from_secs(3_600)),
            // Waits, but looks at the clock all the time.
            "busy-wait" => {
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_secs(3_600) {
                    std::thread::sleep(Duration::from_nanos(1));
                }
            }
            "log" => (0..100_000).for_each(|number| eprintln!("line {number}")),
            "log-without-end" => (0..10_000).for_each(|_| eprint!("{}", "x".repeat(1_000))),
            // So few that nothing but `limits.handles` stops them.
            "handles" => (0..200).for_each(|_| hoard.fields.push(Fields::new())),
            "buckets" => {
                for _ in 0..200 {
                    hoard.buckets.push(store::open("").map_err(super::storage)?);
                }
            }
            "set" => set("key", b"value")?,
            "large-value" => set(
                "key",
                &vec![0; self.settings.number("size", 1 << 20) as usize],
            )?,
            "many-values" => {
                let value = vec![0; self.settings.number("size", 200_000) as usize];
                for number in 0..100_000 {
                    set(&number.to_string(), &value)?;
                }
            }
            "error" => return Err(internal(TEXT)),
            "fetch" => return self.fetch().map(Some),
            other => return Err(internal(format!("I don't know how to `{other}`"))),
        }
        Ok(None)
    }

    fn fetch(&self) -> Result<Value, Error> {
        let text = |name: &str| self.settings.text(name).to_owned();
        let target = match text("target") {
            target if target.is_empty() => text("url"),
            target => target,
        };
        let header = text("header");
        let size = self.settings.number("size", 0) as usize;
        let request = Request {
            url: target,
            headers: header
                .split_once(": ")
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into_iter()
                .collect(),
            body: (size > 0).then(|| vec![b'x'; size]),
        };
        let answer = Fetch::start(&request).map(|fetch| fetch.wait(u32::MAX));
        match answer {
            Ok(Some(Ok(answer))) => {
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                Ok(json!({"status": answer.status, "length": body.len(), "body": body}))
            }
            Ok(Some(Err(reason))) | Err(reason) => Err(Error::Unavailable(Unavailability {
                failure: failure(reason),
                retry_after_ms: Some(3_600_000),
            })),
            Ok(None) => Err(internal("no answer")),
        }
    }
}

#[expect(unconditional_recursion, reason = "that is the harm")]
fn recurse(depth: u64) -> u64 {
    black_box(recurse(black_box(depth + 1))) + 1
}

/// A hundred entries, all of which have the same megabyte of text: little here,
/// and more than `limits.memory` once it is copied out; less than what wasmtime
/// bounds by itself.
pub fn entries_that_share_their_text() -> Vec<Entry> {
    let text = "x".repeat(1 << 20).leak();
    let entry = |_| Entry {
        // SAFETY: there is none. The copies are never freed, since the host
        // stops this before it comes to that.
        id: unsafe { String::from_raw_parts(text.as_mut_ptr(), text.len(), text.len()) },
        class: 1,
        activity: 1,
        time: 0,
        length: 1,
    };
    (0..100).map(entry).collect()
}
