//! The plugin's core against the simulated API, in virtual time: seeded
//! histories of polls, faults, crashes and torn stores, each of which must end
//! with every event handed out exactly once.
//!
//! A failing history prints its seed; `SEED=n cargo test --test simulation`
//! replays it alone, and `HISTORIES=n` sets how many are run.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "simulation/cases.rs"]
mod cases;
#[path = "simulation/world.rs"]
mod world;

use jumpcloud_simulator::{Fault, Recipe, Rule, When};
use world::{History, World};

fn histories(default: u64, run: impl Fn(u64)) {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    if let Some(seed) = number("SEED") {
        return run(seed);
    }
    for seed in 0..number("HISTORIES").unwrap_or(default) {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(seed)));
        assert!(
            outcome.is_ok(),
            "history {seed} failed; SEED={seed} replays it"
        );
    }
}

/// Events of a tenant over an hour; what is late is so by less than two minutes.
fn recipe(seed: u64, events: usize) -> Recipe {
    Recipe {
        seed,
        events,
        period_ms: 3_600_000,
        late: 0.05,
        late_ms: 1_000..100_000,
        future: 0.01,
        future_ms: 1_000..600_000,
        dead_letters: 0.02,
        odd: 0.1,
        ..Recipe::new(events, world::EPOCH + 3_600_000)
    }
}

#[test]
fn without_faults_every_event_comes_once() {
    histories(50, |seed| {
        let mut world = World::new(
            seed,
            &recipe(seed, 300),
            History {
                crashes: 0.0,
                tears: 0.0,
            },
        );
        world.run_to_the_end();
        world.check();
    });
}

#[test]
fn with_faults_and_crashes_every_event_comes_once() {
    histories(300, |seed| {
        let history = History {
            crashes: 0.1,
            tears: 0.05,
        };
        let mut world = World::new(
            seed,
            &recipe(seed, 200 + (seed as usize * 37) % 300),
            history,
        );
        world
            .model
            .faults
            .add(Rule::any_of(Fault::passing()).when(When::Chance(0.15)));
        world.run_to_the_end();
        world.check();
    });
}

#[test]
fn a_second_run_finds_nothing_new() {
    let mut world = World::new(
        1,
        &recipe(1, 400),
        History {
            crashes: 0.0,
            tears: 0.0,
        },
    );
    world.run_to_the_end();
    let before = world.emitted.len();
    world.reopen();
    world.poll_until_idle();
    assert_eq!(world.emitted.len(), before);
    world.check();
}

#[test]
fn requests_stay_near_the_number_of_pages() {
    let recipe = Recipe {
        events: 5_000,
        ..recipe(3, 5_000)
    }
    .settled();
    let mut world = World::new(
        3,
        &recipe,
        History {
            crashes: 0.0,
            tears: 0.0,
        },
    );
    world.limit_events(500);
    world.start_late();
    world.poll_until_idle();
    let rows = world.model.stats.rows;
    let pages = rows.div_ceil(500);
    assert!(
        world.model.stats.events <= pages + 1,
        "{:?}",
        world.model.stats
    );
    assert_eq!(
        world.model.stats.count, 2,
        "one for the time, one of all tiles"
    );
}
