//! `source-host run`: all feeds at once, until they have caught up or a signal
//! comes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use source_host::{Engine, Feed, Result, SqliteStore, Store, Totals, Until};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cli::SourceArgs;
use crate::config::Config;
use crate::report::Summary;
use crate::{exit, report, setup};

/// After a signal the batches in hand are finished, within this time.
const GRACE: Duration = Duration::from_secs(9);

/// How a feed's run ended.
struct Ended {
    feed: Feed,
    totals: Totals,
    result: Result<()>,
    took: Duration,
}

/// Runs the feeds.
pub async fn run(source: &SourceArgs, once: bool) -> u8 {
    let config = match Config::load(source) {
        Ok(config) => config,
        Err(problems) => return setup::Failed::Problems(problems).report(),
    };
    let feeds = match open(&config).await {
        Ok(feeds) => feeds,
        Err(code) => return code,
    };
    let (stop, stopped) = watch::channel(None);
    if let Err(e) = listen(stop) {
        eprintln!("error: no signals can be received: {e}");
        return exit::FAILURE;
    }
    let until = if once {
        Until::CaughtUp
    } else {
        Until::Stopped
    };
    let mut running = JoinSet::new();
    for feed in feeds {
        running.spawn(run_one(feed, until, stopped.clone()));
    }
    let mut codes = Vec::new();
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
            Some(Ok(ended)) => codes.push(conclude(&config, &ended, once)),
            Some(Err(e)) => {
                eprintln!("error: a feed failed: {e}");
                codes.push(exit::FAILURE);
            }
            None => break,
        }
    }
    let signal = *stopped.borrow();
    match signal {
        Some(code) if code != exit::OK => code,
        _ => exit::first_of(&codes),
    }
}

/// Opens state and feeds; on failure, the exit code.
async fn open(config: &Config) -> Result<Vec<Feed>, u8> {
    let failed = |e: &source_host::Error| {
        report::error(None, e);
        exit::code(e)
    };
    let engine = Engine::new().map_err(|e| failed(&e))?;
    let ready = setup::load(&engine, &config.feeds)
        .await
        .map_err(|e| e.report())?;
    let store = SqliteStore::open(&config.state_dir).map_err(|e| failed(&e))?;
    let store: Arc<dyn Store> = Arc::new(store);
    let feeds = setup::open(&ready, &store).await.map_err(|e| e.report())?;
    for feed in &config.feeds {
        if let Some(contact) = &feed.contact {
            tracing::info!(feed = %feed.name, "contact: {contact}");
        }
    }
    let configured: BTreeSet<&str> = config.feeds.iter().map(|feed| feed.name.as_str()).collect();
    for stored in store.feeds().await.map_err(|e| failed(&e))? {
        if !configured.contains(stored.as_str()) {
            tracing::warn!(
                "there is state of a feed `{stored}` that is not configured: a renamed feed \
                 starts anew"
            );
        }
    }
    Ok(feeds)
}

async fn run_one(mut feed: Feed, until: Until, mut stopped: watch::Receiver<Option<u8>>) -> Ended {
    let started = Instant::now();
    let mut totals = Totals::default();
    let stop = async {
        let _ = stopped.wait_for(Option::is_some).await;
    };
    let result = feed.run(until, stop, &mut totals).await;
    Ended {
        feed,
        totals,
        result,
        took: started.elapsed(),
    }
}

/// Reports how a feed ended; its exit code.
fn conclude(config: &Config, ended: &Ended, once: bool) -> u8 {
    let name = ended.feed.name();
    let code = match &ended.result {
        Ok(()) => exit::OK,
        Err(e) => {
            report::error(Some(name), e);
            exit::code(e)
        }
    };
    if once && (code == exit::OK || ended.totals.batches > 0) {
        let dead_letters = config.feeds.iter().find(|feed| feed.name == name);
        let summary = Summary {
            feed: name,
            descriptor: ended.feed.plugin().descriptor(),
            totals: &ended.totals,
            progress: &ended.feed.status().progress,
            took: ended.took,
            dead_letters: dead_letters
                .map(|feed| feed.dead_letters.display().to_string())
                .unwrap_or_default(),
            flags: &config.flags,
        };
        eprint!("{}", summary.text());
    }
    code
}

/// Sends the exit code of the signal that comes first.
fn listen(stop: watch::Sender<Option<u8>>) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        let code = tokio::select! {
            _ = interrupt.recv() => exit::INTERRUPTED,
            _ = terminate.recv() => exit::OK,
        };
        let _ = stop.send(Some(code));
        // Whoever keeps the sender keeps the channel: a feed that waits for
        // the value must not see it closed.
        stop.closed().await;
    });
    Ok(())
}

/// Completes when the time after a signal is over.
async fn grace(mut stopped: watch::Receiver<Option<u8>>) {
    let _ = stopped.wait_for(Option::is_some).await;
    tokio::time::sleep(GRACE).await;
}
