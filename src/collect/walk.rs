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
use super::course::{Course, Desk, Row};
use super::page::Page;
use crate::api::{Head, Query};
use crate::error::{Error, Result};
use crate::refusal;
use crate::split::{Broken, Piece, Refused};

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
    pending: Option<Pending>,
    /// Cursors so far: the first one, and the last of them.
    cursors: VecDeque<Box<RawValue>>,
    course: Course,
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
    /// Nothing: no more can be taken now; what is left waits.
    Enough,
    /// To be begun anew from the position, without an error.
    Restart,
    /// Nothing: the body is something else than an array of events, of which
    /// these are the first bytes.
    Garbage(Vec<u8>),
}

impl Walk {
    /// A walk whose first page is asked for with this request, at this time (ms
    /// since 1970 UTC).
    pub fn new(query: Query, limit: u32, mixed: bool, request: RequestId, now: i64) -> Self {
        let course = Course::new(query.start, query.end, mixed, now);
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

    /// How far it has come.
    pub fn course(&self) -> &Course {
        &self.course
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

    /// The head of an answer with status 200; `date` is JumpCloud's time at it, if
    /// that is known.
    pub fn head(&mut self, request: RequestId, head: &Head, date: Option<i64>) -> Result<()> {
        if self.page.request() == request {
            self.course.set_date(date);
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

    /// Whether polling paused since this request's answer has begun.
    pub fn is_paused(&mut self, request: RequestId) -> bool {
        self.page(request).is_some_and(|page| page.is_paused())
    }

    /// The page after the current one is under way.
    pub fn asked(&mut self, request: RequestId, after: Box<RawValue>) {
        self.next = Some(Page::new(request, Some(after)));
    }

    /// Reads on, as far as what has come allows.
    pub fn advance(&mut self, desk: &mut Desk<'_>) -> Result<Turn> {
        loop {
            let is_full = self.page.is_full(self.limit);
            if self.next.is_none()
                && is_full
                && let Ok(cursor) = self.page.cursor()
            {
                // Rows that tell no time, or all the same, have no order that
                // would show it.
                if self.went_back(&cursor) {
                    return Err(Error::protocol("`X-Search_after` went back"));
                }
                self.cursors.push_back(cursor.clone());
                if self.cursors.len() > MAX_CURSORS {
                    self.cursors.remove(1);
                }
                return Ok(Turn::Ask(cursor));
            }
            // Its rows were read before, and those without a time may be settled.
            if is_full && self.page.is_unmoved() {
                self.page.cursor()?;
            }
            if let Some(turn) = self.read_rows(desk)? {
                return Ok(turn);
            }
            if !self.page.has_ended() {
                return Ok(Turn::Read(self.page.request()));
            }
            if !self.page.is_closed() {
                return Err(refusal::unclosed(self.course.last()));
            }
            // What it said of itself against what came.
            self.page.check()?;
            self.course.close_page(desk.organization.as_deref())?;
            if !self.page.is_full(self.limit) {
                self.course.end(desk.account);
                return Ok(Turn::End);
            }
            match self.next.take() {
                Some(next) => {
                    self.page = next;
                    self.course.turn_page(self.page.date())?;
                }
                // Asked for at the top of the loop, if the cursor is good.
                None => drop(self.page.cursor()?),
            }
        }
    }

    /// Takes the rows that have come, until the batch is full. None: all of them.
    fn read_rows(&mut self, desk: &mut Desk<'_>) -> Result<Option<Turn>> {
        while !desk.batch.is_full(desk.limits) {
            let pending = self.pending.take();
            let piece = match &pending {
                Some(pending) => pending.piece(),
                None => match self.page.next_piece() {
                    Ok(Some(piece)) => piece,
                    Ok(None) | Err(Broken::Cut) => return Ok(None),
                    Err(Broken::Garbage(bytes)) => return Ok(Some(Turn::Garbage(bytes))),
                },
            };
            let row = match &piece {
                Piece::Record(bytes) => self.course.record(bytes, desk)?,
                Piece::Refused(refused) => self.course.refused(refused, desk),
            };
            match row {
                Row::Taken => {}
                Row::Full => {
                    self.pending = Some(piece.into());
                    break;
                }
                Row::Enough => return Ok(Some(Turn::Enough)),
                Row::Restart => return Ok(Some(Turn::Restart)),
            }
        }
        Ok(Some(Turn::HandOut))
    }

    /// Whether a cursor came before, or names an earlier time than the last one:
    /// its first element is the time of the last row, where it is a number.
    fn went_back(&self, cursor: &RawValue) -> bool {
        let again = self.cursors.iter().any(|known| known.get() == cursor.get());
        let last = self.cursors.back().and_then(|last| time_of(last));
        again
            || last
                .zip(time_of(cursor))
                .is_some_and(|(last, time)| time < last)
    }

    fn page(&mut self, request: RequestId) -> Option<&mut Page> {
        let pages = [Some(&mut self.page), self.next.as_mut()];
        pages
            .into_iter()
            .flatten()
            .find(|page| page.request() == request)
    }
}

/// A row that waits for the next batch.
#[derive(Debug)]
enum Pending {
    Record(Vec<u8>),
    Refused(Refused),
}

impl Pending {
    fn piece(&self) -> Piece<'_> {
        match self {
            Self::Record(bytes) => Piece::Record(bytes),
            Self::Refused(refused) => Piece::Refused(refused.clone()),
        }
    }
}

impl From<Piece<'_>> for Pending {
    fn from(piece: Piece<'_>) -> Self {
        match piece {
            Piece::Record(bytes) => Self::Record(bytes.to_vec()),
            Piece::Refused(refused) => Self::Refused(refused),
        }
    }
}

fn time_of(cursor: &RawValue) -> Option<i64> {
    let cursor: Vec<serde_json::Value> = serde_json::from_str(cursor.get()).ok()?;
    cursor.first()?.as_i64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Batch, Limits, Output};
    use crate::collect::ledger::Ledger;
    use crate::mapping::EventTypes;

    const ROW: &[u8] = br#"{"id":"a","organization":"o","service":"directory","event_type":"user_lockout","timestamp":"2026-01-01T00:00:00Z"}"#;

    #[test]
    fn a_row_waits_as_often_as_there_is_no_room() {
        let query = Query {
            services: Vec::new(),
            start: 0,
            end: None,
        };
        let mut walk = Walk::new(query, 10, false, 1, 0);
        walk.pending = Some(Pending::Record(ROW.to_vec()));
        let desk = &mut Desk {
            account: &mut Ledger::new(0),
            organization: &mut None,
            batch: &mut Batch::default(),
            limits: Limits {
                max_wait: 0,
                max_bytes: 4_096,
                max_events: 10,
                drain: false,
            },
            output: Output {
                types: EventTypes {
                    login: true,
                    admin: true,
                },
                include_raw: false,
            },
            received: &mut 0,
        };
        let other = [b'x'; 4_000];
        desk.batch.reject(1, "not-json", String::new(), &other);
        for _ in 0..3 {
            assert!(matches!(walk.advance(desk), Ok(Turn::HandOut)));
        }
        *desk.batch = Batch::default();
        assert!(matches!(walk.advance(desk), Ok(Turn::Read(1))));
        assert_eq!(desk.batch.index.len(), 1);
    }
}
