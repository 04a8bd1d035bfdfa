//! Polls, one after the other or until all is read, and what comes of each.

use jumpcloud::batch::{Batch, Next};
use jumpcloud::check::Check;
use jumpcloud::error::{Error, Result};
use jumpcloud::feed::{Machine, Step};
use jumpcloud::finding::Finding;
use jumpcloud::state::Write;
use rand::RngExt;

use super::{EPOCH, History, World};

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

    /// Polls until all has become visible, is settled and was read.
    pub fn run_to_the_end(&mut self) {
        let last = self
            .model
            .events()
            .map(|event| event.visible_at.max(event.ms))
            .max();
        let end = last.unwrap_or(EPOCH) + 300_000;
        while self.now < end || !self.upheavals.are_over() {
            self.befall();
            self.cycle();
        }
        // A wait may have led past the end of what was last.
        self.befall();
        self.model.faults.clear();
        self.history = History::default();
        self.settle();
        // Where the last row is older than late events are looked for, a record
        // without a time that comes after it is taken for one of the tile that
        // begins there, and may be none: that tile is read again.
        if self.upheavals.slept() > 0 {
            self.poll_until_idle();
        }
    }

    /// Polls as one does who means to stop, until nothing can be missing: a
    /// count may need a second look.
    pub fn settle(&mut self) {
        self.drain();
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
                    Error::Permission(_) => 300_000,
                    // A page in HTML; or a refusal of what is too old, its words cut.
                    Error::BadSettings(ref problems)
                        if matches!(problems[0].setting.as_str(), "api_base_url" | "start") =>
                    {
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
            // Before the first organisation has a state there is no head.
            if done > head.unwrap_or(writes.len() - 1) {
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

    /// What `check` says.
    pub fn try_out(&mut self) -> Result<Vec<Finding>> {
        let mut check = Check::new(self.feed());
        loop {
            match check.step(self.reading()) {
                Step::Send(id, request) => self.send(id, &request),
                Step::Load(_) | Step::Done => return check.finish(self.reading()),
                Step::Drop(id) => drop(self.requests.remove(&id)),
                Step::Read(id, until) => {
                    let input = self.read(id, until);
                    check.handle(id, input, self.reading());
                }
            }
        }
    }
}
