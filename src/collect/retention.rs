//! How far back JumpCloud keeps events. A start before that is refused, so none
//! is ever asked for; what is lost by it is said.

use super::ledger::Ledger;
use crate::batch::Batch;
use crate::clock::rfc3339;
use crate::error::{Error, Problem, Result};
use crate::finding::Kind;
use crate::settings::DAY;

/// Distance kept from the edge, in ms. A position is moved so far from it once
/// it has come half as near: or it would be moved again with each look.
const MARGIN: i64 = 60_000;

/// A start that is refused all the same may have grown too old while its request
/// waited: the next one keeps so many times the distance, up to this, in ms.
const FURTHER: i64 = 16;
const MAX_MARGIN: i64 = DAY;

/// A start that is moved by no more than this is not worth a word, in ms: who
/// asks for all that is kept gets it, but for the margin.
const UNTOLD: i64 = 2 * MARGIN;

/// While nothing can be read and more and more is lost, that is told as often,
/// in ms; and once more when something is read.
const REPEAT: i64 = 3_600_000;

/// For how long events are kept, as far as is known.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    ms: i64,
    /// JumpCloud said so; else the settings do.
    is_learnt: bool,
    /// Distance kept from the edge now, in ms.
    margin: i64,
}

impl Retention {
    /// By the settings, in ms.
    pub fn new(ms: i64) -> Self {
        Self {
            ms,
            is_learnt: false,
            margin: MARGIN,
        }
    }

    /// What JumpCloud said, in ms; none: it has not, or not yet.
    pub fn learnt(self) -> Option<i64> {
        self.is_learnt.then_some(self.ms)
    }

    /// Nothing is asked for before this time, in ms since 1970 UTC.
    pub fn oldest(self, now: i64) -> i64 {
        now.saturating_sub(self.ms).saturating_add(self.margin)
    }

    /// Until when nothing is lost, if what is of this time is not read yet.
    /// `before`: what JumpCloud said in an earlier run, in ms.
    pub fn deadline(self, time: i64, before: Option<i64>) -> String {
        let learnt = self.learnt().or(before.filter(|ms| *ms < self.ms));
        let ms = learnt.unwrap_or(self.ms);
        let until = rfc3339(time.saturating_add(ms).saturating_sub(MARGIN));
        let days = ms / DAY;
        match learnt {
            Some(_) => {
                format!("nothing is lost until {until}: JumpCloud keeps events for {days} days")
            }
            None => format!(
                "nothing is lost until {until}, if JumpCloud keeps events for {days} days (`retention_days`)"
            ),
        }
    }

    /// Moves a position that is too old to what is kept, but no further than
    /// `end` (ms since 1970 UTC). If the ledger has read something, what lies
    /// between is gone: gives the ledger of what was read. `follows`: another one
    /// has, which this one follows.
    pub fn keep(
        self,
        ledger: &mut Ledger,
        end: i64,
        follows: bool,
        now: i64,
        batch: &mut Batch,
    ) -> Option<Ledger> {
        if ledger.has_moved() {
            self.tell(ledger, follows, batch);
        }
        let oldest = self.oldest(now);
        let (position, begin) = (ledger.position(), oldest.min(end));
        let is_kept = position >= oldest.saturating_sub(self.margin / 2) || position >= begin;
        let earlier = match (is_kept, ledger.has_moved()) {
            (true, _) => None,
            (false, true) => Some(ledger.split(begin)),
            (false, false) => {
                ledger.skip(begin);
                None
            }
        };
        self.tell(ledger, follows || earlier.is_some(), batch);
        earlier
    }

    /// Says how the start was moved, if that is not said yet: from where to where
    /// in all, for it may move on as long as nothing can be read.
    fn tell(self, ledger: &mut Ledger, is_gap: bool, batch: &mut Batch) {
        let (start, is_read) = (ledger.start(), ledger.has_moved());
        let Some(skipped) = ledger.skipped_mut() else {
            return;
        };
        let is_first = skipped.told == skipped.from;
        let least = if is_first || is_read { 0 } else { REPEAT };
        let is_worth = is_gap || start.saturating_sub(skipped.from) > UNTOLD;
        if start.saturating_sub(skipped.told) > least && is_worth {
            skipped.told = start;
            let (from, to) = (rfc3339(skipped.from), rfc3339(start));
            let (kind, what) = match is_gap {
                true => (Kind::Gap, format!("events from {from} to {to} are gone")),
                false => (
                    Kind::StartClamped,
                    format!("the start was moved from {from} to {to}"),
                ),
            };
            batch.find(kind, format!("{what}: {}", self.why()));
        }
        if is_read {
            *ledger.skipped_mut() = None;
        }
    }

    /// What is to be said of a start that will be moved so (ms since 1970 UTC).
    pub fn moved(self, from: i64, to: i64) -> Option<String> {
        (to.saturating_sub(from) > UNTOLD).then(|| {
            let (from, to) = (rfc3339(from), rfc3339(to));
            format!(
                "the start will be moved from {from} to {to}: {}",
                self.why()
            )
        })
    }

    /// Why earlier events are out of reach.
    fn why(self) -> String {
        let days = self.ms / DAY;
        match self.is_learnt {
            true => format!("JumpCloud keeps {days} days"),
            false => format!("`retention_days` is {days}"),
        }
    }

    /// Takes the days that a refusal named. False: it named none, or no fewer
    /// than are known.
    pub fn learn(&mut self, days: Option<i64>) -> bool {
        match days.map(|days| days.saturating_mul(DAY)) {
            Some(ms) if ms < self.ms => {
                (self.ms, self.is_learnt) = (ms, true);
                true
            }
            _ => false,
        }
    }

    /// A start within what is known was refused: less is kept, or a greater
    /// distance is needed. The error: neither can be.
    pub fn refused(&mut self, days: Option<i64>) -> Result<()> {
        if self.learn(days) {
            return Ok(());
        }
        if self.margin < MAX_MARGIN {
            self.margin = self.margin.saturating_mul(FURTHER).min(MAX_MARGIN);
            return Ok(());
        }
        self.margin = MARGIN;
        let days = self.ms / DAY;
        let message = format!("JumpCloud keeps events for less than {days} days");
        Err(Error::BadSettings(vec![
            Problem::new("retention_days", message)
                .hint("set it to what your plan includes, which is less"),
        ]))
    }

    /// A start was accepted.
    pub fn accepted(&mut self) {
        self.margin = MARGIN;
    }
}
