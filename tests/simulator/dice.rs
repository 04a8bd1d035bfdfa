//! Chance, the same on every machine and with every version of a dependency.
//!
//! The stream is ChaCha8, which is specified. The few draws below are our own, since those of
//! `rand` may change their mapping from one version to the next.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A seeded source of draws.
#[derive(Clone, Debug)]
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(ChaCha8Rng::seed_from_u64(seed))
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number from 0 to `end`, without `end`; 0 if that is empty.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        let wide = u128::from(self.bits()) * u128::from(end);
        (wide >> 64) as u64
    }

    /// A number from `start` to `end`, without `end`; `start` if that is empty.
    pub(crate) fn between(&mut self, start: i64, end: i64) -> i64 {
        let width = u64::try_from(end.saturating_sub(start)).unwrap_or(0);
        start + self.below(width) as i64
    }

    /// True with this probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        ((self.bits() >> 11) as f64) < probability * (1u64 << 53) as f64
    }

    /// One of these; the default if there is none.
    pub(crate) fn pick<T: Copy + Default>(&mut self, from: &[T]) -> T {
        let index = self.below(from.len() as u64) as usize;
        from.get(index).copied().unwrap_or_default()
    }
}

/// A well mixed number from another (splitmix64): for what must follow from an index alone.
pub(crate) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_pinned() {
        let mut dice = Dice::new(1);
        let drawn: Vec<u64> = (0..6).map(|_| dice.below(100)).collect();
        assert_eq!(drawn, [40, 8, 59, 21, 28, 71]);
        assert_eq!(dice.below(0), 0);
        assert_eq!(dice.between(5, 5), 5);
        assert!(dice.chance(1.0) && !dice.chance(0.0));
    }
}
