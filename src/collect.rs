//! One organisation: what to read next, and why.
//!
//! ```text
//!   probe ──► walk ──► idle ──► walk ──► idle …
//!   (what time is it?)  (from the position, to the end)
//! ```
//!
//! [`Collector::next`] alone chooses; [`walk`] alone reads pages; both talk to
//! the [`ledger`]. A failure ends what is under way, and the next poll chooses
//! anew from what was handed out.

pub mod ledger;
pub mod page;
pub mod walk;

use self::ledger::Ledger;
use self::walk::{Desk, Turn, Walk};
use crate::api::{Count, Head, MAX_LIMIT, Query, Request};
use crate::batch::{Batch, Limits, Output, Progress};
use crate::clock::{Clock, Reading, rfc3339};
use crate::credential::Credential;
use crate::error::{Error, Problem, Result};
use crate::finding::Kind;
use crate::mapping;
use crate::refusal::{self, Asked, Cause, MAX_BODY, Refusal};
use crate::settings::{DAY, Settings, Start};
use crate::state::{Owner, Restored, Slot, Write};

/// Identifies a request for as long as it is open.
pub type RequestId = u32;

/// The clock of this machine may be wrong by this much before the first answer
/// has told JumpCloud's: the first request looks so far back, in ms.
const FIRST_LOOK: i64 = 3_600_000;

/// Distance kept from the edge of retention, in ms.
const RETENTION_MARGIN: i64 = 60_000;

/// A clock further off than this is reported, in ms.
pub const MAX_SKEW: i64 = 30_000;

/// So many ids in the future are held; beyond, events more than a day ahead
/// wait for their day.
const MAX_FUTURE_IDS: usize = 10_000;

/// One organisation's collection.
#[derive(Debug)]
pub struct Collector {
    /// Sent as `x-org-id`, if the settings name organisations.
    requested: Option<String>,
    owner: Owner,
    slot: Slot,
    /// None until a start was resolved against JumpCloud's clock.
    ledger: Option<Ledger>,
    work: Work,
    /// The refusal that an open request is answered with: head and body so far.
    refusal: Option<(RequestId, Head, Vec<u8>)>,
    /// For how long events are kept, in ms, as far as is known.
    retention: i64,
    /// This address has served this feed before.
    established: bool,
    /// Events not read yet, by the last count.
    backlog: Option<u64>,
    /// The next walk expects rows of other organisations.
    mixed: bool,
}

/// What is under way.
#[derive(Debug)]
enum Work {
    None,
    /// A count from here, for the answer's `Date`.
    Probe {
        request: RequestId,
        query: Query,
        answer: Option<Vec<u8>>,
        ended: bool,
    },
    Walk(Walk),
}

/// What every organisation shares, lent for one call.
pub struct Shared<'a> {
    /// Checked settings.
    pub settings: &'a Settings,
    /// The credential.
    pub credential: &'a Credential,
    /// JumpCloud's clock.
    pub clock: &'a mut Clock,
    /// This machine's clocks.
    pub reading: Reading,
    /// What is handed out.
    pub batch: &'a mut Batch,
    /// Its bounds.
    pub limits: Limits,
    /// The last request id that was given.
    pub last_request: &'a mut RequestId,
    /// Records received since the feed was opened.
    pub received: &'a mut u64,
}

/// Why what is under way ends before all is read.
#[derive(Debug)]
pub enum Halt {
    /// To be begun anew from the position; nobody needs to hear of it.
    Restart,
    /// It failed.
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What the collector needs next.
#[derive(Debug)]
pub enum Need {
    /// This request sent.
    Send(RequestId, Request),
    /// More of this request's answer.
    Read(RequestId),
    /// The batch handed out: it is full.
    HandOut,
    /// Nothing: all is read.
    Caught,
}

impl Collector {
    /// Of the organisation named, or of the credential's own.
    pub fn new(settings: &Settings, requested: Option<String>) -> Self {
        let owner = Owner {
            origin: settings.api_base_url.origin().to_owned(),
            organization: requested.clone(),
        };
        Self {
            slot: Slot::new(requested.as_deref()),
            requested,
            owner,
            ledger: None,
            work: Work::None,
            refusal: None,
            retention: settings.retention,
            established: false,
            backlog: None,
            mixed: false,
        }
    }

