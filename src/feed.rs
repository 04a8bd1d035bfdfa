//! The machine: what came in, and what to do next.
//!
//! Whoever drives a [`Feed`] owns the sockets, the clock and the store, and has
//! nothing to decide:
//!
//! ```text
//!   open ─► (wants → restore)* ─► poll ─► step ─┬─ Send(id, request)    start it; go on at once
//!            stored state                       ├─ Load(key)            load(its stored value)
//!                                               ├─ Read(id, until)      wait for it, or until then:
//!                                               │                       handle(Head | Body | End |
//!                                               │                              Failed | Nothing)
//!                                               ├─ Drop(id)             forget the request
//!                                               └─ Done                 take_batch ─► deliver ─► ack
//! ```
//!
//! * **Before everything**: [`Feed::open`], then, as long as [`Feed::wants`]
//!   names a key, [`Feed::restore`] with its stored value.
//! * **A poll**: [`Feed::poll`], then [`step`](Machine::step) until [`Step::Done`], with
//!   a [`handle`](Machine::handle) after each [`Step::Read`] and a [`load`](Machine::load)
//!   after each [`Step::Load`]; then [`Feed::take_batch`].
//! * **After it**: [`Feed::ack`] gives the writes that make it the stored state.
//!   Until then every further poll is refused, and a new `Feed` opened from the
//!   store hands out the same again.
//!
//! Several organisations take turns, a batch each. The clock is read by whoever
//! drives, and handed in with every call; monotonic times must not go back.

mod machine;
mod turns;

pub use self::machine::{Input, Machine, Step};
use crate::authorize::Gate;
use crate::batch::{Batch, Limits};
use crate::clock::{Clock, Reading};
use crate::collect::{Collector, RequestId};
use crate::credential::Credential;
use crate::error::{Error, Failure, Result};
use crate::settings::{Authorization, Settings};
use crate::state::{Restoring, Write};

/// Where the number of the last acked batch is stored. It is the feed's, not an
/// organisation's: these come and go, and a batch may be acked before the first
/// of them has a position.
const SEQUENCE_KEY: &str = "sequence";

/// One collection.
#[derive(Debug)]
pub struct Feed {
    settings: Settings,
    credential: Credential,
    gate: Gate,
    clock: Clock,
    members: Vec<Member>,
    /// Whose turn it is.
    turn: usize,
    /// The number of the last acked batch is still to be read.
    wants_sequence: bool,
    /// State being read: of this member, and the rest of it.
    restoring: Option<(usize, Option<Restoring>)>,
    /// Number of the last acked batch.
    acked: u64,
    /// The batch handed out and not acked: its member.
    unacked: Option<usize>,
    polling: Option<Polling>,
    /// What is being filled. After a failure its counts stay for the next poll.
    batch: Batch,
    dropped: Vec<RequestId>,
    last_request: RequestId,
    received: u64,
    /// Writes failed in their middle: what is stored is not what is known here.
    torn: bool,
}

/// One organisation, and how it stands.
#[derive(Debug)]
struct Member {
    collector: Collector,
    /// Nothing is to be read before this monotonic time, in ms.
    due: u64,
    /// It has caught up in a run that is to end, and waits for the others.
    caught: bool,
    /// A failure that no poll has reported yet.
    failure: Option<Error>,
    /// How it failed since it last got anywhere; a finding said so.
    failed: Option<Error>,
}

impl Member {
    /// Whether there is nothing to ask of it now.
    fn rests(&self, drain: bool, reading: Reading) -> bool {
        self.due > reading.monotonic || drain && self.caught
    }
}

/// A poll under way.
#[derive(Debug)]
struct Polling {
    limits: Limits,
    until: u64,
    result: Option<Result<()>>,
}

