//! The component: the WIT exports on one side, the core on the other.
//!
//! This file and those below it alone know the interface's bindings. They
//! translate and drive; they decide nothing.

mod convert;
mod http;

use std::cell::RefCell;

use wasi::clocks::{monotonic_clock, wall_clock};

use self::bindings::exports::log_pipeline::source::source;
use self::bindings::exports::log_pipeline::source::transform;
use self::bindings::log_pipeline::source::types;
use self::bindings::wasi::keyvalue::store;
use self::http::Requests;
use crate::check::Check;
use crate::clock::Reading;
use crate::error::{Error, Failure};
use crate::feed::{Feed, Machine, Step};
use crate::state::Write;
use crate::transform::Transformer;

#[expect(unsafe_code, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "plugin", generate_all });
    use super::Component;
    export!(Component);
}

struct Component;

/// A feed and its open requests.
struct FeedResource(RefCell<(Feed, Requests)>);

struct TransformerResource(RefCell<Transformer>);

impl source::Guest for Component {
    type Feed = FeedResource;

    fn describe() -> types::Descriptor {
        convert::descriptor()
    }
}

impl source::GuestFeed for FeedResource {
    fn open(
        settings: String,
        secrets: Vec<(String, String)>,
    ) -> Result<source::Feed, types::Error> {
        report_panics();
        let feed = Feed::open(&settings, secrets)?;
        Ok(source::Feed::new(Self(RefCell::new((
            feed,
            Requests::default(),
        )))))
    }

    fn check(&self) -> Result<Vec<types::Finding>, types::Error> {
        let (feed, _) = &mut *self.0.borrow_mut();
        restore(feed)?;
        let mut check = Check::new(feed);
        drive(&mut check, &mut Requests::default())?;
        Ok(check.finish(now())?.into_iter().map(Into::into).collect())
    }

    fn poll(&self, limits: types::Limits) -> Result<types::Batch, types::Error> {
        let (feed, requests) = &mut *self.0.borrow_mut();
        restore(feed)?;
        feed.poll(limits.into(), now())?;
        drive(feed, requests)?;
        Ok(feed.take_batch(now())?.into())
    }

    fn ack(&self, checkpoint: u64) -> Result<(), types::Error> {
        let (feed, _) = &mut *self.0.borrow_mut();
        let writes = feed.ack(checkpoint)?;
        Ok(write(writes).inspect_err(|_| feed.tear())?)
    }

    fn rewind(&self, to: i64) -> Result<(), types::Error> {
        let (feed, _) = &mut *self.0.borrow_mut();
        restore(feed)?;
        let writes = feed.rewind(to)?;
        Ok(write(writes).inspect_err(|_| feed.tear())?)
    }
}

impl transform::Guest for Component {
    type Transformer = TransformerResource;
}

impl transform::GuestTransformer for TransformerResource {
    fn open(settings: String) -> Result<transform::Transformer, types::Error> {
        report_panics();
        let transformer = Transformer::open(&settings)?;
        Ok(transform::Transformer::new(Self(RefCell::new(transformer))))
    }

    fn push(&self, bytes: Vec<u8>) -> Result<types::Batch, types::Error> {
        Ok(self.0.borrow_mut().push(&bytes).into())
    }

    fn finish(&self) -> Result<types::Batch, types::Error> {
        Ok(self.0.borrow_mut().finish().into())
    }
}

/// Does what the machine says until it is done.
fn drive(machine: &mut impl Machine, requests: &mut Requests) -> Result<(), Error> {
    loop {
        match machine.step(now()) {
            Step::Send(id, request) => requests.send(id, request),
            Step::Drop(id) => requests.drop(id),
            Step::Load(key) => machine.load(get(&open_bucket()?, &key)?, now()),
            Step::Read(id, until) => {
                let input = requests.read(id, until);
                machine.handle(id, input, now());
            }
            Step::Done => return Ok(()),
        }
    }
}

/// Hands in the stored state, once.
fn restore(feed: &mut Feed) -> Result<(), Error> {
    let Some(mut key) = feed.wants() else {
        return Ok(());
    };
    let bucket = open_bucket()?;
    loop {
        let value = get(&bucket, &key)?;
        feed.restore(value.as_deref())?;
        match feed.wants() {
            Some(next) => key = next,
            None => return Ok(()),
        }
    }
}

fn write(writes: Vec<Write>) -> Result<(), Error> {
    if writes.is_empty() {
        return Ok(());
    }
    let bucket = open_bucket()?;
    writes.into_iter().try_for_each(|write| {
        match write {
            Write::Set(key, value) => bucket.set(&key, &value),
            Write::Delete(key) => bucket.delete(&key),
        }
        .map_err(|error| storage(&error, "written"))
    })
}

fn get(bucket: &store::Bucket, key: &str) -> Result<Option<Vec<u8>>, Error> {
    bucket.get(key).map_err(|error| storage(&error, "read"))
}

/// The feed's own bucket.
fn open_bucket() -> Result<store::Bucket, Error> {
    store::open("").map_err(|error| storage(&error, "opened"))
}

fn storage(error: &store::Error, done: &str) -> Error {
    let why = match error {
        store::Error::NoSuchStore => "no such store",
        store::Error::AccessDenied => "access denied",
        store::Error::Other(words) => words,
    };
    Error::Storage(Failure::new(format!(
        "the state could not be {done}: {why}"
    )))
}

fn now() -> Reading {
    let wall = wall_clock::now();
    let ms = wall
        .seconds
        .saturating_mul(1_000)
        .saturating_add(u64::from(wall.nanoseconds) / 1_000_000);
    Reading {
        wall: i64::try_from(ms).unwrap_or(i64::MAX),
        monotonic: monotonic_clock::now() / 1_000_000,
    }
}

/// This target has no standard error of its own: a panic, which would be a
/// defect, is said through WASI before the trap.
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let text = format!("{panic}\n");
        let _ = wasi::cli::stderr::get_stderr().blocking_write_and_flush(text.as_bytes());
    }));
}
