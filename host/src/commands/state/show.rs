//! `source-host state show`: how far each feed has come. It reads what a
//! running process commits, and disturbs nobody.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use source_host::words::{counted, grouped, moment, span};
use source_host::{Error, Kind, Result, SqliteStore, Status, Store, Waiting, now};

use super::{fail, load};
use crate::cli::SourceArgs;
use crate::config::Config;
use crate::{exit, report};

/// What is known of one feed.
struct Shown {
    name: String,
    configured: bool,
    /// None: it never ran.
    status: Option<Status>,
    /// What is in the outbox.
    outbox: Option<Waiting>,
    /// None: nothing was ever read.
    lag: Option<u64>,
}

pub(super) async fn run(
    source: &SourceArgs,
    feed: Option<&str>,
    max_lag: Option<Duration>,
    as_json: bool,
) -> Result<u8, u8> {
    let config = load(source)?;
    let mut feeds = read(&config).await.map_err(|e| fail(&e))?;
    if let Some(name) = feed {
        feeds.retain(|feed| feed.name == name);
        if feeds.is_empty() {
            let message = format!("there is no feed `{name}`, neither configured nor stored");
            return Err(fail(&Error::new(Kind::Configuration, message)));
        }
    }
    let text = match (as_json, feed, feeds.as_slice()) {
        (true, ..) => json(&feeds),
        (false, Some(_), [one]) => one.details(),
        _ => table(&feeds),
    };
    report::print(&text);
    let Some(most) = max_lag else {
        return Ok(exit::OK);
    };
    let late = feeds.iter().filter(|feed| feed.is_late(most));
    let late: Vec<&str> = late.map(|feed| feed.name.as_str()).collect();
    let message = match (feeds.as_slice(), late.as_slice()) {
        // Nobody can say that it is not behind.
        ([], _) => "there is no feed".to_owned(),
        (_, []) => return Ok(exit::OK),
        (_, late) => format!(
            "further behind than `--max-lag`, or never ran: {}",
            late.join(", ")
        ),
    };
    report::failure(None, &message);
    Ok(exit::FAILURE)
}

/// Prints one feed for programs, as [`run`] does; an empty array if it is no more.
pub(super) async fn print_json(config: &Config, name: &str) -> Result<u8, u8> {
    let mut feeds = read(config).await.map_err(|e| fail(&e))?;
    feeds.retain(|feed| feed.name == name);
    report::print(&json(&feeds));
    Ok(exit::OK)
}

fn json(feeds: &[Shown]) -> String {
    let all: Value = feeds.iter().map(Shown::to_json).collect();
    format!("{all:#}\n")
}

/// Every feed that is configured or stored, by name.
async fn read(config: &Config) -> Result<Vec<Shown>> {
    let configured = config.feeds.iter().map(|feed| feed.name.clone());
    let configured: BTreeSet<String> = configured.collect();
    let store = match SqliteStore::is_in(&config.state_dir) {
        true => SqliteStore::open_shared(&config.state_dir)?,
        false if configured.is_empty() => return Err(no_state(config)),
        false => SqliteStore::in_memory()?,
    };
    let stored = store.feeds().await?.into_iter();
    let names: BTreeSet<String> = stored.chain(configured.iter().cloned()).collect();
    let mut feeds = Vec::new();
    for name in names {
        let status = store.status(&name).await?;
        feeds.push(Shown {
            // Without a configuration (`--state` alone) any may be.
            configured: configured.is_empty() || configured.contains(&name),
            outbox: store.waiting(&name).await?,
            lag: status.as_ref().and_then(|status| status.lag(now())),
            status,
            name,
        });
    }
    Ok(feeds)
}

/// Without a configuration a folder in which there is nothing is a wrong one.
fn no_state(config: &Config) -> Error {
    let folder = config.state_dir.display();
    Error::new(
        Kind::Configuration,
        format!("there is no state in `{folder}`: it has no `state.db`"),
    )
    .hint("name the folder that a run works in: its `state_dir`, or its `--state`")
}

impl Shown {
    /// Whether it is further behind than it may be. What nobody runs any more
    /// is not late.
    fn is_late(&self, most: Duration) -> bool {
        self.configured
            && self
                .lag
                .is_none_or(|lag| u128::from(lag) > most.as_millis())
    }

    fn to_json(&self) -> Value {
        json!({
            "feed": self.name,
            "configured": self.configured,
            "status": self.status,
            "lag_ms": self.lag,
            "outbox": self.outbox.is_some(),
            "waiting": self.outbox.as_ref().map(|waiting| waiting.events),
        })
    }

    /// How it stands, in a few words.
    fn condition(&self) -> String {
        let Some(status) = &self.status else {
            return "never ran".to_owned();
        };
        if let Some(trouble) = status.in_trouble() {
            let (since, message) = (moment(trouble.since), &trouble.message);
            return format!("in trouble since {since}: {message}");
        }
        if let (Some(_), Some(from)) = (status.rewound_to, status.goes_on_from()) {
            return format!("rewound to {}, and did not run since", moment(from));
        }
        let worked = match status.worked_at {
            Some(at) => format!("worked at {}", moment(at)),
            None => "has brought nothing yet".to_owned(),
        };
        match self.configured {
            true => worked,
            false => format!("{worked}; no longer configured"),
        }
    }

