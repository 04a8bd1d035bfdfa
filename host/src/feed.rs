//! One feed: a plugin with its settings and secrets, a store, and a sink.
//!
//! A batch takes numbered steps, and may be interrupted at each:
//!
//! 1. [`Feed::poll`]: the plugin hands out a batch.
//! 2. [`Feed::settle`]: the plugin acknowledges it; what it writes is buffered.
//! 3. One transaction commits what it wrote, the status, and the outbox: the
//!    batch with the plan of its delivery.
//! 4. The sink delivers by that plan.
//! 5. The outbox is emptied.
//!
//! Before step 3 nothing happened: the plugin is opened anew and hands the batch
//! out again. After it the batch is delivered, now or at the next start, by the
//! plan that was committed. The outbox holds one batch, and that is the
//! backpressure.

mod open;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use self::open::surroundings;
use crate::bindings::types::{self, Batch, Finding, Next};
use crate::clock::now;
use crate::engine::Plugin;
use crate::error::{Error, Kind, Result};
use crate::failpoint;
use crate::http::Http;
use crate::instance::Instance;
use crate::keyvalue::{FeedBucket, Values};
use crate::options::FeedOptions;
use crate::outbox::Outbox;
use crate::retry::{self, MOST_PLUGIN_FAILURES};
use crate::store::{BoxFuture, Commit, Status, Store, Waiting};
use crate::vault::Vault;
use crate::verify::verify;

/// An instance that uses more memory than this is dropped when there is nothing
/// to do: memory of WebAssembly never shrinks.
const IDLE_MEMORY: u64 = 4 << 20;

/// A check waits no longer for its turn.
const LONGEST_HELD: Duration = Duration::from_secs(5);

/// A feed that runs.
pub struct Feed {
    plugin: Plugin,
    options: FeedOptions,
    settings: String,
    vault: Arc<Vault>,
    http: Arc<Http>,
    store: Arc<dyn Store>,
    outbox: Outbox,
    status: Status,
    /// None: it is opened when it is needed, from the state of the last ack.
    instance: Option<Instance>,
    /// The outbox may hold a batch of an earlier run.
    redo: bool,
    /// Failures of the plugin in a row; each halves what is asked of it.
    failures: u32,
}

