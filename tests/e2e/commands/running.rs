//! What a host that runs for good says, and what it does in trouble.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use jumpcloud_simulator::{DEFAULT_KEY, organization_id};
use jumpcloud_tests::{Feed, Running, Tenant, assert_same_lines};
use serde_json::Value;

/// Waits until something is so. A test in which it never is hangs, and the time
/// limit of a process ends it.
fn until(running: &mut Running, is_so: impl Fn() -> bool) {
    while !is_so() && !running.has_ended() {
        thread::sleep(Duration::from_millis(5));
    }
}

/// A feed whose key is in a file.
fn with_key_in_a_file(tenant: &Tenant, key: &str) -> (Feed, PathBuf) {
    let feed = Feed::of(tenant);
    feed.edit("env:JUMPCLOUD_API_KEY", "file:key");
    let path = feed.path("key");
    std::fs::write(&path, key).unwrap();
    (feed, path)
}

fn requests(tenant: &Tenant) -> u64 {
    tenant.api.model().stats.requests()
}

#[test]
fn a_line_for_each_change_and_none_for_the_rest() {
    let tenant = Tenant::settled(200);
    tenant.fault("status=503,next=3");
    let feed = Feed::of(&tenant);
    feed.edit(r#"start = "2d""#, r#"start = "2d", poll_interval = "1s""#);
    let mut running = feed.command(&["run"]).start();
    until(&mut running, || {
        feed.lines().len() == tenant.selected().len()
    });
    let before = requests(&tenant);
    until(&mut running, || requests(&tenant) > before + 3);
    running.signal("TERM");
    let told = running.wait().expect_code(0).stderr;
    let times = |what: &str| told.matches(what).count();
    assert_eq!(
        times("collecting with jumpcloud 0.1.0 from its start"),
        1,
        "{told}"
    );
    assert_eq!(times("; trying again in "), 1, "{told}");
    assert_eq!(times("works again, after "), 1, "{told}");
    assert_eq!(times("caught up: read up to 20"), 1, "{told}");
    assert_eq!(times("stopped: "), 1, "{told}");

    let mut running = feed.command(&["run"]).start();
    let before = requests(&tenant);
    until(&mut running, || requests(&tenant) > before);
    running.signal("TERM");
    let told = running.wait().expect_code(0).stderr;
    assert!(told.contains("0.1.0 from 20"), "{told}");
    assert!(told.contains("up to which it had read"), "{told}");
}

#[test]
fn a_refused_key_waits_for_another_one() {
    let tenant = Tenant::settled(200);
    let (feed, key) = with_key_in_a_file(&tenant, "jca_worn_out");
    let mut running = feed.command(&["run"]).start();
    running.until_said("(401)");
    std::fs::write(&key, DEFAULT_KEY).unwrap();
    until(&mut running, || {
        feed.lines().len() == tenant.selected().len()
    });
    running.signal("TERM");
    let told = running.wait().expect_code(0).stderr;
    assert!(told.contains("(401); trying again in 60 min"), "{told}");
    assert!(told.contains("a secret changed: trying again"), "{told}");
    assert!(!told.contains("jca_worn_out"), "{told}");
    assert_same_lines(&feed.lines(), &tenant.expected());
    let refused = tenant
        .api
        .seen()
        .iter()
        .filter(|request| request.status == 401)
        .count();
    assert_eq!(refused, 1, "nobody insists");
}

#[test]
fn a_key_that_is_replaced_in_the_middle() {
    let tenant = Tenant::settled(200);
    let (feed, key) = with_key_in_a_file(&tenant, DEFAULT_KEY);
    feed.edit(r#"start = "2d""#, r#"start = "2d", poll_interval = "1s""#);
    let mut running = feed.command(&["run"]).start();
    until(&mut running, || {
        feed.lines().len() == tenant.selected().len()
    });
    tenant.api.model().access.revoke_key(DEFAULT_KEY);
    running.until_said("(401)");
    tenant
        .api
        .model()
        .access
        .add_key("jca_new", &[&organization_id(0)]);
    std::fs::write(&key, "jca_new\n").unwrap();
    running.until_said("works again");
    running.signal("TERM");
    let told = running.wait().expect_code(0).stderr;
    assert!(told.contains("hint: nothing is lost until 20"), "{told}");
    assert!(told.contains("works again"), "{told}");
    assert_same_lines(&feed.lines(), &tenant.expected());
}

/// The refusal comes when the new key is there already: it is an answer to the
/// one before, and no reason to wait for another one still.
#[test]
fn a_key_that_is_replaced_while_its_refusal_is_on_its_way() {
    let tenant = Tenant::settled(200);
    let (feed, key) = with_key_in_a_file(&tenant, "jca_worn_out");
    feed.edit("limits = {", r#"limits = { batch_wait = "50ms","#);
    // Polls end meanwhile, and the next one begins with the new key.
    tenant.fault("slow=1/20,next=1");
    let mut running = feed.command(&["run"]).start();
    until(&mut running, || requests(&tenant) > 0);
    std::fs::write(&key, DEFAULT_KEY).unwrap();
    until(&mut running, || {
        feed.lines().len() == tenant.selected().len()
    });
    running.signal("TERM");
    running.wait().expect_code(0);
    assert_same_lines(&feed.lines(), &tenant.expected());
}

/// What is a wrong address of a new feed stops it; of one that has collected it
/// is an outage.
#[test]
fn a_wrong_address_and_an_outage() {
    let tenant = Tenant::settled(50);
    for fault in ["status=404", "html"] {
        let feed = Feed::of(&tenant);
        tenant.fault(fault);
        feed.command(&["run"]).output().expect_code(2);
        tenant.heal();
        feed.once().output().expect_code(0);
        tenant.fault(fault);
        let before = requests(&tenant);
        let mut running = feed.command(&["run"]).start();
        until(&mut running, || requests(&tenant) > before + 1);
        tenant.heal();
        running.signal("TERM");
        running.wait().expect_code(0);
        assert_same_lines(&feed.lines(), &tenant.expected());
    }
}

/// What would be a wrong setting of a feed that begins is trouble of one that
/// runs: it is told once, and a new key ends the wait.
#[test]
fn a_request_that_is_refused_in_the_middle() {
    for (fault, told) in [
        ("status=400", "JumpCloud refused the request: `Bad Request`"),
        (
            "redirect=https://login.example.com/",
            "redirects to `https://login.example.com/`",
        ),
    ] {
        let tenant = Tenant::settled(50);
        let (feed, key) = with_key_in_a_file(&tenant, DEFAULT_KEY);
        feed.edit(r#"start = "2d""#, r#"start = "2d", poll_interval = "1s""#);
        tenant.fault(fault);
        feed.command(&["run"]).output().expect_code(2);
        tenant.heal();
        let mut running = feed.command(&["run"]).start();
        running.until_said("caught up");
        tenant.fault(fault);
        running.until_said("; trying again in 60 min");
        assert!(running.said(told) > 0, "{fault}");
        tenant.heal();
        let access = || tenant.api.model();
        access().access.add_key("jca_new", &[&organization_id(0)]);
        std::fs::write(&key, "jca_new\n").unwrap();
        running.until_said("works again");
        running.signal("TERM");
        let ran = running.wait().expect_code(0);
        assert_eq!(
            ran.stderr.matches("trying again in").count(),
            1,
            "{}",
            ran.stderr
        );
        assert_same_lines(&feed.lines(), &tenant.expected());
    }
}

/// Whoever puts a bad key into the file reads so, and the good one stays in use.
#[test]
fn a_key_that_is_replaced_by_a_bad_one() {
    let tenant = Tenant::settled(50);
    let (feed, key) = with_key_in_a_file(&tenant, DEFAULT_KEY);
    feed.edit(r#"start = "2d""#, r#"start = "2d", poll_interval = "1s""#);
    let mut running = feed.command(&["run"]).start();
    running.until_said("caught up");
    for (text, told) in [
        ("jca_n3w key", "has white space at position 8"),
        ("\"jca_n3w\"", "has a quotation mark at position 1"),
        ("n3w-id:n3w-secret", "`authorization = \"service-account\"`"),
        ("", "is empty"),
    ] {
        std::fs::write(&key, text).unwrap();
        running.until_said(told);
    }
    let before = requests(&tenant);
    until(&mut running, || requests(&tenant) > before + 3);
    std::fs::write(&key, format!("{DEFAULT_KEY}\n")).unwrap();
    running.until_said("can be used again");
    running.signal("TERM");
    let told = running.wait().expect_code(0).stderr;
    assert_eq!(
        told.matches("; the value before stays in use").count(),
        4,
        "{told}"
    );
    assert!(
        !told.contains("n3w") && !told.contains(DEFAULT_KEY),
        "{told}"
    );
    assert!(!told.contains("in trouble"), "{told}");
}

#[test]
fn a_key_that_expires_is_told_once_a_day() {
    let tenant = Tenant::settled(50);
    let feed = Feed::of(&tenant);
    let day = chrono::DateTime::from_timestamp_millis(tenant.api.now_ms() + 3 * 86_400_000);
    let day = day.unwrap().to_rfc3339();
    let expires = format!(r#"start = "2d", token_expires = "{}""#, &day[..10]);
    feed.edit(r#"start = "2d""#, &expires);
    let ran = feed.once().output().expect_code(0);
    assert_eq!(
        ran.stderr.matches("key-expiry").count(),
        1,
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("the key expires on 20"),
        "{}",
        ran.stderr
    );
    let ran = feed.once().output().expect_code(0);
    assert!(!ran.stderr.contains("key-expiry"), "{}", ran.stderr);
    tenant.api.set_clock_offset_ms(25 * 3_600_000);
    let ran = feed.once().output().expect_code(0);
    assert!(ran.stderr.contains("key-expiry"), "{}", ran.stderr);
}

/// What a program reads from standard error is JSON, line by line, however a run
/// ends.
#[test]
fn a_log_as_json_is_json_alone() {
    let tenant = Tenant::settled(20);
    let feed = Feed::of(&tenant);
    let run = |code| {
        let run = feed.command(&["--log-format", "json", "run", "--once"]);
        let told = run.output().expect_code(code).stderr;
        let parse = |line| {
            serde_json::from_str(line).unwrap_or_else(|e| panic!("no JSON: {e}: {line}\n{told}"))
        };
        told.lines().map(parse).collect::<Vec<Value>>()
    };
    let has = |told: &[Value], level: &str, text: &str| {
        let is_it = |line: &Value| {
            let message = line["message"].as_str().unwrap_or_default();
            line["level"] == level && line["feed"] == "acme" && message.contains(text)
        };
        assert!(told.iter().any(is_it), "{told:#?}");
    };
    has(&run(0), "INFO", "records received");
    tenant.api.model().access.revoke_key(DEFAULT_KEY);
    let refused = run(3);
    has(&refused, "ERROR", "401");
    has(&refused, "ERROR", "hint: ");
    feed.edit("start = ", "stard = ");
    let refused = run(2);
    has(&refused, "ERROR", "`settings.stard`: no such setting");
    has(&refused, "ERROR", "hint: did you mean `start`?");
}
