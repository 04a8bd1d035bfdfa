//! Trying a feed without collecting. Of each organisation a count tells whether
//! address, credential, role and entitlement are right, and what time it is; a
//! page of one event, which nobody gets, whether events may be read from where
//! the feed would begin; and the types of events of the last day whether
//! something isn't mapped.

use crate::api::{self, Head, Query};
use crate::authorize::{Gate, Passed};
use crate::clock::{Clock, Reading, rfc3339};
use crate::collect::RequestId;
use crate::collect::call::{Answer, Call};
use crate::collect::retention::Retention;
use crate::credential::Credential;
use crate::error::{Error, Failure, Result};
use crate::expiry;
use crate::feed::{Feed, Input, Machine, Step};
use crate::finding::{Finding, Kind, Severity};
use crate::refusal::{self, Asked, Cause, Refusal};
use crate::settings::{Authorization, DAY, Settings};
use crate::survey;

/// The count begins so long before now, in ms.
const BACK: i64 = 3_600_000;

/// An answer takes no longer, in ms; the host's own time-outs are shorter.
const WAIT: u64 = 150_000;

/// The questions, one organisation after the other.
#[derive(Debug)]
pub struct Check {
    settings: Settings,
    credential: Credential,
    gate: Gate,
    clock: Clock,
    /// What is still to be asked, the last one first.
    left: Vec<Question>,
    asking: Option<Asking>,
    findings: Vec<Finding>,
    /// Of all, or of the only organisation.
    failure: Option<Error>,
    /// Of several organisations, those that failed: findings say so too.
    failed: Vec<Error>,
    /// Why the credential was refused, while another header is tried.
    refused: Option<Failure>,
    last_request: RequestId,
}

/// What is asked of an organisation, or of the credential's own.
#[derive(Clone, Debug)]
struct Question {
    organization: Option<String>,
    /// Nothing was collected of it: a feed would begin at its start.
    is_new: bool,
    what: What,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
enum What {
    /// How many events there are: whether we may ask at all.
    Access,
    /// A page of one event from where a feed would begin, so many being counted
    /// since a time (ms since 1970 UTC): whether we may read them, and so far back.
    Page(Option<(u64, i64)>, Retention),
    /// Which types of events.
    Survey,
}

/// One question under way.
#[derive(Debug)]
struct Asking {
    question: Question,
    start: i64,
    call: Call,
}

impl Check {
    /// Of a feed's settings and credential.
    pub fn new(feed: &Feed) -> Self {
        let (settings, credential) = feed.parts();
        let question = |(id, has_begun): (Option<&str>, bool)| Question {
            organization: id.map(str::to_owned),
            is_new: !has_begun,
            what: What::Access,
        };
        let left = feed.organizations().map(question).rev().collect();
        Self {
            settings: settings.clone(),
            credential: credential.clone(),
            gate: Gate::new(settings, credential),
            clock: Clock::default(),
            left,
            asking: None,
            findings: Vec::new(),
            failure: None,
            failed: Vec::new(),
            refused: None,
            last_request: 0,
        }
    }

    /// What was found, once all is done.
    pub fn finish(mut self, reading: Reading) -> Result<Vec<Finding>> {
        let advice = self.advice(reading);
        if let Some(error) = self.failure {
            // Where the address may be the reason, the error says so itself.
            let is_warning = |it: &Finding| {
                it.kind.code().1 >= Severity::Warning && it.kind != Kind::UnknownHost
            };
            let warnings = advice.into_iter().filter(is_warning);
            let error = error.and_hints(warnings.map(|warning| warning.message));
            return Err(self.gate.hide(error));
        }
        self.findings.extend(advice);
        Ok(self.findings)
    }

    /// What is to be said whatever JumpCloud answers.
    fn advice(&self, reading: Reading) -> Vec<Finding> {
        let mut advice = Vec::new();
        let mut find = |kind, message| advice.push(Finding::new(kind, "", message));
        let url = &self.settings.api_base_url;
        if !url.is_known() {
            let origin = url.origin();
            let message =
                format!("`api_base_url` is {origin}, none of JumpCloud's known addresses");
            find(Kind::UnknownHost, message);
        }
        if let Some(warning) = self.credential.warning() {
            find(Kind::OddToken, warning);
        }
        if let Some(name) = self.settings.unused() {
            let authorization = self.settings.authorization.name();
            find(
                Kind::OddToken,
                format!(
                    "`{name}` is set, and not used with `authorization = \"{authorization}\"`: did you mean `service-account`?"
                ),
            );
        }
        if let Some(message) = self.clock.skew_message() {
            find(Kind::ClockSkew, message);
        }
        if self.settings.token_address_is_a_guess() {
            let message = format!(
                "`oauth_token_url` is the one for the United States, and the API is {}: whether it serves both is documented nowhere, and untested",
                url.host()
            );
            find(Kind::TokenAddress, message);
        }
        let now = self.clock.now(reading).unwrap_or(reading.wall);
        advice.extend(expiry::finding(&self.settings, now));
        advice
    }

