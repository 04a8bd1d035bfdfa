//! The API itself, without sockets and without a clock: a request and the time in, an answer out.
//!
//! The HTTP server drives it, and so can a test in virtual time. The same calls give the same
//! answers. A model is cheap to clone: events are shared until they are added to.
//!
//! What it does follows the API's public documentation. Where that is silent it takes one of the
//! readings that are possible, and [`Behaviour`] has the others. The texts of errors are the
//! documented ones where there are such.

mod access;
mod answer;
mod behaviour;
mod cursor;
mod organization;
mod query;
mod results;
mod term;

use chrono::{Datelike, Timelike};
use serde_json::Value;

use crate::dice::mix;
use crate::event::Event;
use crate::faults::{Fault, Faults};
use crate::fixtures::published_events;
use crate::generate::{Recipe, organization_id};
pub use access::{Access, ExpiresIn};
pub use answer::Answer;
pub use behaviour::{Always, Behaviour, EndTime, ForeignCursor};
pub use organization::Organization;
use query::Query;

/// The API key that a generated tenant accepts.
pub const DEFAULT_KEY: &str = "jca_simulator0000000000000000000000000000";

/// The service account that a generated tenant accepts: client id and secret.
pub const DEFAULT_SERVICE_ACCOUNT: (&str, &str) = ("simulator", "simulator-secret");

/// A request to the simulated API.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `POST`.
    pub method: &'a str,
    /// The path, without a query.
    pub path: &'a str,
    /// Names in any case, and values.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    pub(crate) fn headers_named(&self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = move |(known, _): &&(&str, &str)| known.eq_ignore_ascii_case(name);
        self.headers.iter().filter(named).map(|(_, value)| *value)
    }

    pub(crate) fn header(&self, name: &'a str) -> Option<&'a str> {
        self.headers_named(name).next()
    }
}

/// What a request is for, by its path.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Endpoint {
    /// `/insights/directory/v1/events`
    Events,
    /// `/insights/directory/v1/events/count`
    Count,
    /// `/insights/directory/v1/events/distinct`
    Distinct,
    /// `/oauth2/token`
    Token,
    /// Anything else, also `/events/interval`: the real one may not work either.
    Unknown,
}

impl Endpoint {
    /// The endpoint at this path.
    pub fn at(path: &str) -> Endpoint {
        match path {
            "/insights/directory/v1/events" => Endpoint::Events,
            "/insights/directory/v1/events/count" => Endpoint::Count,
            "/insights/directory/v1/events/distinct" => Endpoint::Distinct,
            "/oauth2/token" => Endpoint::Token,
            _ => Endpoint::Unknown,
        }
    }
}

/// What was asked for and given so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Requests to `/events`.
    pub events: u64,
    /// Requests to `/events/count`.
    pub count: u64,
    /// Requests to `/events/distinct`.
    pub distinct: u64,
    /// Requests to the token endpoint.
    pub token: u64,
    /// Other requests.
    pub unknown: u64,
    /// Events in the answers of `/events`, also in those that a fault spoiled afterwards.
    pub rows: u64,
    /// Requests that met a fault.
    pub faults: u64,
}

impl Stats {
    /// Requests of all kinds.
    pub fn requests(&self) -> u64 {
        self.events + self.count + self.distinct + self.token + self.unknown
    }
}

/// A simulated JumpCloud.
#[derive(Clone, Debug)]
pub struct Model {
    /// The readings of the documentation.
    pub behaviour: Behaviour,
    /// Who may ask.
    pub access: Access,
    /// What goes wrong.
    pub faults: Faults,
    /// What was asked for so far.
    pub stats: Stats,
    /// The tenants.
    pub organizations: Vec<Organization>,
}

impl Model {
    /// A JumpCloud with these organisations, that accepts no credential yet.
    pub fn new(organizations: Vec<Organization>) -> Model {
        Model {
            behaviour: Behaviour::default(),
            access: Access::default(),
            faults: Faults::new(0),
            stats: Stats::default(),
            organizations,
        }
    }

    /// The organisations of a recipe with their events. [`DEFAULT_KEY`] is accepted: as the
    /// organisation's own if there is one, as a provider's (with `x-org-id`) if there are several.
    /// So is [`DEFAULT_SERVICE_ACCOUNT`].
    pub fn generated(recipe: &Recipe) -> Model {
        let ids: Vec<String> = (0..recipe.organizations.max(1))
            .map(organization_id)
            .collect();
        let organizations = ids
            .iter()
            .map(|id| Organization::new(id, Vec::new()))
            .collect();
        let mut model = Model::new(organizations);
        model.add_events(recipe.generate().collect());
        match ids.as_slice() {
            [only] => model.access.add_key(DEFAULT_KEY, &[only]),
            _ => model.access.add_key(DEFAULT_KEY, &[]),
        }
        let (client_id, secret) = DEFAULT_SERVICE_ACCOUNT;
        model.access.add_service_account(client_id, secret);
        model
    }

