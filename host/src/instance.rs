//! One running instance of a plugin: every call into a guest is here, with its
//! limits, and all text that comes out passes [`Vault::clean`].

use std::sync::Arc;
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::timeout;
use wasmtime::component::{ResourceAny, ResourceTable};
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::bindings::types::{self, Batch, Descriptor, Finding};
use crate::bindings::{source, transform};
use crate::clean;
use crate::engine::{Linked, TICK};
use crate::error::{Error, Kind, Problem, Result};
use crate::guest_log::GuestLog;
use crate::http::{Hooks, Http};
use crate::keyvalue::FeedBucket;
use crate::limits::{Limits, Meter, Reached};
use crate::vault::Vault;

/// Random bytes that a guest gets at once.
const MOST_RANDOM: u64 = 64 << 10;

/// What the host keeps for one instance.
pub(crate) struct Guest {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: Hooks,
    table: ResourceTable,
    meter: Meter,
    /// Ticks during which the current call was seen computing.
    computed: u32,
    pub(crate) bucket: FeedBucket,
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.hooks,
        }
    }
}

impl types::Host for Guest {}

/// What an instance may reach.
pub(crate) struct Surroundings {
    pub(crate) feed: String,
    /// Names of the secrets that the plugin knows.
    pub(crate) secrets: Vec<String>,
    pub(crate) limits: Limits,
    pub(crate) vault: Arc<Vault>,
    /// None: no request gets out.
    pub(crate) http: Option<Arc<Http>>,
    pub(crate) bucket: FeedBucket,
}

/// A running instance, with at most one feed and one transformer in it.
pub(crate) struct Instance {
    store: Store<Guest>,
    source: source::Guest,
    transform: Option<transform::Guest>,
    limits: Limits,
    vault: Arc<Vault>,
    secrets: Vec<String>,
    log: GuestLog,
    feed: Option<ResourceAny>,
    transformer: Option<ResourceAny>,
    broken: bool,
}

impl Instance {
    /// Asks a plugin what it is, in an instance of its own.
    pub(crate) async fn describe(linked: &Linked) -> Result<Descriptor> {
        let mut instance = Self::start(linked, Surroundings::nothing("describe")).await?;
        instance.begin();
        let called = instance.source.call_describe(&mut instance.store);
        let returned = timeout(instance.limits.call, called).await;
        let mut descriptor = instance.end(returned)?;
        clean::descriptor(&mut descriptor, &instance.vault);
        Ok(descriptor)
    }

    /// Starts an instance.
    pub(crate) async fn start(linked: &Linked, around: Surroundings) -> Result<Self> {
        let Surroundings {
            feed,
            secrets,
            limits,
            vault,
            http,
            bucket,
        } = around;
        let log = GuestLog::new(feed, vault.clone(), limits.log_lines);
        let mut table = ResourceTable::new();
        table.set_max_capacity(usize::try_from(limits.handles).unwrap_or(usize::MAX));
        let mut http_ctx = WasiHttpCtx::new();
        // The limit counts the headers as kept in memory, with some overhead.
        let head = usize::try_from(limits.response_head).unwrap_or(usize::MAX);
        http_ctx.set_field_size_limit(head.saturating_mul(2));
        let guest = Guest {
            wasi: WasiCtx::builder()
                .stdout(log.clone())
                .stderr(log.clone())
                .allow_tcp(false)
                .allow_udp(false)
                .max_random_size(MOST_RANDOM)
                .build(),
            http: http_ctx,
            hooks: Hooks(http),
            table,
            meter: Meter::new(&limits),
            computed: 0,
            bucket,
        };
        let mut store = Store::new(&linked.wasmtime, guest);
        store.limiter(|guest| &mut guest.meter);
        // What is copied out of a guest may be more than it has: its texts can
        // lie in one place. And handles cost the host memory of its own.
        store.set_hostcall_fuel(usize::try_from(limits.memory).unwrap_or(usize::MAX));
        store.set_max_component_handles(usize::try_from(limits.handles).unwrap_or(usize::MAX));
        store.set_epoch_deadline(1);
        let most = ticks(limits.compute);
        let compute = limits.compute;
        // Waiting costs nothing: the deadline is looked at only while the guest
        // computes, and then it yields, so that it can't starve its neighbours.
        store.epoch_deadline_callback(move |mut store| {
            let computed = &mut store.data_mut().computed;
            *computed += 1;
            if *computed > most {
                return Err(Reached::Compute(compute).into());
            }
            Ok(UpdateDeadline::Yield(1))
        });
        let no_start = |e: wasmtime::Error| {
            let reason = vault.clean(&format!("{e:#}"));
            Error::new(Kind::Plugin, format!("the plugin does not start: {reason}"))
        };
        let instance = timeout(limits.call, linked.instance.instantiate_async(&mut store))
            .await
            .map_err(|_| {
                let seconds = limits.call.as_secs_f64();
                let message = format!(
                    "the plugin does not start: it took longer than {seconds} s (`limits.call`)"
                );
                Error::new(Kind::Plugin, message)
            })?
            .map_err(no_start)?;
        let source = linked
            .source
            .load(&mut store, &instance)
            .map_err(no_start)?;
        let transform = match &linked.transform {
            Some(indices) => Some(indices.load(&mut store, &instance).map_err(no_start)?),
            None => None,
        };
        Ok(Self {
            store,
            source,
            transform,
            limits,
            vault,
            secrets,
            log,
            feed: None,
            transformer: None,
            broken: false,
        })
    }