    /// An organisation failed. One of several is a finding: the others are tried
    /// too.
    fn fail(&mut self, question: &Question, error: Error) {
        let several = self.settings.org_ids.len() > 1;
        let (Some(id), true) = (&question.organization, several) else {
            self.failure = Some(error);
            return;
        };
        let error = self.gate.hide(error);
        self.findings
            .push(Finding::new(Kind::OrganizationFailed, id, error.in_full()));
        self.failed.push(error);
        if self.failed.len() == self.settings.org_ids.len() {
            self.failure = Error::of_all(std::mem::take(&mut self.failed));
        }
    }

    fn ask(&mut self, question: Question, reading: Reading) -> Step {
        let now = self.clock.now(reading).unwrap_or(reading.wall);
        let hour = now.saturating_sub(BACK);
        let start = match question.what {
            What::Page(_, retention) if question.is_new => {
                let start = self.settings.start.resolve(now).unwrap_or(hour);
                start.min(hour).max(retention.oldest(now))
            }
            What::Access | What::Page(..) => hour,
            What::Survey => now.saturating_sub(DAY),
        };
        let query = Query::new(&self.settings, start, None);
        let (path, body) = match question.what {
            What::Access => ("/events/count", query.count()),
            What::Page(..) => ("/events", query.events(1, None)),
            What::Survey => ("/events/distinct", query.distinct(survey::FIELD)),
        };
        let organization = question.organization.as_deref();
        let request = api::request(&self.settings, organization, path, body);
        self.last_request += 1;
        self.asking = Some(Asking {
            call: Call::new(self.last_request, None),
            question,
            start: query.start,
        });
        Step::Send(self.last_request, request)
    }

    fn answered(&mut self, asking: &Asking, answer: &Answer, reading: Reading) -> Result<()> {
        match asking.question.what {
            What::Access => self.counted(asking, answer, reading),
            What::Page(count, retention) => self.paged(asking, answer, count, retention, reading),
            What::Survey => {
                let message = survey::unmapped(&answer.body);
                message
                    .into_iter()
                    .for_each(|it| self.find(asking, Kind::UnmappedTypes, it));
                Ok(())
            }
        }
    }

    fn counted(&mut self, asking: &Asking, answer: &Answer, reading: Reading) -> Result<()> {
        if let Some(failure) = self.refused.take() {
            self.gate = Gate::new(&self.settings, &self.credential);
            return Err(self.compare(failure, &answer.head));
        }
        let asked = self.asked(asking, reading);
        let count = match refusal::counted(asked, &answer.head, &answer.body) {
            Ok(count) => {
                self.check_start(reading)?;
                Some((count, asking.start))
            }
            // The address and the credential are right; our clock was not.
            Err(Refusal::Failed(Error::Protocol(_))) if self.clock.skew().abs() > BACK => None,
            Err(Refusal::PastRetention(_)) => None,
            Err(Refusal::Failed(Error::Authentication(failure))) => {
                let Some(other) = other_header(self.credential.authorization()) else {
                    return Err(Error::Authentication(failure));
                };
                self.refused = Some(failure);
                self.gate = Gate::new(&self.settings, &self.credential.sent_as(other));
                self.left.push(asking.question.clone());
                return Ok(());
            }
            Err(Refusal::Failed(error)) => return Err(error),
        };
        let retention = Retention::new(self.settings.retention);
        self.go_on(asking, What::Page(count, retention));
        Ok(())
    }

    fn paged(
        &mut self,
        asking: &Asking,
        answer: &Answer,
        count: Option<(u64, i64)>,
        mut retention: Retention,
        reading: Reading,
    ) -> Result<()> {
        let asked = self.asked(asking, reading);
        match refusal::paged(asked, &answer.head, &answer.body) {
            Ok(()) => {}
            Err(Refusal::PastRetention(days)) => {
                retention.refused(days)?;
                self.go_on(asking, What::Page(count, retention));
                return Ok(());
            }
            Err(Refusal::Failed(error)) => return Err(error),
        }
        let host = self.settings.api_base_url.host();
        let counted = count.map_or(String::new(), |(count, since)| {
            let since = rfc3339(since);
            format!(": {count} events in the services asked for since {since}")
        });
        let message = format!("{host} accepts the credential{counted}");
        self.find(asking, Kind::Access, message);
        if asking.question.is_new
            && let Some(now) = self.clock.now(reading)
            && let Ok(start) = self.settings.start.resolve(now)
            && let Some(message) = retention.moved(start, retention.oldest(now))
        {
            self.find(asking, Kind::StartClamped, message);
        }
        self.go_on(asking, What::Survey);
        Ok(())
    }

