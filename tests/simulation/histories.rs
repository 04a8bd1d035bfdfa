//! Seeded histories: everything that can go wrong, at once.
//!
//! `SEED=n` replays one, `HISTORIES=n` sets how many are run, `FIRST=n` the
//! first seed. They are shared out over the cores; the first that fails is
//! named.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use jumpcloud_simulator::{EndTime, Event, Fault, Model, Recipe, Rule, When, organization_id};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::world::{self, Happened, History, World};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs histories on all cores; their mean.
fn histories(default: u64, run: impl Fn(u64) -> Happened + Sync) {
    if let Some(seed) = number("SEED") {
        eprintln!("{:?}", run(seed));
        return;
    }
    let first = number("FIRST").unwrap_or(0);
    let end = first + number("HISTORIES").unwrap_or(default);
    let next = AtomicU64::new(first);
    let failed = AtomicU64::new(u64::MAX);
    let sum = Mutex::new(Happened::default());
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || failed.load(Ordering::Relaxed) < seed {
                        return;
                    }
                    let outcome =
                        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(seed)));
                    match outcome {
                        Ok(happened) => sum.lock().unwrap().add(happened),
                        Err(_) => drop(failed.fetch_min(seed, Ordering::Relaxed)),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    assert!(
        failed == u64::MAX,
        "history {failed} failed, after {} others; SEED={failed} replays it",
        failed - first
    );
    let count = end - first;
    let sum = sum.into_inner().unwrap();
    eprintln!("{count} histories, on average: {}", sum.mean(count));
    if count >= 100 {
        assert!(sum.events >= 200 * count, "events");
        assert!(sum.faults >= 5 * count, "faults");
        assert!(sum.crashes + sum.tears >= 2 * count, "crashes");
    }
}

/// A tenant or three over an hour or more, and a plan of what goes wrong.
fn history(seed: u64) -> World {
    history_of(seed, |_| {})
}

fn history_of(seed: u64, change: impl Fn(&mut Recipe)) -> World {
    let mut dice = ChaCha8Rng::seed_from_u64(!seed);
    let organizations = [1, 1, 2, 3][dice.random_range(0..4)];
    let twins = organizations == 1 && dice.random_bool(0.25);
    let horizon = dice.random_range(2..=4) * HOUR;
    let events = dice.random_range(120..420);
    let period_ms = dice.random_range(20..120) * MINUTE;
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
        dead_letters: 0.02,
        odd: 0.1,
        bare: dice.random_bool(0.8),
        ..Recipe::new(events, world::EPOCH + period_ms)
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
    let ids: Vec<String> = (0..organizations)
        .map(|n| format!("{:?}", organization_id(n)))
        .collect();
    let ids = if organizations == 1 && !twins {
        String::new()
    } else {
        ids.join(",")
    };
    let interval = dice.random_range(1..=6) * 30;
    let settings = format!(
        r#"{{"start": "2h", "late_horizon": "{}h", "poll_interval": "{interval}s", "org_ids": [{ids}]}}"#,
        horizon / HOUR
    );
    // A page of few rows means many requests for each tile that is read again.
    let (max_events, most) = [(1, 0.02), (2, 0.03), (7, 0.06), (50, 0.12), (1_000, 0.12)]
        [dice.random_range(if twins { 4..5 } else { 0..5 })];
    let faulty = dice.random_range(0.01..most);
    model
        .faults
        .add(Rule::any_of(Fault::passing()).when(When::Chance(faulty)));
    let history = History {
        crashes: dice.random_range(0.0..most / 12.0),
        tears: dice.random_range(0.0..0.03),
    };
    let mut world = World::with(seed, model, &settings, history);
    // Found only if an audit comes to its end while the tile is still there.
    world.horizon = horizon - HOUR;
    world.limit_events(
        max_events,
        if twins {
            10 << 20
        } else {
            dice.random_range(500..60_000)
        },
    );
    world
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

#[test]
fn every_event_comes_once_whatever_goes_wrong() {
    histories(if cfg!(debug_assertions) { 200 } else { 10_000 }, |seed| {
        let mut world = history(seed);
        world.run_to_the_end();
        world.check();
        let organizations = world.model.organizations.len() as u64;
        let pages = world.held_pages();
        let requests = world.requests_of_a_quiet_run();
        world.check();
        let most = 3 * organizations + pages;
        assert!(requests <= most, "{requests} requests, {most} would do");
        for (organization, reconciled) in world.reconciled.iter().filter(|(id, _)| !id.is_empty()) {
            let equal = reconciled.is_some_and(|(counted, read)| counted == read);
            assert!(equal, "{organization}: {reconciled:?}");
        }
        world.happened()
    });
}

/// Nothing is later than what walks read twice anyway: then every row enters a
/// tile exactly once, over whatever crash, and no count ever differs.
#[test]
fn without_late_events_nothing_is_read_again() {
    histories(if cfg!(debug_assertions) { 50 } else { 1_000 }, |seed| {
        let mut world = history_of(seed, |recipe| {
            recipe.late = 0.2;
            recipe.late_ms = 1_000..100_000;
        });
        world.model.behaviour.count_lag_ms = 0;
        world.run_to_the_end();
        world.check();
        assert_eq!(world.reread, 0, "tiles read again");
        world.happened()
    });
}