    /// The same with the [`published_events`], spread over the period, in the first organisation:
    /// the default tenant.
    pub fn tenant(recipe: &Recipe) -> Model {
        let mut model = Model::generated(recipe);
        let id = organization_id(0);
        model.add_events(published_events(&id, recipe.end_ms, recipe.period_ms));
        model
    }

    /// Adds events to the organisations that they name. Those of others are left out.
    pub fn add_events(&mut self, events: Vec<Event>) {
        for organization in &mut self.organizations {
            let id = organization.id.clone();
            let own = events.iter().filter(|event| *event.organization == *id);
            organization.add(own.cloned());
        }
    }

    /// All events of all organisations, also those that aren't visible yet: the ground truth.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.organizations.iter().flat_map(Organization::events)
    }

    /// The organisation of this id.
    pub fn organization(&mut self, id: &str) -> Option<&mut Organization> {
        self.organizations
            .iter_mut()
            .find(|organization| organization.id == id)
    }

    /// Answers a request at `now_ms`, the time by JumpCloud's own clock in milliseconds since 1970.
    pub fn answer(&mut self, request: Request, now_ms: i64) -> Answer {
        let endpoint = Endpoint::at(request.path);
        self.count(endpoint);
        let fault = self.faults.draw(endpoint, request.header("x-org-id"));
        self.stats.faults += u64::from(fault.is_some());

        let instead = fault.as_ref().and_then(|fault| fault.instead(now_ms));
        let first_page = matches!(
            fault,
            Some(Fault::FirstPageAgain | Fault::FirstPageWithNewCursor)
        );
        let mut answer = match instead {
            Some(answer) => answer,
            None => self
                .honest(endpoint, &request, first_page, now_ms)
                .unwrap_or_else(|no| no),
        };
        answer.set_header("Date", http_date(now_ms));
        answer.set_header("X-Request-Id", self.request_id());
        if let Some(fault) = fault {
            let body: Option<Value> = serde_json::from_slice(request.body).ok();
            let search_after = body.and_then(|body| Some(body.get("search_after")?.to_string()));
            fault.alter(&mut answer, search_after, now_ms);
        }
        answer
    }

    /// The answer of an API that works; an `Err` is its refusal.
    fn honest(
        &mut self,
        endpoint: Endpoint,
        request: &Request,
        first_page: bool,
        now_ms: i64,
    ) -> Result<Answer, Answer> {
        match endpoint {
            Endpoint::Token => {
                return Ok(self
                    .access
                    .issue_token(request, now_ms, self.stats.requests()));
            }
            Endpoint::Unknown => return Err(Answer::refused(404, "Not Found")),
            Endpoint::Events | Endpoint::Count | Endpoint::Distinct => {}
        }
        if request.method != "POST" {
            return Err(Answer::refused(405, "Method Not Allowed"));
        }
        let known: Vec<&str> = self
            .organizations
            .iter()
            .map(|one| one.id.as_str())
            .collect();
        let id = self.access.organization(request, now_ms, &known)?;
        let organization = self.organizations.iter().find(|one| one.id == id);
        let organization = organization.ok_or_else(|| Answer::refused(403, "Forbidden"))?;
        if !organization.entitled {
            return Err(Answer::refused(402, "Payment Required"));
        }
        let mut query = Query::parse(request.body, &id, organization.retention_days, now_ms)?;
        if first_page || endpoint != Endpoint::Events {
            query.search_after = None;
        }
        match endpoint {
            Endpoint::Count => Ok(results::count(
                organization,
                &query,
                &self.behaviour,
                now_ms,
            )),
            Endpoint::Distinct => results::distinct(organization, &query, &self.behaviour, now_ms),
            _ => {
                let (answer, rows) = results::page(organization, &query, &self.behaviour, now_ms)?;
                self.stats.rows += rows;
                Ok(answer)
            }
        }
    }

    fn count(&mut self, endpoint: Endpoint) {
        let counter = match endpoint {
            Endpoint::Events => &mut self.stats.events,
            Endpoint::Count => &mut self.stats.count,
            Endpoint::Distinct => &mut self.stats.distinct,
            Endpoint::Token => &mut self.stats.token,
            Endpoint::Unknown => &mut self.stats.unknown,
        };
        *counter += 1;
    }

    fn request_id(&self) -> String {
        let (high, low) = (mix(self.stats.requests()), mix(!self.stats.requests()));
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            high as u16,
            (high >> 16) & 0xfff,
            low & 0xfff,
            low >> 16
        )
    }
}

/// A time in the form of HTTP's `Date`.
pub(crate) fn http_date(ms: i64) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let time = chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default();
    let month = MONTHS.get(time.month0() as usize).unwrap_or(&"Jan");
    // Once an answer: by a pattern it takes four times as long.
    format!(
        "{}, {:02} {month} {} {:02}:{:02}:{:02} GMT",
        time.weekday(),
        time.day(),
        time.year(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

#[cfg(test)]
#[path = "model/tests.rs"]
mod tests;
