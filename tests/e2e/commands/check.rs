//! `check`: tells all, changes nothing.

use jumpcloud_simulator::DEFAULT_KEY;
use jumpcloud_tests::{Feed, Tenant};
use serde_json::Value;

#[test]
fn all_is_well() {
    let tenant = Tenant::settled(100);
    let feed = Feed::of(&tenant);
    let ran = feed.command(&["check"]).output().expect_code(0);
    assert_eq!(ran.stderr, "");
    for found in [
        "[access]",
        "[unknown-host]",
        "[expiry-unknown]",
        "out/{class}.ndjson",
    ] {
        assert!(
            ran.stdout.contains(found),
            "{found} is not in:\n{}",
            ran.stdout
        );
    }

    let ran = feed.command(&["check", "--json"]).output().expect_code(0);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["ok"], true);
    assert!(report["feeds"][0]["sink"].is_string(), "{report}");
    assert_eq!(report["feeds"][0]["feed"], "acme");
    let codes = report["feeds"][0]["findings"].as_array().unwrap();
    assert!(codes.iter().any(|finding| finding["code"] == "access"));

    // Nothing was collected, and the next run begins at the beginning.
    assert_eq!(
        tenant.api.model().stats.events,
        2,
        "a page of one event each"
    );
    feed.once().output().expect_code(0);
    assert_eq!(feed.lines(), tenant.expected());
}

