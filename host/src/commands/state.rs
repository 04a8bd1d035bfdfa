//! `source-host state`: how far feeds have come, and going back.

mod show;

use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;

use chrono::DateTime;
use source_host::words::{moment, time};
use source_host::{Error, Feed, Kind, Result, SqliteStore, Status, Store, now};

use crate::cli::{SourceArgs, StateCommand};
use crate::config::{self, Config, SinkConfig};
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
        } => show::run(source, feed.as_deref(), *max_lag, *json).await,
        StateCommand::Rewind {
            feed,
            to,
            source,
            yes,
            json,
        } => rewind(source, feed, to, *yes, *json).await,
        StateCommand::Reset {
            feed,
            source,
            yes,
            json,
        } => reset(source, feed, *yes, *json).await,
    };
    done.unwrap_or_else(|code| code)
}

async fn rewind(
    source: &SourceArgs,
    name: &str,
    to: &str,
    yes: bool,
    as_json: bool,
) -> Result<u8, u8> {
    let config = load(source)?;
    let now = now();
    let Some(to) = parse_time(to, now) else {
        let message = format!("`{}` is not a time", to.escape_debug());
        let e = Error::new(Kind::Configuration, message).hint(
            "write it as 2026-01-31T00:00:00Z or 2026-01-31, or as a time back from now, as in 24h",
        );
        return Err(fail(&e));
    };
    if to > now {
        let message = format!("`--to` is in the future: {}", time(to));
        return Err(fail(&Error::new(Kind::Configuration, message)));
    }
    let (mut feed, _store) = open(&config, name).await?;
    let failed = |e: &Error| fail_of(name, e);
    let waiting = feed.waiting().await.map_err(|e| failed(&e))?;
    for (partition, progress) in &feed.status().progress {
        for line in report::progress_lines(partition, progress, waiting.as_ref()) {
            note(name, &line);
        }
    }
    if let Some(before) = feed.status().rewound_to.filter(|before| *before <= to) {
        let before = moment(before);
        note(
            name,
            &format!("it was rewound to {before} and did not run since: nothing changes"),
        );
        return shown(&config, name, as_json).await;
    }
    if let Some(waiting) = &waiting {
        note(
            name,
            &format!("what waits for the sink will be delivered first: {waiting}"),
        );
    }
    note(name, &repeats(feed.status(), to));
    warn_of_twice(&config, name);
    confirm(yes)?;
    if let Err(e) = feed.deliver_outbox().await {
        return Err(failed(&match e.kind() {
            Kind::Storage => e,
            _ => e.hint(format!(
                "mend the sink first; `source-host state reset {name} {}` drops what waits for it",
                config.flags
            )),
        }));
    }
    feed.rewind(to).await.map_err(|e| failed(&e))?;
    let from = moment(feed.status().goes_on_from().unwrap_or(to));
    note(name, &format!("rewound; the next run goes on from {from}"));
    shown(&config, name, as_json).await
}

/// What a reset leads to.
fn begins_anew(status: &Status) -> String {
    let start = status.progress.values().map(|progress| progress.start);
    let began = start.min().map_or(String::new(), |start| {
        format!(" (this time it had begun at {})", moment(start))
    });
    format!(
        "all state will be forgotten: the feed begins anew at its start, which counts from the next \
         run if it is relative{began}, and delivers everything from there on again"
    )
}

/// What a rewind to `to` leads to.
fn repeats(status: &Status, to: i64) -> String {
    let progress = status.progress.values();
    let start = progress.clone().map(|progress| progress.start).min();
    let read_to = progress.map(|progress| progress.read_to).max();
    match (start, read_to) {
        (Some(start), Some(read_to)) if to < read_to => {
            let mut text = format!(
                "events from {} to {}, which were delivered before, will be delivered again",
                moment(to.max(start)),
                moment(read_to)
            );
            if to < start {
                text += &format!(", and those from {} on for the first time", moment(to));
            }
            text
        }
        (Some(_), Some(read_to)) => format!(
            "it is complete to {} only; events from {} on that were delivered before will be \
             delivered again",
            moment(read_to),
            moment(to)
        ),
        _ => format!("the feed will begin at {}", moment(to)),
    }
}

/// Files keep what they have.
fn warn_of_twice(config: &Config, name: &str) {
    if let Some(SinkConfig::File(path)) = config.feed(name).and_then(|feed| feed.sink.as_ref()) {
        let path = path.display();
        note(
            name,
            &format!(
                "lines that are in `{path}` already will be there twice: remove them first, if \
                 that matters"
            ),
        );
    }
}

