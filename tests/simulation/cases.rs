//! Single cases by name: failures, clocks, rewinds, calls out of order.

use jumpcloud::error::Error;
use jumpcloud_simulator::{Event, Fault, Rule, When};

use crate::events::{event, events};
use crate::world::{EPOCH, World};

const HOUR: i64 = 3_600_000;

#[test]
fn a_failure_of_the_first_request_is_told_before_anything_is_read() {
    for (status, code) in [
        (400, "bad-settings"),
        (401, "authentication"),
        (402, "not-entitled"),
        (403, "permission"),
        (404, "bad-settings"),
        (429, "unavailable"),
        (503, "unavailable"),
    ] {
        let mut world = World::of(events(0, 5, EPOCH, 1), "");
        let rule = format!("status={status},next=1").parse().unwrap();
        world.model.faults.add(rule);
        assert_eq!(world.poll_once().unwrap_err().code(), code, "{status}");
        assert_eq!(world.poll_all().unwrap().events, 5);
        world.check();
    }
}

/// Where counts alone fail, that is told, and what is new is read all the same.
#[test]
fn events_come_where_counts_fail() {
    let mut world = World::of(events(0, 10, EPOCH, HOUR / 6), "");
    let counts_fail = "status=500,on=count".parse().unwrap();
    world.model.faults.add(counts_fail);
    for visible in [7, 10] {
        let mut failures = 0;
        while world.emitted.len() < visible {
            failures += i32::from(world.poll_once().is_err());
            assert!(failures < 4, "{visible} events");
        }
        assert!(failures > 0, "nobody hears of it");
        world.wait_minutes(60);
        world.reopen();
    }
    // So it is with a feed that goes on.
    let later = events(0, 11, EPOCH + 2 * HOUR, HOUR / 6);
    world.poll_all().unwrap_err();
    world.poll_all().unwrap_err();
    world.model.add_events(later.into_iter().skip(10).collect());
    world.wait_minutes(60);
    while world.emitted.len() < 11 {
        world.wait_minutes(1);
        let _ = world.poll_once();
    }
}

#[test]
fn a_wrong_address_is_an_outage_once_it_has_served() {
    let mut world = World::of(events(0, 5, EPOCH, 1), "");
    world.poll_all().unwrap();
    world.reopen();
    world.model.faults.add("status=404,next=1".parse().unwrap());
    assert_eq!(world.poll_once().unwrap_err().code(), "unavailable");
}

#[test]
fn one_wrong_date_moves_nothing() {
    let mut world = World::of(events(0, 100, EPOCH + HOUR, 60_000), "");
    world.poll_all().unwrap();
    let leap = Fault::DateOff(4_000 * 24 * HOUR);
    let once = Rule::new(leap).when(When::Next(1));
    world.model.faults.add(once);
    for _ in 0..120 {
        world.wait_minutes(1);
        assert_eq!(world.poll_all().unwrap().findings, [""; 0]);
    }
    assert_eq!(world.emitted.len(), 100);
    world.check();
}

/// The last page was asked for before polling paused; when it is read, much has
/// happened that it does not show.
#[test]
fn the_position_does_not_pass_what_was_answered_before_a_pause() {
    let mut world = World::of(events(0, 15, EPOCH, 60_000), "");
    while world.emitted.len() < 10 {
        world.poll_once().unwrap();
    }
    let asked = world.now();
    world
        .model
        .faults
        .add("status=500,on=count".parse().unwrap());
    let later = |n: i64| event(0, "user_create", &format!("later-{n}"), asked + n * 60_000);
    world.model.add_events((0..30).map(later).collect());
    world.wait_minutes(40);
    while world.emitted.len() < 45 {
        assert!(
            world.now() < asked + 2 * HOUR,
            "{} events",
            world.emitted.len()
        );
        let _ = world.poll_once();
        world.wait_minutes(1);
    }
}

