//! `source-host run`: all feeds at once, until they have caught up or a signal
//! comes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use source_host::words::{counted, grouped, moment, span};
use source_host::{Ended, Feed, Result, Status, Store, Totals, Until, Waiting};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cli::SourceArgs;
use crate::config::{Config, SinkConfig};
use crate::report::Summary;
use crate::setup::{self, Failed, Opened};
use crate::{exit, report};

/// After a signal the batches in hand are finished, within this time.
const GRACE: Duration = Duration::from_secs(9);

/// What became of a feed's run.
struct Outcome {
    feed: Feed,
    totals: Totals,
    /// What was not delivered before,
    before: Option<Waiting>,
    /// and what is not now.
    waiting: Option<Waiting>,
    result: Result<Ended>,
    took: Duration,
}

/// Runs the feeds.
pub async fn run(source: &SourceArgs, once: bool) -> anyhow::Result<u8> {
    let (stop, mut stopped) = watch::channel(None);
    listen(stop).context("no signals can be received")?;
    let config = match Config::load(source) {
        Ok(config) => config,
        Err(problems) => return Ok(Failed::Problems(problems).report()),
    };
    let opened = tokio::select! {
        opened = setup::open(&config, |_| true) => opened,
        code = stopped.wait_for(Option::is_some) => {
            return Ok(code.ok().and_then(|code| *code).unwrap_or(exit::OK));
        }
    };
    let Opened {
        feeds,
        store,
        failed,
    } = match opened {
        Ok(opened) => opened,
        Err(failed) => return Ok(failed.report()),
    };
    introduce(&config, store).await;
    if !once {
        for feed in &feeds {
            announce(&config, feed).await;
        }
    }
    let mut codes: Vec<u8> = failed.iter().map(Failed::report).collect();
    let until = if once {
        Until::CaughtUp
    } else {
        Until::Stopped
    };
    let mut running = JoinSet::new();
    for feed in feeds {
        running.spawn(run_one(feed, until, stopped.clone()));
    }
    let mut gave_up = Box::pin(grace(stopped.clone()));
    loop {
        let ended = tokio::select! {
            ended = running.join_next() => ended,
            () = &mut gave_up => {
                tracing::warn!("stopping in the middle of a delivery: it will be done again");
                break;
            }
        };
        match ended {
            Some(Ok(outcome)) => codes.push(conclude(&config, &outcome, once)),
            Some(Err(e)) => {
                report::failure(None, &format!("a feed failed: {e}"));
                codes.push(exit::FAILURE);
            }
            None => break,
        }
    }
    let signal = *stopped.borrow();
    Ok(signal.unwrap_or_else(|| exit::first_of(&codes)))
}

/// Logs whom to call, and what is stored and no longer configured.
async fn introduce(config: &Config, store: Arc<dyn Store>) {
    for feed in &config.feeds {
        if let Some(contact) = &feed.contact {
            tracing::info!(feed = %feed.name, "contact: {contact}");
        }
    }
    for stored in store.feeds().await.unwrap_or_default() {
        let status = store.status(&stored).await.ok().flatten();
        let has_collected = status.is_some_and(|status| status.checkpoint > 0);
        if has_collected && config.feed(&stored).is_none() {
            tracing::warn!(
                "there is state of a feed `{stored}`, which is not configured: a feed that was \
                 renamed starts anew; `source-host state reset {stored} {}` forgets it",
                config.flags
            );
        }
    }
}

/// Logs what a feed is about to do.
async fn announce(config: &Config, feed: &Feed) {
    let name = feed.name();
    let descriptor = feed.plugin().descriptor();
    let (plugin, version) = (&descriptor.name, &descriptor.version);
    let sink = config.feed(name).and_then(|feed| feed.sink.as_ref());
    let sink = sink.map(SinkConfig::to_string).unwrap_or_default();
    let waiting = feed.waiting().await.ok().flatten();
    let from = from_where(feed.status(), waiting.as_ref());
    tracing::info!(feed = %name, "collecting with {plugin} {version} {from}, to `{sink}`");
}

