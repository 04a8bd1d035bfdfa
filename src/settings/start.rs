//! Where a new feed begins.

use crate::clock::rfc3339;
use crate::error::Problem;
use crate::settings::DAY;

/// A `start` may lie so far ahead of JumpCloud's clock, in ms: whoever wrote
/// the present moment down may have looked at another one.
const AHEAD: i64 = 300_000;

/// Where a new feed begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start {
    /// So many ms before the first run.
    Back(i64),
    /// At this moment: ms since 1970 UTC.
    At(i64),
}

impl Default for Start {
    fn default() -> Self {
        Self::Back(DAY)
    }
}

impl Start {
    /// The moment, by JumpCloud's clock: ms since 1970 UTC. One in the future
    /// would be a feed that collects nothing and calls it complete.
    pub fn resolve(self, now: i64) -> Result<i64, Problem> {
        match self {
            Self::Back(back) => Ok(now.saturating_sub(back)),
            Self::At(moment) if moment.saturating_sub(now) <= AHEAD => Ok(moment),
            Self::At(moment) => {
                let (moment, now) = (rfc3339(moment), rfc3339(now));
                let message = format!("it lies in the future: `{moment}`, and now it is `{now}`");
                Err(Problem::new("start", message).hint(
                    "set a moment that has passed, or how far to go back from now, like `24h`",
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_in_the_future_is_a_problem_unless_it_is_the_present_by_another_clock() {
        let now = 1_790_000_000_000;
        assert_eq!(Start::Back(DAY).resolve(now), Ok(now - DAY));
        assert_eq!(Start::At(now - 1).resolve(now), Ok(now - 1));
        assert_eq!(Start::At(now + AHEAD).resolve(now), Ok(now + AHEAD));
        let problem = Start::At(now + AHEAD + 1).resolve(now).unwrap_err();
        assert_eq!(problem.setting, "start");
        assert!(Start::At(i64::MAX).resolve(now).is_err());
        assert_eq!(Start::Back(i64::MAX).resolve(-2), Ok(i64::MIN));
    }
}
