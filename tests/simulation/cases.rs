//! Single cases of collecting, each by name: pages, defects, organisations,
//! retention, what changes between runs.

use jumpcloud::clock::rfc3339;
use jumpcloud::error::Error;
use jumpcloud_simulator::{Endpoint, Event, Fault, Rule, When, Wire, organization_id};

use crate::world::{EPOCH, World};

const HOUR: i64 = 3_600_000;

/// `count` account changes of an organisation, `step` ms apart, from `first` on.
fn events(organization: usize, count: usize, first: i64, step: i64) -> Vec<Event> {
    let organization = organization_id(organization);
    (0..count)
        .map(|n| {
            let time = rfc3339(first + step * n as i64);
            let json = format!(
                r#"{{"id":"{organization}-{n:06}","organization":"{organization}","service":"directory","event_type":"user_lockout","timestamp":"{time}"}}"#
            );
            Event::from_json(json).unwrap()
        })
        .collect()
}

fn lose_nothing_by(fault: &Fault, message: &str) {
    for step in [0, 1000] {
        let mut world = World::of(events(0, 45, EPOCH, step), "");
        // The second page is asked for ahead: what happens to it before its
        // head, happens while nobody polls.
        let at = if matches!(fault, Fault::Wire(Wire::Reset | Wire::Stall)) {
            1
        } else {
            2
        };
        world.model.faults.add(
            Rule::new(fault.clone())
                .on(Endpoint::Events)
                .when(When::Nth(at)),
        );
        let mut errors = Vec::new();
        for _ in 0..100 {
            match world.poll_once() {
                Ok(said) if said.idle => break,
                Ok(_) => {}
                Err(error) => errors.push(error.to_string()),
            }
        }
        assert_eq!(errors.len(), 1, "{fault:?}: {errors:?}");
        assert!(errors[0].contains(message), "{fault:?}: {errors:?}");
        world.check();
    }
}

#[test]
fn pages_of_every_length_are_read_to_their_end() {
    for (count, pages) in [(0, 1), (1, 1), (9, 1), (10, 2), (11, 2), (20, 3)] {
        for step in [0, 1, 1000] {
            let mut world = World::of(events(0, count, EPOCH, step), "");
            let said = world.poll_all().unwrap();
            assert_eq!(said.events, count);
            assert_eq!(
                world.model.stats.events, pages,
                "{count} events, {step} ms apart"
            );
            world.check();
        }
    }
}

#[test]
fn a_defect_is_an_error_and_never_an_end() {
    for (fault, message) in [
        (
            Fault::NoSearchAfter,
            "a full page without a usable `X-Search_after`",
        ),
        (
            Fault::GarbledSearchAfter,
            "a full page without a usable `X-Search_after`",
        ),
        (Fault::UnmovedSearchAfter, "`X-Search_after` did not move"),
        (
            Fault::WrongResultCount(1),
            "`X-Result-Count` is 11, but 10 came",
        ),
        (
            Fault::WrongResultCount(-1),
            "`X-Result-Count` is 9, but 10 came",
        ),
        (
            Fault::NoPagingHeaders,
            "a full page without a usable `X-Search_after`",
        ),
        (Fault::BrokenJson, "JumpCloud's answer was cut off"),
        (
            Fault::NotAnArray,
            "no JSON array of events but `{\"events\":[]",
        ),
        (Fault::Html, "this is not the Directory Insights API"),
        (Fault::Wire(Wire::Cut(0)), "JumpCloud's answer was cut off"),
        (
            Fault::Wire(Wire::Cut(500)),
            "JumpCloud's answer was cut off",
        ),
        (Fault::Wire(Wire::Reset), "no connection"),
        (Fault::Wire(Wire::Stall), "no answer in time"),
    ] {
        lose_nothing_by(&fault, message);
    }
}

#[test]
fn the_same_page_again_is_an_error() {
    lose_nothing_by(&Fault::FirstPageAgain, "unexpected answer from JumpCloud");
}

#[test]
fn a_missing_count_is_made_up_for_by_the_rows() {
    let mut world = World::of(events(0, 45, EPOCH, 1), "");
    world
        .model
        .faults
        .add(Rule::new(Fault::NoHeader("X-Result-Count".to_owned())));
    assert_eq!(world.poll_all().unwrap().events, 45);
    world.check();
}

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

#[test]
fn a_wrong_address_is_an_outage_once_it_has_served() {
    let mut world = World::of(events(0, 5, EPOCH, 1), "");
    world.poll_all().unwrap();
    world.reopen();
    world.model.faults.add("status=404,next=1".parse().unwrap());
    assert_eq!(world.poll_once().unwrap_err().code(), "unavailable");
}

