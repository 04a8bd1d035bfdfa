//! The one place where a request gets its credential, on its way out.
//!
//! Machines make requests without one. A key or a ready-made token is put into
//! each as it passes; a service account has to get a token first, which is all
//! done in [`token`]: the machine behind sees an answer that takes longer.

mod refusal;
mod token;

use self::token::Account;
use crate::clock::Reading;
use crate::collect::RequestId;
use crate::credential::Credential;
use crate::error::Error;
use crate::feed::{Input, Step};
use crate::settings::{Authorization, Settings};

/// Between a machine and whoever drives it.
#[derive(Debug)]
pub struct Gate(Way);

#[derive(Debug)]
enum Way {
    /// The same header for every request.
    Header(Credential),
    /// A token that comes and goes.
    Account(Box<Account>),
}

/// What becomes of a step.
#[derive(Debug)]
pub enum Passed {
    /// It is to be done, or another one before it.
    Step(Step),
    /// It waits: the machine is to be asked for its next one.
    Held,
    /// It was to read this, and it has come already.
    Input(RequestId, Input),
}

impl Gate {
    /// With the credential of a feed.
    pub fn new(settings: &Settings, credential: &Credential) -> Self {
        let credential = credential.clone();
        Self(match credential.authorization() {
            Authorization::ApiKey | Authorization::Bearer => Way::Header(credential),
            Authorization::ServiceAccount => {
                Way::Account(Box::new(Account::new(settings, credential)))
            }
        })
    }

    /// The feed has collected before: what looks like a wrong address now is an
    /// outage.
    pub fn establish(&mut self) {
        if let Way::Account(account) = &mut self.0 {
            account.establish();
        }
    }

    /// What the machine wants done, as it may be done.
    pub fn pass(&mut self, step: Step, reading: Reading) -> Passed {
        match (&mut self.0, step) {
            (Way::Header(credential), Step::Send(id, request)) => {
                Passed::Step(Step::Send(id, request.with(credential.header(""))))
            }
            (Way::Account(account), Step::Send(id, request)) => account.send(id, request, reading),
            (Way::Account(account), Step::Read(id, until)) => account.read(id, until, reading),
            (Way::Account(account), Step::Drop(id)) => account.forget(id),
            (_, step) => Passed::Step(step),
        }
    }

    /// What came of a request, as the machine is to hear of it. None: not yet.
    pub fn handle(
        &mut self,
        id: RequestId,
        input: Input,
        reading: Reading,
    ) -> Option<(RequestId, Input)> {
        match &mut self.0 {
            Way::Header(_) => Some((id, input)),
            Way::Account(account) => account.handle(id, input, reading),
        }
    }

    /// The error without the token, which a server may have echoed.
    pub fn hide(&self, error: Error) -> Error {
        match &self.0 {
            Way::Header(_) => error,
            Way::Account(account) => account.hide(error),
        }
    }
}