#[test]
fn state_of_another_address_stops_the_feed() {
    let mut world = World::of(events(0, 5, EPOCH, 1), "");
    world.poll_all().unwrap();
    world.reopen_with(r#"{"api_base_url": "https://api.eu.jumpcloud.com"}"#);
    let error = world.poll_once().unwrap_err();
    assert_eq!(error.code(), "bad-settings");
    assert!(
        error
            .to_string()
            .contains("was collected from https://api.jumpcloud.com"),
        "{error}"
    );
    // And it stays stopped: nothing starts over.
    assert_eq!(world.poll_once().unwrap_err().code(), "bad-settings");
}

#[test]
fn the_start_is_resolved_once() {
    let mut world = World::of(events(0, 5, EPOCH, 1), r#"{"start": "2h"}"#);
    let start = world.poll_all().unwrap().start;
    world.wait_minutes(300);
    world.reopen_with(r#"{"start": "1h"}"#);
    assert_eq!(world.poll_all().unwrap().start, start);
}

#[test]
fn a_rewind_brings_back_what_was_handed_out_from_there_on() {
    let mut world = World::of(events(0, 30, EPOCH, 1000), "");
    assert_eq!(world.poll_all().unwrap().events, 30);
    let writes = world.feed().rewind(EPOCH + 20_000).unwrap();
    world.apply(&writes);
    world.reopen();
    let said = world.poll_all().unwrap();
    assert_eq!(said.events, 10);
    assert!(world.emitted.values().all(|times| *times <= 2));
}

/// A rewind never goes forward, or what the first one brings back were lost.
#[test]
fn of_two_rewinds_the_earlier_one_holds() {
    let mut world = World::of(events(0, 100, EPOCH, 1_000), "");
    world.poll_all().unwrap();
    for to in [EPOCH + 20_000, EPOCH + 60_000] {
        let writes = world.feed().rewind(to).unwrap();
        world.apply(&writes);
        world.reopen();
    }
    assert_eq!(world.poll_all().unwrap().events, 80);
}

/// Right after all was read, before the cycle has come to its end.
#[test]
fn a_rewind_of_a_feed_that_runs_is_read_before_it_says_idle() {
    let mut world = World::of(events(0, 5, EPOCH, 1000), "");
    assert_eq!(world.poll_once().unwrap().events, 5);
    let writes = world.feed().rewind(EPOCH).unwrap();
    world.apply(&writes);
    assert_eq!(world.poll_all().unwrap().events, 5);
}

#[test]
fn a_poll_before_the_ack_is_refused_and_changes_nothing() {
    let mut world = World::of(events(0, 30, EPOCH, 1000), "");
    let batch = world.poll().unwrap();
    assert!(matches!(world.poll(), Err(Error::Internal(_))));
    assert!(matches!(
        world.feed().ack(batch.checkpoint + 1),
        Err(Error::Internal(_))
    ));
    world.deliver(batch);
    assert_eq!(world.poll_all().unwrap().events, 20);
    world.check();
}

#[test]
fn types_that_nobody_maps_are_told_once_a_day() {
    let mut odd = events(0, 3, EPOCH + HOUR, 1);
    for (n, event) in odd.iter_mut().enumerate() {
        let raw = String::from_utf8_lossy(&event.raw).replace("user_lockout", "user_levitate");
        *event = Event::from_json(raw.replace("-0000", &format!("-odd{n}"))).unwrap();
    }
    let mut world = World::of([events(0, 5, EPOCH, 1), odd].concat(), "");
    let told = "unmapped-types: not mapped, of the last day: user_levitate (3)";
    assert_eq!(world.poll_all().unwrap().findings, [told]);
    world.reopen();
    assert_eq!(world.poll_all().unwrap().findings, [""; 0]);
    world.wait_minutes(24 * 60);
    world.poll_all().unwrap();
    assert_eq!(world.model.stats.distinct, 2);
    // Nothing depends on the answer.
    world.wait_minutes(25 * 60);
    world
        .model
        .faults
        .add("status=500,on=distinct,next=1".parse().unwrap());
    assert!(world.poll_all().unwrap().idle);
}

#[test]
fn numbers_of_batches_go_on_though_nothing_was_answered_before_a_restart() {
    let mut world = World::of(events(0, 5, EPOCH, 1), "");
    world.poll_in_haste();
    for _ in 0..3 {
        assert_eq!(world.poll_once().unwrap().events, 0);
        world.reopen();
    }
}

#[test]
fn a_rewind_with_a_batch_in_hand_is_refused_and_loses_nothing() {
    let mut world = World::of(events(0, 5, EPOCH, 1), "");
    let batch = world.poll().unwrap();
    assert!(matches!(
        world.feed().rewind(EPOCH + 60_000),
        Err(Error::Internal(_))
    ));
    world.deliver(batch);
    world.poll_all().unwrap();
    world.check();
}

#[test]
fn a_failure_says_until_when_nothing_is_lost() {
    let mut world = World::of(events(0, 20, EPOCH, 1000), "");
    let hints = |world: &mut World, status| {
        let fault = Fault::Status {
            status,
            retry_after: Default::default(),
        };
        world.model.faults.add(Rule::new(fault));
        let failed = loop {
            if let Err(error) = world.poll_once() {
                break error;
            }
            world.wait_minutes(1);
        };
        world.model.faults.clear();
        match failed {
            Error::Unavailable(failure, _) | Error::Authentication(failure) => failure.hints,
            other => panic!("{other:?}"),
        }
    };
    let told = |hints: &[String]| {
        hints
            .iter()
            .any(|hint| hint.contains("nothing is lost until"))
    };
    assert!(!told(&hints(&mut world, 503)), "nothing was collected yet");
    world.poll_all().unwrap();
    for status in [503, 401] {
        let hints = hints(&mut world, status);
        assert!(told(&hints), "{hints:?}");
    }
}

#[test]
fn a_poll_that_asks_for_nothing_brings_something_all_the_same() {
    let mut world = World::of(events(0, 5, EPOCH, 1), "");
    world.limit_to_nothing();
    for _ in 0..10_000 {
        if world.poll_once().unwrap().idle {
            break;
        }
    }
    assert_eq!(world.emitted.len(), 5);
}
