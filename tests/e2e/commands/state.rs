//! `state`: how far feeds have come, and going back.

use jumpcloud_tests::{Feed, Tenant, assert_same_lines};
use serde_json::Value;

#[test]
fn show() {
    let tenant = Tenant::settled(200);
    let feed = Feed::of(&tenant);
    feed.command(&["state", "show"]).output().expect_code(5);
    feed.once().output().expect_code(0);

    let ran = feed
        .command(&["state", "show", "--json"])
        .output()
        .expect_code(0);
    let shown: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(shown[0]["feed"], "acme");
    assert_eq!(shown[0]["outbox"], false);
    assert_eq!(
        shown[0]["status"]["counters"]["emitted"],
        feed.lines().len()
    );

    let ran = feed
        .command(&["state", "show", "acme"])
        .output()
        .expect_code(0);
    assert!(ran.stdout.starts_with("acme: "), "{}", ran.stdout);
    feed.command(&["state", "show", "--max-lag", "1h"])
        .output()
        .expect_code(0);
    feed.command(&["state", "show", "--max-lag", "1s"])
        .output()
        .expect_code(1);
    feed.command(&["state", "show", "nobody"])
        .output()
        .expect_code(2);
}

#[test]
fn show_while_the_feed_runs() {
    let tenant = Tenant::settled(300);
    tenant.fault("stall,on=events,nth=3");
    let feed = Feed::of(&tenant);
    let running = feed.command(&["run"]).start();
    while feed.lines().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let ran = feed.command(&["state", "show"]).output().expect_code(0);
    assert!(ran.stdout.starts_with("acme: "), "{}", ran.stdout);
    running.signal("TERM");
    running.wait().expect_code(0);
}

#[test]
fn show_what_is_still_to_be_delivered() {
    let tenant = Tenant::settled(300);
    let feed = Feed::of(&tenant);
    feed.once().dies_at("committed", 2).output().expect_killed();
    let ran = feed
        .command(&["state", "show", "--json"])
        .output()
        .expect_code(0);
    let shown: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(shown[0]["outbox"], true);
}

/// After `change`, which delivers the outbox first, everything comes again.
fn comes_again(change: &[&str]) {
    let tenant = Tenant::settled(300);
    let feed = Feed::of(&tenant);
    feed.once().output().expect_code(0);
    let refused = feed.command(change).output().expect_code(2);
    assert!(refused.stderr.contains("--yes"), "{}", refused.stderr);
    feed.once().output().expect_code(0);
    assert_same_lines(&feed.lines(), &tenant.expected());

    feed.command(change).arg("--yes").output().expect_code(0);
    feed.once().output().expect_code(0);
    let mut twice = [tenant.expected(), tenant.expected()].concat();
    twice.sort();
    assert_same_lines(&feed.lines(), &twice);
}

#[test]
fn rewind() {
    comes_again(&["state", "rewind", "acme", "--to", "2d"]);
}

#[test]
fn reset() {
    comes_again(&["state", "reset", "acme"]);
}

#[test]
fn rewind_to_a_time_brings_what_is_newer() {
    let tenant = Tenant::settled(300);
    let feed = Feed::of(&tenant);
    feed.once().output().expect_code(0);
    let to = tenant.api.now_ms() - 6 * 3_600_000;
    let newer: Vec<_> = tenant
        .selected()
        .into_iter()
        .filter(|event| event.ms >= to)
        .collect();
    let to = chrono::DateTime::from_timestamp_millis(to).unwrap();
    let to = to.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    feed.command(&["state", "rewind", "acme", "--yes", "--to", &to])
        .output()
        .expect_code(0);
    feed.once().output().expect_code(0);
    let mut expected = [tenant.expected(), jumpcloud_tests::transformed(&newer)].concat();
    expected.sort();
    assert_same_lines(&feed.lines(), &expected);
}

#[test]
fn a_rewind_delivers_the_outbox_first() {
    let tenant = Tenant::settled(300);
    let feed = Feed::of(&tenant);
    feed.once().dies_at("committed", 2).output().expect_killed();
    let before = feed.lines().len();
    feed.command(&["state", "rewind", "acme", "--yes", "--to", "1s"])
        .output()
        .expect_code(0);
    assert!(feed.lines().len() > before);
    feed.once().output().expect_code(0);
    assert_same_lines(&feed.lines(), &tenant.expected());
}

/// The summary of a run without new events says how to see the old ones again:
/// what it says works.
#[test]
fn the_advice_of_a_run_without_new_events() {
    let tenant = Tenant::settled(100);
    let feed = Feed::of(&tenant);
    feed.once().output().expect_code(0);
    let ran = feed.once().output().expect_code(0);
    let advice = ran
        .stderr
        .lines()
        .find_map(|line| line.trim().strip_prefix("source-host "));
    let arguments: Vec<&str> = advice.expect("some advice").split(' ').collect();
    feed.command(&arguments)
        .arg("--yes")
        .output()
        .expect_code(0);
    feed.once().output().expect_code(0);
    assert_eq!(feed.lines().len(), 2 * tenant.expected().len());
}

#[test]
fn what_is_not_there_or_no_time() {
    let tenant = Tenant::settled(10);
    let feed = Feed::of(&tenant);
    feed.once().output().expect_code(0);
    let refused = |arguments: &[&str], what: &str| {
        let ran = feed.command(arguments).output().expect_code(2);
        assert!(ran.stderr.contains(what), "{}", ran.stderr);
    };
    refused(&["state", "reset", "nobody", "--yes"], "`nobody`");
    refused(
        &["state", "rewind", "acme", "--to", "yesterday", "--yes"],
        "`yesterday`",
    );
}