/// What stands where an address should may lead a credential to another one; and
/// a pin that can't be read is no reason to load whatever lies there.
#[test]
fn nothing_is_tried_with_a_wrong_configuration() {
    for (right, wrong) in [
        (r#"start = "2d""#, r#"start = "2d", strat = "3d""#),
        ("[feeds.acme]\n", "[feeds.acme]\nsettigns = {}\n"),
        ("[feeds.acme]\n", "[default]\n[feeds.acme]\n"),
        ("[feeds.acme]\n", "[feeds.acme]\nsha256 = \"abc\"\n"),
    ] {
        let tenant = Tenant::settled(100);
        let feed = Feed::of(&tenant);
        feed.edit(right, wrong);
        let ran = feed.command(&["check"]).output().expect_code(2);
        assert_eq!(tenant.api.model().stats.requests(), 0, "{wrong}");
        let is_loaded = ran.stdout.contains("no request is made");
        let is_elsewhere = !wrong.contains("sha256") && !wrong.contains("strat");
        assert_eq!(is_loaded, is_elsewhere, "{}", ran.stdout);
    }
}

#[test]
fn it_changes_nothing_of_a_feed_that_has_collected() {
    let tenant = Tenant::settled(300);
    let feed = Feed::of(&tenant);
    feed.once().dies_at("deleted", 1).output().expect_killed();
    feed.command(&["check"]).output().expect_code(0);
    feed.once().output().expect_code(0);
    assert_eq!(feed.lines(), tenant.expected());
}

#[test]
fn a_clock_that_is_off() {
    let tenant = Tenant::settled(10);
    tenant.api.set_clock_offset_ms(-300_000);
    let ran = Feed::of(&tenant)
        .command(&["check"])
        .output()
        .expect_code(0);
    assert!(
        ran.stdout.contains("warning [clock-skew]"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_refused_key() {
    let tenant = Tenant::settled(10);
    tenant.api.model().access.revoke_key(DEFAULT_KEY);
    let feed = Feed::of(&tenant);
    let ran = feed.command(&["check"]).output().expect_code(3);
    assert!(
        ran.stderr
            .contains("error: acme: JumpCloud refused the API key (401)")
    );
    let ran = feed.command(&["check", "--json"]).output().expect_code(3);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["ok"], false);
    assert!(
        report["feeds"][0]["error"].to_string().contains("(401)"),
        "{report}"
    );
}

#[test]
fn each_feed_is_tried_whatever_the_others_are() {
    let tenant = Tenant::settled(10);
    let url = tenant.api.base_url();
    let feed = Feed::of(&tenant);
    feed.configure(&format!(
        r#"
[defaults]
plugin = "[PLUGIN]"
settings = {{ api_base_url = "{url}" }}
[feeds.wrong]
settings = {{ start = "never" }}
secrets = {{ token = "env:JUMPCLOUD_API_KEY" }}
[feeds.refused]
secrets = {{ token = "env:OTHER" }}
[feeds.good]
secrets = {{ token = "env:JUMPCLOUD_API_KEY" }}
"#
    ));
    let ran = feed
        .command(&["check"])
        .env("OTHER", "jca_nobody")
        .output()
        .expect_code(2);
    assert!(
        ran.stderr
            .contains("feeds.toml:6: feed `wrong`: `settings.start`"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr
            .contains("error: refused: JumpCloud refused the API key"),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.contains("good: info [access]"), "{}", ran.stdout);
}

#[test]
fn a_folder_that_can_not_be_written() {
    let tenant = Tenant::settled(10);
    let feed = Feed::of(&tenant);
    std::fs::write(feed.path("state"), "a file is in the way").unwrap();
    let ran = feed.command(&["check"]).output().expect_code(5);
    assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("state"), "{}", ran.stderr);
    feed.once().output().expect_code(5);
}

#[test]
fn a_sink_that_can_not_be_written() {
    let tenant = Tenant::settled(10);
    let feed = Feed::of(&tenant);
    std::fs::create_dir_all(feed.path("out/authentication.ndjson")).unwrap();
    let ran = feed.command(&["check"]).output().expect_code(5);
    let told = "out/authentication.ndjson` can't be written: it is a folder";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);

    feed.edit("out/{class}.ndjson", "feeds.toml/{class}.ndjson");
    feed.command(&["check"]).output().expect_code(5);
    feed.edit("feeds.toml/{class}.ndjson", "new/folders/{class}.ndjson");
    feed.command(&["check"]).output().expect_code(0);
    assert!(!feed.path("new").exists(), "nothing is made");
}

#[test]
fn a_sink_that_is_wrong_is_not_said_to_be_another() {
    let tenant = Tenant::settled(10);
    let feed = Feed::of(&tenant);
    feed.edit(r#"type = "file", "#, r#"type = "fiel", "#);
    let ran = feed.command(&["check"]).output().expect_code(2);
    assert!(ran.stdout.contains("acme: jumpcloud "), "{}", ran.stdout);
    assert!(!ran.stdout.contains("stdout"), "{}", ran.stdout);
}

#[test]
fn what_is_found_of_several_feeds_is_told_once() {
    let tenant = Tenant::settled(10);
    let url = tenant.api.base_url();
    let feed = Feed::of(&tenant);
    feed.configure(&format!(
        "[defaults]\nplugin = \"[PLUGIN]\"\nsettings = {{ api_base_url = \"{url}\" }}\n\
         secrets = {{ token = \"env:JUMPCLOUD_API_KEY\" }}\n[feeds.a]\n[feeds.b]\n"
    ));
    let told = feed.command(&["check"]).output().expect_code(0).stdout;
    assert!(told.contains("a, b: info [expiry-unknown]"), "{told}");
    assert_eq!(told.matches("[expiry-unknown]").count(), 1, "{told}");
}

#[test]
fn a_key_that_everybody_may_read() {
    use std::os::unix::fs::PermissionsExt;
    let tenant = Tenant::settled(10);
    let feed = Feed::of(&tenant);
    feed.edit("env:JUMPCLOUD_API_KEY", "file:key");
    std::fs::write(feed.path("key"), DEFAULT_KEY).unwrap();
    for (mode, warned) in [(0o644, true), (0o600, false)] {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(feed.path("key"), permissions).unwrap();
        for command in [&["check"][..], &["run", "--once"]] {
            let ran = feed.command(command).output().expect_code(0);
            let told = ran.stderr.contains("every user of this machine may read");
            assert_eq!(told, warned, "{}", ran.stderr);
        }
    }
}

#[test]
fn a_secret_among_the_settings() {
    let feed = Feed::at("http://127.0.0.1:9");
    feed.edit(
        r#"start = "2d""#,
        r#"start = "2d", token = "0123456789abcdef""#,
    );
    let ran = feed.command(&["check"]).output().expect_code(2);
    let told = "feeds.toml:5: feed `acme`: `settings.token`: this is a secret, and no setting";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    assert!(!ran.stderr.contains("0123456789"), "{}", ran.stderr);
}
