//! What late events cost, in a tenant of 100,000 events a day.

use jumpcloud_simulator::{Model, Recipe};

use crate::world::{EPOCH, History, World};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

struct Cost {
    late: u64,
    rows: u64,
    requests: u64,
}

/// A day in which this share of the events becomes visible 1 minute to 6 hours
/// late, and the 6 hours after it.
fn day(late: f64, bursts: f64) -> Cost {
    let recipe = Recipe {
        seed: 6,
        late,
        late_ms: 60_000..6 * HOUR,
        future: 0.0,
        dead_letters: 0.0,
        odd: 0.0,
        bursts,
        bare: true,
        ..Recipe::new(100_000, EPOCH + DAY)
    };
    let model = Model::generated(&recipe);
    let mut world = World::with(6, model, r#"{"start": "1h"}"#, History::default());
    world.run_to_the_end();
    world.check();
    let late = world.happened().late;
    let cost = Cost {
        late,
        rows: world.reread_rows,
        requests: world.reread_pages + world.model.stats.count,
    };
    // What a collector does instead that reads the last two hours at each poll.
    let overlap = recipe.events as i64 / 12 * (DAY / 60_000);
    let missed = world
        .model
        .events()
        .filter(|event| event.visible_at - event.ms > 2 * HOUR);
    eprintln!(
        "{late} of 100,000 late (bursts {bursts}): all found; {} rows read again, {} requests more. \
         An overlap of 2 hours: {overlap} rows, {} events lost",
        cost.rows,
        cost.requests,
        missed.count()
    );
    cost
}

#[test]
fn one_late_event_in_a_thousand_costs_little() {
    let cost = day(0.001, 0.0);
    assert!((60..140).contains(&cost.late));
    assert!(
        cost.rows < 5_000,
        "{} of 100,000 rows are read again",
        cost.rows
    );
    assert!(cost.requests < 2_500, "{} requests more", cost.requests);
}

#[test]
fn bursts_cost_no_more_requests() {
    let cost = day(0.001, 0.2);
    assert!(cost.requests < 2_500, "{} requests more", cost.requests);
}

#[test]
fn of_many_late_events_all_are_found() {
    let cost = day(0.05, 0.0);
    assert!(cost.late > 4_000);
}
