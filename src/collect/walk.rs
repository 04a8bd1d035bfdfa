//! One query, read page by page in ascending order.
//!
//! ```text
//!            ┌────────────── full page: the next one was asked for on its head ─────────┐
//!            ▼                                                                          │
//!   ask ──► head ─► body ─► rows into the batch ─► end of page ── short page ─► end of walk
//!            │        │          └─ batch full: hand out, go on here at the next poll
//!            └────────┴─ refused, cut, defect: what was read comes out, then the error
//! ```
//!
//! Any error ends the walk; the next one is a new query from what was handed
//! out. The cursor `search_after` belongs to one query and is never stored.

use std::collections::VecDeque;

use serde_json::value::RawValue;

use super::RequestId;
use super::account::Account;
use super::ledger::Identity;
use super::page::Page;
use crate::api::{Head, Query};
use crate::batch::{Added, Batch, Limits, Output};
use crate::clock::rfc3339;
use crate::error::{Error, Problem, Result};
use crate::event::{Event, Reject};
use crate::finding::Kind;
use crate::split::{Broken, Piece, Refused};

/// What is younger than this may still be joined by others, in ms.
pub const SETTLE: i64 = 120_000;

/// So many cursors are remembered, to see when one comes again.
const MAX_CURSORS: usize = 1_024;

/// One query under way.
#[derive(Debug)]
pub struct Walk {
    query: Query,
    /// Rows a page, the same for the whole walk.
    limit: u32,
    page: Page,
    /// The page after it, if that was asked for.
    next: Option<Page>,
    /// A row for which the last batch had no room.
    pending: Option<Vec<u8>>,
    /// Cursors so far: the first one, and the last of them.
    cursors: VecDeque<Box<RawValue>>,
    course: Course,
}

/// How far the walk has come.
#[derive(Debug)]
struct Course {
    /// Time of the last row, in ms.
    last: i64,
    /// The position has met what is not settled, and stays there.
    held: bool,
    /// JumpCloud's time at the current page.
    date: i64,
    /// First row of the current page, and of the one before.
    first: Option<(i64, Identity)>,
    first_before: Option<(i64, Identity)>,
    /// Rows of other organisations are known to come among ours.
    mixed: bool,
    /// Undated records since the last row with a time.
    undated: Vec<Identity>,
    /// The current page has a row of our own organisation.
    own: bool,
    /// An organisation whose rows came before any of our own.
    foreign: Option<String>,
    /// Rows from here on belong to others.
    until: i64,
    /// Such a row has come: `end_time` is inclusive.
    at_end: bool,
}

/// What is read goes here; lent for one call.
pub struct Desk<'a> {
    /// Where it is entered.
    pub account: &'a mut dyn Account,
    /// Our organisation, once it is known.
    pub organization: &'a mut Option<String>,
    /// What is handed out.
    pub batch: &'a mut Batch,
    /// Its bounds.
    pub limits: Limits,
    /// What the settings say of it.
    pub output: Output,
    /// Records received since the feed was opened.
    pub received: &'a mut u64,
}

/// What a walk needs next.
#[derive(Debug)]
pub enum Turn {
    /// More of this request's answer.
    Read(RequestId),
    /// The page after this cursor.
    Ask(Box<RawValue>),
    /// The batch to be handed out: it is full.
    HandOut,
    /// Nothing: all is read.
    End,
    /// To be begun anew from the position, without an error.
    Restart,
    /// Nothing: it failed.
    Fail(Error),
    /// Nothing: the body is something else than an array of events, of which
    /// these are the first bytes.
    Garbage(Vec<u8>),
}

/// What became of a row.
enum Row {
    Taken,
    Full,
    Restart,
}

