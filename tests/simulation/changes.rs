//! What changes between runs: selection, start, clock, downtime, state format.

use jumpcloud_simulator::{Event, Organization, Rule, organization_id};

use crate::events::event;
use crate::world::{EPOCH, World};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// `count` events of a type, `step` ms apart, from `first` on.
fn events(event_type: &str, count: i64, first: i64, step: i64) -> Vec<Event> {
    let id = |n| format!("{event_type}-{first}-{n}");
    (0..count)
        .map(|n| event(0, event_type, &id(n), first + step * n))
        .collect()
}

fn world(events: Vec<Event>, settings: &str) -> World {
    let mut world = World::of(events, settings);
    world.limit_events(100, 10 << 20);
    world
}

#[test]
fn types_that_are_added_are_read_from_what_was_read() {
    let both = [
        events("sso_auth", 300, EPOCH, 1_000),
        events("user_create", 300, EPOCH + 7, 1_000),
    ];
    let mut world = world(
        both.concat(),
        r#"{"event_types": ["login"], "start": "3h"}"#,
    );
    assert_eq!(world.poll_all().unwrap().events, 300);
    world.poll_all().unwrap();
    world.reopen_with(r#"{"event_types": ["login", "admin"], "start": "3h"}"#);
    let said = world.poll_all().unwrap();
    assert_eq!(
        said.events, 300,
        "each of the new type, none of the old one"
    );
    assert!(said.findings[0].starts_with("new-selection: "), "{said:?}");
    world.check();
    world.reopen();
    assert_eq!(world.poll_all().unwrap().findings, [""; 0], "said once");
    world.reopen_with(r#"{"event_types": ["admin"], "start": "3h"}"#);
    let said = world.poll_all().unwrap();
    assert_eq!(said.events, 0);
    assert_eq!(
        said.findings,
        ["new-selection: fewer event types are selected than before"]
    );
    world.check();
}

/// The stored head with another value of a member.
fn set(world: &mut World, name: &str, value: u32) {
    let head = world.store().get_mut("head").unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(head).unwrap();
    json[name] = value.into();
    *head = serde_json::to_vec(&json).unwrap();
    world.reopen();
}

/// As if the plugin that has read them had not mapped these events yet.
#[test]
fn types_that_a_later_plugin_maps_are_read_from_what_was_read() {
    let of = |event_type: &str| -> Vec<Event> {
        let id = |n| format!("row-{n}");
        (0..300)
            .map(|n| event(0, event_type, &id(n), EPOCH + 1_000 * n))
            .collect()
    };
    let mut world = world(of("not_mapped_yet"), r#"{"start": "3h"}"#);
    assert_eq!(world.poll_all().unwrap().events, 0);
    world.settle();
    world.model.organizations[0] = Organization::new(&organization_id(0), of("user_create"));
    set(&mut world, "selection", 1);
    let said = world.poll_all().unwrap();
    assert_eq!(said.events, 300, "all of them at once");
    assert!(said.findings[0].starts_with("new-selection: "), "{said:?}");
    world.check();
    let progress = world.poll().unwrap().progress.unwrap();
    assert_eq!(progress.lateness, None, "they are not late");
}

/// What stood for a selection before it went by what is mapped.
#[test]
fn a_selection_of_an_earlier_plugin_is_no_new_one() {
    let both = [
        events("sso_auth", 10, EPOCH, 1_000),
        events("user_create", 10, EPOCH + 7, 1_000),
    ];
    for (types, before) in [
        (r#"["login"]"#, 0xe23b_b3c4),
        (r#"["admin"]"#, 0xd78c_289a),
        (r#"["login", "admin"]"#, 0x52ff_a3f7),
    ] {
        let settings = format!(r#"{{"event_types": {types}}}"#);
        let mut world = world(both.concat(), &settings);
        world.poll_all().unwrap();
        set(&mut world, "selection", before);
        let said = world.poll_all().unwrap();
        assert_eq!((said.events, said.findings), (0, Vec::new()));
    }
}

#[test]
fn an_earlier_start_fills_the_gap_without_repeats() {
    let all = events("user_create", 3_000, EPOCH - 20 * HOUR, 24_000);
    let mut world = world(all, r#"{"start": "8h"}"#);
    let first = world.poll_all().unwrap();
    assert!((1_000..1_200).contains(&first.events), "{}", first.events);
    // The same words at a later time are no earlier start.
    world.wait_minutes(60);
    world.reopen();
    assert_eq!(world.poll_all().unwrap().start, first.start);
    world.reopen_with(r#"{"start": "60h"}"#);
    for _ in 0..5 {
        world.poll_once().unwrap();
        world.reopen();
    }
    let said = world.poll_all().unwrap();
    assert!(said.start < first.start);
    assert_eq!(world.emitted.len(), 3_000);
    world.check();
    world.settle();
    world.check();
    let reconciled = world.reconciled.values().flatten().next();
    assert_eq!(reconciled, Some(&(3_000, 3_000)));
}

#[test]
fn a_clock_that_jumps_changes_nothing() {
    let mut world = world(events("user_create", 1_000, EPOCH, 2_000), "");
    world.poll_all().unwrap();
    let before = world.emitted.len();
    for skew in [DAY, -DAY, 0] {
        world.set_skew(skew);
        world.reopen();
        world.poll_all().unwrap();
        world.poll_all().unwrap();
        assert_eq!(world.emitted.len(), before);
    }
    world.check();
}

#[test]
fn ten_days_of_downtime_are_made_up_for() {
    let mut world = world(
        events("user_create", 1_000, EPOCH, 1_000),
        r#"{"start": "2h"}"#,
    );
    world.poll_all().unwrap();
    let meanwhile = world.now() + HOUR;
    world
        .model
        .add_events(events("user_create", 2_000, meanwhile, 430_000));
    world.wait_minutes(10 * 24 * 60);
    world.reopen();
    assert_eq!(world.poll_all().unwrap().events, 2_000);
    world.settle();
    world.check();
    let reconciled = world.reconciled.values().flatten().next().unwrap();
    assert!(
        reconciled.0 == reconciled.1 && (1_300..1_500).contains(&reconciled.0),
        "{reconciled:?}"
    );
}

#[test]
fn a_still_earlier_start_is_filled_after_the_one_before() {
    let all = events("user_create", 60, EPOCH - 60 * DAY, DAY);
    let mut world = world(all, r#"{"start": "24h"}"#);
    world.poll_all().unwrap();
    world.reopen_with(r#"{"start": "20d"}"#);
    world.limit_events(3, 10 << 20);
    while world.poll_once().unwrap().events == 0 {}
    assert!(world.emitted.len() < 10);
    world.reopen_with(r#"{"start": "50d"}"#);
    world.poll_all().unwrap();
    world.poll_all().unwrap();
    let start = world.poll_all().unwrap().start.unwrap();
    assert!((start - (world.now() - 50 * DAY)).abs() < HOUR);
    let events = world.model.events();
    let wanted = events.filter(|event| event.ms >= start).count();
    assert_eq!(world.emitted.len(), wanted);
    assert!(world.emitted.values().all(|times| *times == 1));
}

/// By one who means to stop at once, and so in that very run.
#[test]
fn what_was_filled_is_reconciled_in_the_same_run() {
    let all = events("user_create", 300, EPOCH - 20 * HOUR, 240_000);
    let mut world = world(all, r#"{"start": "2h"}"#);
    world.settle();
    assert!(world.emitted.len() < 100);
    world.reopen_with(r#"{"start": "60h"}"#);
    world.poll_until_idle();
    let reconciled = world.reconciled.values().flatten().next();
    assert_eq!(reconciled, Some(&(300, 300)));
}

/// Each answer takes longer than `poll_interval`: what lies before is read all
/// the same, a little at a time.
#[test]
fn a_fill_goes_on_however_short_the_cycles_are() {
    let all = events("user_create", 100, EPOCH - 20 * HOUR, 720_000);
    let mut world = world(all, r#"{"start": "2h", "poll_interval": "1s"}"#);
    world.poll_all().unwrap();
    world.reopen_with(r#"{"start": "60h", "poll_interval": "1s"}"#);
    world.delay = 2_000;
    world.piece = 500;
    for _ in 0..1_000 {
        world.poll_once().unwrap();
    }
    assert_eq!(world.emitted.len(), 100);
    world.check();
}

/// What lies before may grow too old; late events can wait.
#[test]
fn an_earlier_start_is_read_where_counts_fail() {
    let mut world = world(
        events("user_create", 300, EPOCH - 20 * HOUR, 240_000),
        r#"{"start": "2h"}"#,
    );
    world.poll_all().unwrap();
    world
        .model
        .faults
        .add("status=500,on=count".parse().unwrap());
    world.wait_minutes(10);
    world.reopen_with(r#"{"start": "60h"}"#);
    for _ in 0..20 {
        let _ = world.poll_once();
        world.wait_minutes(1);
    }
    assert_eq!(world.emitted.len(), 300);
    world.check();
}

/// One late record that can't be taken at all: what lies before is read, and what
/// is late elsewhere.
#[test]
fn what_cannot_be_read_again_stops_nothing_else() {
    let mut world = world(
        events("user_create", 400, EPOCH - 20 * HOUR, 180_000),
        r#"{"start": "22h"}"#,
    );
    world.poll_all().unwrap();
    let before = world.emitted.len();
    let (late, broken) = (EPOCH - 3 * HOUR + 500, EPOCH - 10 * HOUR + 500);
    let mut open = event(0, "user_create", "open", broken);
    open.raw = br#"{"id":"open"#.to_vec().into();
    let late = event(0, "user_create", "late", late);
    let earlier = events("sso_auth", 50, EPOCH - 40 * HOUR, 60_000);
    world.model.add_events(vec![open, late]);
    world.model.add_events(earlier);
    world.wait_minutes(10);
    world.reopen_with(r#"{"start": "60h"}"#);
    let mut failed = 0;
    for _ in 0..40 {
        failed += u32::from(world.poll_once().is_err());
        world.wait_minutes(1);
    }
    assert_eq!(world.emitted.len(), before + 51);
    assert!(failed >= 4, "{failed} failures told");
    let reconciled = world.reconciled.values().flatten().next();
    assert!(
        reconciled.is_some_and(|(counted, read)| counted > read),
        "{reconciled:?}"
    );
}

/// A count has failed once, so that what lies before came first; and there it
/// fails for good.
#[test]
fn a_fill_that_cannot_go_on_stops_no_audit() {
    let mut world = world(
        events("user_create", 300, EPOCH, 10_000),
        r#"{"start": "2h"}"#,
    );
    world.poll_all().unwrap();
    let mut open = event(0, "user_create", "open", EPOCH - 40 * HOUR);
    open.raw = br#"{"id":"open"#.to_vec().into();
    let late = event(0, "user_create", "late", EPOCH + 500);
    world.model.add_events(vec![open, late]);
    world.wait_minutes(10);
    world.reopen_with(r#"{"start": "60h"}"#);
    let failing: Rule = "status=500,on=count".parse().unwrap();
    world.model.faults.add(failing);
    for minute in 0..40 {
        if minute == 10 {
            world.model.faults.clear();
        }
        let _ = world.poll_once();
        world.wait_minutes(1);
    }
    assert_eq!(world.emitted.len(), 301);
}

/// The last record before the start that was has no time: it is rejected by the
/// fill, and not once more when the seam is read again.
#[test]
fn a_dead_letter_at_the_seam_of_a_fill_comes_once() {
    let mut all = events("user_create", 300, EPOCH - 5 * HOUR, 60_000);
    all.extend(events("sso_auth", 50, EPOCH, 60_000));
    let mut world = world(all, r#"{"start": "2h"}"#);
    let start = world.poll_all().unwrap().start.unwrap();
    let mut odd = event(0, "user_create", "odd", start - 1);
    odd.raw = br#"{"id":"odd","timestamp":7}"#.to_vec().into();
    world.model.add_events(vec![odd]);
    world.reopen_with(r#"{"start": "60h"}"#);
    world.poll_all().unwrap();
    assert_eq!(world.rejected, 1);
    world.settle();
    assert_eq!(world.rejected, 1);
    assert_eq!(world.emitted.len(), 350);
    assert!(world.emitted.values().all(|times| *times == 1));
}

#[test]
fn late_events_are_found_while_a_long_fill_runs() {
    let mut all = events("user_create", 30_000, EPOCH - 50 * DAY, 120_000);
    all.extend(events("sso_auth", 200, EPOCH, 1_000));
    let late = EPOCH + HOUR + 20 * 60_000;
    for event in all.iter_mut().rev().take(5) {
        event.visible_at = late;
    }
    let mut world = world(all, r#"{"start": "3h"}"#);
    world.poll_all().unwrap();
    world.limit_events(10, 10 << 20);
    world.reopen_with(r#"{"start": "80d"}"#);
    let late_ones = |world: &World| {
        let known = |n: &i64| world.emitted.contains_key(&format!("sso_auth-{EPOCH}-{n}"));
        (195..200).filter(known).count()
    };
    for _ in 0..20_000 {
        world.poll_once().unwrap();
        if late_ones(&world) == 5 {
            break;
        }
    }
    assert_eq!(late_ones(&world), 5);
    assert!(world.emitted.len() < 30_000, "the fill goes on");
}

#[test]
fn a_state_of_format_1_goes_on_where_it_was() {
    let all = events("user_create", 100, EPOCH, 1_000);
    let mut world = world(all, r#"{"start": "3h"}"#);
    let position = EPOCH + 50_000;
    let head = format!(
        r#"{{"format":1,"version":"0.1.0","origin":"https://api.jumpcloud.com","organization":"{}","sequence":4,"start":{EPOCH},"position":{position},"ids":"","keys":[],"obsolete":[]}}"#,
        organization_id(0)
    );
    world.store().insert("head".to_owned(), head.into_bytes());
    world.reopen();
    assert_eq!(world.poll_all().unwrap().events, 50);
    world.reopen();
    assert_eq!(world.poll_all().unwrap().events, 0);
    world.settle();
    let reconciled = world.reconciled.values().flatten().next();
    assert_eq!(reconciled, Some(&(50, 50)), "counted from the position on");
}
