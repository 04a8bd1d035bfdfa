//! A feed, a store and a JumpCloud in one virtual time.

mod happened;
mod judge;
mod polls;
mod transport;
mod upheavals;

use std::collections::BTreeMap;

use jumpcloud::batch::Limits;
use jumpcloud::clock::{Reading, rfc3339};
use jumpcloud::error::Result;
use jumpcloud::feed::{Feed, Input};
use jumpcloud::refusal::Cause;
use jumpcloud::state::Write;
use jumpcloud_simulator::{
    DEFAULT_KEY, DEFAULT_SERVICE_ACCOUNT, Event, Model, Recipe, organization_id,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub use self::happened::Happened;
pub use self::polls::Said;
use self::transport::Open;
pub use self::upheavals::Upheavals;
pub use crate::plan::EPOCH;

/// What goes wrong on our side, as probabilities.
#[derive(Clone, Copy, Default)]
pub struct History {
    /// Of a crash before each step, and before and after each write.
    pub crashes: f64,
    /// That an ack is torn between two writes.
    pub tears: f64,
}

/// One history.
pub struct World {
    pub model: Model,
    /// Every event handed out in a durable batch, and how often.
    pub emitted: BTreeMap<String, u32>,
    pub rejected: u64,
    /// Number of the last durable batch.
    checkpoint: u64,
    pub happened: Happened,
    /// Events later than this, in ms, may be missing.
    pub horizon: i64,
    /// Times at which counts have an event that no page has.
    pub phantoms: Vec<i64>,
    /// Queries that read a tile again, their pages and rows.
    pub reread: u64,
    pub reread_pages: u64,
    pub reread_rows: u64,
    /// The most rows that the last page was asked for.
    pub limit_asked: usize,
    /// How the last check by count came out, by organisation.
    pub reconciled: BTreeMap<String, Option<(u64, u64)>>,
    /// The most bytes of an answer that come at once.
    pub piece: usize,
    /// How long requests wait before JumpCloud sees them, in ms.
    pub hold: i64,
    /// How much longer answers take, and how long the transport waits for what
    /// does not come, in ms.
    pub delay: i64,
    pub stall: i64,
    history: History,
    upheavals: Upheavals,
    /// Print what happens: `TRACE=1`.
    trace: bool,
    dice: ChaCha8Rng,
    now: i64,
    /// Wall clock of our machine less the true time.
    skew: i64,
    feed: Feed,
    requests: BTreeMap<u32, Open>,
    store: BTreeMap<String, Vec<u8>>,
    limits: Limits,
    settings: String,
}

impl World {
    pub fn new(seed: u64, recipe: &Recipe, history: History) -> Self {
        Self::with(
            seed,
            Model::generated(recipe),
            r#"{"start": "2h"}"#,
            history,
        )
    }

    pub fn with(seed: u64, model: Model, settings: &str, history: History) -> Self {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let settings = settings.to_owned();
        Self {
            model,
            emitted: BTreeMap::new(),
            rejected: 0,
            checkpoint: 0,
            happened: Happened::default(),
            horizon: i64::MAX,
            phantoms: Vec::new(),
            reread: 0,
            reread_pages: 0,
            reread_rows: 0,
            limit_asked: 0,
            reconciled: BTreeMap::new(),
            piece: 20_000,
            hold: 0,
            delay: 0,
            stall: 0,
            history,
            upheavals: Upheavals::default(),
            trace: std::env::var_os("TRACE").is_some(),
            now: EPOCH + 600_000,
            skew: if seed.is_multiple_of(3) {
                dice.random_range(-90_000_000..90_000_000)
            } else {
                0
            },
            feed: open(&settings),
            requests: BTreeMap::new(),
            store: BTreeMap::new(),
            limits: Limits {
                max_wait: 5_000,
                max_bytes: 10 << 20,
                max_events: 1_000,
                drain: false,
            },
            dice,
            settings,
        }
    }

    /// A tenant of these events, all in the past; nothing goes wrong on our side.
    pub fn of(events: Vec<Event>, settings: &str) -> Self {
        let recipe = Recipe {
            organizations: 2,
            ..Recipe::new(0, EPOCH)
        };
        let mut world = Self::new(1, &recipe, History::default());
        world.key_for(&[&organization_id(0)]);
        world.model.add_events(events);
        world.limit_events(10, 10 << 20);
        world.start_late();
        world.settings = settings.to_owned();
        world.reopen();
        world
    }

    /// The credential reaches these organisations from now on; none: all.
    pub fn key_for(&mut self, organizations: &[&str]) {
        self.model.access.revoke_key(DEFAULT_KEY);
        self.model.access.add_key(DEFAULT_KEY, organizations);
    }

    /// Minutes of virtual time pass.
    pub fn wait_minutes(&mut self, minutes: i64) {
        self.now += minutes * 60_000;
    }

    /// Pages that each walk reads again: events not settled, or in the future.
    pub fn held_pages(&self) -> u64 {
        let held = |event: &&Event| event.ms > self.now - 600_000;
        let rows = self.model.events().filter(held).count();
        rows as u64 / self.limits.max_events as u64
    }

    pub fn now(&self) -> i64 {
        self.now
    }

    /// For how long it has been polled, in ms.
    pub fn awake(&self) -> i64 {
        self.now - EPOCH - self.upheavals.slept()
    }

    /// The feed under test, its stored state read.
    pub fn feed(&mut self) -> &mut Feed {
        self.restore().expect("restore");
        &mut self.feed
    }

    /// What was stored so far.
    pub fn store(&mut self) -> &mut BTreeMap<String, Vec<u8>> {
        &mut self.store
    }

    /// This machine's clock is off by so many ms from now on.
    pub fn set_skew(&mut self, skew: i64) {
        self.skew = skew;
    }

    /// With other settings, on the stored state.
    pub fn reopen_with(&mut self, settings: &str) {
        self.settings = settings.to_owned();
        self.reopen();
    }

    /// The peer gives up on all that is open. So many parts of each answer have
    /// come all the same, and lie in the transport's buffer.
    pub fn break_open_requests(&mut self, buffered: usize) {
        for open in self.requests.values_mut() {
            let kept = open.inputs.len().saturating_sub(1).min(buffered);
            assert_eq!(kept, buffered, "as much is still to come");
            open.inputs.drain(..open.inputs.len() - kept);
            open.inputs.insert(0, Input::Failed(Cause::Cut));
        }
    }

    /// Polls return before any answer can have come.
    pub fn poll_in_haste(&mut self) {
        self.limits.max_wait = 1;
    }

    /// Polls wait for whatever comes.
    pub fn poll_patiently(&mut self) {
        self.limits.max_wait = 60_000;
    }

    /// Polls are those of a run that is to end.
    pub fn drain(&mut self) {
        self.limits.drain = true;
    }

    /// Polls ask for nothing at all: neither time nor events.
    pub fn limit_to_nothing(&mut self) {
        self.limits.max_wait = 0;
        self.limit_events(0, 0);
    }

    pub fn limit_events(&mut self, max_events: usize, max_bytes: usize) {
        (self.limits.max_events, self.limits.max_bytes) = (max_events, max_bytes);
    }

    /// Everything has happened and is settled before the first poll.
    pub fn start_late(&mut self) {
        self.now = EPOCH + 3_600_000 + 300_000;
    }

    /// How much happened.
    pub fn happened(&self) -> Happened {
        let late = self
            .model
            .events()
            .filter(|event| event.visible_at - event.ms > 120_000);
        Happened {
            events: self.model.events().count() as u64,
            late: late.count() as u64,
            faults: self.model.stats.faults,
            requests: self.model.stats.requests(),
            ..self.happened
        }
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{} {}", rfc3339(self.now), what());
        }
    }

    pub fn apply(&mut self, writes: &[Write]) {
        for write in writes {
            match write {
                Write::Set(key, value) => self.store.insert(key.clone(), value.clone()),
                Write::Delete(key) => self.store.remove(key),
            };
        }
    }

    fn crash(&mut self) -> bool {
        let crash = self.dice.random_bool(self.history.crashes);
        if crash {
            self.happened.crashes += 1;
            self.reopen();
        }
        crash
    }

    pub fn reopen(&mut self) {
        self.feed = open(&self.settings);
        self.requests.clear();
    }

    fn restore(&mut self) -> Result<()> {
        while let Some(key) = self.feed.wants() {
            self.feed.restore(self.store.get(&key).map(Vec::as_slice))?;
        }
        Ok(())
    }

    pub fn reading(&self) -> Reading {
        Reading {
            wall: self.now + self.skew,
            monotonic: (self.now - EPOCH) as u64,
        }
    }
}

fn open(settings: &str) -> Feed {
    let (_, secret) = DEFAULT_SERVICE_ACCOUNT;
    let secrets = [("token", DEFAULT_KEY), ("client_secret", secret)];
    let secrets = secrets.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Feed::open(settings, secrets.to_vec()).expect("open")
}