    /// The organisation, as far as it is known.
    pub fn partition(&self) -> &str {
        self.owner.organization.as_deref().unwrap_or_default()
    }

    /// Where its state lies.
    pub fn slot(&mut self) -> &mut Slot {
        &mut self.slot
    }

    /// Takes the stored state; the number of its last acked batch. The state
    /// of another origin or organisation is a wrong setting.
    pub fn restore(&mut self, restored: Restored) -> Result<u64> {
        let Restored {
            owner,
            sequence,
            ledger,
        } = restored;
        if owner.origin != self.owner.origin {
            let message = format!(
                "it is {}, but the state under this feed's name was collected from {}",
                self.owner.origin, owner.origin
            );
            return Err(Error::BadSettings(vec![
                Problem::new("api_base_url", message)
                    .hint("give the other address a feed of its own, or reset this one"),
            ]));
        }
        self.owner.organization = owner.organization.or(self.owner.organization.take());
        self.ledger = Some(ledger);
        self.established = true;
        Ok(sequence)
    }

    /// The writes that store what was handed out.
    pub fn write(&mut self, sequence: u64) -> Vec<Write> {
        match &self.ledger {
            Some(ledger) => self.slot.write(&self.owner, sequence, ledger),
            None => Vec::new(),
        }
    }

    /// Forgets everything at or after `to`, and what is under way.
    pub fn rewind(&mut self, to: i64) {
        match &mut self.ledger {
            Some(ledger) => ledger.rewind(to),
            None => self.ledger = Some(Ledger::new(to)),
        }
        self.work = Work::None;
        self.refusal = None;
    }

    /// How far it has come.
    pub fn progress(&self, now: Option<i64>) -> Option<Progress> {
        let ledger = self.ledger.as_ref()?;
        let behind = now
            .unwrap_or(ledger.position())
            .saturating_sub(ledger.position());
        Some(Progress {
            start: ledger.start(),
            read_to: ledger.position(),
            behind: u64::try_from(behind).unwrap_or(0),
            backlog: self.backlog,
        })
    }

    /// The requests that are open.
    pub fn open_requests(&self) -> Vec<RequestId> {
        match &self.work {
            Work::None | Work::Probe { ended: true, .. } => Vec::new(),
            Work::Probe { request, .. } => vec![*request],
            Work::Walk(walk) => walk.open_requests().collect(),
        }
    }

    /// Gives up what is under way; its requests are to be dropped.
    pub fn abandon(&mut self) -> Vec<RequestId> {
        let open = self.open_requests();
        self.work = Work::None;
        self.refusal = None;
        open
    }

    /// Polling pauses here.
    pub fn pause(&mut self) {
        if let Work::Walk(walk) = &mut self.work {
            walk.pause();
        }
    }