    /// All that is known of it.
    fn details(&self) -> String {
        let name = &self.name;
        let Some(status) = &self.status else {
            return format!("{name}: never ran\n");
        };
        let lag = self
            .lag
            .map_or(String::new(), |lag| format!(", {} behind", span(lag)));
        let mut lines = vec![format!("{name}: {}{lag}", self.condition())];
        for (partition, progress) in &status.progress {
            lines.extend(report::progress_lines(
                partition,
                progress,
                self.outbox.as_ref(),
            ));
        }
        let counters = &status.counters;
        let refused = match status.refused {
            0 => String::new(),
            refused => format!(" ({} of them refused by the sink)", grouped(refused)),
        };
        lines.push(format!(
            "in all: {}{refused}, {} not selected, {} rejected, {} seen before, in {}",
            counted(counters.emitted, "event"),
            grouped(counters.not_selected),
            grouped(counters.rejected),
            grouped(counters.duplicates),
            counted(counters.requests, "request"),
        ));
        if status.checkpoint > 0 {
            let at = moment(status.committed_at);
            let (number, plugin) = (status.checkpoint, &status.plugin);
            lines.push(format!("last batch: number {number}, {at}, by {plugin}"));
        }
        if let Some(worked) = status.worked_at {
            lines.push(format!("last success: {}", moment(worked)));
        }
        if let Some(trouble) = &status.trouble {
            let (at, kind, message) = (moment(trouble.failed_at), &trouble.kind, &trouble.message);
            let end = match (trouble.until, trouble.next_try) {
                (Some(until), _) => format!("works again since {}", moment(until)),
                (None, Some(next)) => format!("next try {}", moment(next)),
                (None, None) => "not tried again by itself".to_owned(),
            };
            lines.push(format!("last error: {at} ({kind}) {message}; {end}"));
            if trouble.until.is_none() {
                lines.extend(trouble.hints.iter().map(|hint| format!("hint: {hint}")));
            }
        }
        let outbox = match &self.outbox {
            Some(waiting) => format!("{waiting}, still to be delivered"),
            None => "empty".to_owned(),
        };
        lines.push(format!("outbox: {outbox}"));
        lines.join("\n  ") + "\n"
    }
}

/// A line for each partition of each feed.
fn table(feeds: &[Shown]) -> String {
    let head = [
        "FEED",
        "PARTITION",
        "LAG",
        "READ TO",
        "RECONCILED TO",
        "EVENTS",
        "OUTBOX",
    ];
    let mut rows = vec![(head.map(str::to_owned), "CONDITION".to_owned())];
    for feed in feeds {
        let none = || "–".to_owned();
        let status = feed.status.clone().unwrap_or_default();
        let outbox = match &feed.outbox {
            Some(waiting) => waiting.to_string(),
            None => "empty".to_owned(),
        };
        let of_feed = [grouped(status.counters.emitted), outbox];
        let partitions: Vec<[String; 4]> = status
            .progress
            .iter()
            .map(|(partition, progress)| {
                let since = now().saturating_sub(status.committed_at);
                let since = u64::try_from(since).unwrap_or(0);
                [
                    partition.clone(),
                    span(progress.behind_ms.saturating_add(since)),
                    moment(progress.read_to),
                    progress.reconciled_to.map_or_else(none, moment),
                ]
            })
            .collect();
        let partitions = match partitions.is_empty() {
            true => vec![[none(), none(), none(), none()]],
            false => partitions,
        };
        for (number, [partition, lag, read_to, reconciled_to]) in partitions.into_iter().enumerate()
        {
            let [events, outbox] = match number {
                0 => of_feed.clone(),
                _ => [String::new(), String::new()],
            };
            let condition = if number == 0 {
                feed.condition()
            } else {
                String::new()
            };
            let name = feed.name.clone();
            let row = [name, partition, lag, read_to, reconciled_to, events, outbox];
            rows.push((row, condition));
        }
    }
    let mut widths = [0; 7];
    for (row, _) in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for (row, condition) in rows {
        for (width, cell) in widths.iter().zip(row) {
            text += &format!("{cell:width$}  ");
        }
        text += condition.as_str();
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(status: Option<Status>) -> Shown {
        Shown {
            name: "acme".into(),
            configured: true,
            lag: status.as_ref().and_then(|status| status.lag(now())),
            outbox: None,
            status,
        }
    }

    #[test]
    fn a_feed_that_never_ran_is_listed_and_late() {
        let feed = shown(None);
        assert!(feed.is_late(Duration::from_secs(900)));
        assert_eq!(feed.details(), "acme: never ran\n");
        assert_eq!(
            table(&[feed]),
            "FEED  PARTITION  LAG  READ TO  RECONCILED TO  EVENTS  OUTBOX  CONDITION\n\
             acme  –          –    –        –              0       empty   never ran\n"
        );
    }

    #[test]
    fn nobody_waits_for_a_feed_that_is_no_longer_configured() {
        let feed = Shown {
            configured: false,
            ..shown(Some(Status::default()))
        };
        assert!(!feed.is_late(Duration::ZERO));
        assert!(feed.condition().contains("no longer configured"));
    }
}
