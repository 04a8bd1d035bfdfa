//! What a running feed says: a line when its condition changes, and from time
//! to time that it is alive.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::Instant;

use crate::bindings::types::{Finding, Severity};
use crate::error::{Error, Kind};
use crate::store::Status;
use crate::totals::Totals;
use crate::words;

/// How often a running feed says how it is.
const HEARTBEAT: Duration = Duration::from_secs(15 * 60);

/// A finding that comes again is told again after this time.
const REPEAT: Duration = Duration::from_secs(60 * 60);

/// So many findings are remembered.
const FINDINGS: usize = 1_000;

/// What one run of a feed has said.
pub(crate) struct Journal {
    feed: String,
    /// Findings, by their hash, and when they were told.
    findings: HashMap<u64, Instant>,
    /// The run is to end: every attempt is told, for somebody waits.
    once: bool,
    /// What was last told of a failure, if it is not over.
    told: Option<Kind>,
    caught_up: bool,
    /// Records that became dead letters and are not told yet, and when some were.
    rejected: (u64, Option<Instant>),
    beat: Instant,
}

impl Journal {
    pub(crate) fn new(feed: &str, once: bool) -> Self {
        Self {
            feed: feed.to_owned(),
            findings: HashMap::new(),
            once,
            told: None,
            caught_up: false,
            rejected: (0, None),
            beat: Instant::now() + HEARTBEAT,
        }
    }

    /// A batch was settled, which took the feed's status from `before` to
    /// `after`.
    pub(crate) fn settled(&mut self, before: &Status, after: &Status, is_idle: bool) {
        let feed = &self.feed;
        let ended = before.in_trouble().filter(|_| after.in_trouble().is_none());
        if let Some(trouble) = ended {
            let took = after.committed_at.saturating_sub(trouble.since);
            let took = words::span(u64::try_from(took).unwrap_or(0));
            tracing::info!(%feed, "works again, after {took}");
            (self.told, self.caught_up) = (None, false);
        }
        if is_idle && !self.caught_up {
            self.caught_up = true;
            if !self.once {
                tracing::info!(%feed, "caught up{}", read_to(after));
            }
        }
    }

    /// So many records became dead letters. A run that is to end tells of them at its
    /// end.
    pub(crate) fn rejected(&mut self, records: u64) {
        if let Some(records) = self.untold(records, Instant::now()) {
            let (feed, records) = (&self.feed, words::counted(records, "record"));
            tracing::warn!(%feed, "{records} not understood, and kept as dead letters");
        }
    }

    /// How many dead letters are to be told of, after so many more.
    fn untold(&mut self, more: u64, now: Instant) -> Option<u64> {
        let (count, told) = &mut self.rejected;
        *count = count.saturating_add(more);
        let recent = told.is_some_and(|told| now.saturating_duration_since(told) < REPEAT);
        if *count == 0 || recent || self.once {
            return None;
        }
        *told = Some(now);
        Some(std::mem::take(count))
    }

