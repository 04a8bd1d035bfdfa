//! `state`: how far feeds have come, and going back.

use jumpcloud_tests::{Feed, Tenant, assert_same_lines};
use serde_json::Value;

fn shown(feed: &Feed) -> Value {
    let shown = feed.command(&["state", "show", "--json"]).output();
    serde_json::from_str(&shown.expect_code(0).stdout).unwrap()
}

#[test]
fn show() {
    let tenant = Tenant::settled(200);
    let feed = Feed::of(&tenant);
    feed.once().output().expect_code(0);

    let shown = shown(&feed);
    assert_eq!(shown[0]["feed"], "acme");
    assert_eq!(shown[0]["configured"], true);
    assert_eq!(shown[0]["outbox"], false);
    let status = &shown[0]["status"];
    assert_eq!(status["counters"]["emitted"], feed.lines().len());
    assert!(status["worked_at"].as_i64() >= status["committed_at"].as_i64());
    assert_eq!(status["trouble"], Value::Null);

    let show = |arguments: &[&str], code| {
        let run = feed.command(&["state", "show"]);
        let run = arguments
            .iter()
            .fold(run, |run, argument| run.arg(argument));
        run.output().expect_code(code).stdout
    };
    let table = show(&[], 0);
    assert!(table.starts_with("FEED  PARTITION "), "{table}");
    assert!(
        table.contains("\nacme  64f0c1d2a3b4000000000001  "),
        "{table}"
    );
    let details = show(&["acme"], 0);
    assert!(details.starts_with("acme: worked at 20"), "{details}");
    for line in [
        "complete from 20",
        "reconciled 2",
        "last success: 20",
        "outbox: empty",
    ] {
        assert!(details.contains(line), "{details}");
    }
    show(&["--max-lag", "1h"], 0);
    let late = feed.command(&["state", "show", "--max-lag", "1s"]).output();
    let told = "error: further behind than `--max-lag`, or never ran: acme\n";
    assert_eq!(late.expect_code(1).stderr, told);
    show(&["nobody"], 2);

    // The folder of the state is enough to look at it.
    let folder = feed.path("state");
    let folder = folder.to_str().unwrap();
    let alone = feed.command(&["state", "show", "--state", folder, "--max-lag", "1h"]);
    let alone = alone.output().expect_code(0).stdout;
    assert!(
        alone.contains("acme") && !alone.contains("no longer"),
        "{alone}"
    );
    // A wrong one is not: nothing there is no good news.
    let wrong = feed.path("stat");
    let wrong = wrong.to_str().unwrap();
    let show = |more: &[&str]| {
        let command = feed.command(&["state", "show", "--state", wrong]);
        let command = more.iter().fold(command, |command, more| command.arg(more));
        command.output()
    };
    for more in [&[][..], &["--max-lag", "1h"]] {
        let error = format!("there is no state in `{wrong}`");
        let shown = show(more).expect_code(2);
        assert!(shown.stderr.contains(&error), "{}", shown.stderr);
    }
    drop(source_host::SqliteStore::open(wrong.as_ref()).unwrap());
    show(&[]).expect_code(0);
    show(&["--max-lag", "1h"]).expect_code(1);

    let ran = feed
        .command(&["run", "--state", folder])
        .output()
        .expect_code(2);
    assert!(ran.stderr.contains("add `--plugin FILE`"), "{}", ran.stderr);
}

#[test]
fn a_change_is_told_to_programs_too() {
    let tenant = Tenant::settled(50);
    let feed = Feed::of(&tenant);
    feed.once().output().expect_code(0);
    let change = |arguments: &[&str]| {
        let ran = feed.command(arguments).arg("--yes").arg("--json");
        let ran = ran.arg("--log-format").arg("json").output().expect_code(0);
        for line in ran.stderr.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["feed"], "acme", "{line}");
        }
        serde_json::from_str::<Value>(&ran.stdout).unwrap()
    };
    let rewound = change(&["state", "rewind", "acme", "--to", "1h"]);
    assert_eq!(rewound[0]["status"], shown(&feed)[0]["status"]);
    assert!(rewound[0]["status"]["rewound_to"].is_i64(), "{rewound}");
    let reset = change(&["state", "reset", "acme"]);
    assert_eq!(reset, shown(&feed));
    assert_eq!(reset[0]["status"], Value::Null);
}

#[test]
fn show_of_what_never_ran_and_what_nobody_runs_any_more() {
    let tenant = Tenant::settled(50);
    let feed = Feed::of(&tenant);
    let show = |code| {
        feed.command(&["state", "show", "--max-lag", "1h"])
            .output()
            .expect_code(code)
    };
    assert!(show(1).stdout.contains("never ran"));
    assert!(!feed.path("state").exists(), "to look changes nothing");
    feed.once().output().expect_code(0);

    feed.edit("[feeds.acme]", "[feeds.renamed]");
    let table = show(1).stdout;
    assert!(table.contains("no longer configured"), "{table}");
    assert!(table.contains("never ran"), "{table}");
    let ran = feed.once().output().expect_code(0);
    assert!(
        ran.stderr.contains("state of a feed `acme`"),
        "{}",
        ran.stderr
    );
    show(0);
    feed.command(&["state", "reset", "acme", "--yes"])
        .output()
        .expect_code(0);
    assert!(!show(0).stdout.contains("acme"));
}

