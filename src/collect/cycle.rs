//! How far a cycle has come, and how much of it audits may take.

use super::Shared;

/// Audits make so many requests a minute; the rest waits for the next cycle.
const REQUESTS_A_MINUTE: u64 = 60;

/// How far this cycle has come.
#[derive(Debug, Default)]
pub struct Cycle {
    /// All that is new is read.
    pub followed: bool,
    /// When it was, by the monotonic clock.
    since: u64,
    /// Something else was begun after that: only then is there a next cycle, or
    /// with short ones it would never come to it.
    pub went_on: bool,
    /// An audit has ended.
    pub audited: bool,
    /// What lies before has been read, as far as it can be.
    pub filled: bool,
    /// A count of tiles has failed, and none came after it.
    pub counts_fail: bool,
}

/// The requests of audits: counts, and tiles, which are a page each.
#[derive(Debug, Default)]
pub struct Budget {
    /// When the minute began, by the monotonic clock.
    since: u64,
    spent: u64,
}

impl Cycle {
    /// All that is new is read.
    pub fn follow(&mut self, monotonic: u64) {
        (self.followed, self.since) = (true, monotonic);
    }

    /// Follows once more. What was filled as far as it can be, stays so.
    pub fn begin(&mut self) {
        (self.followed, self.went_on, self.audited) = (false, false, false);
    }

    /// There may be something new again.
    pub fn is_over(&self, shared: &Shared<'_>) -> bool {
        let spent = shared.reading.monotonic.saturating_sub(self.since);
        spent >= shared.settings.poll_interval
    }
}

impl Budget {
    /// Takes one request from it, if there is one.
    pub fn take(&mut self, monotonic: u64) -> bool {
        if monotonic.saturating_sub(self.since) >= 60_000 {
            (self.since, self.spent) = (monotonic, 0);
        }
        let left = self.spent < REQUESTS_A_MINUTE;
        self.spent += u64::from(left);
        left
    }
}