    /// Whether a call ended so that no other can follow.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Memory in use, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        self.store.data().meter.memory
    }

    /// What the guest's calls write to is here.
    pub(crate) fn bucket(&mut self) -> &mut FeedBucket {
        &mut self.store.data_mut().bucket
    }

    /// Opens the feed; problems with the settings come as one error.
    pub(crate) async fn open_feed(
        &mut self,
        settings: &str,
        secrets: &[(String, String)],
    ) -> Result<()> {
        self.begin();
        let calls = self.source.feed();
        let called = calls.call_open(&mut self.store, settings, secrets);
        let returned = timeout(self.limits.call, called).await;
        let opened = self.end(returned)?.map_err(|e| self.failure(e))?;
        self.feed = Some(opened);
        Ok(())
    }

    /// Tries the upstream out.
    pub(crate) async fn check(&mut self) -> Result<Vec<Finding>> {
        let feed = self.feed()?;
        self.begin();
        let calls = self.source.feed();
        let called = calls.call_check(&mut self.store, feed);
        let returned = timeout(self.limits.call, called).await;
        let mut findings = self.end(returned)?.map_err(|e| self.failure(e))?;
        clean::findings(&mut findings, &self.vault);
        Ok(findings)
    }

    /// The next batch.
    pub(crate) async fn poll(&mut self, limits: types::Limits) -> Result<Batch> {
        let feed = self.feed()?;
        self.begin();
        let calls = self.source.feed();
        let called = calls.call_poll(&mut self.store, feed, limits);
        let returned = timeout(self.limits.call, called).await;
        let mut batch = self.end(returned)?.map_err(|e| self.failure(e))?;
        clean::batch(&mut batch, &self.vault);
        Ok(batch)
    }

    /// Acknowledges a batch; what the guest writes is in the bucket.
    pub(crate) async fn ack(&mut self, checkpoint: u64) -> Result<()> {
        let feed = self.feed()?;
        self.begin();
        let calls = self.source.feed();
        let called = calls.call_ack(&mut self.store, feed, checkpoint);
        let returned = timeout(self.limits.call, called).await;
        self.end(returned)?.map_err(|e| self.failure(e))
    }

    /// Forgets what was handed out from `to` (ms since 1970) on; what the guest
    /// writes is in the bucket.
    pub(crate) async fn rewind(&mut self, to: i64) -> Result<()> {
        let feed = self.feed()?;
        self.begin();
        let calls = self.source.feed();
        let called = calls.call_rewind(&mut self.store, feed, to);
        let returned = timeout(self.limits.call, called).await;
        self.end(returned)?.map_err(|e| self.failure(e))
    }

    /// Opens the transformer.
    pub(crate) async fn open_transformer(&mut self, settings: &str) -> Result<()> {
        self.begin();
        let Some(transform) = &self.transform else {
            let message = "the plugin does not export `log-pipeline:source/transform@0.1.0`";
            return Err(Error::new(Kind::Configuration, message));
        };
        let calls = transform.transformer();
        let called = calls.call_open(&mut self.store, settings);
        let returned = timeout(self.limits.call, called).await;
        let opened = self.end(returned)?.map_err(|e| self.failure(e))?;
        self.transformer = Some(opened);
        Ok(())
    }

    /// Gives the transformer its next bytes; none: that was the end.
    pub(crate) async fn transform(&mut self, bytes: Option<&[u8]>) -> Result<Batch> {
        self.begin();
        let (Some(transform), Some(transformer)) = (&self.transform, self.transformer) else {
            return Err(Error::new(Kind::Plugin, "no transformer is open"));
        };
        let calls = transform.transformer();
        let returned = match bytes {
            Some(bytes) => {
                let called = calls.call_push(&mut self.store, transformer, bytes);
                timeout(self.limits.call, called).await
            }
            None => {
                let called = calls.call_finish(&mut self.store, transformer);
                timeout(self.limits.call, called).await
            }
        };
        let mut batch = self.end(returned)?.map_err(|e| self.failure(e))?;
        clean::batch(&mut batch, &self.vault);
        Ok(batch)
    }

    fn feed(&self) -> Result<ResourceAny> {
        self.feed
            .ok_or_else(|| Error::new(Kind::Plugin, "no feed is open"))
    }

    /// Before each call: it has its own share of computing and of log lines.
    fn begin(&mut self) {
        self.store.data_mut().computed = 0;
        self.log.begin();
    }

    /// After each call: a trap or a time-out ends the instance.
    fn end<T>(&mut self, returned: Result<wasmtime::Result<T>, Elapsed>) -> Result<T> {
        let stopped = match returned {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(trap)) => match (Reached::by(&trap, &self.limits), self.log.last_line()) {
                (Some(reached), _) => format!("the plugin was stopped: {reached}"),
                (None, Some(line)) => format!("the plugin failed: {line}"),
                (None, None) => {
                    format!(
                        "the plugin failed: {}",
                        self.vault.clean(&trap.root_cause().to_string())
                    )
                }
            },
            Err(Elapsed { .. }) => format!(
                "the plugin was stopped: a call took longer than {} s (`limits.call`)",
                self.limits.call.as_secs_f64()
            ),
        };
        self.broken = true;
        Err(Error::new(Kind::Plugin, stopped))
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

impl Surroundings {
    /// No secrets, no network, no storage.
    pub(crate) fn nothing(name: &str) -> Self {
        Self {
            feed: name.to_owned(),
            secrets: Vec::new(),
            limits: Limits::default(),
            vault: Arc::new(Vault::empty()),
            http: None,
            bucket: FeedBucket::none(),
        }
    }
}

fn ticks(time: Duration) -> u32 {
    u32::try_from(time.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX)
}
