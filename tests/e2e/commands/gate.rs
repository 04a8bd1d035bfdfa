//! Feeds that share a credential share the rate at which the upstream serves it.

use std::fmt::Write as _;

use jumpcloud_simulator::{Model, Recipe, organization_id};
use jumpcloud_tests::{Feed, Tenant, assert_same_lines, now_ms, transformed};

/// Feeds of one tenant, each with a file of its own, and all with its key.
fn feeds(tenant: &Tenant, names: &[&str]) -> Feed {
    let feed = Feed::of(tenant);
    let mut toml = format!(
        r#"
[defaults]
plugin = "[PLUGIN]"
secrets = {{ token = "env:JUMPCLOUD_API_KEY" }}
settings = {{ api_base_url = "{}", start = "2d" }}
sink = {{ type = "file", path = "out/{{feed}}.ndjson" }}
limits = {{ batch_events = 100 }}
"#,
        tenant.api.base_url()
    );
    for name in names {
        let _ = writeln!(toml, "[feeds.{name}]");
    }
    feed.configure(&toml);
    feed
}

fn lines(feed: &Feed, name: &str) -> Vec<String> {
    let path = feed.path(&format!("out/{name}.ndjson"));
    jumpcloud_tests::sorted_lines(&std::fs::read_to_string(path).unwrap_or_default())
}

#[test]
fn when_one_feed_is_told_to_wait_all_of_them_do() {
    let names = ["a", "b", "c", "d", "e"];
    let tenant = Tenant::settled(300);
    tenant.fault("status=429,retry-after=2,nth=4");
    let feed = feeds(&tenant, &names);
    let ran = feed.once().output().expect_code(0);
    for name in names {
        assert_same_lines(&lines(&feed, name), &tenant.expected());
    }
    let seen = tenant.api.seen();
    let told = seen
        .iter()
        .position(|request| request.status == 429)
        .unwrap();
    // From when the host knew, to the earliest moment at which the rest is over.
    let line = ran
        .stderr
        .lines()
        .find(|line| line.contains("asks for rest"));
    let moment = line.unwrap().split_whitespace().next().unwrap();
    let knew = chrono::DateTime::parse_from_rfc3339(moment).unwrap();
    let rest = knew.timestamp_millis() + 1..seen[told].at_ms + 2_000;
    let meanwhile = seen[told + 1..]
        .iter()
        .filter(|request| rest.contains(&request.at_ms));
    // The other one of two may have been on its way.
    assert!(meanwhile.count() <= 1);
}

#[test]
fn a_run_that_is_to_end_does_not_wait_for_long_behind_another_feed() {
    let tenant = Tenant::settled(50);
    // All of them: two are under way before the first is answered.
    tenant.fault("status=429,retry-after=600");
    let feed = feeds(&tenant, &["a", "b", "c"]);
    let ran = feed.once().output().expect_code(4);
    let told = ran.stderr.matches("it is to be left alone for ").count();
    assert_eq!(told, 3, "{}", ran.stderr);
    assert!(tenant.api.seen().len() <= 2);
}

#[test]
fn a_check_does_not_wait_behind_another_feed() {
    let tenant = Tenant::settled(50);
    tenant.fault("status=429,retry-after=600,nth=1");
    let feed = feeds(&tenant, &["a", "b"]);
    let ran = feed.command(&["check"]).output().expect_code(4);
    for name in ["a", "b"] {
        let told = ran.stderr.contains(&format!("error: {name}: "));
        assert!(told, "{}", ran.stderr);
    }
    assert!(!ran.stderr.contains("stopped"), "{}", ran.stderr);
    assert_eq!(tenant.api.seen().len(), 1);
}

#[test]
fn another_credential_does_not_wait() {
    let (held, free) = (organization_id(0), organization_id(1));
    let recipe = Recipe {
        organizations: 2,
        ..Recipe::new(400, now_ms()).settled()
    };
    let mut model = Model::generated(&recipe);
    model.access.add_key("jca_other", &[&free]);
    let tenant = Tenant::with(model);
    tenant.fault(&format!("status=429,retry-after=600,org={held}"));
    let feed = feeds(&tenant, &[]);
    let toml = std::fs::read_to_string(feed.path("feeds.toml")).unwrap();
    feed.configure(&format!(
        r#"{toml}
[feeds.a]
settings = {{ org_ids = ["{held}"] }}
[feeds.b]
settings = {{ org_ids = ["{held}"] }}
[feeds.free]
settings = {{ org_ids = ["{free}"] }}
secrets = {{ token = "env:OTHER" }}
"#
    ));
    let ran = feed
        .once()
        .env("OTHER", "jca_other")
        .output()
        .expect_code(4);
    let of_free: Vec<_> = tenant
        .selected()
        .into_iter()
        .filter(|event| *event.organization == *free)
        .collect();
    assert!(!of_free.is_empty());
    assert_same_lines(&lines(&feed, "free"), &transformed(&of_free));
    assert!(ran.stderr.contains("asks for rest"), "{}", ran.stderr);
}
