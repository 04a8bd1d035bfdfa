//! Within a poll: the turn of one organisation, until its batch is full, the
//! wait is over, all is read, or it fails.

use super::{Feed, Input, Machine, Member, Polling, Step};
use crate::authorize::Passed;
use crate::batch::{Limits, Next};
use crate::clock::Reading;
use crate::collect::{Collector, Halt, Need, RequestId, Shared};
use crate::error::{Error, Result};
use crate::finding::Kind;

impl Machine for Feed {
    fn step(&mut self, reading: Reading) -> Step {
        loop {
            let step = self.want(reading);
            match self.gate.pass(step, reading) {
                Passed::Step(step) => {
                    let sent = matches!(step, Step::Send(..));
                    self.batch.counters.requests += u64::from(sent);
                    return step;
                }
                Passed::Held => {}
                Passed::Input(id, input) => self.take(id, input, reading),
            }
        }
    }

    fn handle(&mut self, id: RequestId, input: Input, reading: Reading) {
        if let Some((id, input)) = self.gate.handle(id, input, reading) {
            self.take(id, input, reading);
        }
    }

    fn load(&mut self, value: Option<Vec<u8>>, reading: Reading) {
        let member = self.members.get_mut(self.turn);
        let loaded = member.map_or(Ok(()), |member| member.collector.load(value.as_deref()));
        if let Err(error) = loaded {
            self.halt(error.into(), reading);
        }
    }
}

impl Feed {
    /// What to do next, without a credential.
    fn want(&mut self, reading: Reading) -> Step {
        loop {
            if let Some(request) = self.dropped.pop() {
                return Step::Drop(request);
            }
            let Some(Polling {
                limits,
                until,
                result: None,
            }) = self.polling
            else {
                return Step::Done;
            };
            let Some(member) = self.members.get_mut(self.turn) else {
                return Step::Done;
            };
            if let Some(error) = member.failure.take() {
                self.finish(Err(error));
                continue;
            }
            let (collector, mut shared) = self.lend(limits, reading);
            match collector.next(&mut shared) {
                Ok(Need::Send(id, request)) => return Step::Send(id, request),
                Ok(Need::Load(key)) => return Step::Load(key),
                Ok(Need::Read(id)) if reading.monotonic < until => return Step::Read(id, until),
                Ok(Need::Read(_) | Need::HandOut) => self.rest(),
                Ok(Need::Caught) => {
                    let due = reading
                        .monotonic
                        .saturating_add(self.settings.poll_interval);
                    if let Some(member) = self.members.get_mut(self.turn) {
                        (member.due, member.caught, member.failed) = (due, limits.drain, None);
                    }
                    self.finish(Ok(()));
                }
                Err(halt) => self.halt(halt, reading),
            }
        }
    }

    /// Takes what came of a request.
    fn take(&mut self, id: RequestId, input: Input, reading: Reading) {
        if matches!(input, Input::Nothing) {
            return self.rest();
        }
        let Some(Polling { limits, .. }) = self.polling else {
            return;
        };
        let (collector, mut shared) = self.lend(limits, reading);
        let handled = collector.handle(id, input, &mut shared);
        if let Err(halt) = handled {
            self.halt(halt, reading);
        }
    }

    /// What is under way ends. What was read before a failure comes out first.
    fn halt(&mut self, halt: Halt, reading: Reading) {
        let several = self.members.len() > 1;
        let due = reading
            .monotonic
            .saturating_add(self.settings.poll_interval);
        let Some(member) = self.members.get_mut(self.turn) else {
            return;
        };
        let Halt::Failed(error) = halt else {
            return self.dropped.extend(member.collector.abandon());
        };
        self.dropped.extend(member.collector.fail());
        let error = self.gate.hide(member.collector.with_deadline(error));
        if !several {
            if self.batch.counters.received == 0 {
                return self.finish(Err(error));
            }
            member.failure = Some(error);
            return self.finish(Ok(()));
        }
        self.batch.find(Kind::OrganizationFailed, error.in_full());
        (member.due, member.caught, member.failed) = (due, false, Some(error));
        self.finish(Ok(()));
    }

    /// The failures of organisations are the feed's if all of them failed; in a
    /// run that is to end also if the others have nothing left to do. If one may
    /// pass by itself, the host waits, and they are asked again.
    fn gather(&mut self, drain: bool, reading: Reading) {
        let is_failed = |member: &Member| member.failed.is_some();
        let rests = |member: &Member| member.rests(drain, reading);
        let members = &mut self.members;
        let is_stuck = drain && members.iter().all(rests) && members.iter().any(is_failed);
        if !is_stuck && !members.iter().all(is_failed) {
            return;
        }
        let failed = members.iter_mut().filter_map(|member| {
            let error = member.failed.take()?;
            member.due = 0;
            Some(error)
        });
        let error = Error::of_all(failed);
        if let Some(member) = members.get_mut(self.turn) {
            member.failure = error;
        }
    }

    /// The poll ends without a failure: if it brought something, one before is
    /// over.
    fn rest(&mut self) {
        if self.batch.counters.received > 0
            && let Some(member) = self.members.get_mut(self.turn)
        {
            member.failed = None;
        }
        self.finish(Ok(()));
    }

    pub(super) fn finish(&mut self, result: Result<()>) {
        if let Some(polling) = &mut self.polling {
            polling.result = Some(result);
        }
    }

    /// Idle only if nothing is open and nobody is due.
    pub(super) fn next_poll(&mut self, drain: bool, reading: Reading) -> Next {
        self.gather(drain, reading);
        let is_busy = |member: &Member| {
            member.failure.is_some()
                || !member.rests(drain, reading)
                || !member.collector.open_requests().is_empty()
        };
        if self.members.iter().any(is_busy) {
            return Next::More;
        }
        let mut due = u64::MAX;
        for member in &mut self.members {
            member.caught = false;
            due = due.min(member.due);
        }
        Next::Idle(due.saturating_sub(reading.monotonic))
    }

    /// Whose turn it is, and what all of them share.
    fn lend(&mut self, limits: Limits, reading: Reading) -> (&mut Collector, Shared<'_>) {
        // The turn is always one of the members: there is at least one.
        let n = self.turn.min(self.members.len().saturating_sub(1));
        #[expect(clippy::indexing_slicing, reason = "there is at least one member")]
        let collector = &mut self.members[n].collector;
        let shared = Shared {
            settings: &self.settings,
            clock: &mut self.clock,
            reading,
            batch: &mut self.batch,
            limits,
            last_request: &mut self.last_request,
            received: &mut self.received,
        };
        (collector, shared)
    }
}
