//! How far a cycle has come, and how much of it audits may take.

use super::Shared;

/// Audits make so many requests a minute, on average; the rest waits for the next
/// cycle. A tile once begun is read to its end.
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
    /// A count of tiles has failed, or reading one again, and none came after it.
    pub audits_fail: bool,
    /// So what lies before need not wait for them: until it has come on.
    pub fill_first: bool,
}

/// The requests of audits. What one minute has made too many, the next has less.
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

    /// A count of tiles has failed, or reading one again.
    pub fn audit_failed(&mut self) {
        (self.audits_fail, self.fill_first) = (true, true);
    }

    /// One has not.
    pub fn audit_works(&mut self) {
        (self.audits_fail, self.fill_first) = (false, false);
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
        self.refill(monotonic);
        let left = self.spent < REQUESTS_A_MINUTE;
        self.spent += u64::from(left);
        left
    }

    /// A request is made whether there is one or not: what was begun goes on.
    pub fn overdraw(&mut self, monotonic: u64) {
        self.refill(monotonic);
        self.spent += 1;
    }

    fn refill(&mut self, monotonic: u64) {
        let minutes = monotonic.saturating_sub(self.since) / 60_000;
        self.since += minutes * 60_000;
        let back = minutes.saturating_mul(REQUESTS_A_MINUTE);
        self.spent = self.spent.saturating_sub(back);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_too_much_is_made_up_for() {
        let mut budget = Budget::default();
        let taken = |budget: &mut Budget, now| (0..100).filter(|_| budget.take(now)).count();
        assert_eq!(taken(&mut budget, 0), 60);
        (0..75).for_each(|_| budget.overdraw(59_999));
        assert_eq!(taken(&mut budget, 60_000), 0);
        assert_eq!(taken(&mut budget, 120_000), 45);
        assert_eq!(taken(&mut budget, 600_000), 60);
    }
}