impl Walk {
    /// A walk whose first page is asked for with this request.
    pub fn new(query: Query, limit: u32, mixed: bool, request: RequestId) -> Self {
        let course = Course {
            until: query.end.unwrap_or(i64::MAX),
            at_end: false,
            last: query.start,
            held: false,
            date: i64::MIN,
            first: None,
            first_before: None,
            mixed,
            undated: Vec::new(),
            own: false,
            foreign: None,
        };
        let page = Page::new(request, None);
        Self {
            query,
            limit,
            page,
            next: None,
            pending: None,
            cursors: VecDeque::new(),
            course,
        }
    }

    /// What it asks for.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Rows a page.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Whether rows of other organisations came before any of our own: only a
    /// second reading can tell a mix from a change of hands.
    pub fn is_mixed(&self) -> bool {
        self.course.mixed || self.course.foreign.is_some()
    }

    /// Whether an event was found at the very ms at which the query ends.
    pub fn met_end(&self) -> bool {
        self.course.at_end
    }

    /// The requests that are open.
    pub fn open_requests(&self) -> impl Iterator<Item = RequestId> {
        let pages = [Some(&self.page), self.next.as_ref()].into_iter().flatten();
        pages.filter(|page| !page.has_ended()).map(Page::request)
    }

    /// Polling pauses here.
    pub fn pause(&mut self) {
        self.page.pause();
        self.next.iter_mut().for_each(Page::pause);
    }

    /// The head of an answer with status 200; `date` is JumpCloud's time at it.
    pub fn head(&mut self, request: RequestId, head: &Head, date: i64) -> Result<()> {
        if self.page.request() == request {
            self.course.date = date;
        }
        self.page(request)
            .map_or(Ok(()), |page| page.head(head, date))
    }

    /// Bytes of a body.
    pub fn body(&mut self, request: RequestId, bytes: Vec<u8>) {
        if let Some(page) = self.page(request) {
            page.body(bytes);
        }
    }

    /// The end of a body.
    pub fn end(&mut self, request: RequestId) {
        if let Some(page) = self.page(request) {
            page.end();
        }
    }

    /// Whether nothing has come of this request since polling paused.
    pub fn is_paused(&mut self, request: RequestId) -> bool {
        self.page(request).is_some_and(|page| page.is_paused())
    }

    /// The page after the current one is under way.
    pub fn asked(&mut self, request: RequestId, after: Box<RawValue>) {
        self.next = Some(Page::new(request, Some(after)));
    }

    /// Reads on, as far as what has come allows.
    pub fn advance(&mut self, desk: &mut Desk<'_>) -> Turn {
        loop {
            if self.next.is_none()
                && self.page.is_full(self.limit)
                && let Ok(cursor) = self.page.cursor()
            {
                // Rows that tell no time, or all the same, have no order that
                // would show it.
                if self.cursors.iter().any(|known| known.get() == cursor.get()) {
                    return Turn::Fail(Error::protocol("`X-Search_after` went back"));
                }
                self.cursors.push_back(cursor.clone());
                if self.cursors.len() > MAX_CURSORS {
                    self.cursors.remove(1);
                }
                return Turn::Ask(cursor);
            }
            // Its rows were read before, and those without a time may be settled.
            if self.page.is_full(self.limit)
                && self.page.is_unmoved()
                && let Err(error) = self.page.cursor()
            {
                return Turn::Fail(error);
            }
            match self.read_rows(desk) {
                Ok(Row::Taken) => {}
                Ok(Row::Full) => return Turn::HandOut,
                Ok(Row::Restart) => return Turn::Restart,
                Err(Stop::Failed(error)) => return Turn::Fail(error),
                Err(Stop::Garbage(bytes)) => return Turn::Garbage(bytes),
            }
            if !self.page.has_ended() {
                return Turn::Read(self.page.request());
            }
            if let Err(error) = self.close_page(desk) {
                return Turn::Fail(error);
            }
            if !self.page.is_full(self.limit) {
                self.course.end(desk.account);
                return Turn::End;
            }
            match self.next.take() {
                Some(next) => {
                    self.page = next;
                    self.course.turn_page(self.page.date());
                }
                // Asked for at the top of the loop, if the cursor is good.
                None => {
                    if let Err(error) = self.page.cursor() {
                        return Turn::Fail(error);
                    }
                }
            }
        }
    }

