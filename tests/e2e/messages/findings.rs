//! What is reported beside events.

use jumpcloud_simulator::Event;
use jumpcloud_tests::{Feed, Ran, Tenant, now_ms};

/// A tenant in which something happened that nobody maps.
fn tenant() -> Tenant {
    let tenant = Tenant::settled(50);
    let id = jumpcloud_simulator::organization_id(0);
    let hour_ago = chrono::DateTime::from_timestamp_millis(now_ms() - 3_600_000).unwrap();
    let json = format!(
        r#"{{"id":"00000000000000000000cafe","service":"directory","event_type":"quantum_login","timestamp":"{}","organization":"{id}"}}"#,
        hour_ago.to_rfc3339()
    );
    let event = Event::from_json(json).unwrap();
    tenant.api.model().add_events(vec![event]);
    tenant
}

/// Runs a feed until the simulator has seen what it waits for, and ends it.
fn run_until(feed: &Feed, mut seen: impl FnMut() -> bool) -> Ran {
    let running = feed.command(&["run"]).start();
    while !seen() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    running.signal("TERM");
    running.wait().expect_code(0)
}

#[test]
fn a_type_that_nobody_maps_is_named_by_check_and_by_a_feed_that_runs() {
    let tenant = tenant();
    let feed = Feed::of(&tenant);
    let check = feed.command(&["check"]).output().expect_code(0).stdout;
    let named = "quantum_login (1)";
    let line = check.lines().find(|line| line.contains("[unmapped-types]"));
    assert!(line.is_some_and(|line| line.contains(named)), "{check}");

    feed.edit("start = ", r#"poll_interval = "1s", start = "#);
    // The batch with what was found is behind it when it asks for pages again.
    let mut walks = None;
    let ran = run_until(&feed, || {
        let stats = tenant.api.model().stats;
        if stats.distinct == 2 {
            walks = walks.or(Some(stats.events));
        }
        walks.is_some_and(|walks| stats.events > walks)
    });
    assert!(ran.stderr.contains(named), "{}", ran.stderr);
}

#[test]
fn a_credential_that_ends_soon_is_named_by_check_and_by_a_feed_that_runs() {
    let tenant = Tenant::settled(50);
    let feed = Feed::of(&tenant);
    let day = chrono::DateTime::from_timestamp_millis(now_ms() + 5 * 86_400_000).unwrap();
    let day = day.format("%Y-%m-%d").to_string();
    feed.edit("start = ", &format!(r#"token_expires = "{day}", start = "#));
    let named = format!("the key expires on {day}, in 4 days: make a new one under `My API Key`");
    let check = feed.command(&["check"]).output().expect_code(0).stdout;
    assert!(
        check.contains(&format!("warning [key-expiry] {named}")),
        "{check}"
    );
    let ran = feed.once().output().expect_code(0);
    assert_eq!(ran.stderr.matches(&named).count(), 1, "{}", ran.stderr);
}
