//! How long to wait after a failure. The host alone waits; plugins classify.

use std::time::Duration;

use crate::error::Error;

/// The shortest wait, and the longest one of our own choice.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// The longest wait that an upstream may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(15 * 60);

/// Failures in a row, and the wait that follows from them.
#[derive(Default)]
pub(crate) struct Retry {
    failures: u32,
}

impl Retry {
    /// A further failure: how long to wait. As long as the upstream asked, or
    /// else a random part of a time that doubles (full jitter: many hosts that
    /// failed together do not come back together).
    pub(crate) fn after(&mut self, error: &Error) -> Duration {
        self.failures += 1;
        if let Some(asked) = error.retry_after() {
            return asked.clamp(SHORTEST, LONGEST_ASKED);
        }
        let most = SHORTEST
            .saturating_mul(1 << self.failures.min(10))
            .min(LONGEST);
        SHORTEST + (most - SHORTEST).mul_f64(random())
    }

    /// Failures in a row.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// It works (again).
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A number from 0 to 1; in the middle if there is no randomness.
fn random() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn waits_stay_within_their_bounds() {
        let error = Error::new(Kind::Unavailable, "x");
        let mut retry = Retry::default();
        for _ in 0..100 {
            let wait = retry.after(&error);
            assert!((SHORTEST..=LONGEST).contains(&wait), "{wait:?}");
        }
        retry.reset();
        assert!(retry.after(&error) <= Duration::from_secs(2));
        for (asked, given) in [(0, 1), (7, 7), (3_600, 900)] {
            let error = error.clone().after(Some(Duration::from_secs(asked)));
            assert_eq!(retry.after(&error), Duration::from_secs(given));
        }
    }
}
