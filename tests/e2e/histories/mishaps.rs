//! A store and a sink at which something goes wrong now and then: they fail
//! before or after they did what they should, or the process dies there.

use std::future::{Future, pending};
use std::sync::{Arc, Mutex};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use source_host::{
    BoxFuture, Commit, Delivered, Delivery, Error, Outgoing, Result, Sink, SqliteStore, Status,
    Store,
};
use tokio::sync::Notify;

/// What goes wrong on our side, and how often it did.
pub struct Mishaps {
    crashed: Notify,
    fate: Mutex<Fate>,
}

struct Fate {
    dice: ChaCha8Rng,
    /// Probabilities of a crash and of a failure at each place.
    crashes: f64,
    failures: f64,
    happened: (u64, u64),
}

impl Mishaps {
    pub fn new(seed: u64, crashes: f64, failures: f64) -> Self {
        Self {
            crashed: Notify::new(),
            fate: Mutex::new(Fate {
                dice: ChaCha8Rng::seed_from_u64(seed),
                crashes,
                failures,
                happened: (0, 0),
            }),
        }
    }

    /// Nothing goes wrong any more.
    pub fn end(&self) {
        let mut fate = self.fate.lock().unwrap();
        (fate.crashes, fate.failures) = (0.0, 0.0);
    }

    /// How many crashes and failures there were.
    pub fn happened(&self) -> (u64, u64) {
        self.fate.lock().unwrap().happened
    }

    /// Completes when the process dies: all that is under way is to be dropped.
    pub async fn crash(&self) {
        self.crashed.notified().await;
    }

    /// A place at which the process may die. If it does, nobody gets past it.
    pub async fn survive(&self) {
        let dies = {
            let mut fate = self.fate.lock().unwrap();
            let chance = fate.crashes;
            let dies = fate.dice.random_bool(chance);
            fate.happened.0 += u64::from(dies);
            dies
        };
        if dies {
            self.crashed.notify_one();
            pending().await
        }
    }

    /// A place at which something may fail too.
    async fn pass(&self) -> Result<(), &'static str> {
        self.survive().await;
        let mut fate = self.fate.lock().unwrap();
        let chance = fate.failures;
        let fails = fate.dice.random_bool(chance);
        fate.happened.1 += u64::from(fails);
        if fails { Err("a mishap") } else { Ok(()) }
    }

    async fn around<T>(&self, act: impl Future<Output = Result<T>>) -> Result<T> {
        self.pass().await.map_err(Error::storage)?;
        let done = act.await?;
        self.pass().await.map_err(Error::storage)?;
        Ok(done)
    }
}

/// A real store that fails now and then. After a failure it may have done what
/// it was asked for.
pub struct BrittleStore {
    pub store: SqliteStore,
    pub mishaps: Arc<Mishaps>,
}

impl Store for BrittleStore {
    fn get<'a>(&'a self, feed: &'a str, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>>> {
        Box::pin(self.mishaps.around(self.store.get(feed, key)))
    }

    fn commit<'a>(&'a self, feed: &'a str, commit: Commit) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.mishaps.around(self.store.commit(feed, commit)))
    }

    fn outbox<'a>(&'a self, feed: &'a str) -> BoxFuture<'a, Result<Option<Delivery>>> {
        Box::pin(self.mishaps.around(self.store.outbox(feed)))
    }

    fn replan<'a>(
        &'a self,
        feed: &'a str,
        delivery: &'a Delivery,
        status: &'a Status,
    ) -> BoxFuture<'a, Result<()>> {
        let replanned = self.store.replan(feed, delivery, status);
        Box::pin(self.mishaps.around(replanned))
    }

    fn delivered<'a>(&'a self, feed: &'a str, checkpoint: u64) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.mishaps.around(self.store.delivered(feed, checkpoint)))
    }

    fn status<'a>(&'a self, feed: &'a str) -> BoxFuture<'a, Result<Option<Status>>> {
        Box::pin(self.mishaps.around(self.store.status(feed)))
    }

    fn feeds(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        self.store.feeds()
    }

    fn reset<'a>(&'a self, feed: &'a str) -> BoxFuture<'a, Result<()>> {
        self.store.reset(feed)
    }
}

/// A sink that writes to memory at the place that was planned, half and half.
pub struct BrittleSink {
    pub written: Mutex<Vec<u8>>,
    pub mishaps: Arc<Mishaps>,
}

impl BrittleSink {
    /// What is there already is never changed: a reader has seen it.
    fn write(&self, at: usize, bytes: &[u8]) {
        let mut written = self.written.lock().unwrap();
        let (old, new) = bytes.split_at(bytes.len().min(written.len() - at));
        assert_eq!(&written[at..at + old.len()], old, "repeated otherwise");
        written.extend_from_slice(new);
    }
}

impl Sink for BrittleSink {
    fn kind(&self) -> &str {
        "brittle"
    }

    fn plan<'a>(&'a self, _: Outgoing<'a>) -> BoxFuture<'a, Result<Value>> {
        Box::pin(async {
            self.mishaps.pass().await.map_err(Error::sink)?;
            Ok(json!(self.written.lock().unwrap().len()))
        })
    }

    fn deliver<'a>(
        &'a self,
        plan: &'a Value,
        events: &'a bytes::Bytes,
    ) -> BoxFuture<'a, Result<Delivered>> {
        Box::pin(async {
            let at = plan.as_u64().unwrap() as usize;
            let half = events.len() / 2;
            self.mishaps.pass().await.map_err(Error::sink)?;
            self.write(at, &events[..half]);
            self.mishaps.pass().await.map_err(Error::sink)?;
            self.write(at + half, &events[half..]);
            self.mishaps.pass().await.map_err(Error::sink)?;
            Ok(Delivered::Whole)
        })
    }
}
