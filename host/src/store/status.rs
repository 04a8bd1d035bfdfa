//! What is known of a feed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::bindings::types::{Batch, Counters, Next, Progress};
use crate::error::Error;
use crate::totals::note_progress;

/// By so much the distance to now has to shrink before it says something, in ms: an
/// upstream may tell whole seconds.
const NEARER: u64 = 10_000;

/// What is known of a feed, for people and for `source-host state show`. All
/// times are in ms since 1970, by the host's clock if nothing else is said.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Status {
    /// Name and version of the plugin that wrote the state.
    pub plugin: String,
    /// The last batch committed.
    pub checkpoint: u64,
    /// When that was.
    pub committed_at: i64,
    /// How far each partition has come.
    pub progress: BTreeMap<String, Progress>,
    /// Sums over all batches.
    pub counters: Counters,
    /// Of the events, those that the sink refused for good: dead letters.
    #[serde(default)]
    pub refused: u64,
    /// Where the last batch with events went: [`crate::Sink::destination`].
    #[serde(default)]
    pub destination: Option<String>,
    /// When a batch last got anywhere, or nothing was left to read; none:
    /// never.
    #[serde(default)]
    pub worked_at: Option<i64>,
    /// The last time that it did not work; none: there was none.
    #[serde(default)]
    pub trouble: Option<Trouble>,
    /// It was rewound to this time, by the upstream's clock, and did not run
    /// since: the earliest, if it was so more than once.
    #[serde(default)]
    pub rewound_to: Option<i64>,
}

/// A time in which a feed did not work.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Trouble {
    /// From its first failure
    pub since: i64,
    /// to when it worked again; none: it lasts.
    pub until: Option<i64>,
    /// The last failure in it.
    pub failed_at: i64,
    /// After it the feed is tried again; none: not before somebody acts.
    pub next_try: Option<i64>,
    /// The failure's [`crate::Kind::name`].
    pub kind: String,
    /// What was found.
    pub message: String,
    /// Ways out.
    pub hints: Vec<String>,
}

impl Status {
    /// The trouble that it is in; none: it works.
    pub fn in_trouble(&self) -> Option<&Trouble> {
        self.trouble
            .as_ref()
            .filter(|trouble| trouble.until.is_none())
    }

    /// How far the partition that is furthest behind is so at `now`, in ms;
    /// none: nothing was ever read.
    pub fn lag(&self, now: i64) -> Option<u64> {
        let behind = self.progress.values().map(|progress| progress.behind_ms);
        let since = u64::try_from(now.saturating_sub(self.committed_at)).unwrap_or(0);
        Some(since.saturating_add(behind.max()?))
    }

    /// Whether a batch gets anywhere. One that only repeats what came before a
    /// failure the last time does not end that trouble; nor does time that passes.
    pub(crate) fn is_advanced_by(&self, batch: &Batch) -> bool {
        let before = self.progress.get(&batch.partition);
        let gets_nearer = match (before, &batch.progress) {
            (Some(before), Some(now)) => before.behind_ms.saturating_sub(now.behind_ms) > NEARER,
            (before, now) => before.is_none() && now.is_some(),
        };
        matches!(batch.next, Next::Idle(_))
            || !batch.index.is_empty()
            || !batch.rejected.is_empty()
            || gets_nearer
    }

    /// After `batch` of this plugin was committed.
    pub(crate) fn after(&self, batch: &Batch, plugin: String, now: i64) -> Self {
        let mut status = self.clone();
        if self.is_advanced_by(batch) {
            status.worked_at = Some(now);
            status.rewound_to = None;
            if let Some(trouble) = &mut status.trouble {
                trouble.until.get_or_insert(now);
                trouble.next_try = None;
            }
        }
        status.plugin = plugin;
        status.checkpoint = batch.checkpoint;
        status.committed_at = now;
        status.counters.add(&batch.counters);
        note_progress(&mut status.progress, batch);
        status
    }

