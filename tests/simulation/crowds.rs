//! More at once than can be held: what is dated in the future, or not settled.

use jumpcloud_simulator::Event;

use crate::events::{event, events};
use crate::world::{EPOCH, World};

const HOUR: i64 = 3_600_000;

/// `count` events that are dated ahead and visible at once.
fn ahead(count: usize, first: i64) -> Vec<Event> {
    let mut events = events(0, count, first, 1);
    events.iter_mut().for_each(|event| event.visible_at = EPOCH);
    events
}

#[test]
fn a_crowd_of_future_events_bounds_the_query() {
    let mut world = World::of(ahead(10_050, EPOCH + 2 * 24 * HOUR), "");
    world.limit_events(10_000, 10 << 20);
    world.poll_all().unwrap();
    let rows = world.model.stats.rows;
    let said = world.poll_all().unwrap();
    assert!(
        said.findings[0].starts_with("far-future-events: "),
        "{said:?}"
    );
    assert_eq!(
        world.model.stats.rows, rows,
        "they are not fetched again before their day"
    );
}

#[test]
fn within_a_walk_no_more_than_ten_thousand_future_events_are_taken() {
    let mut world = World::of(
        ahead(25_000, EPOCH + 3 * HOUR),
        r#"{"poll_interval": "600s"}"#,
    );
    world
        .model
        .add_events(events(0, 50, EPOCH + HOUR / 2, 1_000));
    world.limit_events(3_000, 10 << 20);
    let taken = |world: &World| world.emitted.values().sum::<u32>();
    for _ in 0..3 {
        let said = world.poll_all().unwrap();
        assert!(said.findings[0].starts_with("far-future-events: "));
        assert_eq!(taken(&world), 10_050);
    }
    // What is new comes before them, whatever waits.
    let now = world.now();
    world.model.add_events(events(0, 5, now - 60_000, 1));
    world.poll_all().unwrap();
    assert_eq!(taken(&world), 10_055);
    world.run_to_the_end();
    world.check();
}

/// Each time others, dated before those that are known.
#[test]
fn of_future_events_no_more_than_thirty_thousand_are_held() {
    let mut world = World::of(Vec::new(), r#"{"poll_interval": "600s"}"#);
    world.limit_events(10_000, 10 << 20);
    world.poll_all().unwrap();
    for n in 0..6 {
        let first = EPOCH + (20 - n) * HOUR;
        let crowd = (0..10_000).map(|i| Event {
            visible_at: EPOCH,
            ..event(0, "user_lockout", &format!("{n}-{i:04}"), first + i)
        });
        world.model.add_events(crowd.collect());
        world.poll_all().unwrap();
        assert!(world.emitted.len() <= 30_000, "{}", world.emitted.len());
    }
    assert_eq!(world.emitted.len(), 20_000);
    world.run_to_the_end();
    world.check();
}

#[test]
fn of_what_is_not_settled_no_more_than_a_hundred_thousand_rows_are_taken() {
    let mut world = World::of(Vec::new(), "");
    world.poll_all().unwrap();
    let now = world.now();
    world.model.add_events(events(0, 100_500, now - 1_000, 0));
    world.limit_events(10_000, 100 << 20);
    world.piece = 10 << 20;
    world.poll_all().unwrap();
    assert_eq!(world.emitted.len(), 100_000);
    world.run_to_the_end();
    world.check();
}
