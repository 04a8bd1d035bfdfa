//! Several organisations, and rows of others than our own.

use std::ops::Range;

use jumpcloud::finding::Kind;
use jumpcloud_simulator::{Event, Fault, RetryAfter, Rule, When, organization_id};

use crate::events::{event, events};
use crate::world::{EPOCH, Said, World};

const HOUR: i64 = 3_600_000;

#[test]
fn a_credential_that_changed_hands_stops_the_feed_before_a_foreign_event_is_emitted() {
    let mut world = World::of(events(0, 5, EPOCH, 1), "");
    assert_eq!(world.poll_all().unwrap().partition, organization_id(0));
    let now = world.now();
    world.model.add_events(events(1, 5, now - HOUR / 60, 1));
    world.key_for(&[&organization_id(1)]);
    let before = world.emitted.len();
    for _ in 0..2 {
        world.wait_minutes(1);
        let error = world.poll_once().unwrap_err();
        assert_eq!(error.code(), "bad-settings");
        assert!(error.to_string().contains(&organization_id(1)), "{error}");
        assert_eq!(world.emitted.len(), before);
    }
}

/// Events of another organisation that are served to the first.
fn foreign(count: usize, first: i64, step: i64) -> Vec<Event> {
    let mut events = events(1, count, first, step);
    for event in &mut events {
        event.organization = organization_id(0).into();
    }
    events
}

#[test]
fn foreign_events_among_our_own_are_emitted_with_a_finding() {
    let ours = events(0, 5, EPOCH + 5, 10);
    let first = event(0, "user_lockout", "first", EPOCH - HOUR);
    let all = [ours, foreign(3, EPOCH, 10), vec![first]];
    let said = World::of(all.concat(), "").poll_all().unwrap();
    assert_eq!(said.events, 9, "{said:?}");
    assert!(
        said.findings[0].starts_with("other-organization: "),
        "{said:?}"
    );
}

#[test]
fn foreign_events_before_our_own_are_read_again_and_emitted() {
    let mut world = World::of(events(0, 1, EPOCH, 1), "");
    world.poll_all().unwrap();
    world.poll_once().unwrap();
    let now = world.now();
    let ours = event(0, "user_lockout", "ours", now - 40_000);
    world.model.add_events(foreign(2, now - 50_000, 1));
    world.model.add_events(vec![ours]);
    let said = world.poll_all().unwrap();
    assert_eq!(said.events, 3, "{said:?}");
    assert!(
        said.findings[0].starts_with("other-organization: "),
        "{said:?}"
    );
}