async fn reset(source: &SourceArgs, name: &str, yes: bool, as_json: bool) -> Result<u8, u8> {
    let config = load(source)?;
    let failed = |e: &Error| fail_of(name, e);
    let (feed, store): (_, Arc<dyn Store>) = match config.feed(name).is_some() {
        true => {
            let (feed, store) = open(&config, name).await?;
            note(name, &begins_anew(feed.status()));
            warn_of_twice(&config, name);
            (Some(feed), store)
        }
        false => {
            let store = open_stored(&config, name).await.map_err(|e| failed(&e))?;
            note(
                name,
                "it is not configured; all state of it will be forgotten",
            );
            (None, store)
        }
    };
    let waiting = store.waiting(name).await.map_err(|e| failed(&e))?;
    if let Some(waiting) = &waiting {
        let how = match &feed {
            Some(_) => "is offered to it once more, and then dropped",
            None => "is dropped",
        };
        note(name, &format!("what waits for the sink {how}: {waiting}"));
    }
    confirm(yes)?;
    if let (Some(mut feed), Some(waiting)) = (feed, waiting)
        && let Err(e) = feed.deliver_outbox().await
    {
        note(name, &format!("{waiting} dropped: {e}"));
    }
    store.reset(name).await.map_err(|e| failed(&e))?;
    note(name, "reset");
    shown(&config, name, as_json).await
}

/// How a feed stands now, for programs.
async fn shown(config: &Config, name: &str, as_json: bool) -> Result<u8, u8> {
    match as_json {
        true => show::print_json(config, name).await,
        false => Ok(exit::OK),
    }
}

fn note(feed: &str, message: &str) {
    report::note(Some(feed), message);
}

/// Opens the state of a feed that is no longer configured.
async fn open_stored(config: &Config, name: &str) -> Result<Arc<dyn Store>> {
    if !SqliteStore::is_in(&config.state_dir) {
        return Err(no_feed(config, name));
    }
    let store = SqliteStore::open(&config.state_dir)?;
    if !store.feeds().await?.iter().any(|stored| stored == name) {
        return Err(no_feed(config, name));
    }
    Ok(Arc::new(store))
}

fn load(source: &SourceArgs) -> Result<Config, u8> {
    Config::load(source).map_err(|problems| Failed::Problems(problems).report())
}

/// Opens one feed with its state, which nobody else may be using.
async fn open(config: &Config, name: &str) -> Result<(Feed, Arc<dyn Store>), u8> {
    let opened = setup::open(config, |feed| feed.name == name).await;
    let opened = opened.map_err(|e| e.report())?;
    match (opened.feeds.into_iter().next(), opened.failed.first()) {
        (Some(feed), _) => Ok((feed, opened.store)),
        (None, Some(failed)) => Err(failed.report()),
        (None, None) => Err(fail(&no_feed(config, name))),
    }
}

fn no_feed(config: &Config, name: &str) -> Error {
    let names: Vec<&str> = config.feeds.iter().map(|feed| feed.name.as_str()).collect();
    let message = format!("no feed `{}` is configured", name.escape_debug());
    let e = Error::new(Kind::Configuration, message);
    match names.as_slice() {
        [] => e,
        names => e.hint(format!("the feeds are: {}", names.join(", "))),
    }
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

fn fail_of(feed: &str, e: &Error) -> u8 {
    report::error(Some(feed), e);
    exit::code(e)
}

fn fail(e: &Error) -> u8 {
    report::error(None, e);
    exit::code(e)
}

/// A time in ms since 1970, from RFC 3339, a date, or how long before `now` it
/// was.
fn parse_time(text: &str, now: i64) -> Option<i64> {
    if let Some(back) = config::parse_duration(text) {
        return now.checked_sub(i64::try_from(back.as_millis()).ok()?);
    }
    let parsed = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_rfc3339(&format!("{text}T00:00:00Z")));
    parsed.ok().map(|time| time.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use source_host::Progress;

    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn times() {
        for (text, time) in [
            ("1970-01-01T00:00:01Z", Some(1_000)),
            ("1970-01-01T01:00:00+01:00", Some(0)),
            ("1970-01-02", Some(24 * HOUR)),
            ("24h", Some(HOUR)),
            ("yesterday", None),
            ("2026-13-01", None),
        ] {
            assert_eq!(parse_time(text, 25 * HOUR), time, "{text}");
        }
    }

    #[test]
    fn what_a_rewind_repeats() {
        let progress = Progress {
            start: HOUR,
            read_to: 3 * HOUR,
            reconciled_from: None,
            reconciled_to: None,
            behind_ms: 0,
            reconciled: None,
            backlog: None,
            lateness: None,
        };
        let status = Status {
            progress: [("p".to_owned(), progress)].into(),
            ..Status::default()
        };
        for (to, text) in [
            (
                2 * HOUR,
                "events from 1970-01-01T02:00:00Z to 1970-01-01T03:00:00Z, which were delivered \
                 before, will be delivered again",
            ),
            (
                0,
                "events from 1970-01-01T01:00:00Z to 1970-01-01T03:00:00Z, which were delivered \
                 before, will be delivered again, and those from 1970-01-01T00:00:00Z on for the \
                 first time",
            ),
            (
                4 * HOUR,
                "it is complete to 1970-01-01T03:00:00Z only; events from 1970-01-01T04:00:00Z on \
                 that were delivered before will be delivered again",
            ),
        ] {
            assert_eq!(repeats(&status, to), text);
        }
        assert_eq!(
            repeats(&Status::default(), 0),
            "the feed will begin at 1970-01-01T00:00:00Z"
        );
    }
}
