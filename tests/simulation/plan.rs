//! What a history is: tenants over an hour or more, how their API behaves and
//! fails, and how the feed is set up. All of it follows from a seed.
//!
//! The simulation and the end-to-end tests ([tests/e2e/histories.rs]) run the
//! same histories, each on its own ground.

use jumpcloud_simulator::{
    EndTime, Endpoint, Event, Fault, Faults, Model, Recipe, Rule, When, organization_id,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// When histories begin, in ms since 1970 UTC.
pub const EPOCH: i64 = 1_790_000_000_000;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// One history before it happens.
pub struct Plan {
    /// The API with its tenants and faults.
    pub model: Model,
    /// `late_horizon`, in ms.
    pub horizon: i64,
    /// `poll_interval`, in ms.
    pub interval: i64,
    /// `org_ids`.
    pub organizations: Vec<String>,
    /// Bounds of a batch.
    pub max_events: usize,
    pub max_bytes: usize,
    /// Probability of a crash at each place where there may be one,
    pub crashes: f64,
    /// and that something written is written in part.
    pub tears: f64,
}

impl Plan {
    /// The plan of this seed.
    pub fn new(seed: u64) -> Self {
        Self::with(seed, |_| {})
    }

    /// The same with changes to its tenants.
    pub fn with(seed: u64, change: impl Fn(&mut Recipe)) -> Self {
        let mut dice = ChaCha8Rng::seed_from_u64(!seed);
        let organizations = [1, 1, 2, 3][dice.random_range(0..4)];
        let twins = organizations == 1 && dice.random_bool(0.25);
        let horizon = dice.random_range(2..=4) * HOUR;
        let events = dice.random_range(120..420);
        let period_ms = dice.random_range(20..120) * MINUTE;
        let gibberish = dice.random_bool(0.1);
        let mut recipe = Recipe {
            seed,
            events,
            period_ms,
            organizations,
            bursts: dice.random_range(0.0..0.5),
            late: dice.random_range(0.0..0.3),
            // At times beyond the horizon.
            late_ms: 1_000..horizon * dice.random_range(1..=4) / 2,
            future: 0.01,
            future_ms: 1_000..30 * MINUTE,
            dead_letters: if gibberish { 0.3 } else { 0.02 },
            odd: 0.1,
            bare: dice.random_bool(0.8),
            ..Recipe::new(events, EPOCH + period_ms)
        };
        change(&mut recipe);
        let mut model = Model::generated(&recipe);
        if dice.random_bool(0.5) {
            model.behaviour.end_time = EndTime::Inclusive;
        }
        model.behaviour.count_lag_ms = [0, 0, 1_000, 200_000][dice.random_range(0..4)];
        if twins {
            add_twins(&mut model, &mut dice);
        }
        let interval = i64::from(dice.random_range(1..=6i32)) * MINUTE / 2;
        // With pages of few rows, many requests in a row have to succeed where events
        // share a millisecond.
        let (max_events, most) = [(1, 0.02), (2, 0.03), (7, 0.06), (50, 0.12), (1_000, 0.12)]
            [dice.random_range(if twins { 4..5 } else { 0..5 })];
        let faulty = dice.random_range(0.01..most);
        model.faults = Faults::new(seed);
        if gibberish {
            // A page that comes again may begin with rows that tell no time.
            let again = Rule::any_of(vec![Fault::FirstPageAgain, Fault::UnmovedSearchAfter]);
            model
                .faults
                .add(again.on(Endpoint::Events).when(When::Chance(most / 2.0)));
        }
        model
            .faults
            .add(Rule::any_of(Fault::passing()).when(When::Chance(faulty)));
        Self {
            model,
            horizon,
            interval,
            organizations: match (organizations, twins) {
                (1, false) => Vec::new(),
                _ => (0..organizations).map(organization_id).collect(),
            },
            max_events,
            crashes: dice.random_range(0.0..most / 12.0),
            tears: dice.random_range(0.0..0.03),
            max_bytes: if twins {
                10 << 20
            } else {
                dice.random_range(500..60_000)
            },
        }
    }

    /// Events that become visible later than this, in ms, may be missing: they
    /// are found only if an audit comes to its end while their tile is there.
    pub fn latest(&self) -> i64 {
        self.horizon - HOUR
    }
}

/// Events of another organisation with the ids of ours, at the same times.
fn add_twins(model: &mut Model, dice: &mut ChaCha8Rng) {
    let (ours, theirs) = (organization_id(0), organization_id(7));
    let events: Vec<Event> = model
        .events()
        .filter(|event| event.id.is_some())
        .cloned()
        .collect();
    let mut twins = Vec::new();
    for part in events.chunks(events.len().div_ceil(3)) {
        let mut twin = part[dice.random_range(0..part.len())].clone();
        twin.raw = String::from_utf8_lossy(&twin.raw)
            .replace(&ours, &theirs)
            .into_bytes()
            .into();
        twins.push(twin);
    }
    model.add_events(twins);
}