impl Feed {
    /// The feed's name.
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// The plugin that collects.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// What is known of it.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// What is committed, and waits for the sink; none: all is delivered.
    pub fn waiting(&self) -> BoxFuture<'_, Result<Option<Waiting>>> {
        self.store.waiting(&self.options.name)
    }

    /// How long its requests have to wait, because the upstream asked for rest.
    pub(crate) fn held_for(&self) -> Duration {
        self.http.held_for()
    }

    /// Takes new values of secrets from files that changed; says whether there
    /// were any.
    pub fn refresh_secrets(&self) -> bool {
        self.vault.refresh(&self.options.name)
    }

    /// Tries address, credential and permissions with real requests. Changes
    /// nothing, and does not wait for an upstream that asked for rest.
    pub async fn check(&mut self) -> Result<Vec<Finding>> {
        let held = self.held_for();
        if held > LONGEST_HELD {
            return Err(retry::held(held));
        }
        let mut instance = self.take_instance().await?;
        let findings = instance.check().await;
        if !instance.is_broken() {
            self.instance = Some(instance);
        }
        findings.map_err(|e| self.explain(e))
    }

    /// Tries, without delivering anything, whether the sink and the file of dead
    /// letters could be written.
    pub async fn check_sink(&self) -> Result<()> {
        self.outbox.check().await
    }

    /// Step 1: the next batch, after what an earlier run left is delivered.
    /// Dropping the future loses nothing.
    ///
    /// With `drain`, the plugin says `idle` only when it is caught up and has
    /// compared itself with the upstream once more.
    pub async fn poll(&mut self, drain: bool) -> Result<Batch> {
        self.deliver_outbox().await?;
        let polled = self.next_batch(drain).await;
        failpoint::pass("polled");
        self.judged(polled)
    }

    /// Steps 2 to 5: acknowledges `batch`, which [`Feed::poll`] returned last,
    /// makes it durable and delivers it. Returns it without its events.
    ///
    /// After an error the next `poll` brings the same batch again, or delivers
    /// it if it was committed.
    pub async fn settle(&mut self, mut batch: Batch) -> Result<Batch> {
        let events = Bytes::from(std::mem::take(&mut batch.events));
        let planned = self.outbox.plan(&batch, events, &self.status).await;
        // Put back only when all went well: else the feed is opened anew.
        let acked = self.acked(&batch).await;
        let (instance, values) = self.judged(acked)?;
        let delivery = planned?;
        failpoint::pass("acked");
        let mut status = self.status.after(&batch, self.plugin.title(), now());
        if !batch.index.is_empty() {
            status.destination = Some(self.outbox.destination());
        }
        let commit = Commit {
            values,
            status,
            delivery: delivery.clone(),
        };
        self.commit(commit).await?;
        failpoint::pass("committed");
        self.failures = 0;
        let is_idle = matches!(batch.next, Next::Idle(_));
        if !is_idle || instance.memory() <= IDLE_MEMORY {
            self.instance = Some(instance);
        }
        if let Some(delivery) = delivery {
            self.outbox.deliver(delivery, &mut self.status).await?;
        }
        self.redo = false;
        Ok(batch)
    }

    /// Makes a step durable. Before the first one of another version of the
    /// plugin, what the version before has left is kept.
    async fn commit(&mut self, commit: Commit) -> Result<()> {
        let name = &self.options.name;
        let (before, plugin) = (&self.status.plugin, self.plugin.title());
        if !before.is_empty()
            && *before != plugin
            && let Some(copy) = self.store.keep(name, before).await?
        {
            tracing::info!(feed = %name, "{plugin} goes on; the state that {before} left is kept in `{copy}`");
        }
        let status = commit.status.clone();
        // Whether or not it says so, the commit may have come about.
        self.redo = true;
        self.store.commit(name, commit).await?;
        self.status = status;
        Ok(())
    }

    /// Forgets what was handed out from `to` (ms since 1970) on, so that it
    /// comes again, after delivering what is in the outbox.
    pub async fn rewind(&mut self, to: i64) -> Result<()> {
        self.deliver_outbox().await?;
        // A batch in hand is given up with the instance that handed it out.
        self.instance = None;
        let mut instance = self.take_instance().await?;
        instance.bucket().unlock();
        let rewound = instance.rewind(to).await;
        let values = instance.bucket().lock();
        rewound.map_err(|e| self.explain(e))?;
        let mut status = self.status.clone();
        status.plugin = self.plugin.title();
        status.rewind(to);
        self.commit(Commit {
            values,
            status,
            delivery: None,
        })
        .await
    }

    /// Notes in the status that it failed, and after what time it is tried
    /// again, if at all.
    pub(crate) async fn note_failure(&mut self, e: &Error, wait: Option<Duration>) {
        self.status.fail(e, wait, now());
        if e.kind() == Kind::Storage {
            return;
        }
        let commit = Commit {
            values: Values::new(),
            status: self.status.clone(),
            delivery: None,
        };
        if let Err(e) = self.store.commit(&self.options.name, commit).await {
            tracing::debug!(feed = %self.options.name, "the failure is not noted: {e}");
        }
    }

    /// How often the sink took something since the feed was opened.
    pub(crate) fn deliveries(&self) -> u64 {
        self.outbox.deliveries()
    }

    /// Delivers what an earlier run committed and did not deliver.
    pub async fn deliver_outbox(&mut self) -> Result<()> {
        if self.redo {
            // A commit that failed may have come about all the same.
            let status = self.store.status(&self.options.name).await?;
            self.status = status.unwrap_or_default();
            self.outbox.redo(&mut self.status).await?;
            self.redo = false;
        }
        Ok(())
    }

    async fn next_batch(&mut self, drain: bool) -> Result<Batch> {
        let limits = self.batch_limits(drain);
        let mut instance = self.take_instance().await?;
        let batch = instance.poll(limits).await;
        let broken = instance.is_broken();
        let batch = batch.and_then(|batch| {
            verify(&batch, &limits, self.status.checkpoint)?;
            Ok(batch)
        });
        if !broken && !batch.as_ref().is_err_and(|e| e.kind() == Kind::Plugin) {
            self.instance = Some(instance);
        }
        batch
    }

    /// Step 2: what the plugin wrote, and the instance that did.
    async fn acked(&mut self, batch: &Batch) -> Result<(Instance, Values)> {
        let mut instance = self.take_instance().await?;
        instance.bucket().unlock();
        let acked = instance.ack(batch.checkpoint).await;
        let values = instance.bucket().lock();
        acked.map(|()| (instance, values))
    }

    /// Counts failures of the plugin, and adds to an error what only the host
    /// knows.
    fn judged<T>(&mut self, result: Result<T>) -> Result<T> {
        result.map_err(|e| {
            if e.kind() == Kind::Plugin {
                self.failures += 1;
            }
            self.explain(e)
        })
    }

    fn batch_limits(&self, drain: bool) -> types::Limits {
        let limits = &self.options.limits;
        let narrow = |limit: u64| {
            let halved = limit.checked_shr(self.failures).unwrap_or(0);
            u32::try_from(halved.max(1)).unwrap_or(u32::MAX)
        };
        types::Limits {
            max_wait_ms: u32::try_from(limits.batch_wait.as_millis()).unwrap_or(u32::MAX),
            max_bytes: narrow(limits.batch),
            max_events: narrow(limits.batch_events),
            drain,
        }
    }

    /// The running instance, or a new one. The caller puts it back if it is
    /// still good.
    async fn take_instance(&mut self) -> Result<Instance> {
        if let Some(instance) = self.instance.take() {
            return Ok(instance);
        }
        let limits = &self.options.limits;
        let name = self.options.name.clone();
        let bucket = FeedBucket::new(self.store.clone(), name, limits.value, limits.memory);
        let (plugin, http) = (&self.plugin, Some(self.http.clone()));
        let around = surroundings(plugin, &self.options, &self.vault, http, bucket);
        let mut instance = Instance::start(plugin.linked(), around).await?;
        instance
            .open_feed(&self.settings, &self.vault.placeholders())
            .await?;
        Ok(instance)
    }

    /// Adds to an error what only the host knows.
    fn explain(&self, e: Error) -> Error {
        match e.kind() {
            Kind::Authentication if !self.options.secrets.is_empty() => {
                e.hint(format!("the secret comes from {}", self.vault.sources()))
            }
            Kind::Unavailable => match self.http.last_failure() {
                Some(failure) => e.hint(self.vault.clean(&failure)),
                None => e,
            },
            Kind::Plugin if self.failures >= MOST_PLUGIN_FAILURES => {
                let last = self.status.checkpoint;
                e.hint(format!(
                    "the last batch that went well was number {last}; nothing is lost"
                ))
            }
            _ => e,
        }
    }
}
