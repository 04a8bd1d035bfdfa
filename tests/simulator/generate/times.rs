//! When the events of a tenant happen: an even spread with bursts at one instant.

use chrono::{Datelike, Timelike};

use crate::dice::Dice;

/// A time as the API writes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Milliseconds since 1970.
    pub(crate) ms: i64,
    /// Nanoseconds within the millisecond.
    below_ms: u32,
    /// How many digits its fraction has, 0 to 9; the last is never 0, as the API trims zeros.
    digits: usize,
}

/// How often a fraction has 0, 1, … 9 digits: mostly milliseconds or nanoseconds.
#[rustfmt::skip]
const DIGITS: [usize; 50] = [
    0, 0, 0, 0, 1, 2, 4, 5, 6, 6, 7, 8, 8, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
    3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3,
];

impl Moment {
    /// A moment at or shortly after `ms`, with a drawn number of digits.
    pub(crate) fn near(ms: i64, dice: &mut Dice) -> Moment {
        let digits = dice.pick(&DIGITS);
        let step = 10_i64.pow(3_u32.saturating_sub(digits as u32));
        let mut ms = ms - ms.rem_euclid(step);
        if (1..=3).contains(&digits) && (ms / step) % 10 == 0 {
            ms += step;
        }
        Moment {
            ms,
            below_ms: 0,
            digits,
        }
        .finer(digits, dice)
    }

    /// Another moment in the same millisecond: the same text, or one with a finer fraction.
    pub(crate) fn twin(self, dice: &mut Dice) -> Moment {
        match dice.below(2) {
            0 => self,
            _ => self.finer(4 + dice.below(6) as usize, dice),
        }
    }

    /// The same kind of fraction at another millisecond.
    pub(crate) fn later(self, by_ms: i64) -> Moment {
        let seconds = by_ms - by_ms.rem_euclid(1000);
        Moment {
            ms: self.ms + seconds,
            ..self
        }
    }

    fn finer(self, digits: usize, dice: &mut Dice) -> Moment {
        if digits < 4 {
            return self;
        }
        let places = 10_u64.pow(digits as u32 - 3);
        let drawn = dice.below(places);
        let drawn = if drawn.is_multiple_of(10) {
            drawn + 1
        } else {
            drawn
        };
        let below_ms = (drawn * (1_000_000 / places)) as u32;
        Moment {
            below_ms,
            digits,
            ..self
        }
    }

    /// RFC 3339 up to the fraction, without a zone; the time is first moved by these minutes.
    pub(crate) fn local_text(self, offset_minutes: i64) -> String {
        let ms = self.ms + offset_minutes * 60_000;
        let time = chrono::DateTime::from_timestamp_millis(ms)
            .unwrap_or_default()
            .naive_utc();
        let mut text = String::with_capacity(36);
        // By hand, as each event has one of these and chrono's formats are slow.
        push_digits(&mut text, time.year().unsigned_abs(), 4);
        for (before, number) in [
            ('-', time.month()),
            ('-', time.day()),
            ('T', time.hour()),
            (':', time.minute()),
            (':', time.second()),
        ] {
            text.push(before);
            push_digits(&mut text, number, 2);
        }
        if self.digits > 0 {
            let nanos = self.ms.rem_euclid(1000) as u32 * 1_000_000 + self.below_ms;
            text.push('.');
            push_digits(
                &mut text,
                nanos / 10_u32.pow(9 - self.digits as u32),
                self.digits,
            );
        }
        text
    }

    /// As the API writes it: `2026-02-22T01:00:52.203069748Z`.
    pub(crate) fn text(self) -> String {
        self.local_text(0) + "Z"
    }
}

fn push_digits(text: &mut String, number: u32, width: usize) {
    for place in (0..width as u32).rev() {
        let digit = (number / 10_u32.pow(place) % 10) as u8;
        text.push(char::from(b'0' + digit));
    }
}

/// The moments of a tenant, in order, cut into as many as there are events.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    start_ms: i64,
    period_ms: i64,
    total: usize,
    done: usize,
    bursts: f64,
    burst: Option<(usize, Moment)>,
}

/// A burst has on average so many events.
const MEAN_BURST: f64 = 7.0;

impl Times {
    pub(crate) fn new(end_ms: i64, period_ms: i64, total: usize, bursts: f64) -> Times {
        let start_ms = end_ms - period_ms;
        // A drawn fraction may move a moment by up to 100 ms.
        let period_ms = (period_ms - 200).max(1);
        Times {
            start_ms,
            period_ms,
            total,
            done: 0,
            bursts,
            burst: None,
        }
    }

    pub(crate) fn next(&mut self, dice: &mut Dice) -> Option<Moment> {
        if self.done >= self.total {
            return None;
        }
        let index = self.done;
        self.done += 1;
        if let Some((left, moment)) = self.burst {
            self.burst = (left > 1).then_some((left - 1, moment));
            return Some(moment.twin(dice));
        }
        let slot = |index: usize| {
            let share = i128::from(self.period_ms) * index as i128 / self.total as i128;
            self.start_ms + share as i64
        };
        let moment = Moment::near(dice.between(slot(index), slot(index + 1)), dice);
        let others = self.burst_at(index, dice);
        self.burst = (others > 0).then_some((others, moment));
        Some(moment)
    }

    /// How many more events share the moment of event `index`.
    fn burst_at(&self, index: usize, dice: &mut Dice) -> usize {
        if self.bursts > 0.0 && index == self.total / 3 {
            // One that is longer than a page of a thousand, where the tenant is large enough.
            return (self.total / 10).min(1500);
        }
        match dice.chance(self.bursts / MEAN_BURST) {
            true => 1 + dice.below(12) as usize,
            false => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::millis;

    #[test]
    fn texts_are_trimmed_and_say_the_time() {
        let mut dice = Dice::new(3);
        let mut times = Times::new(1_780_000_000_000, 3_600_000, 5000, 0.2);
        let mut seen = [0; 10];
        while let Some(moment) = times.next(&mut dice) {
            let text = moment.text();
            assert_eq!(millis(&text), Some(moment.ms), "{text}");
            let fraction = text
                .split_once('.')
                .map_or("", |(_, rest)| rest.trim_end_matches('Z'));
            assert!(!fraction.ends_with('0'), "{text}");
            seen[fraction.len()] += 1;
            assert!(moment.ms < 1_780_000_000_000);
            assert!(moment.ms >= 1_780_000_000_000 - 3_601_000);
        }
        assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
    }
}
