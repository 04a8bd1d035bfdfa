//! How late events were found that came after all of their time was read: later
//! than they became visible, by the time to the next audit.
//!
//! Nobody has published it; so it is measured. Times are counted in classes of
//! a quarter of an octave: any quantile is known to 19 %, in a few numbers.

use serde::{Deserialize, Serialize};

/// Classes an octave.
const FINE: u32 = 4;

/// The last class takes what is later.
const CLASSES: u32 = 40 * FINE;

/// Counts of late events by how late they were found.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Lateness {
    /// By class; those at the end that are empty aren't there.
    classes: Vec<u64>,
    /// The most, in ms.
    max: u64,
}

/// What is told of it: times in ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantiles {
    /// So many were late:
    pub events: u64,
    /// half of them were found no later than this,
    pub p50: u64,
    /// 99 of 100 no later than this,
    pub p99: u64,
    /// and none later than this.
    pub max: u64,
}

impl Lateness {
    /// An event was found so late, in ms.
    pub fn note(&mut self, ms: i64) {
        let ms = u64::try_from(ms).unwrap_or(0);
        self.max = self.max.max(ms);
        let class = (0..CLASSES).find(|class| upper(*class) >= ms);
        let class = class.unwrap_or(CLASSES) as usize;
        if self.classes.len() <= class {
            self.classes.resize(class + 1, 0);
        }
        self.classes
            .iter_mut()
            .skip(class)
            .take(1)
            .for_each(|count| *count += 1);
    }

    /// What is known so far; none: no event was late.
    pub fn quantiles(&self) -> Option<Quantiles> {
        let events: u64 = self.classes.iter().sum();
        let at = |share: u64| {
            let rank = (events * share).div_ceil(100);
            let mut below = 0;
            let class = self.classes.iter().take_while(|count| {
                below += **count;
                below < rank
            });
            upper(u32::try_from(class.count()).unwrap_or(CLASSES)).min(self.max)
        };
        (events > 0).then(|| Quantiles {
            events,
            p50: at(50),
            p99: at(99),
            max: self.max,
        })
    }
}

/// The most ms that are of this class.
fn upper(class: u32) -> u64 {
    let octave = 1u64 << (class / FINE).min(62);
    octave + octave * u64::from(class % FINE) / u64::from(FINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_upper_bounds_and_near() {
        let mut lateness = Lateness::default();
        assert_eq!(lateness.quantiles(), None);
        (1..=1_000).for_each(|n| lateness.note(n * 1_000));
        let Quantiles {
            events,
            p50,
            p99,
            max,
        } = lateness.quantiles().unwrap();
        assert_eq!((events, max), (1_000, 1_000_000));
        assert!((500_000..600_000).contains(&p50), "{p50}");
        assert!((990_000..=1_000_000).contains(&p99), "{p99}");
        lateness.note(i64::MAX);
        lateness.note(-5);
        assert_eq!(lateness.quantiles().unwrap().max, i64::MAX.cast_unsigned());
    }
}