    /// The same organisation is asked something else next.
    fn go_on(&mut self, asking: &Asking, what: What) {
        self.left.push(Question {
            what,
            ..asking.question.clone()
        });
    }

    fn find(&mut self, asking: &Asking, kind: Kind, message: String) {
        let organization = asking.question.organization.as_deref().unwrap_or_default();
        self.findings
            .push(Finding::new(kind, organization, message));
    }

    /// The credential was refused, and this is the answer to it in the other
    /// header.
    fn compare(&self, mut failure: Failure, head: &Head) -> Error {
        let other = other_header(self.credential.authorization());
        // Whatever else was wrong, it was known who asked.
        if let (Some(other), 200 | 400 | 402 | 403) = (other, head.status) {
            let name = other.name();
            let hint = format!(
                "JumpCloud accepts it in the other header: set `authorization = \"{name}\"`"
            );
            failure.hints.insert(0, hint);
        }
        Error::Authentication(failure)
    }

    /// Whether a feed could begin where it is to, now that the time is known.
    fn check_start(&self, reading: Reading) -> Result<()> {
        let Some(now) = self.clock.now(reading) else {
            return Ok(());
        };
        let start = self.settings.start.resolve(now);
        start
            .map(drop)
            .map_err(|problem| Error::BadSettings(vec![problem]))
    }

    fn asked<'a>(&'a self, asking: &'a Asking, reading: Reading) -> Asked<'a> {
        let now = self.clock.now(reading).unwrap_or(reading.wall);
        Asked {
            url: &self.settings.api_base_url,
            authorization: self.settings.authorization,
            organization: asking.question.organization.as_deref(),
            start: asking.start,
            end: None,
            skew: self.clock.skew(),
            established: false,
            expired: self.settings.token_expires.filter(|day| *day <= now),
        }
    }

    /// What to do next, without a credential.
    fn want(&mut self, reading: Reading) -> Step {
        if self.failure.is_some() {
            return Step::Done;
        }
        match (&self.asking, self.left.last()) {
            (Some(asking), _) => Step::Read(
                asking.call.request(),
                reading.monotonic.saturating_add(WAIT),
            ),
            (None, Some(question)) => {
                let question = question.clone();
                self.left.pop();
                self.ask(question, reading)
            }
            (None, None) => Step::Done,
        }
    }

    /// Takes what came of a request.
    fn take(&mut self, id: RequestId, input: Input, reading: Reading) {
        let Some(mut asking) = self.asking.take_if(|it| it.call.request() == id) else {
            return;
        };
        if let Input::Head(head) = &input {
            self.clock.answered(head.status, head.date(), reading);
        }
        let taken = match input {
            Input::Nothing => Some(Err(Cause::Timeout)),
            input => asking.call.take(input),
        };
        let taken = match taken {
            None => {
                self.asking = Some(asking);
                return;
            }
            Some(Ok(answer)) => self.answered(&asking, &answer, reading),
            // Nothing depends on it.
            Some(Err(_)) if matches!(asking.question.what, What::Survey) => Ok(()),
            Some(Err(cause)) => Err(match self.refused.take() {
                Some(failure) => Error::Authentication(failure),
                None => refusal::failed(self.asked(&asking, reading), &cause),
            }),
        };
        if let Err(error) = taken {
            self.fail(&asking.question, error);
        }
    }
}

impl Machine for Check {
    fn step(&mut self, reading: Reading) -> Step {
        loop {
            let step = self.want(reading);
            match self.gate.pass(step, reading) {
                Passed::Step(step) => return step,
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

    fn load(&mut self, _value: Option<Vec<u8>>, _reading: Reading) {}
}

/// The other header in which the same value might be accepted.
fn other_header(authorization: Authorization) -> Option<Authorization> {
    match authorization {
        Authorization::ApiKey => Some(Authorization::Bearer),
        Authorization::Bearer => Some(Authorization::ApiKey),
        Authorization::ServiceAccount => None,
    }
}
