//! Loads log sources made as WebAssembly components (`log-pipeline:source`, see
//! `wit/`), runs them, and delivers what they collect.
mod bindings;
mod dead_letter;
mod egress;
mod engine;
mod error;
mod failpoint;
mod feed;
mod guest_log;
mod http;
mod instance;
mod keyvalue;
mod limits;
mod retry;
mod run;
mod secret;
mod secrets;
mod sink;
mod store;
mod totals;
mod transformer;
mod vault;

pub use self::bindings::types::{
    Activity, Batch, Condition, Counters, Descriptor, Entry, EventClass, Finding, FindingSpec,
    Next, Progress, Reconciled, Rejected, SecretPattern, SecretSpec, Severity, TypeCount,
};
pub use self::egress::Allow;
pub use self::engine::{Engine, Plugin};
pub use self::error::{Error, Kind, Problem, Result};
pub use self::feed::{Feed, FeedOptions};
pub use self::keyvalue::Values;
pub use self::limits::{Field, Limits};
pub use self::run::Until;
pub use self::secret::SecretSource;
pub use self::sink::{Append, FileSink, Outgoing, Sink, StdoutSink};
pub use self::store::{BoxFuture, Commit, Delivery, SqliteStore, Status, Store};
pub use self::totals::Totals;
pub use self::transformer::Transformer;
