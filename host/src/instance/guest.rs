//! What surrounds a guest, and the bounds of each call into it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use wasmtime::component::{Instance, ResourceTable};
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::bindings::types;
use crate::engine::{Linked, TICK};
use crate::error::{Error, Kind, Result};
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
    pub(super) meter: Meter,
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

impl Surroundings {
    /// No secrets, no network, no storage.
    pub(crate) fn nothing(name: &str, limits: &Limits) -> Self {
        Self {
            feed: name.to_owned(),
            secrets: Vec::new(),
            limits: limits.clone(),
            vault: Arc::new(Vault::empty()),
            http: None,
            bucket: FeedBucket::default(),
        }
    }
}

/// A guest in its store, which is called within its limits.
pub(super) struct Caller {
    pub(super) store: Store<Guest>,
    limits: Limits,
    vault: Arc<Vault>,
    log: GuestLog,
    /// A call ended so that no other can follow.
    pub(super) is_broken: bool,
}

impl Caller {
    /// Starts an instance.
    pub(super) async fn start(linked: &Linked, around: Surroundings) -> Result<(Self, Instance)> {
        let Surroundings {
            feed,
            limits,
            vault,
            http,
            bucket,
            ..
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
        let mut caller = Self {
            store,
            limits,
            vault,
            log,
            is_broken: false,
        };
        let started = linked.instance.instantiate_async(&mut caller.store);
        let instance = match timeout(caller.limits.call, started).await {
            Ok(Ok(instance)) => instance,
            Ok(Err(e)) => return Err(caller.no_start(&e)),
            Err(_) => {
                let seconds = caller.limits.call.as_secs_f64();
                let message = format!(
                    "the plugin does not start: it took longer than {seconds} s (`limits.call`)"
                );
                return Err(Error::new(Kind::Plugin, message));
            }
        };
        Ok((caller, instance))
    }

    pub(super) fn no_start(&self, e: &wasmtime::Error) -> Error {
        let reason = self.vault.clean(&format!("{e:#}"));
        Error::new(Kind::Plugin, format!("the plugin does not start: {reason}"))
    }

    /// One call into the guest, with its own share of time, of computing and of
    /// log lines. A trap or a time-out ends the instance.
    pub(super) async fn call<'a, T, F>(
        &'a mut self,
        call: impl FnOnce(&'a mut Store<Guest>) -> F,
    ) -> Result<T>
    where
        F: Future<Output = wasmtime::Result<T>>,
    {
        let Self {
            store,
            limits,
            vault,
            log,
            is_broken,
        } = self;
        store.data_mut().computed = 0;
        log.begin();
        let stopped = match timeout(limits.call, call(store)).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(trap)) => match (Reached::by(&trap, limits), log.last_line()) {
                (Some(reached), _) => format!("the plugin was stopped: {reached}"),
                (None, Some(line)) => format!("the plugin failed: {line}"),
                (None, None) => {
                    let reason = vault.clean(&trap.root_cause().to_string());
                    format!("the plugin failed: {reason}")
                }
            },
            Err(_) => format!(
                "the plugin was stopped: a call took longer than {} s (`limits.call`)",
                limits.call.as_secs_f64()
            ),
        };
        *is_broken = true;
        Err(Error::new(Kind::Plugin, stopped))
    }
}

fn ticks(time: Duration) -> u32 {
    u32::try_from(time.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX)
}