    /// Takes the rows that have come, until the batch is full.
    fn read_rows(&mut self, desk: &mut Desk<'_>) -> std::result::Result<Row, Stop> {
        if let Some(row) = self.pending.take() {
            if desk.batch.is_full(desk.limits) {
                self.pending = Some(row);
                return Ok(Row::Full);
            }
            match self.course.record(&row, desk)? {
                Row::Taken => {}
                other => return Ok(other),
            }
        }
        while !desk.batch.is_full(desk.limits) {
            let bytes = match self.page.next_piece() {
                Ok(None) => return Ok(Row::Taken),
                Ok(Some(Piece::Record(bytes))) => bytes,
                Ok(Some(Piece::Refused(refused))) => {
                    self.course.refused(refused, desk);
                    continue;
                }
                Err(Broken::Garbage(bytes)) => return Err(Stop::Garbage(bytes)),
                Err(Broken::Cut) => return Ok(Row::Taken),
            };
            match self.course.record(bytes, desk)? {
                Row::Taken => {}
                Row::Full => {
                    self.pending = Some(bytes.to_vec());
                    return Ok(Row::Full);
                }
                Row::Restart => return Ok(Row::Restart),
            }
        }
        Ok(Row::Full)
    }

    fn page(&mut self, request: RequestId) -> Option<&mut Page> {
        let pages = [Some(&mut self.page), self.next.as_mut()];
        pages
            .into_iter()
            .flatten()
            .find(|page| page.request() == request)
    }

    /// The end of a page: what it said of itself against what came.
    fn close_page(&self, desk: &Desk<'_>) -> Result<()> {
        self.page.check()?;
        let Course {
            foreign,
            own,
            first,
            first_before,
            ..
        } = &self.course;
        if let (Some(theirs), false, Some(ours)) = (foreign, own, &desk.organization) {
            let message =
                format!("it belongs to organisation {theirs}, but this feed collects {ours}");
            return Err(Error::BadSettings(vec![
                Problem::new("token", message)
                    .hint("give the other organisation a feed of its own")
                    .hint("or reset this feed, if it is to begin anew with the other organisation"),
            ]));
        }
        if first.is_some() && first == first_before {
            return Err(Error::protocol("the same page came twice"));
        }
        Ok(())
    }
}

