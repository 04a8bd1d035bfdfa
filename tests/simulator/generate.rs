//! Makes the events of a tenant from a seed, with their ground truth.
//!
//! The same [`Recipe`] gives the same events on every machine, relative to `end_ms`. Events come
//! one by one, so a gigabyte of them can be written without being held.

mod json;
mod parts;
mod people;
mod shapes;
mod times;

use std::ops::Range;
use std::sync::Arc;

use bytes::BytesMut;

use crate::catalogue::TYPES;
use crate::dice::{Dice, mix};
use crate::event::{Event, Kind, Service};
use shapes::{Defect, Odd, Shaper};
use times::Times;

/// What a tenant's events are like. Shares are from 0 to 1, times in milliseconds.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// All chance comes from this.
    pub seed: u64,
    /// How many.
    pub events: usize,
    /// When the period ends: usually now.
    pub end_ms: i64,
    /// Over how long a time they are spread.
    pub period_ms: i64,
    /// Among how many organisations; the first gets the most. Their ids: [`organization_id`].
    pub organizations: usize,
    /// Share of events that share their millisecond with others. Not 0: in the first third of the
    /// period there is one burst of a tenth of all events, at most 1,500.
    pub bursts: f64,
    /// How long after its time an ordinary event becomes visible.
    pub lag_ms: Range<i64>,
    /// Share of events that become visible later than that.
    pub late: f64,
    /// How much later: drawn so that each order of magnitude is as likely.
    pub late_ms: Range<i64>,
    /// Share of events that are dated ahead of the time at which they become visible.
    pub future: f64,
    /// How far ahead.
    pub future_ms: Range<i64>,
    /// Share of events that can't be understood: no `event_type`, or no readable `timestamp`.
    pub dead_letters: f64,
    /// Share of events with something unusual that must not stop anyone: `client_ip` that is no
    /// address, booleans as text, an id that is a number or absent, unknown fields, a time with
    /// an offset or without a zone, …
    pub odd: f64,
    /// Whether events have only the members that every event has: some 150 bytes, and a third of the
    /// time to make, for tests of very many tenants that look at collection alone.
    pub bare: bool,
}

impl Recipe {
    /// A realistic tenant of one organisation over the 24 hours before `end_ms`.
    pub fn new(events: usize, end_ms: i64) -> Recipe {
        Recipe {
            seed: 1,
            events,
            end_ms,
            period_ms: 24 * 3_600_000,
            organizations: 1,
            bursts: 0.2,
            lag_ms: 200..8_000,
            late: 0.01,
            late_ms: 60_000..6 * 3_600_000,
            future: 0.001,
            future_ms: 60_000..20 * 3_600_000,
            dead_letters: 0.0005,
            odd: 0.01,
            bare: false,
        }
    }

    /// The same without surprises of time: everything is visible from its own time on.
    pub fn settled(self) -> Recipe {
        Recipe {
            lag_ms: 0..0,
            late: 0.0,
            future: 0.0,
            ..self
        }
    }

    /// The events, by rising time but for those dated ahead.
    pub fn generate(&self) -> Generator {
        Generator {
            dice: Dice::new(self.seed),
            times: Times::new(self.end_ms, self.period_ms, self.events, self.bursts),
            organizations: (0..self.organizations.max(1))
                .map(|number| organization_id(number).into())
                .collect(),
            weights: TYPES
                .iter()
                .scan(0, |sum, row| {
                    *sum += u64::from(row.weight);
                    Some(*sum)
                })
                .collect(),
            buffer: BytesMut::new(),
            recipe: self.clone(),
        }
    }
}

/// The id of organisation `number`, counted from 0; the same for every seed.
pub fn organization_id(number: usize) -> String {
    format!("64f0c1d2a3b4{:012x}", number + 1)
}

/// The events of a [`Recipe`], one by one.
#[derive(Clone, Debug)]
pub struct Generator {
    recipe: Recipe,
    dice: Dice,
    times: Times,
    organizations: Vec<Arc<str>>,
    /// Running sums of the weights of [`TYPES`].
    weights: Vec<u64>,
    buffer: BytesMut,
}

impl Iterator for Generator {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let happened = self.times.next(&mut self.dice)?;
        let dice = &mut self.dice;
        let recipe = &self.recipe;

        let lag = dice.between(recipe.lag_ms.start, recipe.lag_ms.end);
        let late = match dice.chance(recipe.late) {
            true => spread(&recipe.late_ms, dice),
            false => 0,
        };
        let ahead = match dice.chance(recipe.future) {
            true => dice.between(recipe.future_ms.start, recipe.future_ms.end),
            false => 0,
        };
        let moment = happened.later(ahead);

        let drawn = dice.below(self.weights.last().copied().unwrap_or(0));
        let row = TYPES.get(self.weights.partition_point(|sum| *sum <= drawn))?;
        let service = Service::named(row.service)?;

        // The smaller of two draws: the first organisation is the largest.
        let count = self.organizations.len() as u64;
        let number = dice.below(count).min(dice.below(count));
        let organization = self.organizations.get(number as usize)?.clone();

        let odd = dice.chance(recipe.odd).then(|| dice.pick(&Odd::ALL));
        let defect = dice
            .chance(recipe.dead_letters)
            .then(|| dice.pick(&Defect::ALL));
        let mut shaper = Shaper {
            row,
            tenant: mix(recipe.seed ^ mix(number)),
            organization: &organization,
            moment,
            dice,
            odd,
            defect,
            bare: recipe.bare,
        };
        // Events share large allocations: one of its own each, grown as it is written, is slow.
        if self.buffer.capacity() < ROOM {
            self.buffer.reserve(16 * ROOM);
        }
        let id = shaper.write(&mut self.buffer);
        Some(Event {
            raw: self.buffer.split().freeze(),
            id: id.map(Into::into),
            organization,
            service,
            event_type: match defect {
                Some(Defect::NoType | Defect::NullType) => "".into(),
                _ => row.name.into(),
            },
            ms: moment.ms,
            visible_at: happened.ms + lag + late,
            kind: if defect.is_some() {
                Kind::DeadLetter
            } else {
                row.kind
            },
        })
    }
}

/// Bytes that are enough for nearly every event.
const ROOM: usize = 2048;

/// A length from a range, each doubling as likely as another.
fn spread(range: &Range<i64>, dice: &mut Dice) -> i64 {
    let start = range.start.max(1);
    let doublings = (range.end / start).max(1).ilog2();
    let floor = start << dice.below(u64::from(doublings) + 1);
    dice.between(floor, (floor * 2).min(range.end).max(floor + 1))
}

#[cfg(test)]
#[path = "generate/tests.rs"]
mod tests;
