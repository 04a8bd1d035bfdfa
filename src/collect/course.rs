//! The rows of a walk, one by one: is it in order, of our organisation, not
//! known yet? Then it goes into the batch; and the position follows.

use super::account::Account;
use super::ledger::{Identity, MAX_UNDATED};
use crate::batch::{Added, Batch, Limits, Output};
use crate::clock::rfc3339;
use crate::error::{Error, Problem, Result};
use crate::event::{Event, Reject};
use crate::finding::Kind;
use crate::split::Refused;

/// What is younger than this may still be joined by others, in ms.
pub const SETTLE: i64 = 120_000;

/// A walk takes so many rows that are dated in the future, and so many that are
/// not settled: their ids are held. What lies behind waits until the position
/// has passed some of them.
pub const MAX_FUTURE: usize = 10_000;
const MAX_UNSETTLED: usize = 100_000;

/// So many rows of pages that came before are taken: a few rows may be all the
/// same. Cursors that go on don't show that a page does not.
const MAX_REPEATED: usize = 100;

/// What operators hear of it.
pub const FUTURE_CROWD: &str = "10,000 events or more are dated in the future";

/// How far the walk has come.
#[derive(Debug)]
pub struct Course {
    /// Time of the last row, in ms.
    last: i64,
    /// The position has met what is not settled, and stays there.
    held: bool,
    /// JumpCloud's time at the current page; if nobody told it, at the page before.
    date: i64,
    /// Rows taken that are dated in the future, and those that are not settled.
    future: usize,
    unsettled: usize,
    /// Rows of other organisations are known to come among ours.
    mixed: bool,
    /// Undated records since the last row with a time.
    undated: Vec<Identity>,
    /// The current page has a row of our own organisation.
    own: bool,
    /// An organisation whose rows came before any of our own.
    foreign: Option<String>,
    /// Rows of other organisations were taken.
    others: bool,
    /// Rows from here on are those of another query.
    until: i64,
    /// Such a row has come: `end_time` is inclusive.
    at_end: bool,
    /// The current page, the one before, and rows of pages that were the same
    /// as the one before.
    page: Rows,
    before: Rows,
    repeated: usize,
}

/// Rows of a page: how many, and a sum of their ids.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Rows {
    count: usize,
    sum: u64,
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

/// What became of a row.
pub enum Row {
    /// It is dealt with.
    Taken,
    /// The batch has no room for it.
    Full,
    /// No more can be taken now; it and what is left waits.
    Enough,
    /// The walk is to be begun anew.
    Restart,
}

impl Course {
    /// From `start`, to `end` if there is one, begun now: ms since 1970 UTC.
    /// `mixed`: rows of other organisations are known to come among ours.
    pub fn new(start: i64, end: Option<i64>, mixed: bool, now: i64) -> Self {
        Self {
            last: start,
            held: false,
            date: now,
            future: 0,
            unsettled: 0,
            mixed,
            undated: Vec::new(),
            own: false,
            foreign: None,
            others: false,
            until: end.unwrap_or(i64::MAX),
            at_end: false,
            page: Rows::default(),
            before: Rows::default(),
            repeated: 0,
        }
    }

    /// JumpCloud's time at the head of the current page, if that is known.
    pub fn set_date(&mut self, date: Option<i64>) {
        self.date = date.unwrap_or(self.date);
    }

    /// Time of the last row, in ms since 1970 UTC.
    pub fn last(&self) -> i64 {
        self.last
    }

    /// Whether rows of other organisations were taken among ours.
    pub fn met_others(&self) -> bool {
        self.others
    }

    /// Whether an event was found at the very ms at which the query ends.
    pub fn met_end(&self) -> bool {
        self.at_end
    }