#[test]
fn show_the_last_error_and_that_it_is_over() {
    let tenant = Tenant::settled(50);
    let feed = Feed::of(&tenant);
    tenant.fault("status=401");
    feed.once().output().expect_code(3);
    let trouble = |shown: &Value| shown[0]["status"]["trouble"].clone();
    let first = trouble(&shown(&feed));
    assert_eq!(first["kind"], "authentication");
    assert_eq!(first["next_try"], Value::Null);
    feed.once().output().expect_code(3);
    assert_eq!(
        trouble(&shown(&feed))["since"],
        first["since"],
        "it goes on"
    );
    let table = feed
        .command(&["state", "show"])
        .output()
        .expect_code(0)
        .stdout;
    assert!(table.contains("in trouble since 20"), "{table}");
    assert!(table.contains("refused the API key (401)"), "{table}");

    tenant.heal();
    feed.once().output().expect_code(0);
    let over = trouble(&shown(&feed));
    assert_eq!(over["since"], first["since"]);
    assert!(over["until"].is_i64(), "{over}");
    let details = feed
        .command(&["state", "show", "acme"])
        .output()
        .expect_code(0)
        .stdout;
    assert!(details.contains("last error: 20"), "{details}");
    assert!(details.contains("works again since 20"), "{details}");
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
    assert!(ran.stdout.contains("\nacme  "), "{}", ran.stdout);
    let second = feed.once().output().expect_code(5).stderr;
    assert!(second.contains("is in use by process "), "{second}");
    assert!(
        second.contains("hint: stop that process, or give"),
        "{second}"
    );
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
    let waiting = shown[0]["waiting"].as_u64().unwrap();
    let table = feed.command(&["state", "show"]).output().expect_code(0);
    let told = format!("  {waiting} events  ");
    assert!(table.stdout.contains(&told), "{}", table.stdout);
    let said = feed.once().output().expect_code(0).stderr;
    let told = format!(" {waiting}  had waited since the run before\n");
    assert!(said.contains(&told), "{said}");
}

/// After `change`, which delivers the outbox first, everything comes again; and
/// that is told before.
fn comes_again(change: &[&str], told: &[&str]) {
    let tenant = Tenant::settled(300);
    let feed = Feed::of(&tenant);
    feed.once().output().expect_code(0);
    let refused = feed.command(change).output().expect_code(2);
    for told in told.iter().chain(&["--yes"]) {
        assert!(refused.stderr.contains(told), "{told}: {}", refused.stderr);
    }
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
    comes_again(
        &["state", "rewind", "acme", "--to", "2d"],
        &["which were delivered before, will be delivered again"],
    );
}

#[test]
fn reset() {
    comes_again(
        &["state", "reset", "acme"],
        &[
            "counts from the next run if it is relative (this time it had begun at 20",
            "delivers everything from there on again",
        ],
    );
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
    let ran = feed
        .command(&["state", "rewind", "acme", "--yes", "--to", &to])
        .output()
        .expect_code(0);
    for told in ["will be delivered again", "will be there twice"] {
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
    }
    let details = feed
        .command(&["state", "show", "acme"])
        .output()
        .expect_code(0)
        .stdout;
    assert!(details.starts_with("acme: rewound to 20"), "{details}");
    let later = ["state", "rewind", "acme", "--yes", "--to", "1h"];
    let later = feed.command(&later).output().expect_code(0);
    assert!(later.stderr.contains("nothing changes"), "{}", later.stderr);
    feed.command(&["state", "show", "--max-lag", "5h"])
        .output()
        .expect_code(1);
    feed.once().output().expect_code(0);
    let details = feed
        .command(&["state", "show", "acme"])
        .output()
        .expect_code(0)
        .stdout;
    assert!(!details.contains("rewound"), "{details}");
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
    refused(
        &["state", "rewind", "acme", "--to", "2100-01-01", "--yes"],
        "in the future: 2100-01-01T00:00:00Z",
    );
}

/// A day is a time too. Before it there is nothing, so all comes again.
#[test]
fn rewind_to_a_day() {
    comes_again(
        &["state", "rewind", "acme", "--to", "2020-01-01"],
        &["from 2020-01-01T00:00:00Z on for the first time"],
    );
}

/// The state as the version before has left it is kept before another version
/// writes, once.
#[test]
fn another_version_of_the_plugin() {
    let tenant = Tenant::settled(300);
    let feed = Feed::of(&tenant);
    feed.once().output().expect_code(0);
    assert!(!feed.path("state/copies").exists());

    let mut bytes = std::fs::read(jumpcloud_tests::component()).unwrap();
    let versions: Vec<usize> = (1..bytes.len() - 5)
        .filter(|at| bytes[*at..].starts_with(b"0.1.0") && bytes[at - 1] != b'@')
        .collect();
    for at in versions {
        bytes[at..at + 5].copy_from_slice(b"0.1.9");
    }
    std::fs::write(feed.path("newer.wasm"), bytes).unwrap();
    feed.edit(
        &jumpcloud_tests::component().to_string_lossy(),
        "newer.wasm",
    );
    let ran = feed.once().output().expect_code(0);
    let copy = feed.path("state/copies/acme-jumpcloud-0.1.0.db");
    assert!(copy.exists(), "{}", ran.stderr);
    let told = "jumpcloud 0.1.9 goes on; the state that jumpcloud 0.1.0 left is kept in";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    let ran = feed.once().output().expect_code(0);
    assert!(!ran.stderr.contains("is kept in"), "{}", ran.stderr);
    assert_same_lines(&feed.lines(), &tenant.expected());
}
