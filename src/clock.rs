//! Now, as the API sees it.
//!
//! Every comparison with *now* (what is settled, what is past retention, what
//! lies in the future) is made against JumpCloud's own clock: the `Date` of its
//! last answer plus the monotonic time since. The machine's wall clock serves
//! only to build the very first request, and to report how far it is off.
//!
//! A position that a wrong time has moved can't be taken back. So only answers
//! that the API itself gives tell the time, not the errors of whatever lies
//! before it; and a leap is believed only when the next answer agrees.

use chrono::{DateTime, SecondsFormat};

/// A clock further off than this is reported, in ms.
const MAX_SKEW: i64 = 30_000;

/// A `Date` further off what the one before foretells is doubted, in ms.
const MAX_LEAP: u64 = 300_000;

/// So many answers without a readable `Date` before this machine's wall clock
/// stands in: a single one may be a proxy's.
const DATELESS: u32 = 5;

/// A reading of the machine's clocks, handed in with every call.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Wall clock: ms since 1970 UTC.
    pub wall: i64,
    /// Monotonic clock: ms since an arbitrary moment.
    pub monotonic: u64,
}

/// JumpCloud's clock as far as its answers have told it.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// The last `Date` (ms) and the monotonic time at which it came.
    last: Option<(i64, u64)>,
    /// Wall clock less `Date` at the last answer, in ms.
    skew: i64,
    /// A `Date` that was a leap, and the monotonic time at which it came.
    doubted: Option<(i64, u64)>,
    /// Answers without a `Date` before there was any.
    dateless: u32,
}

impl Clock {
    /// Takes the `Date` header of an answer with this status. Without a readable
    /// one (a proxy may drop it) the time goes on from the one before; the wall
    /// clock stands in only if several answers in a row had none.
    pub fn answered(&mut self, status: u16, date: Option<i64>, reading: Reading) {
        if !matches!(status, 200 | 400) {
            return;
        }
        let Some(date) = date else {
            self.dateless += 1;
            if self.last.is_none() && self.dateless >= DATELESS {
                self.believe(reading.wall, reading);
            }
            return;
        };
        let agrees = |with: Option<(i64, u64)>| {
            foretold(with, reading).is_some_and(|now| now.abs_diff(date) <= MAX_LEAP)
        };
        if self.last.is_none() || agrees(self.last) || agrees(self.doubted) {
            self.believe(date, reading);
        } else {
            self.doubted = Some((date, reading.monotonic));
        }
    }

    fn believe(&mut self, date: i64, reading: Reading) {
        self.last = Some((date, reading.monotonic));
        self.skew = reading.wall.saturating_sub(date);
        (self.doubted, self.dateless) = (None, 0);
    }

    /// JumpCloud's time, in ms since 1970 UTC; none before an answer told it.
    pub fn now(&self, reading: Reading) -> Option<i64> {
        foretold(self.last, reading)
    }

    /// How far the machine's clock is ahead of JumpCloud's, in ms.
    pub fn skew(&self) -> i64 {
        self.skew
    }

    /// What is to be said of a machine's clock that is badly off.
    pub fn skew_message(&self) -> Option<String> {
        let way = if self.skew > 0 { "ahead of" } else { "behind" };
        let seconds = self.skew.abs() / 1_000;
        (self.skew.abs() > MAX_SKEW)
            .then(|| format!("this machine's clock is {seconds} s {way} JumpCloud's"))
    }
}

/// The time now, by a `Date` and the monotonic time at which it came.
fn foretold(last: Option<(i64, u64)>, reading: Reading) -> Option<i64> {
    let (date, at) = last?;
    let since = reading.monotonic.saturating_sub(at);
    Some(date.saturating_add_unsigned(since))
}

/// Reads an HTTP date (`Tue, 24 Nov 2026 07:47:54 GMT`) as ms since 1970 UTC.
pub fn parse_http_date(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc2822(text)
        .ok()
        .map(|date| date.timestamp_millis())
}

/// A moment (ms since 1970 UTC) as RFC 3339 in UTC with ms:
/// `2026-11-24T07:47:54.123Z`.
pub fn rfc3339(ms: i64) -> String {
    match DateTime::from_timestamp_millis(ms) {
        Some(moment) => moment.to_rfc3339_opts(SecondsFormat::Millis, true),
        None => format!("{ms} ms"),
    }
}

/// The day of a time (ms since 1970 UTC), as in `2026-11-24`.
pub fn day(ms: i64) -> String {
    rfc3339(ms).chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_is_the_last_date_plus_the_time_since() {
        let mut clock = Clock::default();
        let at = |monotonic| Reading {
            wall: 5_000_000,
            monotonic,
        };
        assert_eq!(clock.now(at(10)), None);
        clock.answered(
            200,
            parse_http_date("Thu, 01 Jan 1970 01:00:00 GMT"),
            at(10),
        );
        assert_eq!(clock.now(at(1_510)), Some(3_601_500));
        assert_eq!(clock.skew(), 1_400_000);
    }

    #[test]
    fn without_a_date_the_wall_clock_stands_in() {
        let mut clock = Clock::default();
        let reading = Reading {
            wall: 7_000,
            monotonic: 1,
        };
        for _ in 1..DATELESS {
            clock.answered(200, parse_http_date("yesterday"), reading);
            assert_eq!(clock.now(reading), None);
        }
        clock.answered(200, None, reading);
        assert_eq!(clock.now(reading), Some(7_000));
    }

    #[test]
    fn a_leap_is_believed_only_when_the_next_answer_agrees() {
        let at = |monotonic| Reading { wall: 0, monotonic };
        let mut clock = Clock::default();
        // What lies before the API tells no time.
        clock.answered(502, Some(2_000_000_000_000), at(0));
        assert_eq!(clock.now(at(0)), None);
        clock.answered(200, Some(1_000_000_000_000), at(0));
        let leap = 2_000_000_000_000;
        for (status, date) in [(502, leap), (502, leap), (200, leap)] {
            clock.answered(status, Some(date), at(10));
            assert_eq!(clock.now(at(10)), Some(1_000_000_000_010));
        }
        // What agrees with the time before ends the doubt.
        clock.answered(200, Some(1_000_000_001_000), at(20));
        clock.answered(200, Some(leap), at(30));
        assert_eq!(clock.now(at(30)), Some(1_000_000_001_010));
        // The machine has slept: the answers agree with each other.
        clock.answered(400, Some(leap + 1_000), at(1_030));
        assert_eq!(clock.now(at(1_031)), Some(leap + 1_001));
    }

    #[test]
    fn moments_are_written_in_utc_with_milliseconds() {
        assert_eq!(rfc3339(1_795_506_474_123), "2026-11-24T07:47:54.123Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(day(1_795_506_474_123), "2026-11-24");
    }
}