#[test]
fn a_start_beyond_retention_is_moved_with_a_word() {
    let mut world = World::of(events(0, 5, EPOCH, 1), r#"{"start": "400d"}"#);
    let said = world.poll_all().unwrap();
    assert_eq!(said.findings.len(), 1);
    assert!(said.findings[0].starts_with("start-clamped: the start was moved from"));
    assert!(said.findings[0].ends_with("JumpCloud keeps 90 days"));
    world.check();
}

#[test]
fn a_shorter_retention_is_learnt_from_the_answer() {
    let mut world = World::of(events(0, 5, EPOCH, 1), r#"{"start": "90d"}"#);
    world.model.organizations[0].retention_days = 15;
    let said = world.poll_all().unwrap();
    assert!(
        said.findings
            .last()
            .unwrap()
            .ends_with("JumpCloud keeps 15 days"),
        "{said:?}"
    );
    assert_eq!(said.events, 5);
    world.check();
}

#[test]
fn a_retention_that_is_shorter_by_less_than_a_day_is_no_endless_loop() {
    let mut world = World::of(events(0, 5, EPOCH, 1), r#"{"start": "90d"}"#);
    // By its `Date` the oldest start is an hour older than what it accepts.
    world.model.faults.add(Rule::new(Fault::DateOff(-HOUR)));
    let error = world.poll_once().unwrap_err();
    assert_eq!(error.code(), "bad-settings");
    assert!(error.to_string().contains("less than 90 days"), "{error}");
    assert!(world.model.stats.requests() < 8, "{:?}", world.model.stats);
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

#[test]
fn a_position_beyond_retention_is_a_gap_that_is_named() {
    let mut world = World::of(events(0, 5, EPOCH, 1), "");
    world.poll_all().unwrap();
    let read_to = world.now() - 60_000 - 120_000;
    world.wait_minutes(100 * 24 * 60);
    world.reopen();
    let said = world.poll_all().unwrap();
    assert!(
        said.findings[0].starts_with("gap: events from "),
        "{said:?}"
    );
    let day = &rfc3339(read_to)[..10];
    assert!(said.findings[0].contains(day), "{said:?}");
}

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

#[test]
fn foreign_events_among_our_own_are_emitted_with_a_finding() {
    let ours = events(0, 5, EPOCH + 5, 10);
    let foreign = events(1, 3, EPOCH, 10).into_iter().map(|mut event| {
        // Served to us, though it says to be another's.
        event.organization = organization_id(0).into();
        event
    });
    let mut world = World::of(ours.into_iter().chain(foreign).collect(), "");
    let mut settled = events(0, 1, EPOCH - HOUR, 1);
    settled[0].id = Some("first".into());
    settled[0].raw = String::from_utf8_lossy(&settled[0].raw)
        .replace(&format!("{}-000000", organization_id(0)), "first")
        .into_bytes()
        .into();
    world.model.add_events(settled);
    let said = world.poll_all().unwrap();
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
    let foreign = events(1, 2, now - 50_000, 1).into_iter().map(|mut event| {
        event.organization = organization_id(0).into();
        event
    });
    let mut ours = events(0, 2, now - 40_000, 1);
    ours.remove(0);
    world.model.add_events(foreign.chain(ours).collect());
    let said = world.poll_all().unwrap();
    assert_eq!(said.events, 3, "{said:?}");
    assert!(
        said.findings[0].starts_with("other-organization: "),
        "{said:?}"
    );
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
fn several_organisations_have_a_position_each() {
    let settings = format!(
        r#"{{"org_ids": ["{}", "{}"]}}"#,
        organization_id(0),
        organization_id(1)
    );
    let both = [events(0, 25, EPOCH, 1), events(1, 35, EPOCH, 1)].concat();
    let mut world = World::of(both, &settings);
    world.key_for(&[]);
    assert_eq!(world.poll_all().unwrap().events, 60);
    world.reopen();
    assert_eq!(world.poll_all().unwrap().events, 0);
    world.check();
}

#[test]
fn one_organisation_that_fails_does_not_stop_the_others() {
    let settings = format!(
        r#"{{"org_ids": ["{}", "{}"]}}"#,
        organization_id(0),
        organization_id(1)
    );
    let both = [events(0, 25, EPOCH, 1), events(1, 35, EPOCH, 1)].concat();
    let mut world = World::of(both, &settings);
    world.key_for(&[]);
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
    world
        .model
        .organizations
        .iter_mut()
        .for_each(|organization| organization.entitled = true);
    world.poll_all().unwrap();
    world.check();
}

#[test]
fn a_crowd_of_future_events_bounds_the_query() {
    let day = 24 * HOUR;
    let mut crowd = events(0, 10_050, EPOCH + 2 * day, 1);
    crowd.iter_mut().for_each(|event| event.visible_at = EPOCH);
    let mut world = World::of(crowd, "");
    world.limit_events(10_000, 10 << 20);
    assert_eq!(world.poll_all().unwrap().events, 10_050);
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
fn what_breaks_off_while_nobody_polls_is_asked_for_again_without_an_error() {
    let mut world = World::of(events(0, 45, EPOCH, 1), "");
    assert_eq!(world.poll_once().unwrap().events, 10);
    world.break_open_requests();
    assert_eq!(world.poll_all().unwrap().events, 35);
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
fn a_backfill_takes_as_many_requests_as_it_has_pages() {
    let all = events(0, 20_000, EPOCH - 80 * 24 * HOUR, 345_000);
    let mut world = World::of(all, r#"{"start": "90d"}"#);
    world.limit_events(500, 10 << 20);
    let first = world.poll_once().unwrap();
    assert!(first.backlog.is_some_and(|left| left > 19_000), "{first:?}");
    world.poll_all().unwrap();
    world.check();
    let stats = world.model.stats;
    // The last row is read again when there may be new ones.
    assert!(stats.rows <= 20_002 && stats.events <= 43, "{stats:?}");
    assert_eq!(
        (stats.count, stats.distinct),
        (3, 1),
        "time, all to come, all that was read"
    );
    // Tiles for the horizon only.
    let (counted, read) = world.reconciled.values().flatten().next().unwrap();
    assert!(counted == read && (1_700..1_800).contains(read), "{read}");
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