/// Why reading rows ends.
enum Stop {
    Failed(Error),
    Garbage(Vec<u8>),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Course {
    /// Takes the bytes of one row.
    fn record(&mut self, bytes: &[u8], desk: &mut Desk<'_>) -> Result<Row> {
        let event = match Event::parse(bytes) {
            Ok(event) => event,
            Err(reject) => {
                let id = Identity::new(None, None, bytes);
                self.undated(id, desk, |batch, number| {
                    dead_letter(batch, number, &reject, bytes)
                });
                return Ok(Row::Taken);
            }
        };
        let organization = event.organization();
        let id = Identity::new(organization.as_deref(), event.id().as_deref(), bytes);
        let time = match event.time() {
            Ok(time) => time,
            Err(reject) => {
                self.undated(id, desk, |batch, number| {
                    dead_letter(batch, number, &reject, bytes)
                });
                return Ok(Row::Taken);
            }
        };
        if time < self.last {
            let (this, last) = (rfc3339(time), rfc3339(self.last));
            return Err(Error::protocol(format!(
                "an event of {this} comes after {last}"
            )));
        }
        if time >= self.until {
            (self.last, self.at_end) = (time, true);
            return Ok(Row::Taken);
        }
        if let Some(theirs) = organization.as_deref() {
            match self.owner(theirs, desk) {
                Owner::Ours => {}
                Owner::Unclear => return Ok(Row::Taken),
                Owner::Mixed => return Ok(Row::Restart),
            }
        }
        if desk.account.knows(Some(time), id) {
            desk.batch.counters.duplicates += 1;
        } else {
            match desk.batch.add(&event, desk.output, desk.limits) {
                Ok(Added::Full) => return Ok(Row::Full),
                Ok(Added::NotSelected) => {}
                Ok(Added::Emitted) => desk.account.note(Some(time), id),
                Err(reject) => {
                    dead_letter(desk.batch, *desk.received + 1, &reject, bytes);
                    desk.account.note(Some(time), id);
                }
            }
        }
        self.take((time, id), desk);
        self.follow(time, desk.account);
        desk.account.read(time, &self.undated);
        self.undated.clear();
        Ok(Row::Taken)
    }

    /// Takes a row that was not even read.
    fn refused(&mut self, refused: Refused, desk: &mut Desk<'_>) {
        let id = Identity::of_hash(&refused.sha256);
        self.undated(id, desk, |batch, number| batch.refuse(number, refused));
    }

    /// Takes a row without a readable time: a dead letter, unless it was one
    /// before.
    fn undated(&mut self, id: Identity, desk: &mut Desk<'_>, reject: impl FnOnce(&mut Batch, u64)) {
        if self.at_end {
            return;
        }
        if desk.account.knows(None, id) {
            desk.batch.counters.duplicates += 1;
        } else {
            reject(desk.batch, *desk.received + 1);
            desk.account.note(None, id);
        }
        self.undated.push(id);
        self.take((self.last, id), desk);
    }

    /// A row is dealt with.
    fn take(&mut self, row: (i64, Identity), desk: &mut Desk<'_>) {
        desk.batch.counters.received += 1;
        *desk.received += 1;
        self.last = row.0;
        self.first.get_or_insert(row);
    }

    /// The position follows the walk, but never passes what is settled. Held
    /// back once, it stays for the rest of this walk: what lies between was
    /// read at an earlier time.
    fn follow(&mut self, time: i64, account: &mut dyn Account) {
        if self.held {
            return;
        }
        let settled = self.date.saturating_sub(SETTLE);
        self.held = time > settled;
        account.advance(time.min(settled));
    }

    /// A walk that ends unheld has read all that is settled, rows or none.
    fn end(&mut self, account: &mut dyn Account) {
        let settled = self.date.saturating_sub(SETTLE).min(self.until);
        account.end(&self.undated, (!self.held).then_some(settled));
    }

    /// The next page is the current one now; its head may still be to come.
    fn turn_page(&mut self, date: Option<i64>) {
        self.date = date.unwrap_or(self.date);
        self.first_before = self.first.take();
        self.own = false;
        self.foreign = None;
    }

    /// Whose row this is. Without `org_ids` the organisation is that of the
    /// first event. Rows of others are emitted among rows of our own; alone
    /// they mean that the credential has changed hands.
    fn owner(&mut self, theirs: &str, desk: &mut Desk<'_>) -> Owner {
        let ours = desk.organization.get_or_insert_with(|| theirs.to_owned());
        if ours == theirs {
            self.own = true;
            return if self.foreign.is_some() {
                Owner::Mixed
            } else {
                Owner::Ours
            };
        }
        if !self.mixed && !self.own {
            self.foreign.get_or_insert_with(|| theirs.to_owned());
            return Owner::Unclear;
        }
        let message = format!("events of organisation {theirs} came among those of {ours}");
        desk.batch.find(Kind::OtherOrganization, message);
        Owner::Ours
    }
}

/// Whose a row is.
enum Owner {
    /// To be emitted.
    Ours,
    /// Another's, and none of ours has come yet: passed over for now.
    Unclear,
    /// Ours, after others were passed over: to be read again, with them.
    Mixed,
}

fn dead_letter(batch: &mut Batch, number: u64, reject: &Reject, bytes: &[u8]) {
    batch.reject(number, reject.code(), reject.to_string(), bytes);
}
