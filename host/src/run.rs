//! Running a feed: polling, settling, waiting, until it has caught up or is
//! stopped. What follows a failure is in `retry.rs`.

use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::bindings::types::{Batch, Finding, Next, Progress, Severity};
use crate::error::{Error, Kind, Result};
use crate::feed::Feed;
use crate::retry::{self, Retry};
use crate::totals::Totals;

/// How often a feed in trouble looks whether its secrets changed.
const LOOK_AT_SECRETS: Duration = Duration::from_secs(10);
/// A plugin's word on how long to idle is taken within these.
const SHORTEST_IDLE: Duration = Duration::from_millis(100);
const LONGEST_IDLE: Duration = Duration::from_secs(24 * 60 * 60);
/// How often a running feed says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15 * 60);

/// When a run ends by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Until {
    /// When the feed has caught up, or can't: after some failures in a row, a
    /// refused credential, or a wait of over five minutes.
    CaughtUp,
    /// Only when trying again is of no use.
    Stopped,
}

impl Feed {
    /// Runs the feed until `until`, or until `stop` completes, which ends the
    /// run between two batches. Adds to `totals` as it goes.
    pub async fn run(
        &mut self,
        until: Until,
        stop: impl Future<Output = ()>,
        totals: &mut Totals,
    ) -> Result<()> {
        let mut stop = pin!(stop);
        let mut retry = Retry::default();
        let mut heartbeat = Instant::now();
        loop {
            self.refresh_secrets();
            let polled = tokio::select! {
                () = &mut stop => return Ok(()),
                polled = self.poll(until == Until::CaughtUp) => polled,
            };
            // From here to the end of the batch nothing interrupts.
            let settled = match polled {
                Ok(batch) => {
                    let (length, news) = (batch.events.len() as u64, self.is_progress(&batch));
                    self.settle(batch).await.map(|batch| (batch, length, news))
                }
                Err(e) => Err(e),
            };
            let wait = match settled {
                Ok((batch, length, news)) => {
                    totals.add(&batch, length);
                    batch
                        .findings
                        .iter()
                        .for_each(|finding| report(self.name(), finding));
                    if retry.in_trouble() && news {
                        tracing::info!(feed = %self.name(), "works again");
                        retry.reset();
                    }
                    match batch.next {
                        Next::More if until == Until::CaughtUp => {
                            self.not_for_long()?;
                            Duration::ZERO
                        }
                        Next::More => Duration::ZERO,
                        Next::Idle(_) if until == Until::CaughtUp => return Ok(()),
                        Next::Idle(ms) => {
                            Duration::from_millis(ms).clamp(SHORTEST_IDLE, LONGEST_IDLE)
                        }
                    }
                }
                Err(e) => {
                    let is_news = !retry.in_trouble();
                    let failure = e.clone();
                    let wait = retry.after(e, until == Until::CaughtUp)?;
                    warn(self.name(), &failure, wait, is_news);
                    wait
                }
            };
            if heartbeat.elapsed() >= HEARTBEAT {
                heartbeat = Instant::now();
                self.log_heartbeat(totals);
            }
            if !wait.is_zero() {
                tokio::select! {
                    () = &mut stop => return Ok(()),
                    () = self.rest(wait, retry.in_trouble()) => {}
                }
            }
        }
    }

    /// In a run that is to end: fails if its requests have to wait for long,
    /// because the upstream asked a feed with the same credential for rest.
    fn not_for_long(&self) -> Result<()> {
        let wait = self.held_for();
        if retry::is_worth_waiting(wait) {
            return Ok(());
        }
        let message = "the upstream wants to be left alone by all feeds with this credential";
        Err(retry::told_to_wait(
            Error::new(Kind::Unavailable, message),
            wait,
        ))
    }

    /// Whether a batch got anywhere. One that only repeats what came before a
    /// failure the last time does not end that trouble.
    fn is_progress(&self, batch: &Batch) -> bool {
        let before = self.status().progress.get(&batch.partition);
        let read_to = |progress: Option<&Progress>| progress.map(|progress| progress.read_to);
        matches!(batch.next, Next::Idle(_))
            || !batch.index.is_empty()
            || !batch.rejected.is_empty()
            || read_to(batch.progress.as_ref()) > read_to(before)
    }

    /// Waits; in trouble only until a secret changes.
    async fn rest(&mut self, time: Duration, in_trouble: bool) {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if !in_trouble || left <= LOOK_AT_SECRETS {
                return sleep(left).await;
            }
            sleep(LOOK_AT_SECRETS).await;
            if self.refresh_secrets() {
                tracing::info!(feed = %self.name(), "a secret changed: trying again");
                return;
            }
        }
    }

    fn log_heartbeat(&self, totals: &Totals) {
        let emitted = totals.counters.emitted;
        if self.status().progress.is_empty() {
            tracing::info!(feed = %self.name(), "running: {emitted} events");
        }
        for (partition, progress) in &self.status().progress {
            let behind = progress.behind_ms / 1_000;
            let reconciled = progress.reconciled.as_ref();
            let reconciled = reconciled
                .map(|r| format!(", reconciled {} of {}", r.read, r.counted))
                .unwrap_or_default();
            tracing::info!(
                feed = %self.name(),
                partition = %partition,
                "running: {emitted} events, {behind} s behind{reconciled}"
            );
        }
    }
}

/// Tells people of a failure after which the feed goes on, and of the ways out
/// when it is a new one.
fn warn(feed: &str, failure: &Error, wait: Duration, is_news: bool) {
    let seconds = wait.as_secs_f64();
    tracing::warn!(%feed, "{failure}; trying again in {seconds:.0} s");
    if is_news {
        failure
            .hints()
            .iter()
            .for_each(|hint| tracing::warn!(%feed, "hint: {hint}"));
    }
}

/// Tells people of a finding.
fn report(feed: &str, finding: &Finding) {
    let Finding {
        code,
        severity,
        partition,
        message,
    } = finding;
    match severity {
        Severity::Info => tracing::info!(%feed, %code, %partition, "{message}"),
        Severity::Warning => tracing::warn!(%feed, %code, %partition, "{message}"),
        Severity::Error => tracing::error!(%feed, %code, %partition, "{message}"),
    }
}
