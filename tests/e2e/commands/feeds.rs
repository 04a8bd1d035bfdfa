//! Several feeds in one file, and one feed without a file.

use jumpcloud_simulator::Kind;
use jumpcloud_tests::{Feed, Tenant, assert_same_lines, component, sorted_lines, transformed};

#[test]
fn each_feed_has_its_own_and_what_all_have() {
    let (one, two) = (Tenant::settled(200), Tenant::settled(300));
    let feed = Feed::of(&one);
    feed.configure(&format!(
        r#"
[defaults]
plugin = "[PLUGIN]"
contact = "secops@example.com"
secrets = {{ token = "env:JUMPCLOUD_API_KEY" }}
settings = {{ start = "2d" }}
sink = {{ type = "file", path = "out/{{feed}}.ndjson" }}

[feeds.one]
settings = {{ api_base_url = "{}" }}

[feeds.two]
settings = {{ api_base_url = "{}/insights/directory/v1/", event_types = ["admin"] }}
sink = {{ type = "file", path = "two/{{class}}-{{partition}}.ndjson" }}
"#,
        one.api.base_url(),
        two.api.base_url()
    ));
    let ran = feed.once().output().expect_code(0);
    assert!(ran.stderr.contains("secops@example.com"), "{}", ran.stderr);
    let read = |name: &str| sorted_lines(&std::fs::read_to_string(feed.path(name)).unwrap());
    assert_same_lines(&read("out/one.ndjson"), &one.expected());
    let two_path = "two/account_change-64f0c1d2a3b4000000000001.ndjson";
    assert_same_lines(&read(two_path), &transformed(&two.events(Kind::Admin)));
}

#[test]
fn one_that_fails_does_not_stop_the_others_and_the_most_telling_code_wins() {
    let tenant = Tenant::settled(200);
    let url = tenant.api.base_url();
    let busy = Tenant::settled(0);
    busy.fault("status=429,retry-after=600");
    let busy_url = busy.api.base_url();
    let feed = Feed::of(&tenant);
    feed.configure(&format!(
        r#"
state_dir = "state"
[defaults]
plugin = "[PLUGIN]"
[feeds.refused]
settings = {{ api_base_url = "{url}" }}
secrets = {{ token = "env:OTHER" }}
[feeds.busy]
settings = {{ api_base_url = "{busy_url}" }}
secrets = {{ token = "env:JUMPCLOUD_API_KEY" }}
[feeds.acme]
settings = {{ api_base_url = "{url}", start = "2d" }}
secrets = {{ token = "env:JUMPCLOUD_API_KEY" }}
sink = {{ type = "file", path = "out/{{class}}.ndjson" }}
"#
    ));
    let ran = feed
        .once()
        .env("OTHER", "jca_nobody")
        .output()
        .expect_code(3);
    assert!(ran.stderr.contains("error: refused: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("error: busy: "), "{}", ran.stderr);
    assert_same_lines(&feed.lines(), &tenant.expected());
}

#[test]
fn flags_are_typed_by_the_schema() {
    let tenant = Tenant::settled(300);
    let feed = Feed::of(&tenant);
    std::fs::remove_file(feed.path("feeds.toml")).unwrap();
    let sets = [
        &format!("api_base_url={}", tenant.api.base_url()),
        "event_types=admin",
        "org_ids=64f0c1d2a3b4000000000001",
        "include_raw=true",
        "retention_days=30",
        "start=2d",
    ];
    let run = feed.once().arg("--plugin").arg(component());
    let run = run
        .arg("--secret")
        .arg("token=env:JUMPCLOUD_API_KEY")
        .arg("--state")
        .arg("here");
    let run = run.arg("--sink").arg("file:out/{class}.ndjson");
    let run = sets.iter().fold(run, |run, set| run.arg("--set").arg(set));
    run.output().expect_code(0);
    assert_eq!(feed.lines().len(), tenant.events(Kind::Admin).len());
    assert!(
        feed.lines()
            .iter()
            .all(|line| line.contains(r#""raw_data":""#))
    );
    assert!(feed.path("here/state.db").exists());
    let seen = tenant.api.seen();
    let named = ("x-org-id".to_owned(), "64f0c1d2a3b4000000000001".to_owned());
    assert!(seen.iter().all(|request| request.headers.contains(&named)));
}

#[test]
fn a_wrong_flag() {
    let feed = Feed::at("http://127.0.0.1:9");
    for arguments in [
        vec!["run", "--onec"],
        vec!["run", "--set", "start=24h"],
        vec!["run", "--plugin", "x.wasm", "--set", "start"],
        vec!["run", "-c", "feeds.toml", "--set", "start=24h"],
        vec!["walk"],
        vec![],
    ] {
        let ran = feed.command(&arguments).output().expect_code(2);
        assert!(
            ran.stdout.is_empty() && !ran.stderr.is_empty(),
            "{arguments:?}"
        );
    }
}