    /// Takes the bytes of one row.
    pub fn record(&mut self, bytes: &[u8], desk: &mut Desk<'_>) -> Result<Row> {
        let event = match Event::parse(bytes) {
            Ok(event) => event,
            Err(reject) => {
                let id = Identity::new(None, None, bytes);
                return Ok(self.undated(id, bytes.len(), desk, |batch, number| {
                    dead_letter(batch, number, &reject, bytes)
                }));
            }
        };
        let organization = event.organization();
        let id = Identity::new(organization.as_deref(), event.id().as_deref(), bytes);
        let time = match event.time() {
            Ok(time) => time,
            Err(reject) => {
                return Ok(self.undated(id, bytes.len(), desk, |batch, number| {
                    dead_letter(batch, number, &reject, bytes)
                }));
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
            self.meet(Some(time), id);
            return Ok(Row::Taken);
        }
        match organization.as_deref() {
            // The position would pass rows that may be ours after all.
            None if self.is_unclear() => return Ok(Row::Taken),
            None => {}
            Some(theirs) => match self.owner(theirs, desk) {
                Owner::Ours => {}
                Owner::Unclear => return Ok(Row::Taken),
                Owner::Mixed => return Ok(Row::Restart),
            },
        }
        if !self.has_room(time) {
            if time > self.date {
                desk.batch.find(Kind::FarFuture, FUTURE_CROWD);
            }
            return Ok(Row::Enough);
        }
        if desk.account.knows(Some(time), id) {
            desk.batch.counters.duplicates += 1;
        } else {
            match desk.batch.add(&event, desk.output, desk.limits) {
                Ok(Added::Full) => return Ok(Row::Full),
                Ok(Added::NotSelected) => {}
                Ok(Added::Emitted) => desk.account.note(Some(time), id),
                Err(_) if !desk.batch.has_room(bytes.len(), desk.limits) => return Ok(Row::Full),
                Err(reject) => {
                    dead_letter(desk.batch, *desk.received + 1, &reject, bytes);
                    desk.account.note(Some(time), id);
                }
            }
        }
        self.take(Some(time), id, desk);
        self.follow(time, desk.account);
        desk.account.read(time, &self.undated);
        self.undated.clear();
        Ok(Row::Taken)
    }

    /// Takes a row that was not even read.
    pub fn refused(&mut self, refused: &Refused, desk: &mut Desk<'_>) -> Row {
        let id = Identity::of_hash(&refused.sha256);
        self.undated(id, refused.head.len(), desk, |batch, number| {
            batch.refuse(number, refused.clone())
        })
    }

    /// Takes a row of so many bytes without a readable time: a dead letter,
    /// unless it was one before.
    fn undated(
        &mut self,
        id: Identity,
        length: usize,
        desk: &mut Desk<'_>,
        reject: impl FnOnce(&mut Batch, u64),
    ) -> Row {
        if self.at_end {
            self.meet(None, id);
            return Row::Taken;
        }
        if desk.account.knows(None, id) {
            desk.batch.counters.duplicates += 1;
        } else if !desk.batch.has_room(length, desk.limits) {
            return Row::Full;
        } else {
            reject(desk.batch, *desk.received + 1);
            desk.account.note(None, id);
        }
        self.hold(id);
        self.take(None, id, desk);
        Row::Taken
    }

    /// So many as an account knows. Nothing waits until there are fewer: the
    /// position can't pass them before a row that has a time.
    fn hold(&mut self, undated: Identity) {
        if self.undated.len() < MAX_UNDATED {
            self.undated.push(undated);
        }
    }

    /// A row of the current page.
    fn meet(&mut self, time: Option<i64>, id: Identity) {
        self.page.count += 1;
        self.page.sum = self.page.sum.wrapping_add(id.at(time));
    }

    /// A row is dealt with. Without a time it counts as of that of the last one.
    fn take(&mut self, time: Option<i64>, id: Identity, desk: &mut Desk<'_>) {
        self.meet(time, id);
        let time = time.unwrap_or(self.last);
        desk.batch.counters.received += 1;
        *desk.received += 1;
        self.last = time;
        self.future += usize::from(time > self.date);
        self.unsettled += usize::from(time > self.settled());
    }

    /// Whether another row of this time may be taken.
    fn has_room(&self, time: i64) -> bool {
        let crowded = time > self.date && self.future >= MAX_FUTURE
            || time > self.settled() && self.unsettled >= MAX_UNSETTLED;
        !crowded
    }

    /// Up to here all is settled, by the current page.
    fn settled(&self) -> i64 {
        self.date.saturating_sub(SETTLE)
    }

    /// The position follows the walk, but never passes what is settled. Held
    /// back once, it stays for the rest of this walk: what lies between was
    /// read at an earlier time.
    fn follow(&mut self, time: i64, account: &mut dyn Account) {
        if self.held {
            return;
        }
        self.held = time > self.settled();
        account.advance(time.min(self.settled()));
    }

    /// A walk that ends unheld has read all that is settled, rows or none.
    pub fn end(&mut self, account: &mut dyn Account) {
        let settled = self.settled().min(self.until);
        account.end(&self.undated, (!self.held).then_some(settled));
    }

    /// Rows of another organisation came, and none of ours yet.
    fn is_unclear(&self) -> bool {
        self.foreign.is_some() && !self.own
    }

    /// The end of a page: whether its rows are ours.
    pub fn close_page(&self, organization: Option<&str>) -> Result<()> {
        if let (Some(theirs), false, Some(ours)) = (&self.foreign, self.own, organization) {
            let message =
                format!("it belongs to organisation {theirs}, but this feed collects {ours}");
            return Err(Error::BadSettings(vec![
                Problem::new("token", message)
                    .hint("give the other organisation a feed of its own")
                    .hint("or reset this feed, if it is to begin anew with the other organisation"),
            ]));
        }
        Ok(())
    }

    /// The next page is the current one now; its head may still be to come.
    pub fn turn_page(&mut self, date: Option<i64>) -> Result<()> {
        self.set_date(date);
        self.own = false;
        self.foreign = None;
        let page = std::mem::take(&mut self.page);
        let before = std::mem::replace(&mut self.before, page);
        self.repeated = match page == before {
            true => self.repeated + page.count,
            false => 0,
        };
        match self.repeated > MAX_REPEATED {
            true => Err(Error::protocol("the same page again and again")),
            false => Ok(()),
        }
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
        self.others = true;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_very_many_records_without_a_time_not_all_are_held() {
        let mut course = Course::new(0, None, false, 0);
        (0..200_000).for_each(|n| course.hold(Identity(n)));
        assert_eq!(course.undated.len(), MAX_UNDATED);
    }
}
