//! What befalls a history over its hours, beside the faults of its plan: changes
//! that only virtual time brings about.

use std::ops::Range;

use jumpcloud_simulator::{DEFAULT_KEY, Fault, Rule, When, Wire};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{EPOCH, World};

const MINUTE: i64 = 60_000;

/// What befalls it, and when: ms since 1970 UTC.
#[derive(Clone, Default)]
pub struct Upheavals {
    /// The feed begins late, with a start a little before that. Later, between
    /// two runs, a `start` so many ms back is set: the last one has everything.
    pub starts: Vec<(i64, i64)>,
    /// The credential may not read this organisation for a while.
    pub refused: Option<(usize, Range<i64>)>,
    /// Some answers never come, and so long the transport waits for them, in
    /// ms: longer than a poll. 0: all of them come.
    pub stall: i64,
    /// The refusal is under way.
    refusing: bool,
}

impl Upheavals {
    /// Those of a seed, with so many organisations and a last event at this time.
    pub fn new(seed: u64, organizations: usize, last: i64) -> Self {
        let mut dice = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
        let mut upheavals = Self::default();
        if dice.random_bool(0.3) {
            upheavals.stall = dice.random_range(6_000..90_000);
        }
        if dice.random_bool(0.3) {
            let from = dice.random_range(EPOCH + 10 * MINUTE..last);
            let to = from + dice.random_range(1..30) * MINUTE;
            upheavals.refused = Some((dice.random_range(0..organizations), from..to));
        }
        if dice.random_bool(0.3) {
            let begin = dice.random_range(EPOCH + 11 * MINUTE..last);
            let step = begin + dice.random_range(1..40) * MINUTE;
            upheavals.starts = vec![
                (begin, dice.random_range(1..10) * MINUTE),
                (step, step - begin + dice.random_range(1..60) * MINUTE),
                (step + dice.random_range(1..20) * MINUTE, 24 * 60 * MINUTE),
            ];
            if dice.random_bool(0.5) {
                upheavals.starts.remove(1);
            }
        }
        upheavals
    }

    /// When the last of it is over.
    pub fn end(&self) -> i64 {
        let refused = self.refused.as_ref().map(|(_, period)| period.end);
        let started = self.starts.last().map(|(at, _)| *at);
        refused.max(started).unwrap_or(i64::MIN)
    }
}

impl World {
    /// Lets these befall it; before the first poll.
    pub fn expect(&mut self, upheavals: Upheavals) {
        self.stall = upheavals.stall;
        self.upheavals = upheavals;
        if self.stall > 0 {
            let stalls = [Wire::Stall, Wire::StallInBody(300)];
            let rule = Rule::any_of(stalls.map(Fault::Wire).to_vec());
            self.model.faults.add(rule.when(When::Chance(0.02)));
        }
        if let Some((begin, _)) = self.upheavals.starts.first() {
            self.now = *begin;
            self.set_start();
        }
    }

    /// What is due now befalls.
    pub(super) fn befall(&mut self) {
        if let Some((organization, period)) = &self.upheavals.refused {
            let (organization, refusing) = (*organization, period.contains(&self.now));
            if refusing != std::mem::replace(&mut self.upheavals.refusing, refusing) {
                self.say(|| format!("organisation {organization} is refused: {refusing}"));
                self.refuse(organization, refusing);
            }
        }
        let next = self.upheavals.starts.get(1);
        if next.is_some_and(|(at, _)| *at <= self.now) {
            self.upheavals.starts.remove(0);
            self.set_start();
        }
    }

    /// The first of the starts is in the settings from now on.
    fn set_start(&mut self) {
        let mut settings: serde_json::Value = serde_json::from_str(&self.settings).unwrap();
        let back = format!("{}s", self.upheavals.starts[0].1 / 1_000);
        self.say(|| format!("start is {back}"));
        settings["start"] = back.into();
        self.reopen_with(&settings.to_string());
    }

    fn refuse(&mut self, organization: usize, refuse: bool) {
        let all = self.model.organizations.iter().map(|it| it.id.clone());
        let all: Vec<String> = all.collect();
        let mut reached: Vec<&str> = all.iter().map(String::as_str).collect();
        if reached.len() == 1 {
            return self.model.access.set_key_may_read(DEFAULT_KEY, !refuse);
        }
        if refuse {
            reached.remove(organization);
        }
        self.key_for(&reached);
    }
}
