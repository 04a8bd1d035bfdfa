//! A feed in the real host, its store and sink, and a JumpCloud whose clock is
//! moved on by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jumpcloud::transform::Transformer;
use jumpcloud_simulator::{Config, DEFAULT_KEY, Event, Kind, Simulator};
use jumpcloud_tests::{component, now_ms};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, json};
use source_host::{
    Engine, Error, Feed, FeedOptions, Kind as ErrorKind, Next, Plugin, Result, SecretSource,
    SqliteStore, Store,
};

use super::mishaps::{BrittleSink, BrittleStore, Mishaps};
use super::plan::{EPOCH, Plan};

/// Where logins and account changes are kept; nothing else is asked for.
const ASKED: [&str; 5] = ["directory", "ldap", "radius", "sso", "systems"];

const FEED: &str = "acme";

/// Of this many times that a feed is idle it is kept once, as a host that is not
/// restarted does. It wants to be left alone for a second of real time then.
const KEPT_ONCE_IN: u32 = 40;

/// How much happened in a history.
#[derive(Clone, Copy, Debug, Default)]
pub struct Happened {
    pub events: u64,
    pub faults: u64,
    pub crashes: u64,
    pub failures: u64,
    pub batches: u64,
    pub requests: u64,
}

/// One history.
pub struct World {
    api: Simulator,
    /// Of the API's clock from this machine's, in ms.
    offset: i64,
    interval: i64,
    latest: i64,
    dice: ChaCha8Rng,
    mishaps: Arc<Mishaps>,
    options: FeedOptions,
    store: Arc<BrittleStore>,
    sink: Arc<BrittleSink>,
    /// None: the process has died.
    plugin: Option<Plugin>,
    /// None: it is to be opened from what is stored.
    feed: Option<Feed>,
    drain: bool,
    batches: u64,
    _folder: tempfile::TempDir,
}

impl World {
    /// The world at the beginning.
    pub fn new(seed: u64, plan: Plan) -> Self {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let (interval, latest) = (plan.interval, plan.latest());
        let mishaps = Arc::new(Mishaps::new(seed, plan.crashes, plan.tears / 3.0));
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        std::fs::write(&key, DEFAULT_KEY).unwrap();
        let offset = EPOCH + 600_000 - now_ms();
        let api = Simulator::start(Config {
            clock_offset_ms: offset,
            ..Config::new(plan.model)
        });
        let api = api.unwrap();
        let mut options = FeedOptions::new(FEED, folder.path().join("dead-letters.ndjson"));
        options.settings = Map::from_iter([
            ("api_base_url".to_owned(), json!(api.base_url())),
            ("start".to_owned(), json!("2h")),
            (
                "late_horizon".to_owned(),
                json!(format!("{}s", plan.horizon / 1_000)),
            ),
            ("poll_interval".to_owned(), json!("1s")),
            ("org_ids".to_owned(), json!(plan.organizations)),
        ]);
        let key = SecretSource::File(key);
        options.secrets = BTreeMap::from_iter([("token".to_owned(), key)]);
        options.limits.batch = plan.max_bytes as u64;
        options.limits.batch_events = plan.max_events as u64;
        // Now and then a poll returns before the answer is there.
        let waits = [Duration::from_millis(50), Duration::from_secs(5)];
        options.limits.batch_wait = waits[dice.random_range(0..2)];
        Self {
            api,
            offset,
            interval,
            latest,
            store: Arc::new(BrittleStore {
                store: SqliteStore::in_memory().unwrap(),
                mishaps: mishaps.clone(),
            }),
            sink: Arc::new(BrittleSink {
                written: Vec::new().into(),
                mishaps: mishaps.clone(),
            }),
            mishaps,
            dice,
            options,
            plugin: None,
            feed: None,
            drain: false,
            batches: 0,
            _folder: folder,
        }
    }

    /// Collects until all has become visible, is settled and was read.
    pub async fn run_to_the_end(&mut self) {
        let seen = |event: &Event| event.visible_at.max(event.ms);
        let last = self.api.model().events().map(seen).max();
        let end = last.unwrap_or(EPOCH) + 300_000;
        while self.api.now_ms() < end {
            self.cycle().await;
        }
        self.api.model().faults.clear();
        self.mishaps.end();
        self.drain = true;
        // A count may need a second look.
        for _ in 0..3 {
            self.feed = None;
            self.wait(300_000);
            while !self.cycle().await {}
        }
    }

    /// How much happened.
    pub fn happened(&self) -> Happened {
        let model = self.api.model();
        let (crashes, failures) = self.mishaps.happened();
        Happened {
            events: model.events().count() as u64,
            faults: model.stats.faults,
            crashes,
            failures,
            batches: self.batches,
            requests: model.stats.requests(),
        }
    }

    /// One batch, or what happened in its place. True: nothing more is to be read.
    async fn cycle(&mut self) -> bool {
        let mishaps = self.mishaps.clone();
        let outcome = tokio::select! {
            biased;
            () = mishaps.crash() => None,
            outcome = self.batch() => Some(outcome),
        };
        match outcome {
            None => (self.plugin, self.feed) = (None, None),
            Some(Ok(Next::More)) => {}
            Some(Ok(Next::Idle(_))) => {
                match self.dice.random_ratio(1, KEPT_ONCE_IN) && !self.drain {
                    true => tokio::time::sleep(Duration::from_secs(1)).await,
                    false => self.feed = None,
                }
                self.wait(self.interval);
                return true;
            }
            Some(Err(error)) => {
                self.failed(&error);
                if self.dice.random_bool(0.2) {
                    self.feed = None;
                }
            }
        }
        false
    }

