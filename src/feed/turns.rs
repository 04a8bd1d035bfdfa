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
                // The host waits now; then all are asked again.
                self.members.iter_mut().for_each(|member| member.due = 0);
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
                        (member.due, member.failed) = (due, None);
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
        self.dropped.extend(member.collector.abandon());
        let Halt::Failed(error) = halt else { return };
        let error = self.gate.hide(member.collector.with_deadline(error));
        if !several {
            if self.batch.counters.received == 0 {
                return self.finish(Err(error));
            }
            member.failure = Some(error);
            return self.finish(Ok(()));
        }
        self.batch.find(Kind::OrganizationFailed, error.in_full());
        (member.due, member.failed) = (due, Some(error));
        if self.members.iter().all(|member| member.failed.is_some()) {
            let failed = self
                .members
                .iter_mut()
                .filter_map(|member| member.failed.take());
            let error = Error::of_all(failed);
            if let Some(member) = self.members.get_mut(self.turn) {
                member.failure = error;
            }
        }
        self.finish(Ok(()));
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
    pub(super) fn next_poll(&self, reading: Reading) -> Next {
        let open = |member: &Member| {
            member.failure.is_some() || !member.collector.open_requests().is_empty()
        };
        let due = self
            .members
            .iter()
            .map(|member| member.due)
            .min()
            .unwrap_or_default();
        if self.members.iter().any(open) || due <= reading.monotonic {
            return Next::More;
        }
        Next::Idle(due - reading.monotonic)
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
