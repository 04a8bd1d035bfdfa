//! How it is delivered: whatever is interrupted, wherever, the sink has each
//! event once in the end, and whoever reads along has seen it once.

use jumpcloud_tests::{Feed, Tenant, assert_same_lines, sorted_lines};

use crate::watched::Watched;

/// The places at which a process may die, by the steps of delivery.
const PLACES: [&str; 7] = [
    "polled",
    "acked",
    "committing",
    "committed",
    "delivering",
    "delivered",
    "deleted",
];

#[test]
fn a_process_that_dies_at_any_step_loses_and_repeats_nothing() {
    for place in PLACES {
        let tenant = Tenant::settled(1_500);
        let watched = Watched::new(&tenant);
        for passage in [1, 2, 5] {
            watched
                .feed
                .once()
                .dies_at(place, passage)
                .output()
                .expect_killed();
        }
        watched.finish(&tenant);
    }
}

#[test]
fn a_process_that_dies_again_and_again_in_one_batch_gets_on() {
    let tenant = Tenant::settled(200);
    let watched = Watched::new(&tenant);
    for place in PLACES.into_iter().cycle().take(21) {
        watched.feed.once().dies_at(place, 1).output();
    }
    watched.finish(&tenant);
}

#[test]
fn standard_output_repeats_one_whole_batch_at_most() {
    let tenant = Tenant::settled(600);
    let expected = tenant.expected();
    for place in PLACES {
        let feed = Feed::of(&tenant);
        feed.edit(
            r#"type = "file", path = "out/{class}.ndjson""#,
            r#"type = "stdout""#,
        );
        let first = feed
            .once()
            .dies_at(place, 3)
            .output()
            .expect_killed()
            .stdout;
        let second = feed.once().output().expect_code(0).stdout;
        let repeated_from = second.lines().next().and_then(|line| first.find(line));
        let (once, again) = first.split_at(repeated_from.unwrap_or(first.len()));
        assert!(
            second.starts_with(again),
            "{place}: what is repeated is repeated exactly"
        );
        assert!(again.lines().count() <= 100, "{place}: one batch at most");
        assert_same_lines(&sorted_lines(&format!("{once}{second}")), &expected);
    }
}

#[test]
fn a_batch_in_the_outbox_is_delivered_as_planned_whatever_the_configuration_says_now() {
    let tenant = Tenant::settled(300);
    let watched = Watched::new(&tenant);
    watched
        .feed
        .once()
        .dies_at("committed", 1)
        .output()
        .expect_killed();
    assert_eq!(watched.feed.lines(), [""; 0]);
    watched.feed.edit("out/{class}.ndjson", "elsewhere.ndjson");
    watched.feed.once().output().expect_code(0);
    let planned = watched.feed.lines();
    assert!(!planned.is_empty() && planned.len() <= 100);
    let elsewhere = std::fs::read_to_string(watched.feed.path("elsewhere.ndjson")).unwrap();
    let mut all = [planned, sorted_lines(&elsewhere)].concat();
    all.sort();
    assert_same_lines(&all, &tenant.expected());
}

#[test]
fn a_file_that_is_renamed_between_two_runs_gets_the_rest_of_its_batch() {
    let tenant = Tenant::settled(300);
    let feed = Feed::of(&tenant);
    for place in ["committed", "delivering", "delivered"] {
        feed.once().dies_at(place, 1).output().expect_killed();
        let path = feed.path("out/authentication.ndjson");
        if path.exists() {
            std::fs::rename(&path, feed.path(&format!("out/{place}.ndjson"))).unwrap();
        }
    }
    feed.once().output().expect_code(0);
    let mut all = String::new();
    for entry in std::fs::read_dir(feed.path("out")).unwrap() {
        all += &std::fs::read_to_string(entry.unwrap().path()).unwrap();
    }
    assert_same_lines(&sorted_lines(&all), &tenant.expected());
}