    /// It failed, and goes on after `wait`. Of failures of one kind in a row
    /// the first is told, with the ways out.
    pub(crate) fn failed(&mut self, failure: &Error, wait: Duration) {
        let feed = &self.feed;
        let wait = words::span(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        let is_news = self.told.replace(failure.kind()) != Some(failure.kind());
        if !is_news && !self.once {
            tracing::debug!(%feed, "{failure}; trying again in {wait}");
            return;
        }
        tracing::warn!(%feed, "{failure}; trying again in {wait}");
        if is_news {
            failure
                .hints()
                .iter()
                .for_each(|hint| tracing::warn!(%feed, "hint: {hint}"));
        }
    }

    /// Tells people of a finding, unless it was told a short time ago: one that
    /// lasts comes with each cycle.
    pub(crate) fn found(&mut self, finding: &Finding) {
        if !self.is_news(finding, Instant::now()) {
            return;
        }
        let feed = &self.feed;
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

    fn is_news(&mut self, finding: &Finding, now: Instant) -> bool {
        let mut hash = DefaultHasher::new();
        (&finding.code, &finding.partition, &finding.message).hash(&mut hash);
        let key = hash.finish();
        let recent = |told: &Instant| now.saturating_duration_since(*told) < REPEAT;
        if self.findings.get(&key).is_some_and(recent) {
            return false;
        }
        if self.findings.len() >= FINDINGS {
            self.findings.clear();
        }
        self.findings.insert(key, now);
        true
    }

    /// When the next heartbeat is due.
    pub(crate) fn next_beat(&self) -> Instant {
        self.beat
    }

    /// Says how the feed is, if that is due. `held`: for so long the upstream
    /// wants to be left alone.
    pub(crate) fn beat(&mut self, status: &Status, totals: &Totals, held: Duration, now: i64) {
        if Instant::now() < self.beat {
            return;
        }
        self.beat = Instant::now() + HEARTBEAT;
        let feed = &self.feed;
        let lines = alive(status, totals.counters.emitted, held, now);
        match status.in_trouble() {
            Some(_) => lines
                .iter()
                .for_each(|line| tracing::warn!(%feed, "{line}")),
            None => lines
                .iter()
                .for_each(|line| tracing::info!(%feed, "{line}")),
        }
    }
}

/// How a feed is: in trouble, with what can be done; or how far it has come.
fn alive(status: &Status, emitted: u64, held: Duration, now: i64) -> Vec<String> {
    if let Some(trouble) = status.in_trouble() {
        let (since, message) = (words::moment(trouble.since), &trouble.message);
        let next = match trouble.next_try {
            Some(next) => format!("next try at {}", words::moment(next.max(now))),
            None => "it is not tried again".to_owned(),
        };
        let line = format!("in trouble since {since}: {message}; {next}");
        let hints = trouble.hints.iter().map(|hint| format!("hint: {hint}"));
        return [line].into_iter().chain(hints).collect();
    }
    let events = words::counted(emitted, "event");
    let held = match u64::try_from(held.as_millis()).unwrap_or(u64::MAX) {
        0 => String::new(),
        ms => format!(
            ", no request for {}: the upstream wants to be left alone",
            words::span(ms)
        ),
    };
    let since = u64::try_from(now.saturating_sub(status.committed_at)).unwrap_or(0);
    let lines: Vec<String> = status
        .progress
        .iter()
        .map(|(partition, progress)| {
            let whose = match partition.as_str() {
                "" => String::new(),
                partition => format!("{partition}: "),
            };
            let behind = words::span(progress.behind_ms.saturating_add(since));
            let reconciled = progress.reconciled.map_or(String::new(), |reconciled| {
                let read = words::grouped(reconciled.read);
                let counted = words::grouped(reconciled.counted);
                match read == counted {
                    true => format!(", reconciled {read} of {counted}"),
                    false => format!(", not reconciled: {counted} counted, {read} read"),
                }
            });
            format!("{whose}running: {events} so far, {behind} behind{reconciled}{held}")
        })
        .collect();
    match lines.is_empty() {
        true => vec![format!("running: {events} so far{held}")],
        false => lines,
    }
}

/// How far all was read; what is later to turn up is not there yet.
fn read_to(status: &Status) -> String {
    let read_to = status.progress.values().map(|progress| progress.read_to);
    read_to.min().map_or(String::new(), |ms| {
        format!(": read up to {}", words::moment(ms))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::types::{Progress, Reconciled};

    const HOUR: i64 = 3_600_000;

    fn status() -> Status {
        let progress = Progress {
            start: 0,
            read_to: HOUR,
            reconciled_from: Some(0),
            reconciled_to: Some(HOUR),
            behind_ms: 120_000,
            reconciled: Some(Reconciled {
                counted: 2_000,
                read: 2_000,
            }),
            backlog: None,
            lateness: None,
        };
        Status {
            progress: [("o".to_owned(), progress)].into(),
            committed_at: HOUR,
            ..Status::default()
        }
    }

    fn lines(status: &Status, held: u64, now: i64) -> Vec<String> {
        alive(status, 1_430, Duration::from_secs(held), now)
    }

    #[test]
    fn a_heartbeat_of_a_feed_that_works() {
        assert_eq!(
            lines(&status(), 0, HOUR + 30_000),
            ["o: running: 1,430 events so far, 2 min behind, reconciled 2,000 of 2,000"]
        );
        let mut emptied = status();
        let reconciled = &mut emptied.progress.get_mut("o").unwrap().reconciled;
        reconciled.as_mut().unwrap().counted = 0;
        assert_eq!(
            lines(&emptied, 0, HOUR + 30_000),
            [
                "o: running: 1,430 events so far, 2 min behind, not reconciled: 0 counted, 2,000 read"
            ]
        );
        assert_eq!(
            lines(&Status::default(), 90, HOUR),
            [
                "running: 1,430 events so far, no request for 90 s: the upstream wants to be left alone"
            ]
        );
    }

    #[test]
    fn a_heartbeat_in_trouble() {
        let mut status = status();
        let e = Error::new(Kind::Unavailable, "no answer").hint("nothing is lost until then");
        status.fail(&e, Some(Duration::from_secs(60)), 2 * HOUR);
        assert_eq!(
            lines(&status, 0, 2 * HOUR),
            [
                "in trouble since 1970-01-01T02:00:00Z: no answer; next try at 1970-01-01T02:01:00Z",
                "hint: nothing is lost until then",
            ]
        );
        status.fail(&e, None, 3 * HOUR);
        let told = lines(&status, 0, 3 * HOUR);
        assert!(told[0].contains("since 1970-01-01T02:00:00Z"), "{told:?}");
        assert!(told[0].ends_with("it is not tried again"), "{told:?}");
    }

    #[test]
    fn a_finding_that_lasts_is_told_once_an_hour() {
        let mut journal = Journal::new("f", false);
        let finding = |message: &str| Finding {
            code: "c".into(),
            severity: Severity::Warning,
            partition: "p".into(),
            message: message.into(),
        };
        let (one, other) = (finding("one"), finding("other"));
        let now = Instant::now();
        assert!(journal.is_news(&one, now));
        assert!(journal.is_news(&other, now));
        assert!(!journal.is_news(&one, now + Duration::from_secs(3_599)));
        assert!(journal.is_news(&one, now + REPEAT));
        for number in 0..2 * FINDINGS {
            journal.is_news(&finding(&number.to_string()), now);
        }
        assert!(journal.findings.len() <= FINDINGS);
    }

    #[test]
    fn dead_letters_are_told_once_an_hour() {
        let (mut journal, now) = (Journal::new("f", false), Instant::now());
        assert_eq!(journal.untold(0, now), None);
        assert_eq!(journal.untold(2, now), Some(2));
        assert_eq!(journal.untold(3, now + Duration::from_secs(3_599)), None);
        assert_eq!(journal.untold(0, now + REPEAT), Some(3));
        assert_eq!(journal.untold(0, now + 2 * REPEAT), None);
    }

    #[test]
    fn the_time_up_to_which_all_is_there() {
        assert_eq!(read_to(&status()), ": read up to 1970-01-01T01:00:00Z");
        assert_eq!(read_to(&Status::default()), "");
    }
}
