//! Trying a feed without collecting: one count per organisation tells whether
//! address, credential, role and entitlement are right, and what time it is.

use crate::api::{Head, Query};
use crate::clock::{Clock, Reading, rfc3339};
use crate::collect::{self, MAX_SKEW, RequestId};
use crate::credential::Credential;
use crate::error::{Error, Result};
use crate::feed::{Feed, Input, Machine, Step};
use crate::finding::{Finding, Kind};
use crate::mapping;
use crate::refusal::{self, Asked, Cause, MAX_BODY, Refusal};
use crate::settings::{DAY, Settings};

/// The count begins so long before now, in ms.
const BACK: i64 = 3_600_000;

/// An answer takes no longer, in ms; the host's own time-outs are shorter.
const WAIT: u64 = 150_000;

/// An expiry is warned of from so many days before.
const EXPIRES_SOON: i64 = 14;

/// The questions, one organisation after the other.
#[derive(Debug)]
pub struct Check {
    settings: Settings,
    credential: Credential,
    clock: Clock,
    /// Organisations still to be asked about, the last one first.
    left: Vec<Option<String>>,
    asking: Option<Asking>,
    findings: Vec<Finding>,
    failure: Option<Error>,
    last_request: RequestId,
}

/// One question under way.
#[derive(Debug)]
struct Asking {
    organization: Option<String>,
    request: RequestId,
    query: Query,
    head: Option<Head>,
    body: Vec<u8>,
}

impl Check {
    /// Of a feed's settings and credential.
    pub fn new(feed: &Feed) -> Self {
        let (settings, credential) = feed.parts();
        let left = match settings.org_ids.is_empty() {
            true => vec![None],
            false => settings.org_ids.iter().rev().cloned().map(Some).collect(),
        };
        Self {
            settings: settings.clone(),
            credential: credential.clone(),
            clock: Clock::default(),
            left,
            asking: None,
            findings: Vec::new(),
            failure: None,
            last_request: 0,
        }
    }

    /// What was found, once all is done.
    pub fn finish(mut self, reading: Reading) -> Result<Vec<Finding>> {
        if let Some(error) = self.failure {
            return Err(error);
        }
        if !self.settings.api_base_url.is_known() {
            let message = format!(
                "`api_base_url` is {}, none of JumpCloud's known addresses",
                self.settings.api_base_url.origin()
            );
            self.findings
                .push(Finding::new(Kind::UnknownHost, "", message));
        }
        if let Some(warning) = self.credential.warning() {
            self.findings.push(Finding::new(
                Kind::OddToken,
                "",
                format!("`token`: {warning}"),
            ));
        }
        let skew = self.clock.skew();
        if skew.abs() > MAX_SKEW {
            self.findings.push(Finding::new(
                Kind::ClockSkew,
                "",
                collect::skew_message(skew),
            ));
        }
        let now = self.clock.now(reading).unwrap_or(reading.wall);
        self.findings
            .extend(expiry(self.settings.token_expires, now));
        Ok(self.findings)
    }

    fn ask(&mut self, organization: Option<String>, reading: Reading) -> Step {
        let services = mapping::services(self.settings.event_types);
        let now = self.clock.now(reading).unwrap_or(reading.wall);
        let query = Query {
            services,
            start: now - BACK,
            end: None,
        };
        self.last_request += 1;
        let request = collect::request(
            &self.settings,
            &self.credential,
            organization.as_deref(),
            "/events/count",
            query.count(),
        );
        let request_id = self.last_request;
        self.asking = Some(Asking {
            organization,
            request: request_id,
            query,
            head: None,
            body: Vec::new(),
        });
        Step::Send(request_id, request)
    }

    /// The answer is whole.
    fn answered(&mut self, asking: Asking) -> Result<()> {
        let asked = self.asked(&asking.query);
        let organization = asking.organization.unwrap_or_default();
        let head = asking.head.unwrap_or_default();
        if head.status == 200 && !head.is_html() {
            let count = collect::read_count(asked, &asking.body)?;
            let message = format!(
                "{} accepts the credential: {count} events in the services asked for since {}",
                self.settings.api_base_url.host(),
                rfc3339(asking.query.start)
            );
            self.findings
                .push(Finding::new(Kind::Access, &organization, message));
            return Ok(());
        }
        if head.status == 200 {
            return Err(refusal::not_the_api(asked, "a page in HTML"));
        }
        match refusal::answered(asked, &head, &asking.body) {
            Refusal::Failed(Error::Protocol(_)) if self.clock.skew().abs() > BACK => Ok(()),
            Refusal::Failed(error) => Err(error),
            Refusal::PastRetention(_) => Ok(()),
        }
    }

    fn asked(&self, query: &Query) -> Asked<'_> {
        Asked {
            url: &self.settings.api_base_url,
            authorization: self.settings.authorization,
            start: query.start,
            end: query.end,
            skew: self.clock.skew(),
            established: false,
        }
    }
}

impl Machine for Check {
    fn step(&mut self, reading: Reading) -> Step {
        if self.failure.is_some() {
            return match self.asking.take() {
                Some(asking) => Step::Drop(asking.request),
                None => Step::Done,
            };
        }
        match &self.asking {
            Some(asking) => Step::Read(asking.request, reading.monotonic.saturating_add(WAIT)),
            None => match self.left.pop() {
                Some(organization) => self.ask(organization, reading),
                None => Step::Done,
            },
        }
    }

    fn handle(&mut self, id: RequestId, input: Input, reading: Reading) {
        let Some(mut asking) = self.asking.take_if(|asking| asking.request == id) else {
            return;
        };
        let cause = match input {
            Input::Head(head) => {
                self.clock.answered(head.date(), reading);
                asking.head = Some(head);
                None
            }
            Input::Body(bytes) => {
                let room = MAX_BODY.saturating_sub(asking.body.len());
                asking.body.extend(bytes.into_iter().take(room));
                None
            }
            Input::End => {
                self.failure = self.answered(asking).err();
                return;
            }
            Input::Failed(cause) => Some(cause),
            Input::Nothing => Some(Cause::Timeout),
        };
        self.failure = cause.map(|cause| refusal::failed(self.asked(&asking.query), &cause));
        self.asking = Some(asking);
    }
}

/// What is to be said of the day on which the credential expires.
fn expiry(expires: Option<i64>, now: i64) -> Option<Finding> {
    let Some(expires) = expires else {
        let message = "JumpCloud does not tell when a key expires, and keys made for 90 days stop on day 90; set `token_expires` to be warned";
        return Some(Finding::new(Kind::ExpiryUnknown, "", message));
    };
    let day = rfc3339(expires);
    let day = day.get(..10).unwrap_or(&day);
    let message = match (expires - now).div_euclid(DAY) {
        ..0 => format!("the key has expired on {day}, by `token_expires`"),
        days @ 0..=EXPIRES_SOON => format!("the key expires on {day}, in {days} days"),
        _ => return None,
    };
    Some(Finding::new(Kind::KeyExpiry, "", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_is_warned_of_in_time() {
        let message = |days: i64| expiry(Some(100 * DAY), (100 - days) * DAY).map(|f| f.message);
        assert_eq!(message(15), None);
        assert_eq!(
            message(14).unwrap(),
            "the key expires on 1970-04-11, in 14 days"
        );
        assert_eq!(
            message(-1).unwrap(),
            "the key has expired on 1970-04-11, by `token_expires`"
        );
        assert_eq!(expiry(None, 0).unwrap().kind, Kind::ExpiryUnknown);
    }
}
