//! Loads log sources made as WebAssembly components, runs them in a sandbox, and
//! delivers what they collect.
//!
//! A *source* (a plugin; its interface is the WIT package `log-pipeline:source`)
//! knows one product: what to ask its API, and how its events read. This library
//! lends it HTTP to the origins in its settings, a clock, and storage; it keeps
//! the secrets, waits and retries, and delivers each batch once, over crashes
//! too. It knows no product and has no line about any.
//!
//! # A program of its own
//!
//! ```no_run
//! use std::path::Path;
//! use std::sync::Arc;
//!
//! use source_host::{
//!     BoxFuture, Delivered, Engine, Feed, FeedOptions, Outgoing, Result, SecretSource, Sink, SqliteStore,
//!     Totals, Until,
//! };
//!
//! /// Prints how many bytes come.
//! struct Meter;
//!
//! impl Sink for Meter {
//!     fn kind(&self) -> &str {
//!         "meter"
//!     }
//!
//!     fn plan<'a>(&'a self, _: Outgoing<'a>) -> BoxFuture<'a, Result<serde_json::Value>> {
//!         Box::pin(async { Ok(serde_json::Value::Null) })
//!     }
//!
//!     fn deliver<'a>(
//!         &'a self,
//!         _plan: &'a serde_json::Value,
//!         events: &'a bytes::Bytes,
//!     ) -> BoxFuture<'a, Result<Delivered>> {
//!         Box::pin(async {
//!             println!("{} bytes of events", events.len());
//!             Ok(Delivered::Whole)
//!         })
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<()> {
//!     let engine = Engine::new()?;
//!     let plugin = engine.load("plugin.wasm").await?;
//!     let state = Path::new("state");
//!     let store = Arc::new(SqliteStore::open(state)?);
//!
//!     let mut options = FeedOptions::new("acme", state.join("dead-letters-acme.ndjson"));
//!     options.settings.insert("start".into(), "24h".into());
//!     options.secrets.insert("token".into(), SecretSource::Env("ACME_TOKEN".into()));
//!     let mut feed = Feed::open(&plugin, options, store, Arc::new(Meter)).await?;
//!
//!     let stop = async { drop(tokio::signal::ctrl_c().await) };
//!     feed.run(Until::Stopped, stop, &mut Totals::default()).await?;
//!     Ok(())
//! }
//! ```
//!
//! [`Feed::run`] polls, settles, waits and retries. Whoever wants to do so
//! himself calls [`Feed::poll`] and [`Feed::settle`] in turn: not to poll is
//! backpressure. [`Store`] and [`Sink`] are what a program replaces with its
//! own (`examples/embed.rs` replaces both); [`Transformer`] uses a plugin's
//! mapping alone.
//!
//! # To understand it
//!
//! Start with [`Feed`], whose module says in numbered steps how a batch becomes
//! durable; then `instance.rs` (calls into the sandbox), and what the sandbox
//! may reach: `http.rs` with `egress.rs` and `gate.rs`, `keyvalue.rs`, `vault.rs`.

#![deny(missing_docs)]

mod bindings;
mod clean;
mod clock;
mod dead_letter;
mod egress;
mod engine;
mod error;
mod failpoint;
mod feed;
mod gate;
mod guest_log;
mod http;
mod instance;
mod journal;
mod keyvalue;
mod limits;
mod options;
mod outbox;
mod retry;
mod run;
mod secret;
mod secrets;
mod sink;
mod store;
mod totals;
mod transformer;
mod vault;
mod verify;
pub mod words;

pub use self::bindings::types::{
    Activity, Batch, Condition, Counters, Descriptor, Entry, EventClass, Finding, FindingSpec,
    Next, Progress, Reconciled, Rejected, SecretPattern, SecretSpec, Severity, TypeCount,
};
pub use self::clock::now;
pub use self::dead_letter::DeadLetter;
pub use self::egress::{Allow, https_proxy};
pub use self::engine::{Engine, Plugin};
pub use self::error::{Error, Kind, Problem, Result};
pub use self::feed::Feed;
pub use self::keyvalue::Values;
pub use self::limits::{Field, Limits};
pub use self::options::FeedOptions;
pub use self::run::{Ended, Until};
pub use self::secret::SecretSource;
pub use self::sink::{
    Append, Delivered, FileSink, HeaderText, HttpBody, HttpOptions, HttpSink, Outgoing, Refused,
    Sink, StdoutSink,
};
pub use self::store::{BoxFuture, Commit, Delivery, SqliteStore, Status, Store, Trouble, Waiting};
pub use self::totals::Totals;
pub use self::transformer::Transformer;
