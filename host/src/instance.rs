//! One running instance of a plugin: every call into a guest is here, and all
//! text that comes out passes [`Vault::clean`]. What bounds a call is in
//! `guest.rs`.

mod guest;

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::ResourceAny;

use self::guest::Caller;
pub(crate) use self::guest::{Guest, Surroundings};
use crate::bindings::types::{self, Batch, Descriptor, Finding};
use crate::bindings::{source, transform};
use crate::clean;
use crate::engine::Linked;
use crate::error::{Error, Kind, Problem, Result};
use crate::keyvalue::FeedBucket;
use crate::limits::Limits;
use crate::vault::Vault;

/// A running instance, with at most one feed and one transformer in it.
pub(crate) struct Instance {
    caller: Caller,
    source: source::Guest,
    transform: Option<transform::Guest>,
    vault: Arc<Vault>,
    secrets: Vec<String>,
    feed: Option<ResourceAny>,
    transformer: Option<ResourceAny>,
}

impl Instance {
    /// Asks a plugin what it is, in an instance of its own.
    pub(crate) async fn describe(linked: &Linked, limits: &Limits) -> Result<Descriptor> {
        let Self {
            mut caller,
            source,
            vault,
            ..
        } = Self::start(linked, Surroundings::nothing("describe", limits)).await?;
        let mut descriptor = caller.call(|store| source.call_describe(store)).await?;
        clean::descriptor(&mut descriptor, &vault);
        Ok(descriptor)
    }

    /// Starts an instance.
    pub(crate) async fn start(linked: &Linked, around: Surroundings) -> Result<Self> {
        let (vault, secrets) = (around.vault.clone(), around.secrets.clone());
        let (mut caller, instance) = Caller::start(linked, around).await?;
        let source = linked.source.load(&mut caller.store, &instance);
        let source = source.map_err(|e| caller.no_start(&e))?;
        let transform = linked.transform.as_ref();
        let transform = transform.map(|indices| indices.load(&mut caller.store, &instance));
        let transform = transform.transpose().map_err(|e| caller.no_start(&e))?;
        Ok(Self {
            caller,
            source,
            transform,
            vault,
            secrets,
            feed: None,
            transformer: None,
        })
    }

    /// Whether a call ended so that no other can follow.
    pub(crate) fn is_broken(&self) -> bool {
        self.caller.is_broken
    }