    /// Does what can be done with what has come, and says what is needed next.
    pub fn next(&mut self, shared: &mut Shared<'_>) -> std::result::Result<Need, Halt> {
        loop {
            let desk = match (&mut self.work, &mut self.ledger) {
                (Work::None, _) => match self.begin(shared)? {
                    Some(need) => return Ok(need),
                    None => return Ok(Need::Caught),
                },
                (
                    Work::Probe {
                        request,
                        ended: false,
                        ..
                    },
                    _,
                ) => return Ok(Need::Read(*request)),
                (Work::Probe { .. }, _) => {
                    self.finish_probe(shared)?;
                    continue;
                }
                (Work::Walk(_), None) => {
                    self.work = Work::None;
                    continue;
                }
                (Work::Walk(walk), Some(ledger)) => (walk, ledger),
            };
            let (walk, ledger) = desk;
            let before = shared.batch.counters.received;
            let turn = walk.advance(&mut Desk {
                ledger,
                organization: &mut self.owner.organization,
                batch: shared.batch,
                limits: shared.limits,
                output: Output {
                    types: shared.settings.event_types,
                    include_raw: shared.settings.include_raw,
                },
                received: shared.received,
            });
            let rows = shared.batch.counters.received - before;
            self.backlog = self.backlog.map(|backlog| backlog.saturating_sub(rows));
            match turn {
                Turn::Read(request) => return Ok(Need::Read(request)),
                Turn::HandOut => return Ok(Need::HandOut),
                Turn::Ask(cursor) => {
                    let body = walk.query().events(walk.limit(), Some(&cursor));
                    let id = next_id(shared.last_request);
                    walk.asked(id, cursor);
                    let request = self.request(shared, "/events", body);
                    return Ok(Need::Send(id, request));
                }
                Turn::End => {
                    self.work = Work::None;
                    self.mixed = false;
                    self.backlog = self.backlog.map(|_| 0);
                    self.established = true;
                    return Ok(Need::Caught);
                }
                Turn::Restart => {
                    self.mixed = walk.is_mixed();
                    return Err(Halt::Restart);
                }
                Turn::Fail(error) => return Err(error.into()),
                Turn::Garbage(bytes) => return Err(self.garbage(shared, &bytes).into()),
            }
        }
    }

    /// The head of an answer.
    pub fn head(&mut self, id: RequestId, head: Head, shared: &mut Shared<'_>) -> Result<()> {
        shared.clock.answered(head.date(), shared.reading);
        let now = shared
            .clock
            .now(shared.reading)
            .unwrap_or(shared.reading.wall);
        if head.status != 200 {
            self.refusal = Some((id, head, Vec::new()));
            return Ok(());
        }
        if head.is_html() {
            return Err(refusal::not_the_api(self.asked(shared), "a page in HTML"));
        }
        match &mut self.work {
            Work::Walk(walk) => walk.head(id, &head, now),
            Work::Probe { answer, .. } => {
                *answer = Some(Vec::new());
                Ok(())
            }
            Work::None => Ok(()),
        }
    }

    /// Bytes of a body.
    pub fn body(
        &mut self,
        id: RequestId,
        bytes: Vec<u8>,
        shared: &mut Shared<'_>,
    ) -> std::result::Result<(), Halt> {
        shared.batch.counters.bytes += bytes.len() as u64;
        if let Some((_, _, body)) = self.refusal.as_mut().filter(|(refused, ..)| *refused == id) {
            body.extend(bytes.into_iter().take(MAX_BODY - body.len().min(MAX_BODY)));
            return if body.len() < MAX_BODY {
                Ok(())
            } else {
                self.end(id, shared)
            };
        }
        match &mut self.work {
            Work::Walk(walk) => {
                if let Some(page) = walk.page(id) {
                    page.body(bytes);
                }
            }
            Work::Probe {
                answer: Some(answer),
                ..
            } if answer.len() < MAX_BODY => {
                answer.extend(bytes);
            }
            Work::Probe { .. } | Work::None => {}
        }
        Ok(())
    }

    /// The end of a body.
    pub fn end(&mut self, id: RequestId, shared: &mut Shared<'_>) -> std::result::Result<(), Halt> {
        if let Some((refused, head, body)) = self.refusal.take() {
            if refused == id {
                return self.refused(&head, &body, shared);
            }
            self.refusal = Some((refused, head, body));
        }
        match &mut self.work {
            Work::Walk(walk) => {
                if let Some(page) = walk.page(id) {
                    page.end();
                }
            }
            Work::Probe { ended, .. } => *ended = true,
            Work::None => {}
        }
        Ok(())
    }

    /// A request failed on its way.
    pub fn failed(
        &mut self,
        id: RequestId,
        cause: &Cause,
        shared: &mut Shared<'_>,
    ) -> std::result::Result<(), Halt> {
        // Only a 400 says in its body what is wrong.
        if self
            .refusal
            .as_ref()
            .is_some_and(|(refused, head, _)| *refused == id && head.status != 400)
        {
            return self.end(id, shared);
        }
        if let Work::Walk(walk) = &mut self.work
            && walk.page(id).is_some_and(|page| page.is_paused())
        {
            return Err(Halt::Restart);
        }
        Err(refusal::failed(self.asked(shared), cause).into())
    }

