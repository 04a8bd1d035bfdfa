//! What follows a failure: trying again, and when. The host alone waits;
//! plugins classify.

use std::time::Duration;

use crate::error::{Error, Kind};

/// The shortest wait, and the longest one of our own choice.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// The longest wait that an upstream may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(15 * 60);
/// How long a feed rests that was refused: the operator or the upstream has to
/// change something.
const REFUSED: Duration = Duration::from_secs(60 * 60);

/// In a run that is to end: failures in a row after which to give up,
const MOST_FAILURES: u32 = 5;
/// and the longest wait that is worth while.
const LONGEST_ONCE: Duration = Duration::from_secs(5 * 60);
/// Failures of the plugin in a row after which any run gives up.
pub(crate) const MOST_PLUGIN_FAILURES: u32 = 5;

/// Failures in a row, and what follows from them.
#[derive(Default)]
pub(crate) struct Retry {
    failures: u32,
    plugin_failures: u32,
    /// In this run it worked once: settings that are wrong after that are so by
    /// no change of theirs, and may be right again.
    has_worked: bool,
}

impl Retry {
    /// A further failure. How long to wait before trying again, or, if that is
    /// of no use, the failure itself. `once`: the run is to end.
    pub(crate) fn after(&mut self, e: Error, once: bool) -> Result<Duration, Error> {
        self.failures += 1;
        let wait = match e.kind() {
            Kind::Plugin => {
                self.plugin_failures += 1;
                if self.plugin_failures >= MOST_PLUGIN_FAILURES {
                    return Err(e);
                }
                return Ok(Duration::ZERO);
            }
            _ if e.is_transient() => e
                .retry_after()
                .map_or_else(|| backoff(self.failures), within_bounds),
            _ if e.is_refusal() && !once => REFUSED,
            Kind::Configuration if !once && self.has_worked => REFUSED,
            _ => return Err(e),
        };
        if once && !is_worth_waiting(wait) {
            return Err(told_to_wait(e, wait));
        }
        if once && self.failures >= MOST_FAILURES {
            return Err(e.hint(format!(
                "tried {MOST_FAILURES} times; nothing is lost, and the next run goes on from here"
            )));
        }
        Ok(wait)
    }

    /// It works (again).
    pub(crate) fn works(&mut self) {
        self.reset();
        self.has_worked = true;
    }

    /// Something gets on: what failed before counts no more.
    pub(crate) fn reset(&mut self) {
        (self.failures, self.plugin_failures) = (0, 0);
    }
}

/// Whether a run that is to end waits so long.
pub(crate) fn is_worth_waiting(wait: Duration) -> bool {
    wait <= LONGEST_ONCE
}

/// A feed's requests have to wait so long.
pub(crate) fn held(wait: Duration) -> Error {
    let message = "the upstream wants to be left alone by all feeds with this credential";
    told_to_wait(Error::new(Kind::Unavailable, message), wait)
}

/// The failure of a run that is to end and would have to wait longer.
fn told_to_wait(e: Error, wait: Duration) -> Error {
    let seconds = wait.as_secs();
    e.hint(format!(
        "it is to be left alone for {seconds} s; run again then"
    ))
}

/// How long to wait after so many failures in a row: a random part of a time
/// that doubles (full jitter: many hosts that failed together do not come back
/// together).
pub(crate) fn backoff(failures: u32) -> Duration {
    let most = SHORTEST.saturating_mul(1 << failures.min(10)).min(LONGEST);
    SHORTEST + (most - SHORTEST).mul_f64(random())
}

/// The time that an upstream asked for, within bounds.
pub(crate) fn within_bounds(asked: Duration) -> Duration {
    asked.clamp(SHORTEST, LONGEST_ASKED)
}

/// A number from 0 to 1; in the middle if there is no randomness.
fn random() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: Kind) -> Error {
        Error::new(kind, "x")
    }

    fn asked(seconds: u64) -> Error {
        error(Kind::Unavailable).after(Some(Duration::from_secs(seconds)))
    }

    #[test]
    fn waits_stay_within_their_bounds() {
        let mut retry = Retry::default();
        assert!(retry.after(error(Kind::Unavailable), false).unwrap() <= Duration::from_secs(2));
        for _ in 0..100 {
            let wait = retry.after(error(Kind::Protocol), false).unwrap();
            assert!((SHORTEST..=LONGEST).contains(&wait), "{wait:?}");
        }
        for (wished, given) in [(0, 1), (7, 7), (3_600, 900)] {
            let wait = retry.after(asked(wished), false).unwrap();
            assert_eq!(wait, Duration::from_secs(given));
        }
    }

    #[test]
    fn a_run_that_is_to_end_gives_up() {
        let mut retry = Retry::default();
        let outcomes = [(); 5].map(|()| retry.after(error(Kind::Unavailable), true).is_ok());
        assert_eq!(outcomes, [true, true, true, true, false]);
        retry.reset();
        assert!(retry.after(asked(300), true).is_ok());
        assert!(retry.after(asked(301), true).is_err());
        for kind in [Kind::Authentication, Kind::Permission, Kind::NotEntitled] {
            assert!(Retry::default().after(error(kind), true).is_err());
            assert_eq!(Retry::default().after(error(kind), false).unwrap(), REFUSED);
        }
    }

    #[test]
    fn a_plugin_is_tried_again_at_once_and_not_for_ever() {
        let mut retry = Retry::default();
        for _ in 1..MOST_PLUGIN_FAILURES {
            assert_eq!(
                retry.after(error(Kind::Plugin), false).unwrap(),
                Duration::ZERO
            );
        }
        assert!(retry.after(error(Kind::Plugin), false).is_err());
    }

    #[test]
    fn settings_that_were_right_in_this_run_may_be_so_again() {
        let wrong = || error(Kind::Configuration);
        let mut retry = Retry::default();
        retry.reset();
        assert!(retry.after(wrong(), false).is_err(), "never right");
        retry.works();
        for _ in 0..100 {
            assert_eq!(retry.after(wrong(), false).unwrap(), REFUSED);
        }
        assert!(retry.after(wrong(), true).is_err(), "the run is to end");
    }

    #[test]
    fn what_the_operator_must_mend_is_final() {
        for kind in [
            Kind::Configuration,
            Kind::Storage,
            Kind::Sink,
            Kind::SinkClosed,
        ] {
            assert!(
                Retry::default().after(error(kind), false).is_err(),
                "{kind:?}"
            );
        }
    }
}