/// A part of the time in which there are only theirs, read again: nobody has
/// changed hands.
#[test]
fn late_events_are_found_where_only_foreign_ones_are() {
    let (before, after) = (events(0, 50, EPOCH, 1_000), EPOCH + 300_000);
    let after = (0..10).map(|n| event(0, "user_lockout", &format!("after-{n}"), after + n));
    let theirs = foreign(200, EPOCH + 60_000, 1_000);
    let all = [before, theirs, after.collect()].concat();
    let mut world = World::of(all, r#"{"poll_interval": "300s"}"#);
    world.limit_events(1_000, 10 << 20);
    world.poll_all().unwrap();
    assert_eq!(world.emitted.len(), 260);
    world.reopen();
    world.model.add_events(vec![Event {
        organization: organization_id(0).into(),
        ..event(1, "user_lockout", "late", EPOCH + 160_017)
    }]);
    world.wait_minutes(10);
    for _ in 0..3 {
        world.poll_all().unwrap();
    }
    assert_eq!(world.emitted.len(), 261);
}

/// It is begun anew for them, and then follows what is new first.
#[test]
fn foreign_events_before_an_earlier_start_are_filled_however_short_the_cycles_are() {
    let theirs = foreign(1, EPOCH - 30 * HOUR, 1);
    let ours = events(0, 50, EPOCH - 29 * HOUR, HOUR / 2);
    let settings = |start| format!(r#"{{"start": "{start}", "poll_interval": "1s"}}"#);
    let last = vec![event(0, "user_lockout", "last", EPOCH)];
    let mut world = World::of([theirs, ours, last].concat(), &settings("2h"));
    assert_eq!(world.poll_all().unwrap().events, 1);
    world.reopen_with(&settings("60h"));
    world.limit_events(100, 10 << 20);
    world.delay = 2_000;
    for _ in 0..200 {
        world.poll_once().unwrap();
    }
    assert_eq!(world.emitted.len(), 52);
}

/// One that names no organisation is no reason to go on behind those of another.
#[test]
fn foreign_events_before_one_of_nobody_are_not_passed() {
    let nobody =
        r#"{"id":"nobody","service":"directory","event_type":"user_lockout","timestamp":"TIME"}"#;
    let nobody = nobody.replace(
        "TIME",
        &jumpcloud::clock::rfc3339(EPOCH - 30 * 24 * HOUR + 10),
    );
    let nobody = Event {
        organization: organization_id(0).into(),
        ..Event::from_json(nobody).unwrap()
    };
    let all = [
        foreign(1, EPOCH - 30 * 24 * HOUR, 1),
        vec![nobody],
        events(0, 5, EPOCH - 29 * 24 * HOUR, 1_000),
    ];
    let mut world = World::of(all.concat(), r#"{"start": "40d"}"#);
    // The organisation is known.
    world.model.add_events(vec![event(
        0,
        "user_create",
        "ours",
        EPOCH - 39 * 24 * HOUR,
    )]);
    world.limit_events(1, 10 << 20);
    world.poll_once().unwrap();
    world.limit_events(100, 10 << 20);
    world.reopen();
    while !world.poll_all().unwrap().idle {}
    assert_eq!(world.emitted.len(), 8);
}

/// 25 events of one organisation and 35 of another, of which so many are
/// collected.
fn two(collected: usize) -> World {
    let both = [events(0, 25, EPOCH, 1), events(1, 35, EPOCH, 1)].concat();
    let mut world = World::of(both, &settings(0..collected));
    world.key_for(&[]);
    world
}

fn settings(organizations: Range<usize>) -> String {
    let ids: Vec<String> = organizations.map(organization_id).collect();
    format!(r#"{{"org_ids": {ids:?}}}"#)
}

#[test]
fn several_organisations_have_a_position_each() {
    let mut world = two(2);
    assert_eq!(world.poll_all().unwrap().events, 60);
    world.reopen();
    assert_eq!(world.poll_all().unwrap().events, 0);
    world.check();
}

/// What concerns the feed is told of no organisation, and once.
#[test]
fn a_key_that_ends_is_the_feeds_and_no_organisations() {
    let both = [organization_id(0), organization_id(1)];
    let settings = format!(r#"{{"org_ids": {both:?}, "token_expires": "2026-10-01"}}"#);
    let mut world = World::of(events(0, 5, EPOCH, 1), &settings);
    world.key_for(&[]);
    let mut found = Vec::new();
    for _ in 0..6 {
        let batch = world.poll().unwrap();
        found.extend(batch.findings.clone());
        world.deliver(batch);
    }
    found.retain(|finding| finding.kind == Kind::KeyExpiry);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].partition, "");
}

#[test]
fn an_organisation_that_is_added_begins_at_its_own_start() {
    let mut world = two(1);
    assert_eq!(world.poll_all().unwrap().events, 25);
    world.reopen_with(&settings(0..2));
    assert_eq!(world.poll_all().unwrap().events, 35);
    world.reopen_with(&settings(1..2));
    assert_eq!(world.poll_all().unwrap().events, 0);
    world.check();
}

/// Also if the first run ends before the second one had its turn.
#[test]
fn the_start_of_all_organisations_is_resolved_at_the_first_run() {
    let mut world = two(2);
    let first = world.poll_once().unwrap();
    assert_eq!(first.partition, organization_id(0));
    world.wait_minutes(300);
    world.reopen();
    let mut seen = [false; 2];
    while seen != [true; 2] {
        let said = world.poll_once().unwrap();
        let late = said.start.unwrap() - first.start.unwrap();
        assert!(late < HOUR / 60, "{late} ms later");
        (0..2).for_each(|n| seen[n] |= said.partition == organization_id(n));
    }
}

/// As when an API key gives way to a service account, which needs to name it.
#[test]
fn an_organisation_that_is_named_later_goes_on_where_it_was() {
    let mut world = World::of(events(0, 25, EPOCH, 1), "");
    assert_eq!(world.poll_all().unwrap().events, 25);
    world.key_for(&[]);
    for organizations in [0..1, 0..2, 0..1] {
        world.reopen_with(&settings(organizations));
        assert_eq!(world.poll_all().unwrap().events, 0);
    }
    world.key_for(&[&organization_id(0)]);
    world.reopen_with("");
    assert_eq!(world.poll_all().unwrap().events, 0);
    world.check();
}

#[test]
fn one_organisation_that_fails_does_not_stop_the_others() {
    let mut world = two(2);
    world.model.organizations[0].entitled = false;
    let said = world.poll_all().unwrap();
    assert_eq!(said.events, 35);
    assert!(
        said.findings[0].starts_with("organization-failed: not-entitled: "),
        "{said:?}"
    );
    world.model.organizations[1].entitled = false;
    // They are due one after the other.
    let error = world.poll_all().and_then(|_| world.poll_all()).unwrap_err();
    assert_eq!(error.code(), "not-entitled");
    for organization in &mut world.model.organizations {
        organization.entitled = true;
    }
    world.poll_all().unwrap();
    world.check();
}

/// A failure is over when the organisation is read again: it does not count with
/// one of another organisation that comes later.
#[test]
fn organisations_that_fail_one_after_the_other_stop_nobody() {
    let mut world = two(2);
    world.limit_events(5, 1 << 20);
    world.model.organizations[0].entitled = false;
    let has_failed = |said: &Said| said.findings.iter().any(|it| it.contains("not-entitled"));
    while !has_failed(&world.poll_once().unwrap()) {}
    world.model.organizations[0].entitled = true;
    world.wait_minutes(2);
    let mut count = 0;
    while count == 0 {
        let said = world.poll_once().unwrap();
        count += said.events * usize::from(said.partition == organization_id(0));
    }
    world.model.organizations[1].entitled = false;
    while count < 25 {
        let said = world.poll_once().unwrap();
        count += said.events * usize::from(said.partition == organization_id(0));
        world.wait_minutes(1);
    }
}

/// JumpCloud can't answer requests of the first organisation.
fn busy(world: &mut World, when: When) {
    let fault = Fault::Status {
        status: 503,
        retry_after: RetryAfter::Absent,
    };
    let rule = Rule::new(fault).of(&organization_id(0)).when(when);
    world.model.faults.add(rule);
}

#[test]
fn a_run_that_is_to_end_asks_again_whoever_failed() {
    let mut world = two(2);
    world.drain();
    busy(&mut world, When::Next(2));
    for _ in 0..2 {
        let error = world.poll_all().unwrap_err();
        assert_eq!(error.code(), "unavailable");
        assert_eq!(world.emitted.len(), 35, "the other one is read meanwhile");
    }
    assert_eq!(world.poll_all().unwrap().events, 25);
    world.check();
}

/// However short the cycles and long the waits are: whoever has caught up in it
/// is not asked again, and what it would bring is no sign of life of the others.
#[test]
fn a_run_that_is_to_end_fails_as_long_as_one_organisation_does() {
    let both = [organization_id(0), organization_id(1)];
    let mut world = two(2);
    world.reopen_with(&format!(
        r#"{{"org_ids": {both:?}, "poll_interval": "1s"}}"#
    ));
    world.drain();
    busy(&mut world, When::Always);
    assert_eq!(world.poll_all().unwrap_err().code(), "unavailable");
    assert_eq!(world.emitted.len(), 35);
    for _ in 0..5 {
        world.wait_minutes(1);
        let said = world.poll_once().unwrap();
        assert_eq!((said.partition, said.idle), (organization_id(0), false));
        assert_eq!(world.poll_once().unwrap_err().code(), "unavailable");
    }
    world.model.faults.clear();
    assert_eq!(world.poll_all().unwrap().events, 25);
    // The next run asks both.
    let now = world.now();
    world.model.add_events(events(1, 5, now - 1_000, 1));
    assert_eq!(world.poll_all().unwrap().events, 5);
    world.check();
}

/// To ask again would be of no use.
#[test]
fn a_run_that_is_to_end_reads_all_others_and_fails_if_one_is_refused() {
    let mut world = two(2);
    world.drain();
    world.model.organizations[0].entitled = false;
    let mut findings = 0;
    let error = loop {
        match world.poll_once() {
            Ok(said) => findings += said.findings.len(),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), "not-entitled");
    assert_eq!((world.emitted.len(), findings), (35, 1));
}

#[test]
fn check_tries_every_organisation() {
    let mut world = two(2);
    world.model.organizations[0].entitled = false;
    let found = world.try_out().unwrap();
    let said = |organization, kind| {
        let id = organization_id(organization);
        found.iter().any(|it| it.partition == id && it.kind == kind)
    };
    assert!(said(0, Kind::OrganizationFailed), "{found:?}");
    assert!(said(1, Kind::Access), "{found:?}");

    world.model.organizations[1].entitled = false;
    let error = world.try_out().unwrap_err();
    assert_eq!(error.code(), "not-entitled");
}

#[test]
fn after_writes_that_failed_the_feed_refuses_to_go_on() {
    let mut world = World::of(events(0, 5, EPOCH, 1), "");
    let batch = world.poll().unwrap();
    world.feed().ack(batch.checkpoint).unwrap();
    world.feed().tear();
    let again = world.feed().ack(batch.checkpoint).unwrap_err();
    assert_eq!(again.code(), "storage");
    assert_eq!(world.poll().unwrap_err().code(), "storage");
}

/// A round takes longer than `poll_interval`, and each brings something new:
/// what was read is compared with the counts all the same.
#[test]
fn audits_go_on_however_short_the_cycles_are() {
    let ids = [organization_id(0), organization_id(1)];
    let all = (0..2)
        .flat_map(|n| events(n, 7_200, EPOCH, 1_000))
        .collect();
    let mut world = World::of(
        all,
        &format!(r#"{{"org_ids": {ids:?}, "start": "2h", "poll_interval": "1s"}}"#),
    );
    world.key_for(&ids.each_ref().map(String::as_str));
    world.limit_events(1_000, 10 << 20);
    world.poll_patiently();
    world.delay = 2_000;
    while world.now() < EPOCH + 2 * HOUR {
        world.poll_once().unwrap();
    }
    for id in &ids {
        assert!(world.reconciled[id].is_some_and(|(_, read)| read > 0));
    }
}
