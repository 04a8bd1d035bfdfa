//! Running a feed: polling, settling, waiting, until it has caught up or is
//! stopped. What follows a failure is in `retry.rs`, what is said in
//! `journal.rs`.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::bindings::types::{Batch, Next};
use crate::clock::now;
use crate::error::{Error, Result};
use crate::feed::Feed;
use crate::journal::Journal;
use crate::retry::{self, Retry};
use crate::totals::Totals;

/// How often a feed in trouble looks whether its secrets changed.
const LOOK_AT_SECRETS: Duration = Duration::from_secs(1);
/// A plugin's word on how long to idle is taken within these.
const SHORTEST_IDLE: Duration = Duration::from_millis(100);
const LONGEST_IDLE: Duration = Duration::from_secs(24 * 60 * 60);
/// Batches that bring nothing, and say that there is more, come at most so
/// often: the first at once, the following ones more and more slowly.
const BARREN: Duration = Duration::from_millis(100);
const MOST_BARREN: u32 = 10;

/// When a run ends by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Until {
    /// When the feed has caught up, or can't: after some failures in a row, a
    /// refused credential, or a wait of over five minutes.
    CaughtUp,
    /// Only when trying again is of no use.
    Stopped,
}

/// Why a run ended that did not fail.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// The feed has caught up.
    CaughtUp,
    /// It was stopped: there may be more.
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
    ) -> Result<Ended> {
        let once = until == Until::CaughtUp;
        let mut stop = pin!(stop);
        let mut retry = Retry::default();
        let mut journal = Journal::new(self.name(), once);
        // Batches in a row that brought nothing.
        let mut barren = 0;
        // A secret changed, and no refusal came since: the next may be the answer
        // to a request that was sent with the one before.
        let mut renewed = false;
        loop {
            renewed |= self.refresh_secrets();
            let begun = Instant::now();
            let delivered = self.deliveries();
            let refused = self.status().refused;
            let polled = tokio::select! {
                () = &mut stop => return Ok(Ended::Stopped),
                polled = self.poll(once) => polled,
            };
            // From here to the end of the batch nothing interrupts.
            let settled = match polled {
                Ok(batch) => self.settle_and_tell(batch, totals, &mut journal).await,
                Err(e) => Err(e),
            };
            totals.refused += self.status().refused.saturating_sub(refused);
            let wait = match settled {
                Ok((next, advanced)) => {
                    barren = if advanced { 0 } else { barren + 1 };
                    if advanced {
                        retry.works();
                    }
                    match next {
                        Next::Idle(_) if once => return Ok(Ended::CaughtUp),
                        Next::Idle(ms) => {
                            Duration::from_millis(ms).clamp(SHORTEST_IDLE, LONGEST_IDLE)
                        }
                        Next::More => pause(barren, begun.elapsed()),
                    }
                }
                Err(e) if e.is_refusal() && std::mem::take(&mut renewed) => Duration::ZERO,
                Err(e) => {
                    // A sink that takes something now and then gets on.
                    if self.deliveries() > delivered {
                        retry.reset();
                    }
                    self.wait_after(e, once, &mut retry, &mut journal).await?
                }
            };
            if once && let Err(e) = self.not_for_long() {
                self.note_failure(&e, None).await;
                return Err(e);
            }
            tokio::select! {
                () = &mut stop => return Ok(Ended::Stopped),
                () = self.rest(wait, &mut journal, totals) => {}
            }
        }
    }

    /// Settles a batch. When to poll again, and whether it got anywhere.
    async fn settle_and_tell(
        &mut self,
        batch: Batch,
        totals: &mut Totals,
        journal: &mut Journal,
    ) -> Result<(Next, bool)> {
        let (checkpoint, rejected) = (batch.checkpoint, batch.counters.rejected);
        let advanced = self.status().is_advanced_by(&batch);
        let before = self.status().clone();
        let (mut sum, findings) = (totals.clone(), batch.findings.clone());
        sum.add(&batch, batch.events.len() as u64);
        let settled = self.settle(batch).await;
        // What is committed counts, also if it is delivered later.
        if self.status().checkpoint == checkpoint {
            *totals = sum;
            findings.iter().for_each(|finding| journal.found(finding));
            journal.rejected(rejected);
        }
        let batch = settled?;
        journal.settled(&before, self.status(), matches!(batch.next, Next::Idle(_)));
        Ok((batch.next, advanced))
    }

    /// How long to wait after a failure; fails if that is of no use.
    async fn wait_after(
        &mut self,
        e: Error,
        once: bool,
        retry: &mut Retry,
        journal: &mut Journal,
    ) -> Result<Duration> {
        let waited = retry.after(e.clone(), once);
        let failure = waited.as_ref().err().unwrap_or(&e);
        self.note_failure(failure, waited.as_ref().ok().copied())
            .await;
        if let Ok(wait) = &waited {
            journal.failed(&e, *wait);
        }
        waited
    }

    /// In a run that is to end: fails if its requests have to wait for long,
    /// because the upstream asked a feed with the same credential for rest.
    fn not_for_long(&self) -> Result<()> {
        let wait = self.held_for();
        if retry::is_worth_waiting(wait) {
            return Ok(());
        }
        Err(retry::held(wait))
    }

    /// Waits. In trouble, a secret that changes ends the wait.
    async fn rest(&mut self, wait: Duration, journal: &mut Journal, totals: &Totals) {
        let end = Instant::now() + wait;
        loop {
            journal.beat(self.status(), totals, self.held_for(), now());
            let begun = Instant::now();
            if begun >= end {
                return;
            }
            let in_trouble = self.status().in_trouble().is_some();
            let mut wake = end.min(journal.next_beat());
            if in_trouble {
                wake = wake.min(begun + LOOK_AT_SECRETS);
            }
            sleep_until(wake).await;
            if in_trouble && self.refresh_secrets() {
                tracing::info!(feed = %self.name(), "a secret changed: trying again");
                return;
            }
        }
    }
}

/// The pause after so many batches in a row that brought nothing, the last of
/// which took so long: a plugin that waits for its upstream needs none.
fn pause(barren: u32, took: Duration) -> Duration {
    let pace = BARREN * barren.saturating_sub(1).min(MOST_BARREN);
    pace.saturating_sub(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_that_brings_nothing_is_asked_more_and_more_slowly() {
        let ms = Duration::from_millis;
        for (barren, took, wait) in [
            (0, 0, 0),
            (1, 0, 0),
            (2, 0, 100),
            (3, 30, 170),
            (1_000, 0, 1_000),
            (1_000, 5_000, 0),
        ] {
            assert_eq!(pause(barren, ms(took)), ms(wait), "{barren} {took}");
        }
    }
}
