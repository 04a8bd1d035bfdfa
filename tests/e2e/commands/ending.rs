//! How a run ends: by a signal, also while a server hangs; because its reader
//! is gone; because another process is at work.

use std::thread;
use std::time::Duration;

use jumpcloud_tests::{Feed, Ran, Running, Tenant, assert_same_lines, sorted_lines};

/// Waits until something is so. A test in which it never is hangs, and the time
/// limit of a process ends it.
fn until(running: &mut Running, is_so: impl Fn() -> bool) {
    while !is_so() && !running.has_ended() {
        thread::sleep(Duration::from_millis(5));
    }
}

/// It ended at once, and not when its time to end was over.
#[track_caller]
fn in_good_time(ran: &Ran) {
    let told = &ran.stderr;
    assert!(!told.contains("in the middle of a delivery"), "{told}");
}

/// A feed that would wait for hours for an answer.
fn patient(tenant: &Tenant) -> Feed {
    let feed = Feed::of(tenant);
    feed.edit(
        "batch_events = 100",
        r#"batch_events = 100, call = "2h", first_byte = "1h", between_bytes = "1h""#,
    );
    feed
}

#[test]
fn signals_end_it_while_a_server_hangs() {
    for fault in [
        "stall",
        "stall-in-body=2000,on=events",
        "stall,on=events,from=2",
    ] {
        for (signal, code) in [("TERM", 0), ("INT", 130)] {
            let tenant = Tenant::settled(300);
            tenant.fault(fault);
            let feed = patient(&tenant);
            let mut running = feed.command(&["run"]).start();
            until(&mut running, || tenant.api.model().stats.faults > 0);
            running.signal(signal);
            in_good_time(&running.wait().expect_code(code));

            tenant.heal();
            feed.once().output().expect_code(0);
            assert_same_lines(&feed.lines(), &tenant.expected());
        }
    }
}

#[test]
fn a_run_that_was_to_catch_up_says_that_it_did_not() {
    let tenant = Tenant::settled(300);
    tenant.fault("stall,on=events,from=2");
    let feed = patient(&tenant);
    let mut running = feed.once().start();
    until(&mut running, || tenant.api.model().stats.faults > 0);
    running.signal("INT");
    let ran = running.wait().expect_code(130);
    assert!(
        ran.stderr.contains("before it had caught up"),
        "{}",
        ran.stderr
    );
    tenant.heal();
    let ran = feed.once().output().expect_code(0);
    assert!(
        !ran.stderr.contains("before it had caught up"),
        "{}",
        ran.stderr
    );
}

#[test]
fn signals_end_it_while_it_waits() {
    let tenant = Tenant::settled(50);
    for (fault, signal, code) in [
        (None, "TERM", 0),
        (None, "INT", 130),
        (Some("status=429,retry-after=600"), "TERM", 0),
        (Some("status=401"), "INT", 130),
    ] {
        tenant.heal();
        if let Some(fault) = fault {
            tenant.fault(fault);
        }
        let feed = Feed::of(&tenant);
        let before = tenant.api.model().stats.requests();
        let mut running = feed.command(&["run"]).start();
        let done = || match fault {
            None => feed.lines().len() >= tenant.selected().len(),
            Some(_) => tenant.api.model().stats.requests() > before,
        };
        until(&mut running, done);
        running.signal(signal);
        in_good_time(&running.wait().expect_code(code));
    }
}

#[test]
fn it_goes_on_until_it_is_told_to_stop() {
    let tenant = Tenant::settled(100);
    let feed = Feed::of(&tenant);
    feed.edit(r#"start = "2d""#, r#"start = "2d", poll_interval = "1s""#);
    let mut running = feed.command(&["run"]).start();
    until(&mut running, || {
        feed.lines().len() == tenant.selected().len()
    });
    let more = jumpcloud_simulator::Recipe {
        seed: 2,
        period_ms: 60_000,
        ..jumpcloud_simulator::Recipe::new(50, tenant.api.now_ms()).settled()
    };
    tenant.api.model().add_events(more.generate().collect());
    until(&mut running, || {
        feed.lines().len() == tenant.selected().len()
    });
    running.signal("TERM");
    running.wait().expect_code(0);
    assert_same_lines(&feed.lines(), &tenant.expected());
}

#[test]
fn a_reader_that_leaves() {
    let tenant = Tenant::settled(500);
    let feed = Feed::of(&tenant);
    feed.edit(
        r#"type = "file", path = "out/{class}.ndjson""#,
        r#"type = "stdout""#,
    );
    let ran = feed.once().deaf().output();
    assert_eq!(ran.status.code(), Some(5), "{}", ran.stderr);
    for told in [
        "error: acme: the reader of standard output is gone",
        "  0 delivered; waiting for the sink: ",
        ": read, and not all delivered, from 20",
    ] {
        assert!(ran.stderr.contains(told), "no `{told}` in {}", ran.stderr);
    }
    assert!(!ran.stderr.contains(": complete"), "{}", ran.stderr);
    let shown = feed.command(&["state", "show", "acme"]).output().stdout;
    assert!(shown.contains("events, still to be delivered"), "{shown}");
    let ran = feed.once().output().expect_code(0);
    assert_same_lines(&sorted_lines(&ran.stdout), &tenant.expected());
}

#[test]
fn two_at_once() {
    let tenant = Tenant::settled(50);
    tenant.fault("stall,from=2");
    let feed = patient(&tenant);
    let mut running = feed.command(&["run"]).start();
    until(&mut running, || tenant.api.model().stats.faults > 0);
    let other = feed.once().output().expect_code(5);
    assert!(
        other.stderr.contains(&running.id().to_string()),
        "{}",
        other.stderr
    );
    for change in ["rewind", "reset"] {
        let mut command = feed.command(&["state", change, "acme", "--yes"]);
        if change == "rewind" {
            command = command.arg("--to").arg("1h");
        }
        command.output().expect_code(5);
    }
    running.signal("TERM");
    running.wait().expect_code(0);
}
