//! Where a feed's state lives: the values of its plugin, what is known of its
//! progress, and the *outbox*, which holds the one batch that is committed and
//! perhaps not yet delivered.
//!
//! [`Store`] is all that the host asks of it, so that another engine can take
//! the place of [`SqliteStore`]. Its one hard promise is [`Store::commit`]: all
//! of it is durable, or nothing.

mod lock;
mod sqlite;
mod status;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

pub use self::sqlite::SqliteStore;
pub use self::status::{Status, Trouble};
use crate::error::Result;
use crate::keyvalue::Values;
use crate::sink::Append;
use crate::words::counted;

/// What an async function of a trait object returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// State of feeds, each under its name.
pub trait Store: Send + Sync {
    /// The value that the plugin of `feed` keeps under `key`.
    fn get<'a>(&'a self, feed: &'a str, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>>>;

    /// Makes all of `commit` durable, or nothing. Returns when it is.
    fn commit<'a>(&'a self, feed: &'a str, commit: Commit) -> BoxFuture<'a, Result<()>>;

    /// The delivery in the outbox, if there is one.
    fn outbox<'a>(&'a self, feed: &'a str) -> BoxFuture<'a, Result<Option<Delivery>>>;

    /// What the delivery in the outbox brings, if there is one.
    fn waiting<'a>(&'a self, feed: &'a str) -> BoxFuture<'a, Result<Option<Waiting>>> {
        Box::pin(async move { Ok(self.outbox(feed).await?.as_ref().map(Delivery::waiting)) })
    }

    /// Replaces the plan and the dead letters of the delivery in the outbox, if
    /// it is the one with that checkpoint, and the status with them: all of it,
    /// or nothing. Returns when that is durable.
    fn replan<'a>(
        &'a self,
        feed: &'a str,
        delivery: &'a Delivery,
        status: &'a Status,
    ) -> BoxFuture<'a, Result<()>>;

    /// Empties the outbox if it holds the batch `checkpoint`, which is delivered.
    fn delivered<'a>(&'a self, feed: &'a str, checkpoint: u64) -> BoxFuture<'a, Result<()>>;

    /// What is known of `feed`; none: it never committed.
    fn status<'a>(&'a self, feed: &'a str) -> BoxFuture<'a, Result<Option<Status>>>;

    /// Every feed that ever committed, by name.
    fn feeds(&self) -> BoxFuture<'_, Result<Vec<String>>>;

    /// Keeps a copy of the values and the status of `feed` under `name`, in the
    /// place of an earlier one of that name. Says where it is; none: this store
    /// keeps no copies.
    fn keep<'a>(&'a self, feed: &'a str, name: &'a str) -> BoxFuture<'a, Result<Option<String>>> {
        let _ = (feed, name);
        Box::pin(async { Ok(None) })
    }

    /// Forgets all of `feed`.
    fn reset<'a>(&'a self, feed: &'a str) -> BoxFuture<'a, Result<()>>;
}

/// What one acknowledged batch changes.
pub struct Commit {
    /// What the plugin wrote.
    pub values: Values,
    /// Takes the place of the status before.
    pub status: Status,
    /// Goes into the outbox, which is empty; none: the outbox stays as it is.
    pub delivery: Option<Delivery>,
}

/// One batch on its way out, and how it is to be delivered: kept together, so
/// that a delivery that was interrupted is done again in the same way, whatever
/// the configuration says by then.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The batch's checkpoint.
    pub checkpoint: u64,
    /// Whose events these are: the batch's partition.
    pub partition: String,
    /// [`crate::Sink::kind`] of the sink that made the plan.
    pub sink: String,
    /// What [`crate::Sink::plan`] returned.
    pub plan: serde_json::Value,
    /// The batch's events: whole lines.
    pub events: Bytes,
    /// Dead letters (whole lines) that are still to be written before events are
    /// sent, and where they go.
    pub dead_letters: Option<(Append, Bytes)>,
}

impl Delivery {
    fn waiting(&self) -> Waiting {
        let lines = self.events.iter().filter(|byte| **byte == b'\n');
        Waiting {
            events: lines.count() as u64,
            partition: self.partition.clone(),
        }
    }
}

/// What waits in the outbox: the sink has not taken all of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Waiting {
    /// The batch's events; none: there are dead letters to be written.
    pub events: u64,
    /// The batch's partition.
    pub partition: String,
}

/// How much it is.
impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.events {
            0 => f.write_str("dead letters"),
            events => f.write_str(&counted(events, "event")),
        }
    }
}
