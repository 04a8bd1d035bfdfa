//! What late events cost, in a tenant of 100,000 events a day.

use jumpcloud_simulator::{EndTime, Event, Model, Recipe};

use crate::events;
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

/// An event of the first organisation, shown from `visible_at` on.
fn event(id: &str, ms: i64, visible_at: i64) -> Event {
    Event {
        visible_at,
        ..events::event(0, "user_create", id, ms)
    }
}

/// One is in the rows and not in the count before them, another in the count that
/// follows and not in the rows: never to be taken for a difference that stays.
#[test]
fn an_event_that_turns_up_while_its_tile_is_read_is_found() {
    for (delay, more) in (0..4_000)
        .step_by(100)
        .flat_map(|delay| [100, 200, 300, 400, 600].map(|more| (delay, more)))
    {
        let rows = (0..60).map(|n| event(&format!("row-{n}"), EPOCH + n * 1_000, EPOCH));
        let mut world = World::of(rows.collect(), r#"{"poll_interval": "300s"}"#);
        world.poll_all().unwrap();
        let audit = world.now() + 300_000;
        world.model.add_events(vec![
            event("late", EPOCH + 30_500, audit - 1),
            event("later", EPOCH + 500, audit + delay),
            event("last", EPOCH + 10_500, audit + delay + more),
        ]);
        world.settle();
        world.check();
        let reconciled = world.reconciled.values().flatten().next();
        assert_eq!(reconciled, Some(&(63, 63)));
    }
}

#[test]
fn an_event_on_the_edge_of_two_tiles_is_found_by_either_reading() {
    for end_time in [EndTime::Exclusive, EndTime::Inclusive] {
        // The first tile ends two milliseconds after its fortieth row.
        for ms in [EPOCH + 39_000 + 1, EPOCH + 39_000 + 2, EPOCH + 39_000 + 3] {
            let rows = (0..100).map(|n| event(&format!("row-{n}"), EPOCH + n * 1_000, EPOCH));
            let mut world = World::of(rows.collect(), r#"{"poll_interval": "300s"}"#);
            world.model.behaviour.end_time = end_time;
            world.poll_all().unwrap();
            let now = world.now();
            world.model.add_events(vec![event("late", ms, now - 1)]);
            world.settle();
            world.check();
            let reconciled = world.reconciled.values().flatten().next();
            assert_eq!(reconciled, Some(&(101, 101)));
            assert!(world.requests_of_a_quiet_run() <= 3);
            // And it belongs to one of them, whichever is read again.
            let now = world.now();
            let both = [("a", EPOCH + 10_500), ("b", EPOCH + 60_500)];
            let both = both.map(|(id, ms)| event(id, ms, now - 1));
            world.model.add_events(both.to_vec());
            world.settle();
            world.check();
        }
    }
}

/// There is no edge between them, or a row would belong to either side.
#[test]
fn rows_that_lie_close_together_are_read_again_together() {
    for (step, end_time) in [1, 2, 3]
        .into_iter()
        .flat_map(|step| [EndTime::Exclusive, EndTime::Inclusive].map(|end| (step, end)))
    {
        let rows = (0..100).map(|n| event(&format!("row-{n}"), EPOCH + n * step, EPOCH));
        let mut world = World::of(rows.collect(), r#"{"poll_interval": "300s"}"#);
        world.model.behaviour.end_time = end_time;
        world.poll_all().unwrap();
        let now = world.now();
        world.model.add_events(vec![event("late", EPOCH + 20, now)]);
        world.settle();
        world.check();
        let reconciled = world.reconciled.values().flatten().next();
        assert_eq!(reconciled, Some(&(101, 101)));
    }
}

/// One page, even so: of very many, one fails, and then all come again.
#[test]
fn a_tile_is_read_again_in_one_page_however_small_batches_are() {
    let rows = (0..200).map(|n| event(&format!("row-{n}"), EPOCH + n / 150, EPOCH));
    let mut world = World::of(rows.collect(), r#"{"poll_interval": "300s"}"#);
    world.limit_events(1, 10 << 20);
    world.settle();
    let now = world.now();
    let late = (0..20).map(|n| event(&format!("late-{n}"), EPOCH, now));
    world.model.add_events(late.collect());
    world.settle();
    world.check();
    assert_eq!((world.reread, world.reread_pages), (1, 1));
}

/// JumpCloud counts more than it gives: told once, kept, and not read for ever.
#[test]
fn a_difference_that_stays_is_told_once() {
    let rows = (0..60).map(|n| event(&format!("row-{n}"), EPOCH + n * 1_000, EPOCH));
    let mut world = World::of(rows.collect(), r#"{"poll_interval": "300s"}"#);
    world.poll_all().unwrap();
    world.phantoms = vec![EPOCH + 10_000];
    let mut told = Vec::new();
    for _ in 0..6 {
        told.extend(world.poll_all().unwrap().findings);
    }
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("count-differs: from "), "{told:?}");
    assert!(
        told[0].contains("gives 40 events and counts +1 besides"),
        "{told:?}"
    );
    assert_eq!(world.reread, 2);
    let reconciled = world.reconciled.values().flatten().next();
    assert_eq!(reconciled, Some(&(61, 60)), "never hidden");
}

/// A record without a time that comes last in every answer: after a while the
/// tiles close without it.
#[test]
fn a_record_without_a_time_that_always_comes_last_stops_no_audit() {
    let rows = (0..2_000).map(|n| event(&format!("row-{n}"), EPOCH + n * 10_000, EPOCH));
    let mut all: Vec<Event> = rows.collect();
    all.iter_mut().for_each(|event| event.visible_at = event.ms);
    let mut last = event("last", EPOCH + 300 * DAY, EPOCH);
    last.raw = br#"{"id":"last","timestamp":7}"#.to_vec().into();
    all.push(last);
    let mut world = World::of(all, r#"{"start": "2h"}"#);
    world.limit_events(1_000, 10 << 20);
    while world.now() < EPOCH + 6 * HOUR {
        world.poll_all().unwrap();
    }
    let reconciled = world.reconciled.values().flatten().next();
    assert_eq!(reconciled, Some(&(2_000, 2_000)));
    assert_eq!((world.emitted.len(), world.rejected), (2_000, 1));
}

/// Each tile that is read again has two pages here, and both count.
#[test]
fn audits_keep_to_their_requests_a_minute() {
    let time = |tile: i64| EPOCH + tile * 32_000;
    let rows = (0..100).flat_map(|tile| {
        (0..1_050).map(move |n| event(&format!("row-{tile}-{n}"), time(tile), EPOCH))
    });
    let mut world = World::of(rows.collect(), r#"{"poll_interval": "5s"}"#);
    world.limit_events(1_000, 10 << 20);
    world.poll_all().unwrap();
    let now = world.now();
    let late = (0..100).map(|tile| event(&format!("late-{tile}"), time(tile) + 1, now));
    world.model.add_events(late.collect());
    world.wait_minutes(10);
    let made = |world: &World| world.model.stats.count + world.reread_pages;
    let (begun, before) = (world.now(), made(&world));
    while world.emitted.len() < 105_100 {
        world.poll_once().unwrap();
        let minutes = (world.now() - begun) as u64 / 60_000;
        // The first and the last minute are not whole; then there is a tile.
        let most = 60 * (minutes + 2) + 2;
        let made = made(&world) - before;
        assert!(made <= most, "{made} requests in {minutes} minutes");
        assert!(minutes < 60, "{} events", world.emitted.len());
    }
}