/// Where a feed goes on.
fn from_where(status: &Status, waiting: Option<&Waiting>) -> String {
    let from = match (status.goes_on_from(), status.rewound_to) {
        (Some(from), Some(_)) => format!("from {}, to which it was rewound", moment(from)),
        (Some(from), None) if waiting.is_some() => format!("from {}", moment(from)),
        (Some(from), None) => format!("from {}, up to which it had read", moment(from)),
        (None, _) => "from its start, as a new feed".to_owned(),
    };
    match waiting {
        Some(waiting) => format!("{from}, after what waits for the sink ({waiting})"),
        None => from,
    }
}

async fn run_one(
    mut feed: Feed,
    until: Until,
    mut stopped: watch::Receiver<Option<u8>>,
) -> Outcome {
    let started = Instant::now();
    let before = feed.waiting().await.ok().flatten();
    let mut totals = Totals::default();
    let stop = async {
        let _ = stopped.wait_for(Option::is_some).await;
    };
    let result = feed.run(until, stop, &mut totals).await;
    Outcome {
        before,
        waiting: feed.waiting().await.ok().flatten(),
        feed,
        totals,
        result,
        took: started.elapsed(),
    }
}

/// Reports how a feed ended; its exit code.
fn conclude(config: &Config, outcome: &Outcome, once: bool) -> u8 {
    let Outcome {
        feed,
        totals,
        before,
        waiting,
        result,
        took,
    } = outcome;
    let waiting = waiting.as_ref();
    let name = feed.name();
    let configured = config.feed(name);
    let code = match (result, configured) {
        (Ok(_), _) => exit::OK,
        (Err(e), Some(feed)) if !e.problems().is_empty() => {
            let problems = e
                .problems()
                .iter()
                .map(|problem| feed.locate(problem.clone()));
            Failed::Problems(problems.collect()).report()
        }
        (Err(e), _) => Failed::Error(Some(name.to_owned()), e.clone()).report(),
    };
    if once && (code == exit::OK || totals.batches > 0) {
        let summary = Summary {
            feed: name,
            descriptor: feed.plugin().descriptor(),
            totals,
            progress: &feed.status().progress,
            before: before.as_ref().filter(|_| totals.batches > 0),
            waiting,
            took: *took,
            ended: result.as_ref().ok().copied(),
            dead_letters: configured.map(|feed| feed.dead_letters.as_path()),
            flags: &config.flags,
        };
        report::summary(&summary);
    }
    if !once {
        let mut events = counted(totals.counters.emitted, "event");
        if totals.refused > 0 {
            let refused = grouped(totals.refused);
            events += &format!(" ({refused} of them refused by the sink)");
        }
        if totals.counters.rejected > 0 {
            events += &format!(", {} rejected", grouped(totals.counters.rejected));
        }
        let took = span(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        let read_to = feed
            .status()
            .progress
            .values()
            .map(|progress| progress.read_to);
        let read_to = read_to.min().map_or(String::new(), |read_to| {
            let how = waiting.map_or("complete", |_| "read");
            format!("; {how} up to {}", moment(read_to))
        });
        let delivered = waiting.map_or(String::new(), |waiting| {
            format!("; {}", report::delivered(totals.counters.emitted, waiting))
        });
        tracing::info!(feed = %name, "stopped: {events} in {took}{delivered}{read_to}");
    }
    code
}

/// Sends the exit code of the signal that comes first. Who interrupts once more
/// does not want to wait.
fn listen(stop: watch::Sender<Option<u8>>) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        let code = tokio::select! {
            _ = interrupt.recv() => exit::INTERRUPTED,
            _ = terminate.recv() => exit::OK,
        };
        let _ = stop.send(Some(code));
        // (Whoever keeps the sender keeps the channel: a feed that waits for
        // the value must not see it closed.)
        interrupt.recv().await;
        std::process::exit(exit::INTERRUPTED.into());
    });
    Ok(())
}

/// Completes when the time after a signal is over.
async fn grace(mut stopped: watch::Receiver<Option<u8>>) {
    let _ = stopped.wait_for(Option::is_some).await;
    tokio::time::sleep(GRACE).await;
}
