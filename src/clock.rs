//! Now, as the API sees it.
//!
//! Every comparison with *now* (what is settled, what is past retention, what
//! lies in the future) is made against JumpCloud's own clock: the `Date` of its
//! last answer plus the monotonic time since. The machine's wall clock serves
//! only to build the very first request, and to report how far it is off.

use chrono::{DateTime, SecondsFormat};

/// A clock further off than this is reported, in ms.
const MAX_SKEW: i64 = 30_000;

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
    /// Answers without a `Date` before there was any.
    dateless: u32,
}

impl Clock {
    /// Takes the `Date` header of an answer of any status. Without a readable
    /// one (a proxy may drop it) the time goes on from the one before; the wall
    /// clock stands in only if several answers in a row had none.
    pub fn answered(&mut self, date: Option<i64>, reading: Reading) {
        self.dateless += 1;
        let stand_in = (self.dateless >= DATELESS).then_some(reading.wall);
        if let Some(date) = date.or_else(|| self.now(reading)).or(stand_in) {
            self.last = Some((date, reading.monotonic));
            self.skew = reading.wall.saturating_sub(date);
            self.dateless = 0;
        }
    }

    /// JumpCloud's time, in ms since 1970 UTC; none before an answer told it.
    pub fn now(&self, reading: Reading) -> Option<i64> {
        let (date, at) = self.last?;
        let since = reading.monotonic.saturating_sub(at);
        Some(date.saturating_add_unsigned(since))
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
        clock.answered(parse_http_date("Thu, 01 Jan 1970 01:00:00 GMT"), at(10));
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
            clock.answered(parse_http_date("yesterday"), reading);
            assert_eq!(clock.now(reading), None);
        }
        clock.answered(None, reading);
        assert_eq!(clock.now(reading), Some(7_000));
    }

    #[test]
    fn moments_are_written_in_utc_with_milliseconds() {
        assert_eq!(rfc3339(1_795_506_474_123), "2026-11-24T07:47:54.123Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
    }
}
