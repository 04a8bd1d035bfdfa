//! `source-host state`: how far feeds have come, and going back.

use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use serde_json::{Value, json};
use source_host::{Error, Feed, Kind, Result, SqliteStore, Status, Store};

use crate::cli::{SourceArgs, StateCommand};
use crate::config::{self, Config};
use crate::setup::{self, Failed};
use crate::{exit, report};

/// Runs one of the commands.
pub async fn run(command: &StateCommand) -> u8 {
    let done = match command {
        StateCommand::Show {
            feed,
            source,
            max_lag,
            json,
        } => show(source, feed.as_deref(), *max_lag, *json).await,
        StateCommand::Rewind {
            feed,
            to,
            source,
            yes,
        } => rewind(source, feed, to, *yes).await,
        StateCommand::Reset { feed, source, yes } => reset(source, feed, *yes).await,
    };
    done.unwrap_or_else(|code| code)
}

async fn show(
    source: &SourceArgs,
    feed: Option<&str>,
    max_lag: Option<Duration>,
    as_json: bool,
) -> Result<u8, u8> {
    let config = load(source)?;
    if !config.state_dir.join("state.db").exists() {
        let message = format!("there is no state in `{}` yet", config.state_dir.display());
        return Err(fail(&Error::storage(message)));
    }
    let store = SqliteStore::open_shared(&config.state_dir).map_err(|e| fail(&e))?;
    let mut names = store.feeds().await.map_err(|e| fail(&e))?;
    if let Some(feed) = feed {
        names.retain(|name| name == feed);
        if names.is_empty() {
            let message = format!("there is no state of a feed `{feed}`");
            return Err(fail(&Error::new(Kind::Configuration, message)));
        }
    }
    let mut feeds = Vec::new();
    let mut late = false;
    for name in names {
        let Some(status) = store.status(&name).await.map_err(|e| fail(&e))? else {
            continue;
        };
        let outbox = store.outbox(&name).await.map_err(|e| fail(&e))?.is_some();
        let lag = lag(&status);
        late |= max_lag.is_some_and(|most| u128::from(lag) > most.as_millis());
        if as_json {
            feeds.push(json!({
                "feed": name, "status": status, "lag_ms": lag, "outbox": outbox,
            }));
        } else {
            report::print(&status_text(&name, &status, lag, outbox));
        }
    }
    if as_json {
        report::print(&format!("{:#}\n", Value::Array(feeds)));
    }
    Ok(if late { exit::FAILURE } else { exit::OK })
}

fn status_text(name: &str, status: &Status, lag: u64, outbox: bool) -> String {
    let mut text = format!(
        "{name}: {} behind, by {}\n",
        report::span(lag),
        status.plugin
    );
    for (partition, progress) in &status.progress {
        text += &format!("  {}\n", report::progress_line(partition, progress));
    }
    let counters = &status.counters;
    text += &format!(
        "  {}, {} rejected, {} not selected, {} seen before\n",
        report::counted(counters.emitted, "event"),
        report::grouped(counters.rejected),
        report::grouped(counters.not_selected),
        report::grouped(counters.duplicates),
    );
    let (number, time) = (status.checkpoint, report::time(status.committed_at));
    let pending = if outbox {
        ", still to be delivered"
    } else {
        ""
    };
    text + &format!("  last batch: number {number}, {time}{pending}\n")
}

async fn rewind(source: &SourceArgs, name: &str, to: &str, yes: bool) -> Result<u8, u8> {
    let config = load(source)?;
    let Some(to) = parse_time(to) else {
        let e = Error::new(Kind::Configuration, format!("`{to}` is not a time"))
            .hint("write it as 2026-01-31T00:00:00Z, or as a time back from now, as in 24h");
        return Err(fail(&e));
    };
    let (mut feed, _store) = open(&config, name).await?;
    deliver_outbox(&mut feed).await?;
    for (partition, progress) in &feed.status().progress {
        eprintln!("{name}: {}", report::progress_line(partition, progress));
    }
    eprintln!(
        "{name}: what happened from {} on will be delivered again, though it was before",
        report::time(to)
    );
    confirm(yes)?;
    feed.rewind(to).await.map_err(|e| fail(&e))?;
    eprintln!("{name}: rewound; the next run starts there");
    Ok(exit::OK)
}

async fn reset(source: &SourceArgs, name: &str, yes: bool) -> Result<u8, u8> {
    let config = load(source)?;
    let (mut feed, store) = open(&config, name).await?;
    deliver_outbox(&mut feed).await?;
    eprintln!(
        "{name}: all state will be forgotten, and everything from the feed's start delivered again"
    );
    confirm(yes)?;
    store.reset(name).await.map_err(|e| fail(&e))?;
    eprintln!("{name}: reset");
    Ok(exit::OK)
}

fn load(source: &SourceArgs) -> Result<Config, u8> {
    Config::load(source).map_err(|problems| Failed::Problems(problems).report())
}

/// Opens one feed with its state, which nobody else may be using.
async fn open(config: &Config, name: &str) -> Result<(Feed, Arc<dyn Store>), u8> {
    let opened = setup::open(config, |feed| feed.name == name).await;
    let (feeds, store) = opened.map_err(|e| e.report())?;
    if let Some(feed) = feeds.into_iter().next() {
        return Ok((feed, store));
    }
    let names: Vec<&str> = config.feeds.iter().map(|feed| feed.name.as_str()).collect();
    let e = Error::new(
        Kind::Configuration,
        format!("no feed `{name}` is configured"),
    )
    .hint(format!("the feeds are: {}", names.join(", ")));
    Err(fail(&e))
}

async fn deliver_outbox(feed: &mut Feed) -> Result<(), u8> {
    feed.deliver_outbox().await.map_err(|e| fail(&e))
}

/// Asks, unless the answer was given with `--yes`.
fn confirm(yes: bool) -> Result<(), u8> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        let message = "this must be confirmed, and there is no terminal to ask at";
        return Err(fail(
            &Error::new(Kind::Configuration, message).hint("add `--yes`"),
        ));
    }
    eprint!("go on? [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(exit::FAILURE),
    }
}

fn fail(e: &Error) -> u8 {
    report::error(None, e);
    exit::code(e)
}

/// How far the partition that is furthest behind is so by now, in ms.
fn lag(status: &Status) -> u64 {
    let since = u64::try_from(now().saturating_sub(status.committed_at)).unwrap_or_default();
    let behind = status
        .progress
        .values()
        .map(|progress| progress.behind_ms)
        .max();
    since.saturating_add(behind.unwrap_or_default())
}

/// A time in ms since 1970, from RFC 3339 or from how long ago it was.
fn parse_time(text: &str) -> Option<i64> {
    if let Some(back) = config::parse_duration(text) {
        return now().checked_sub(i64::try_from(back.as_millis()).ok()?);
    }
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|time| time.timestamp_millis())
}

fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(parse_time("1970-01-01T00:00:01Z"), Some(1_000));
        assert_eq!(parse_time("1970-01-01T01:00:00+01:00"), Some(0));
        let back = now() - parse_time("24h").unwrap();
        assert!((86_400_000..86_500_000).contains(&back), "{back}");
        assert_eq!(parse_time("yesterday"), None);
    }
}
