//! How much happened in histories.

/// How much happened in a history.
#[derive(Clone, Copy, Debug, Default)]
pub struct Happened {
    pub events: u64,
    pub late: u64,
    pub faults: u64,
    pub crashes: u64,
    pub tears: u64,
    pub requests: u64,
    pub polls: u64,
}

impl Happened {
    pub fn add(&mut self, other: Self) {
        self.events += other.events;
        self.late += other.late;
        self.faults += other.faults;
        self.crashes += other.crashes;
        self.tears += other.tears;
        self.requests += other.requests;
        self.polls += other.polls;
    }

    pub fn mean(&self, count: u64) -> String {
        let of = |sum: u64| sum as f64 / count.max(1) as f64;
        format!(
            "{:.0} events, {:.1} late; {:.1} faults, {:.1} crashes, {:.1} tears; {:.0} polls, {:.0} requests",
            of(self.events),
            of(self.late),
            of(self.faults),
            of(self.crashes),
            of(self.tears),
            of(self.polls),
            of(self.requests)
        )
    }
}
