//! A feed, a store and a JumpCloud in one virtual time.

mod happened;
mod judge;
mod transport;

use std::collections::BTreeMap;

use jumpcloud::batch::{Batch, Limits, Next};
use jumpcloud::clock::{Reading, rfc3339};
use jumpcloud::error::{Error, Result};
use jumpcloud::feed::{Feed, Input, Machine, Step};
use jumpcloud::refusal::Cause;
use jumpcloud::state::Write;
use jumpcloud_simulator::{DEFAULT_KEY, Event, Model, Recipe, organization_id};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub use self::happened::Happened;
use self::transport::Open;
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
    history: History,
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

/// What one or more batches said.
#[derive(Debug)]
pub struct Said {
    pub findings: Vec<String>,
    pub partition: String,
    pub events: usize,
    pub duplicates: u64,
    pub idle: bool,
    pub start: Option<i64>,
    pub backlog: Option<u64>,
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
            history,
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

    /// Polls once, makes the batch durable, and gives what it said.
    pub fn poll_once(&mut self) -> Result<Said> {
        let batch = self.poll()?;
        let findings = batch.findings.iter();
        let said = Said {
            findings: findings
                .map(|f| format!("{}: {}", f.kind.code().0, f.message))
                .collect(),
            partition: batch.partition.clone(),
            events: batch.index.len(),
            duplicates: batch.counters.duplicates,
            idle: batch.next != Next::More,
            start: batch.progress.as_ref().map(|progress| progress.start),
            backlog: batch
                .progress
                .as_ref()
                .and_then(|progress| progress.backlog),
        };
        if let Next::Idle(ms) = batch.next {
            self.now += ms as i64;
        }
        self.deliver(batch);
        Ok(said)
    }

    /// Polls until idle, adding up what the batches said.
    pub fn poll_all(&mut self) -> Result<Said> {
        let mut all = self.poll_once()?;
        while !all.idle {
            let said = self.poll_once()?;
            all.findings.extend(said.findings);
            all.events += said.events;
            all.duplicates += said.duplicates;
            (all.idle, all.start) = (said.idle, said.start);
        }
        Ok(all)
    }

    /// The peer gives up on all that is open.
    pub fn break_open_requests(&mut self) {
        for open in self.requests.values_mut() {
            open.inputs = vec![Input::Failed(Cause::Cut)];
        }
    }

    /// Polls return before any answer can have come.
    pub fn poll_in_haste(&mut self) {
        self.limits.max_wait = 1;
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

    /// Polls until all has become visible, is settled and was read.
    pub fn run_to_the_end(&mut self) {
        let last = self
            .model
            .events()
            .map(|event| event.visible_at.max(event.ms))
            .max();
        let end = last.unwrap_or(EPOCH) + 300_000;
        while self.now < end {
            self.cycle();
        }
        self.model.faults.clear();
        self.history = History::default();
        self.settle();
    }

    /// Polls as one does who means to stop, until nothing can be missing: a
    /// count may need a second look.
    pub fn settle(&mut self) {
        self.limits.drain = true;
        for _ in 0..3 {
            self.now += 300_000;
            self.poll_until_idle();
        }
    }

    /// Once more from a fresh start: what it costs when nothing is new.
    pub fn requests_of_a_quiet_run(&mut self) -> u64 {
        self.reopen();
        let before = self.model.stats.requests();
        self.poll_until_idle();
        self.model.stats.requests() - before
    }

    pub fn poll_until_idle(&mut self) {
        for _ in 0..100_000 {
            if self.cycle() {
                return;
            }
        }
        panic!("never idle");
    }

    /// One poll with all that follows. True: nothing more is to be read.
    fn cycle(&mut self) -> bool {
        self.happened.polls += 1;
        match self.poll_or_crash() {
            Ok(None) => false,
            Ok(Some(batch)) => {
                let next = batch.next;
                self.say(|| {
                    let rejected = batch.rejected.iter();
                    let rejected: Vec<_> = rejected
                        .map(|rejected| String::from_utf8_lossy(&rejected.bytes))
                        .collect();
                    format!(
                        "batch of {} {next:?}: {rejected:?} {:?} {:?}",
                        batch.index.len(),
                        batch.progress,
                        batch.findings
                    )
                });
                if self.crash() {
                    self.say(|| "crash".to_owned());
                    return false;
                }
                self.deliver(batch);
                if let Next::Idle(ms) = next {
                    assert!(self.requests.is_empty(), "a request is open at idle");
                    self.now += ms as i64;
                    return true;
                }
                false
            }
            Err(error) => {
                self.say(|| format!("error: {error}"));
                let wait = match error {
                    Error::Unavailable(_, Some(ms)) => ms as i64,
                    Error::Unavailable(..) | Error::Protocol(_) => 1_000,
                    Error::BadSettings(ref problems) if problems[0].setting == "api_base_url" => {
                        1_000
                    }
                    other => panic!("{other}"),
                };
                self.now += wait;
                false
            }
        }
    }

    pub fn poll(&mut self) -> Result<Batch> {
        self.poll_or_crash().map(|batch| batch.expect("no crash"))
    }

    /// None: it crashed.
    fn poll_or_crash(&mut self) -> Result<Option<Batch>> {
        self.restore()?;
        self.feed.poll(self.limits, self.reading())?;
        loop {
            if self.crash() {
                return Ok(None);
            }
            match self.feed.step(self.reading()) {
                Step::Send(id, request) => self.send(id, &request),
                Step::Load(key) => {
                    let value = self.store.get(&key).cloned();
                    self.feed.load(value, self.reading());
                }
                Step::Drop(id) => {
                    self.requests.remove(&id);
                }
                Step::Read(id, until) => {
                    let input = self.read(id, until);
                    self.feed.handle(id, input, self.reading());
                }
                Step::Done => return self.feed.take_batch(self.reading()).map(Some),
            }
        }
    }

    /// Makes the batch durable together with the plugin's writes; perhaps not
    /// all of them succeed, and then the batch isn't durable either.
    pub fn deliver(&mut self, batch: Batch) {
        let writes = self.feed.ack(batch.checkpoint).expect("ack");
        if self.dice.random_bool(self.history.tears) {
            self.happened.tears += 1;
            let done = self.dice.random_range(0..=writes.len());
            let head = writes
                .iter()
                .position(|write| matches!(write, Write::Set(key, _) if key.starts_with("head") && !key.contains(".ids.")));
            self.apply(&writes[..done]);
            if head.is_some_and(|head| head < done) {
                self.count(&batch);
            }
            return self.reopen();
        }
        self.apply(&writes);
        self.count(&batch);
        assert!(
            self.feed
                .ack(batch.checkpoint)
                .expect("ack again")
                .is_empty()
        );
        self.crash();
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

    /// Does what another machine says until it is done.
    pub fn drive(&mut self, machine: &mut impl Machine) {
        loop {
            match machine.step(self.reading()) {
                Step::Send(id, request) => self.send(id, &request),
                Step::Load(_) | Step::Done => return,
                Step::Drop(id) => drop(self.requests.remove(&id)),
                Step::Read(id, until) => {
                    let input = self.read(id, until);
                    machine.handle(id, input, self.reading());
                }
            }
        }
    }

    pub fn reading(&self) -> Reading {
        Reading {
            wall: self.now + self.skew,
            monotonic: (self.now - EPOCH) as u64,
        }
    }
}

fn open(settings: &str) -> Feed {
    Feed::open(settings, vec![("token".to_owned(), DEFAULT_KEY.to_owned())]).expect("open")
}
