//! Where events go.
//!
//! Delivery is redone, never undone. A sink *plans* before the batch is
//! committed, the plan is committed together with the batch, and delivery
//! follows the plan: once, or again after an interruption, with the same
//! outcome.

mod append;
mod file;
mod http;
mod stdout;

use bytes::Bytes;
use serde_json::Value;

pub use self::append::Append;
pub(crate) use self::append::{Files, try_out};
pub use self::file::FileSink;
pub use self::http::{HeaderText, HttpBody, HttpOptions, HttpSink};
pub use self::stdout::StdoutSink;
use crate::bindings::types::{Batch, EventClass};
use crate::error::Result;
use crate::store::BoxFuture;

/// Takes what a feed collects.
pub trait Sink: Send + Sync {
    /// A short constant name. A delivery found in the outbox goes to the sink
    /// of the kind that planned it.
    fn kind(&self) -> &str;

    /// Where events end up, told apart from other places: kept in the feed's
    /// status, so that it holds nothing that nobody may see. With another
    /// destination it is not the one that took the batches before.
    fn destination(&self) -> String {
        self.kind().to_owned()
    }

    /// Tries, as far as that can be done without delivering anything, whether
    /// events of these classes could be delivered for `feed`.
    fn check<'a>(&'a self, feed: &'a str, classes: &'a [EventClass]) -> BoxFuture<'a, Result<()>> {
        let _ = (feed, classes);
        Box::pin(async { Ok(()) })
    }

    /// Says how `outgoing` is to be delivered, and changes nothing that a
    /// reader of the sink would see.
    fn plan<'a>(&'a self, outgoing: Outgoing<'a>) -> BoxFuture<'a, Result<Value>>;

    /// Delivers `events` by `plan`. Returns when they are durable at their
    /// destination, or when the plan has to change. It may run again for the
    /// same plan, when it failed or the process ended in its middle, and must
    /// not deliver anything twice if the destination can tell.
    fn deliver<'a>(
        &'a self,
        plan: &'a Value,
        events: &'a Bytes,
    ) -> BoxFuture<'a, Result<Delivered>>;
}

/// How far [`Sink::deliver`] came.
#[derive(Clone, Debug, PartialEq)]
pub enum Delivered {
    /// All events are durable at their destination.
    Whole,
    /// Delivery goes on, with another call, by another plan. Before that the
    /// plan is made durable, and refused events with it as dead letters: a
    /// start after a crash goes on from here.
    Partly {
        /// Takes the place of the plan before.
        plan: Value,
        /// Events that the destination will never take.
        refused: Vec<Refused>,
    },
}

/// An event that a destination will never take.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refused {
    /// Where its line begins in the batch's events, in bytes,
    pub start: usize,
    /// and where it ends.
    pub end: usize,
    /// What the destination said, for people.
    pub reason: String,
}

/// A batch for which a sink makes a plan. It has at least one event.
#[derive(Clone, Copy)]
pub struct Outgoing<'a> {
    /// The feed's name.
    pub feed: &'a str,
    /// The classes that the plugin emits.
    pub classes: &'a [EventClass],
    /// The batch, all but the bytes of its events.
    pub batch: &'a Batch,
    /// The events: whole lines, in the order of the batch's index.
    pub events: &'a Bytes,
    /// Whether the batch before went to the same [`Sink::destination`].
    pub known: bool,
}