impl Feed {
    /// Checks settings and secrets, reporting every problem at once.
    pub fn open(settings: &str, secrets: Vec<(String, String)>) -> Result<Self> {
        let mut problems = Vec::new();
        // Secrets are checked even if the settings are wrong: all at once.
        let authorization = Authorization::of(settings);
        let settings = Settings::parse(settings)
            .map_err(|found| problems.extend(found))
            .ok();
        let credential = authorization.map(|one| Credential::new(one, secrets));
        let credential =
            credential.and_then(|one| one.map_err(|found| problems.extend(found)).ok());
        let (Some(settings), Some(credential), true) = (settings, credential, problems.is_empty())
        else {
            return Err(Error::BadSettings(problems));
        };
        let requested = match settings.org_ids.is_empty() {
            true => vec![None],
            false => settings.org_ids.iter().cloned().map(Some).collect(),
        };
        let member = |requested| Member {
            collector: Collector::new(&settings, requested),
            due: 0,
            caught: false,
            failure: None,
            failed: None,
        };
        Ok(Self {
            members: requested.into_iter().map(member).collect(),
            gate: Gate::new(&settings, &credential),
            settings,
            credential,
            clock: Clock::default(),
            turn: 0,
            wants_sequence: true,
            restoring: Some((0, None)),
            acked: 0,
            unacked: None,
            polling: None,
            batch: Batch::default(),
            dropped: Vec::new(),
            last_request: 0,
            received: 0,
            torn: false,
        })
    }

    /// Checked settings and credential.
    pub fn parts(&self) -> (&Settings, &Credential) {
        (&self.settings, &self.credential)
    }

    /// The organisations, in order, and whether something of each was collected
    /// before; none: the credential's own.
    pub fn organizations(&self) -> impl DoubleEndedIterator<Item = (Option<&str>, bool)> {
        let collectors = self.members.iter().map(|member| &member.collector);
        collectors.map(|one| (one.requested(), one.has_begun()))
    }

    /// The next key of the store to be read; none: the state is whole.
    pub fn wants(&mut self) -> Option<String> {
        if self.wants_sequence {
            return Some(SEQUENCE_KEY.to_owned());
        }
        let (member, restoring) = self.restoring.as_ref()?;
        if let Some(restoring) = restoring {
            return restoring.wants().map(str::to_owned);
        }
        let slot = self.members.get_mut(*member)?.collector.slot();
        Some(slot.head_key().to_owned())
    }

    /// Takes the value of the key that was wanted.
    pub fn restore(&mut self, value: Option<&[u8]>) -> Result<()> {
        if std::mem::take(&mut self.wants_sequence) {
            self.acked = value.map_or(Ok(0), read_sequence)?;
            return Ok(());
        }
        let Some((n, restoring)) = self.restoring.take() else {
            return Ok(());
        };
        let Some(member) = self.members.get_mut(n) else {
            return Ok(());
        };
        // Back in its place if this fails: the same key is wanted again.
        self.restoring = Some((n, None));
        let slot = member.collector.slot();
        let restoring = match (restoring, value) {
            (None, None) if slot.look_elsewhere() => return Ok(()),
            (None, None) => None,
            (None, Some(head)) => slot.read_head(head)?,
            (Some(mut restoring), value) => {
                slot.read_key(&mut restoring, value)?;
                Some(restoring)
            }
        };
        match restoring {
            Some(restoring) if restoring.wants().is_some() => {
                self.restoring = Some((n, Some(restoring)));
                return Ok(());
            }
            Some(restoring) => {
                let restored = member.collector.slot().finish(restoring)?;
                let sequence = member.collector.restore(restored)?;
                self.acked = self.acked.max(sequence);
                self.gate.establish();
            }
            None => {}
        }
        self.restoring = (n + 1 < self.members.len()).then_some((n + 1, None));
        Ok(())
    }

    /// Begins a poll.
    pub fn poll(&mut self, limits: Limits, reading: Reading) -> Result<()> {
        self.ready()?;
        if self.unacked.is_some() {
            return Err(out_of_order("poll before the last batch was acked"));
        }
        // With none of something nothing would ever come.
        let limits = Limits {
            max_wait: limits.max_wait.max(1),
            max_bytes: limits.max_bytes.max(1),
            max_events: limits.max_events.max(1),
            ..limits
        };
        let until = reading.monotonic.saturating_add(limits.max_wait);
        self.polling = Some(Polling {
            limits,
            until,
            result: None,
        });
        let first = |wanted: &dyn Fn(&Member) -> bool| {
            let count = self.members.len();
            let mut turns = (0..count).map(|n| (self.turn + n) % count);
            turns.find(|n| self.members.get(*n).is_some_and(wanted))
        };
        let next = first(&|member| member.failure.is_some())
            .or_else(|| first(&|member| !member.rests(limits.drain, reading)));
        match next {
            Some(next) => self.turn = next,
            None => self.finish(Ok(())),
        }
        let partition = self
            .members
            .get(self.turn)
            .map(|member| member.collector.partition());
        partition
            .unwrap_or_default()
            .clone_into(&mut self.batch.partition);
        Ok(())
    }