    /// It failed, and is tried again after `wait`; none: it is not. Whether all is
    /// reconciled is not known until it works.
    pub(crate) fn fail(&mut self, e: &Error, wait: Option<Duration>, now: i64) {
        for progress in self.progress.values_mut() {
            progress.reconciled = None;
        }
        let wait = wait.map(|wait| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
        self.trouble = Some(Trouble {
            since: self.in_trouble().map_or(now, |trouble| trouble.since),
            until: None,
            failed_at: now,
            next_try: wait.map(|wait| now.saturating_add(wait)),
            kind: e.kind().name().to_owned(),
            message: e.to_string(),
            hints: e.hints().to_vec(),
        });
    }

    /// The time, by the upstream's clock, from which it goes on; none: it is new
    /// and was not rewound.
    pub fn goes_on_from(&self) -> Option<i64> {
        let read_to = self.progress.values().map(|progress| progress.read_to);
        read_to.chain(self.rewound_to).min()
    }

    /// All from `to` on will come again; more, if that was so already.
    pub(crate) fn rewind(&mut self, to: i64) {
        self.rewound_to = Some(self.rewound_to.map_or(to, |before| before.min(to)));
        for progress in self.progress.values_mut() {
            let back = progress.read_to.saturating_sub(to);
            let back = u64::try_from(back).unwrap_or(0);
            progress.behind_ms = progress.behind_ms.saturating_add(back);
            progress.read_to = progress.read_to.min(to);
            progress.start = progress.start.min(to);
            progress.reconciled_to = progress.reconciled_to.map(|at| at.min(to));
            progress.reconciled = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::types::Reconciled;
    use crate::error::Kind;
    use crate::totals::Totals;

    fn progress(read_to: i64) -> Progress {
        Progress {
            start: 100,
            read_to,
            reconciled_from: None,
            reconciled_to: Some(read_to),
            behind_ms: 20_000,
            reconciled: None,
            backlog: None,
            lateness: None,
        }
    }

    fn batch(next: Next, read_to: i64) -> Batch {
        Batch {
            partition: "p".into(),
            events: Vec::new(),
            index: Vec::new(),
            rejected: Vec::new(),
            checkpoint: 7,
            counters: Counters::default(),
            findings: Vec::new(),
            progress: Some(progress(read_to)),
            next,
        }
    }

    fn after(status: &Status, batch: &Batch, now: i64) -> Status {
        status.after(batch, "p 1".into(), now)
    }

    #[test]
    fn trouble_lasts_from_its_first_failure_until_something_gets_on() {
        let mut status = after(&Status::default(), &batch(Next::More, 200), 1_000);
        let e = Error::new(Kind::Unavailable, "busy").hint("wait");
        status.progress.get_mut("p").unwrap().reconciled = Some(Reconciled {
            counted: 9,
            read: 9,
        });
        status.fail(&e, Some(Duration::from_secs(1)), 2_000);
        status.fail(&e, None, 3_000);
        let trouble = status.in_trouble().unwrap();
        assert_eq!((trouble.since, trouble.failed_at), (2_000, 3_000));
        assert_eq!(status.progress["p"].reconciled, None);
        assert_eq!(
            (trouble.next_try, trouble.kind.as_str()),
            (None, "unavailable")
        );

        // (By the time that has passed, and a second for the upstream's clock.)
        let mut same = batch(Next::More, 2_201);
        same.progress.as_mut().unwrap().behind_ms -= 1_000;
        let repeated = after(&status, &same, 4_000);
        assert!(repeated.in_trouble().is_some(), "nothing new came");
        assert_eq!(repeated.worked_at, Some(1_000));
        let worked = after(&repeated, &batch(Next::Idle(1), 200), 5_000);
        assert_eq!(worked.in_trouble(), None);
        assert_eq!(worked.worked_at, Some(5_000));
        let trouble = worked.trouble.unwrap();
        assert_eq!((trouble.since, trouble.until), (2_000, Some(5_000)));
    }

    #[test]
    fn a_rewind_shows_until_the_feed_runs() {
        let mut status = after(&Status::default(), &batch(Next::Idle(1), 200), 1_000);
        assert_eq!(status.lag(1_010), Some(20_010));
        status.rewind(50);
        let rewound = status.progress["p"];
        assert_eq!(
            (rewound.start, rewound.read_to, rewound.behind_ms),
            (50, 50, 20_150)
        );
        assert_eq!(
            (status.rewound_to, rewound.reconciled_to),
            (Some(50), Some(50))
        );
        status.rewind(80);
        assert_eq!(status.rewound_to, Some(50), "it never goes forward");
        assert_eq!(status.progress["p"], rewound);
        assert_eq!(status.goes_on_from(), Some(50));
        let ran = after(&status, &batch(Next::Idle(1), 60), 1_020);
        assert_eq!(ran.rewound_to, None);
        assert_eq!(Status::default().lag(0), None);
    }

    #[test]
    fn a_rewind_never_goes_forward_and_numbers_of_a_plugin_have_no_bound() {
        let mut status = Status::default();
        assert_eq!(status.goes_on_from(), None);
        status.rewind(90);
        status.rewind(95);
        assert_eq!(status.goes_on_from(), Some(90));
        let mut first = batch(Next::More, 70);
        first.progress.as_mut().unwrap().behind_ms = u64::MAX;
        let mut status = after(&status, &first, 1_000);
        status.rewind(80);
        assert_eq!(status.goes_on_from(), Some(70));
        status.rewind(60);
        assert_eq!(status.goes_on_from(), Some(60));
        assert_eq!(status.lag(2_000), Some(u64::MAX));
    }

    #[test]
    fn the_first_name_takes_the_place_of_a_partition_that_has_none() {
        let mut unknown = batch(Next::Idle(1), 150);
        unknown.partition = String::new();
        let mut totals = Totals::default();
        totals.add(&unknown, 0);
        let status = after(&Status::default(), &unknown, 1_000);
        assert_eq!(status.progress[""].read_to, 150);
        let mut named = batch(Next::More, 200);
        totals.add(&named, 0);
        let status = after(&status, &named, 2_000);
        for progress in [&status.progress, &totals.progress] {
            assert_eq!(progress.keys().collect::<Vec<_>>(), ["p"]);
        }
        named.partition = "q".into();
        assert_eq!(after(&status, &named, 3_000).progress.len(), 2);
    }

    #[test]
    fn a_status_of_before_is_read() {
        let text = r#"{"plugin":"p 1","checkpoint":3,"committed_at":9,"progress":{"o":{
            "start":1,"read_to":2,"reconciled_to":2,"behind_ms":0,"reconciled":{"counted":4,
            "read":4},"backlog":null,"lateness":null}},"counters":{"received":1,"emitted":1,
            "duplicates":0,"not_selected":0,"rejected":0,"requests":1,"bytes":9,
            "not_selected_types":[]}}"#;
        let status: Status = serde_json::from_str(text).unwrap();
        assert_eq!((status.checkpoint, status.trouble), (3, None));
    }
}