    /// Chooses what to do next, and begins it. None: nothing is to be read yet.
    fn begin(&mut self, shared: &mut Shared<'_>) -> Result<Option<Need>> {
        let services = mapping::services(shared.settings.event_types);
        let Some(now) = shared.clock.now(shared.reading) else {
            let start = self.ledger.as_ref().map(Ledger::position);
            let start = start.unwrap_or(shared.reading.wall - FIRST_LOOK);
            let query = Query {
                services,
                start,
                end: None,
            };
            let request = self.request(shared, "/events/count", query.count());
            let id = next_id(shared.last_request);
            self.work = Work::Probe {
                request: id,
                query,
                answer: None,
                ended: false,
            };
            return Ok(Some(Need::Send(id, request)));
        };
        let ledger = match &mut self.ledger {
            Some(ledger) => ledger,
            none => none.insert(Ledger::new(match shared.settings.start {
                Start::At(moment) => moment,
                Start::Back(back) => now.saturating_sub(back),
            })),
        };
        keep_within_retention(ledger, now, self.retention, shared.batch);
        let start = ledger.position();
        if start >= now {
            return Ok(None);
        }
        let mut end = None;
        if ledger.after(now) > MAX_FUTURE_IDS {
            shared.batch.find(
                Kind::FarFuture,
                "more than 10,000 events are dated in the future",
            );
            end = Some(now.saturating_add(DAY));
        }
        let query = Query {
            services,
            start,
            end,
        };
        let limit = u32::try_from(shared.limits.max_events).unwrap_or(MAX_LIMIT);
        let limit = limit.clamp(1, MAX_LIMIT);
        let request = self.request(shared, "/events", query.events(limit, None));
        let id = next_id(shared.last_request);
        self.work = Work::Walk(Walk::new(query, limit, self.mixed, id));
        Ok(Some(Need::Send(id, request)))
    }

    /// The first request has served if it was answered with a `Date`.
    fn finish_probe(&mut self, shared: &mut Shared<'_>) -> Result<()> {
        let asked = self.asked(shared);
        let Work::Probe { answer, .. } = &self.work else {
            return Ok(());
        };
        let answer = answer.as_deref().unwrap_or_default();
        let count = read_count(asked, answer)?;
        self.backlog = self.ledger.is_some().then_some(count);
        self.work = Work::None;
        self.served(shared);
        Ok(())
    }

    /// The address and the credential are right.
    fn served(&mut self, shared: &mut Shared<'_>) {
        self.established = true;
        let skew = shared.clock.skew();
        if skew.abs() > MAX_SKEW {
            shared.batch.find(Kind::ClockSkew, skew_message(skew));
        }
    }

    /// An answer that is no 200, whole.
    fn refused(
        &mut self,
        head: &Head,
        body: &[u8],
        shared: &mut Shared<'_>,
    ) -> std::result::Result<(), Halt> {
        let asked = self.asked(shared);
        let probe = matches!(self.work, Work::Probe { .. });
        match refusal::answered(asked, head, body) {
            Refusal::PastRetention(days) => {
                let learnt = days.map(|days| days.saturating_mul(DAY));
                let moved = self
                    .ledger
                    .as_ref()
                    .is_some_and(|it| it.position() > asked.start);
                match learnt {
                    Some(learnt) if learnt < self.retention => self.retention = learnt,
                    // A long walk's own start has grown too old; its rows have not.
                    _ if moved || probe => {}
                    _ => return Err(Halt::Failed(past_retention(self.retention))),
                }
                if !probe {
                    return Err(Halt::Restart);
                }
            }
            // Any answer tells the time; this one says that ours was wrong.
            Refusal::Failed(Error::Protocol(_)) if probe && head.status == 400 => {}
            Refusal::Failed(error) => return Err(error.into()),
        }
        self.work = Work::None;
        self.served(shared);
        Ok(())
    }

