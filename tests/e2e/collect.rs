//! What is collected: each login and account change once, nothing else, over
//! one run and several.

use std::ops::Range;

use jumpcloud_simulator::{Kind, Recipe};
use jumpcloud_tests::{Feed, Tenant, assert_same_lines, now_ms, sorted_lines, transformed};
use serde_json::Value;

#[path = "../ocsf/mod.rs"]
mod ocsf;

const MINUTE: i64 = 60_000;

#[test]
fn twenty_thousand_events_each_once_and_then_nothing() {
    let recipe = Recipe {
        bursts: 0.5,
        dead_letters: 0.001,
        ..Recipe::new(20_000, now_ms())
    };
    let tenant = Tenant::of(&recipe.settled());
    assert!(
        pages_cut_equal_times(&tenant, 1_000),
        "the case that this test is about"
    );
    let feed = Feed::of(&tenant);
    feed.edit("batch_events = 100", "batch_events = 1000");

    let first = feed.once().output().expect_code(0);
    assert_same_lines(&feed.lines(), &tenant.expected());
    for line in feed.lines() {
        assert_eq!(ocsf::faults(&line), [""; 0], "{line}");
    }
    let dead = tenant.events(Kind::DeadLetter);
    assert!(dead.len() > 5);
    assert_eq!(feed.dead_letters().len(), dead.len());
    for letter in feed.dead_letters() {
        let text = letter["text"].as_str().unwrap();
        assert!(dead.iter().any(|event| event.raw == text), "{letter}");
    }
    let others = tenant.events(Kind::Other).len();
    let counted = |stderr: &str, label: &str| {
        let line = stderr.lines().find(|line| line.contains(label))?;
        line.split_whitespace()
            .next()?
            .replace(',', "")
            .parse::<usize>()
            .ok()
    };
    assert_eq!(
        counted(&first.stderr, "  not selected"),
        Some(others),
        "{}",
        first.stderr
    );

    let before = feed.lines();
    let second = feed.once().output().expect_code(0);
    assert_eq!(feed.lines(), before);
    assert!(
        second.stderr.contains("acme: 0 new events"),
        "{}",
        second.stderr
    );
    assert!(second.stderr.contains("nothing new was to be collected"));
    assert!(second.stderr.contains("source-host state rewind acme --to"));
}

/// Whether one millisecond has rows on both sides of an edge between two pages.
fn pages_cut_equal_times(tenant: &Tenant, page: usize) -> bool {
    let kinds = [Kind::Login, Kind::Admin, Kind::Other, Kind::DeadLetter];
    let mut times: Vec<i64> = kinds
        .into_iter()
        .flat_map(|kind| tenant.events(kind))
        .map(|event| event.ms)
        .collect();
    times.sort_unstable();
    (page..times.len())
        .step_by(page)
        .any(|edge| times[edge - 1] == times[edge])
}

#[test]
fn standard_output_gets_the_bytes_that_transform_makes() {
    let tenant = Tenant::settled(500);
    let feed = Feed::of(&tenant);
    feed.edit(
        r#"type = "file", path = "out/{class}.ndjson""#,
        r#"type = "stdout""#,
    );
    let ran = feed.once().output().expect_code(0);
    assert_same_lines(&sorted_lines(&ran.stdout), &tenant.expected());
    let times = ran.stdout.lines().map(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["time"].as_i64().unwrap()
    });
    assert!(times.is_sorted(), "events come in their order");
}

#[test]
fn events_that_come_late_or_are_dated_ahead_are_found_by_the_next_runs() {
    let recipe = Recipe {
        period_ms: 60 * MINUTE,
        lag_ms: Range {
            start: 0,
            end: 110_000,
        },
        late: 0.0,
        future: 0.02,
        ..Recipe::new(3_000, now_ms())
    };
    let tenant = Tenant::of(&recipe);
    let feed = Feed::of(&tenant);
    let mut lines = 0;
    for minutes in [0, 1, 2, 4] {
        tenant.api.set_clock_offset_ms(minutes * MINUTE);
        feed.once().output().expect_code(0);
        assert!(
            feed.lines().len() > lines || minutes == 4,
            "each run finds more"
        );
        lines = feed.lines().len();
    }
    assert_same_lines(&feed.lines(), &tenant.expected());
    let future = tenant
        .selected()
        .iter()
        .filter(|event| event.ms > tenant.api.now_ms())
        .count();
    assert!(future > 10, "the case that this test is about");
}

#[test]
fn events_that_come_hours_late_are_found_by_counting() {
    let recipe = Recipe {
        late: 0.05,
        ..Recipe::new(3_000, now_ms())
    };
    let tenant = Tenant::of(&recipe);
    let feed = Feed::of(&tenant);
    for hours in [0, 1, 3, 7] {
        tenant.api.set_clock_offset_ms(hours * 60 * MINUTE);
        feed.once().output().expect_code(0);
    }
    assert_same_lines(&feed.lines(), &tenant.expected());
}

#[test]
fn only_what_is_selected() {
    let tenant = Tenant::settled(500);
    for (types, kind) in [("login", Kind::Login), ("admin", Kind::Admin)] {
        let feed = Feed::of(&tenant);
        feed.edit(
            r#"start = "2d""#,
            &format!(r#"start = "2d", event_types = ["{types}"]"#),
        );
        feed.once().output().expect_code(0);
        assert_same_lines(&feed.lines(), &transformed(&tenant.events(kind)));
    }
}

#[test]
fn organisations_are_collected_side_by_side() {
    let recipe = Recipe {
        organizations: 3,
        ..Recipe::new(3_000, now_ms()).settled()
    };
    let tenant = Tenant::of(&recipe);
    let ids = [0, 1, 2].map(jumpcloud_simulator::organization_id);
    let feed = Feed::of(&tenant);
    feed.edit(
        r#"start = "2d""#,
        &format!(r#"start = "2d", org_ids = {ids:?}"#),
    );
    for _ in 0..2 {
        feed.once().output().expect_code(0);
        assert_same_lines(&feed.lines(), &tenant.expected());
    }
}

#[test]
fn a_run_is_not_done_while_one_organisation_of_several_fails() {
    let recipe = Recipe {
        organizations: 2,
        ..Recipe::new(500, now_ms()).settled()
    };
    let tenant = Tenant::of(&recipe);
    let ids = [0, 1].map(jumpcloud_simulator::organization_id);
    let feed = Feed::of(&tenant);
    feed.edit(
        r#"start = "2d""#,
        &format!(r#"start = "2d", poll_interval = "1s", org_ids = {ids:?}"#),
    );
    tenant.fault(&format!("status=503,retry-after=1,org={}", ids[0]));
    let ran = feed.once().output().expect_code(4);
    assert!(ran.stderr.contains("tried 5 times"), "{}", ran.stderr);
    let of_other: Vec<_> = tenant
        .selected()
        .into_iter()
        .filter(|event| *event.organization == *ids[1])
        .collect();
    assert_same_lines(&feed.lines(), &transformed(&of_other));

    tenant.heal();
    tenant.fault(&format!("status=503,retry-after=1,next=2,org={}", ids[0]));
    feed.once().output().expect_code(0);
    assert_same_lines(&feed.lines(), &tenant.expected());
}