    /// Memory in use, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        self.caller.store.data().meter.memory
    }

    /// What the guest's calls write to is here.
    pub(crate) fn bucket(&mut self) -> &mut FeedBucket {
        &mut self.caller.store.data_mut().bucket
    }

    /// Opens the feed; problems with the settings come as one error.
    pub(crate) async fn open_feed(
        &mut self,
        settings: &str,
        secrets: &[(String, String)],
    ) -> Result<()> {
        let calls = self.source.feed();
        let opened = self
            .caller
            .call(|store| calls.call_open(store, settings, secrets));
        self.feed = Some(opened.await?.map_err(|e| self.failure(e))?);
        Ok(())
    }

    /// Tries the upstream out.
    pub(crate) async fn check(&mut self) -> Result<Vec<Finding>> {
        let (feed, calls) = (self.feed()?, self.source.feed());
        let checked = self.caller.call(|store| calls.call_check(store, feed));
        let mut findings = checked.await?.map_err(|e| self.failure(e))?;
        clean::findings(&mut findings, &self.vault);
        Ok(findings)
    }

    /// The next batch.
    pub(crate) async fn poll(&mut self, limits: types::Limits) -> Result<Batch> {
        let (feed, calls) = (self.feed()?, self.source.feed());
        let polled = self
            .caller
            .call(|store| calls.call_poll(store, feed, limits));
        let mut batch = polled.await?.map_err(|e| self.failure(e))?;
        clean::batch(&mut batch, &self.vault);
        Ok(batch)
    }

    /// Acknowledges a batch; what the guest writes is in the bucket.
    pub(crate) async fn ack(&mut self, checkpoint: u64) -> Result<()> {
        let (feed, calls) = (self.feed()?, self.source.feed());
        let acked = self
            .caller
            .call(|store| calls.call_ack(store, feed, checkpoint));
        acked.await?.map_err(|e| self.failure(e))
    }

    /// Forgets what was handed out from `to` (ms since 1970) on; what the guest
    /// writes is in the bucket.
    pub(crate) async fn rewind(&mut self, to: i64) -> Result<()> {
        let (feed, calls) = (self.feed()?, self.source.feed());
        let rewound = self.caller.call(|store| calls.call_rewind(store, feed, to));
        rewound.await?.map_err(|e| self.failure(e))
    }

    /// Opens the transformer.
    pub(crate) async fn open_transformer(&mut self, settings: &str) -> Result<()> {
        let Some(transform) = &self.transform else {
            let message = "the plugin does not export `log-pipeline:source/transform@0.1.0`";
            return Err(Error::new(Kind::Configuration, message));
        };
        let calls = transform.transformer();
        let opened = self.caller.call(|store| calls.call_open(store, settings));
        self.transformer = Some(opened.await?.map_err(|e| self.failure(e))?);
        Ok(())
    }

    /// Gives the transformer its next bytes; none: that was the end.
    pub(crate) async fn transform(&mut self, bytes: Option<&[u8]>) -> Result<Batch> {
        let (Some(transform), Some(transformer)) = (&self.transform, self.transformer) else {
            return Err(Error::new(Kind::Plugin, "no transformer is open"));
        };
        let (calls, caller) = (transform.transformer(), &mut self.caller);
        let mapped = match bytes {
            Some(bytes) => {
                let pushed = caller.call(|store| calls.call_push(store, transformer, bytes));
                pushed.await?
            }
            None => {
                let finished = caller.call(|store| calls.call_finish(store, transformer));
                finished.await?
            }
        };
        let mut batch = mapped.map_err(|e| self.failure(e))?;
        clean::batch(&mut batch, &self.vault);
        Ok(batch)
    }

    fn feed(&self) -> Result<ResourceAny> {
        self.feed
            .ok_or_else(|| Error::new(Kind::Plugin, "no feed is open"))
    }

    /// The configuration's key for what a guest calls a setting or secret.
    fn key(&self, name: &str) -> String {
        if name.is_empty() {
            return String::new();
        }
        let is_secret = self.secrets.iter().any(|secret| secret == name);
        format!("{}.{name}", if is_secret { "secrets" } else { "settings" })
    }

    /// A failure that the guest reported, as the host's error.
    fn failure(&self, error: types::Error) -> Error {
        let clean = |text: &str| self.vault.clean(text);
        let (kind, failure, delay) = match error {
            types::Error::BadSettings(problems) => {
                return Error::configuration(problems.iter().map(|p| Problem {
                    key: self.key(&clean(&p.setting)),
                    message: clean(&p.message),
                    hints: p.hints.iter().map(|hint| clean(hint)).collect(),
                }));
            }
            types::Error::Authentication(failure) => (Kind::Authentication, failure, None),
            types::Error::Permission(failure) => (Kind::Permission, failure, None),
            types::Error::NotEntitled(failure) => (Kind::NotEntitled, failure, None),
            types::Error::Unavailable(u) => (Kind::Unavailable, u.failure, u.retry_after_ms),
            types::Error::Protocol(failure) => (Kind::Protocol, failure, None),
            types::Error::Storage(failure) => (Kind::Storage, failure, None),
            types::Error::Internal(failure) => (Kind::Plugin, failure, None),
        };
        Error::new(kind, clean(&failure.message))
            .hints_from(failure.hints.iter().map(|h| clean(h)))
            .after(delay.map(Duration::from_millis))
    }
}