    fn garbage(&self, shared: &Shared<'_>, bytes: &[u8]) -> Error {
        let shown = String::from_utf8_lossy(bytes);
        let shown: String = shown.chars().filter(|c| !c.is_control()).take(80).collect();
        if shown.starts_with('<') {
            return refusal::not_the_api(self.asked(shared), &format!("`{shown}`"));
        }
        Error::protocol(format!("no JSON array of events but `{shown}`"))
    }

    fn asked<'a>(&self, shared: &Shared<'a>) -> Asked<'a> {
        let query = match &self.work {
            Work::Walk(walk) => Some(walk.query()),
            Work::Probe { query, .. } => Some(query),
            Work::None => None,
        };
        Asked {
            url: &shared.settings.api_base_url,
            authorization: shared.settings.authorization,
            start: query.map_or(0, |query| query.start),
            end: query.and_then(|query| query.end),
            skew: shared.clock.skew(),
            established: self.established,
        }
    }

    fn request(&self, shared: &mut Shared<'_>, path: &str, body: Vec<u8>) -> Request {
        shared.batch.counters.requests += 1;
        request(
            shared.settings,
            shared.credential,
            self.requested.as_deref(),
            path,
            body,
        )
    }
}

/// A request to an endpoint of the API.
pub fn request(
    settings: &Settings,
    credential: &Credential,
    organization: Option<&str>,
    path: &str,
    body: Vec<u8>,
) -> Request {
    let mut headers = vec![
        ("accept", "application/json".to_owned()),
        ("content-type", "application/json".to_owned()),
        (
            "user-agent",
            concat!("jumpcloud-source/", env!("CARGO_PKG_VERSION")).to_owned(),
        ),
        credential.header(),
    ];
    headers.extend(organization.map(|id| ("x-org-id", id.to_owned())));
    Request {
        url: settings.api_base_url.endpoint(path),
        headers,
        body,
    }
}

/// Reads the body of a count.
pub fn read_count(asked: Asked<'_>, body: &[u8]) -> Result<u64> {
    match serde_json::from_slice::<Count>(body) {
        Ok(count) => Ok(count.count),
        Err(_) if body.trim_ascii_start().starts_with(b"<") => {
            Err(refusal::not_the_api(asked, "a page in HTML"))
        }
        Err(_) => Err(Error::protocol("`/events/count` gave no count")),
    }
}

/// How far this machine's clock is off, given what it is ahead in ms.
pub fn skew_message(skew: i64) -> String {
    let way = if skew > 0 { "ahead of" } else { "behind" };
    format!(
        "this machine's clock is {} s {way} JumpCloud's",
        skew.abs() / 1000
    )
}

fn next_id(last: &mut RequestId) -> RequestId {
    *last = last.wrapping_add(1);
    *last
}

/// A position older than what is kept would be refused. If something was read
/// before, what lies between is lost, and that is said.
fn keep_within_retention(ledger: &mut Ledger, now: i64, retention: i64, batch: &mut Batch) {
    let oldest = now
        .saturating_sub(retention)
        .saturating_add(RETENTION_MARGIN);
    if ledger.position() >= oldest {
        return;
    }
    let (from, to, days) = (rfc3339(ledger.position()), rfc3339(oldest), retention / DAY);
    if ledger.has_moved() {
        let message = format!("events from {from} to {to} are gone: JumpCloud keeps {days} days");
        batch.find(Kind::Gap, message);
    } else {
        let message =
            format!("the start was moved from {from} to {to}: JumpCloud keeps {days} days");
        batch.find(Kind::StartClamped, message);
    }
    ledger.skip(oldest);
}

fn past_retention(retention: i64) -> Error {
    let message = format!(
        "JumpCloud keeps events for less than {} days",
        retention / DAY
    );
    Error::BadSettings(vec![
        Problem::new("retention_days", message).hint("set it to what your plan includes, like 15"),
    ])
}