    async fn batch(&mut self) -> Result<Next> {
        let mut feed = match self.feed.take() {
            Some(feed) => feed,
            None => self.open().await?,
        };
        let polled = feed.poll(self.drain).await;
        self.mishaps.survive().await;
        let settled = match polled {
            Ok(batch) => feed.settle(batch).await,
            Err(error) => Err(error),
        };
        self.mishaps.survive().await;
        self.feed = Some(feed);
        let batch = settled?;
        self.batches += 1;
        Ok(batch.next)
    }

    async fn open(&mut self) -> Result<Feed> {
        let plugin = match self.plugin.take() {
            Some(plugin) => plugin,
            None => Engine::new()?.load(component()).await?,
        };
        self.plugin = Some(plugin.clone());
        let (store, sink) = (self.store.clone(), self.sink.clone());
        Feed::open(&plugin, self.options.clone(), store, sink).await
    }

    /// A failure from which one recovers by trying again, after a while.
    fn failed(&mut self, error: &Error) {
        let address = |error: &Error| {
            let mut problems = error.problems().iter();
            problems.any(|problem| problem.key == "settings.api_base_url")
        };
        match error.kind() {
            ErrorKind::Unavailable | ErrorKind::Protocol => {
                let wait = error.retry_after().unwrap_or(Duration::from_secs(1));
                self.wait(wait.as_millis() as i64);
            }
            // A page of HTML before anything was ever read.
            ErrorKind::Configuration if address(error) => {}
            ErrorKind::Storage | ErrorKind::Sink => {}
            kind => panic!("{kind:?}: {error} {:?}", error.hints()),
        }
    }

    /// So many ms pass for JumpCloud.
    fn wait(&mut self, ms: i64) {
        self.offset += ms;
        self.api.set_clock_offset_ms(self.offset);
    }

    /// Everything visible was delivered once, everything else not at all; all
    /// is accounted for.
    pub async fn check(&self) {
        let written = String::from_utf8(self.sink.written.lock().unwrap().clone()).unwrap();
        let delivered: Vec<&str> = written.lines().collect();
        let (must, may) = self.due();
        let [delivered_times, must_times, may_times] = [
            counted(delivered.iter().copied()),
            counted(must.iter().map(String::as_str)),
            counted(may.iter().map(String::as_str)),
        ];
        let times = |of: &BTreeMap<&str, u64>, line| of.get(line).copied().unwrap_or_default();
        for (line, count) in &must_times {
            let found = times(&delivered_times, line);
            assert!(found >= *count, "lost: {line}");
        }
        for (line, count) in &delivered_times {
            let most = times(&must_times, line) + times(&may_times, line);
            assert!(*count <= most, "doubled or not asked for: {line}");
        }
        let letters = self.dead_letters();
        let (fewest, most) = self.dead();
        assert!(
            (fewest..=most).contains(&letters),
            "{letters} dead letters, {fewest} to {most} are right"
        );

        let status = self.store.store.status(FEED).await.unwrap().unwrap();
        let counters = &status.counters;
        let sum =
            counters.emitted + counters.duplicates + counters.not_selected + counters.rejected;
        assert_eq!(counters.received, sum, "the counts add up");
        assert_eq!(counters.emitted, delivered.len() as u64);
        assert_eq!(counters.rejected, letters);
        for (organization, progress) in status.progress.iter().filter(|(id, _)| !id.is_empty()) {
            let equal = progress.reconciled.is_some_and(|r| r.counted == r.read);
            assert!(equal, "{organization}: {:?}", progress.reconciled);
        }
    }

    /// The lines that must have been delivered by now, and those that may have
    /// been: of events that came too late to be looked for.
    fn due(&self) -> (Vec<String>, Vec<String>) {
        let (mut must, mut may) = (Vec::new(), Vec::new());
        // Without an id, equal bytes are one event.
        let mut nameless = BTreeSet::new();
        for event in self.visible() {
            if !matches!(event.kind, Kind::Login | Kind::Admin)
                || event.id.is_none() && !nameless.insert(event.raw.clone())
            {
                continue;
            }
            let lines = if self.is_late(&event) {
                &mut may
            } else {
                &mut must
            };
            lines.push(line_of(&event));
        }
        (must, may)
    }

    /// The fewest and the most dead letters that are right.
    fn dead(&self) -> (u64, u64) {
        let asked =
            |event: &Event| event.kind == Kind::DeadLetter && ASKED.contains(&event.service.name());
        let dead: Vec<Event> = self.visible().into_iter().filter(asked).collect();
        let late = dead.iter().filter(|event| self.is_late(event)).count();
        ((dead.len() - late) as u64, dead.len() as u64)
    }

    fn dead_letters(&self) -> u64 {
        let text = std::fs::read_to_string(&self.options.dead_letters).unwrap_or_default();
        text.lines().count() as u64
    }

    fn visible(&self) -> Vec<Event> {
        let now = self.api.now_ms();
        let model = self.api.model();
        let visible = model.events().filter(|event| event.visible_at <= now);
        visible.cloned().collect()
    }

    fn is_late(&self, event: &Event) -> bool {
        event.visible_at - event.ms > self.latest
    }
}

/// How often each line occurs.
fn counted<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, u64> {
    let mut counted = BTreeMap::new();
    lines.for_each(|line| *counted.entry(line).or_default() += 1);
    counted
}

/// The line that the plugin's core makes of an event.
fn line_of(event: &Event) -> String {
    let mut transformer = Transformer::open("").unwrap();
    let mut line = transformer.push(&event.raw).events;
    line.extend(transformer.finish().events);
    let line = String::from_utf8(line).unwrap();
    assert_eq!(line.lines().count(), 1, "{line}");
    line.trim_end().to_owned()
}