    /// The result of a poll that is done.
    pub fn take_batch(&mut self, reading: Reading) -> Result<Batch> {
        let Some(Polling {
            limits,
            result: Some(result),
            ..
        }) = self.polling.take()
        else {
            return Err(out_of_order("no poll has ended"));
        };
        result?;
        let mut batch = std::mem::take(&mut self.batch);
        let now = self.clock.now(reading);
        if let Some(now) = now {
            self.begin_all(now);
        }
        if let Some(member) = self.members.get_mut(self.turn) {
            member.collector.pause();
            member
                .collector
                .partition()
                .clone_into(&mut batch.partition);
            batch.progress = member.collector.progress(now);
        }
        batch.checkpoint = self.acked + 1;
        batch.next = self.next_poll(limits.drain, reading);
        self.unacked = Some(self.turn);
        self.turn = (self.turn + 1) % self.members.len().max(1);
        Ok(batch)
    }

    /// A start is resolved once, at the first run, also for whoever had no turn
    /// yet. One that is wrong has failed the turn before.
    fn begin_all(&mut self, now: i64) {
        for member in &mut self.members {
            if member.collector.begin(now, &self.settings).is_err() {
                return;
            }
        }
    }

    /// The last batch is durable, or will be together with these writes, to be
    /// done in order.
    pub fn ack(&mut self, checkpoint: u64) -> Result<Vec<Write>> {
        self.whole()?;
        match self.unacked {
            None if checkpoint == self.acked && checkpoint > 0 => Ok(Vec::new()),
            Some(n) if checkpoint == self.acked + 1 => {
                self.acked = checkpoint;
                self.unacked = None;
                let member = self.members.get_mut(n);
                let mut writes = member
                    .map(|member| member.collector.write(checkpoint))
                    .unwrap_or_default();
                // The others' starts as well.
                for member in &mut self.members {
                    writes.extend(member.collector.write_first(checkpoint));
                }
                writes.push(Write::Set(
                    SEQUENCE_KEY.to_owned(),
                    checkpoint.to_string().into_bytes(),
                ));
                Ok(writes)
            }
            _ => Err(out_of_order(&format!(
                "ack of {checkpoint}, which is not the last batch"
            ))),
        }
    }

    /// Forgets all that was handed out at or after `to` (ms since 1970 UTC); the
    /// writes that make it so. It never goes forward: whoever has not read up to
    /// `to` goes on from where it is. Refused while a batch is not acked: it would be
    /// taken as handed out.
    pub fn rewind(&mut self, to: i64) -> Result<Vec<Write>> {
        self.ready()?;
        if self.unacked.is_some() {
            return Err(out_of_order("rewind before the last batch was acked"));
        }
        let mut writes = Vec::new();
        for member in &mut self.members {
            self.dropped.extend(member.collector.abandon());
            member.collector.rewind(to);
            (member.due, member.caught, member.failure) = (0, false, None);
            writes.extend(member.collector.write(self.acked));
        }
        Ok(writes)
    }

    /// The writes of an ack or a rewind failed: only a feed that is opened anew
    /// goes on.
    pub fn tear(&mut self) {
        self.torn = true;
    }

    fn whole(&self) -> Result<()> {
        match self.torn {
            true => Err(Error::Storage(
                Failure::new("the state could not be written")
                    .hint("drop the feed and open it anew"),
            )),
            false => Ok(()),
        }
    }

    fn ready(&self) -> Result<()> {
        self.whole()?;
        match self.restoring {
            Some(_) => Err(out_of_order("the stored state was not read")),
            None => Ok(()),
        }
    }
}

fn read_sequence(value: &[u8]) -> Result<u64> {
    let number = std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.parse().ok());
    number.ok_or_else(|| {
        let message = format!("the stored state `{SEQUENCE_KEY}` can't be read");
        Error::Storage(
            Failure::new(message).hint("restore the state from a copy, or reset the feed"),
        )
    })
}

fn out_of_order(what: &str) -> Error {
    Error::Internal(Failure::new(format!("a call out of order: {what}")))
}
