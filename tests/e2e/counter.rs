//! A second plugin, which knows nothing of JumpCloud and was written against
//! `wit/` alone, in the same host: the guest `counter`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jumpcloud_tests::{Answer, Feed, Server, counted, guest};

/// A feed of numbers, into `number.ndjson`.
pub fn counter(url: &str, more: &str) -> Feed {
    let feed = Feed::at(url);
    feed.configure(&format!(
        r#"
[feeds.numbers]
plugin = "{}"
settings = {{ url = "{url}" }}
sink = {{ type = "file", path = "{{class}}.ndjson" }}
{more}
"#,
        guest("counter").display()
    ));
    feed
}

/// The numbers up to `last` as they are delivered.
pub fn numbers(last: u64) -> String {
    (1..=last)
        .map(|n| format!("{{\"number\":{n}}}\n"))
        .collect()
}

pub fn delivered(feed: &Feed) -> String {
    std::fs::read_to_string(feed.path("number.ndjson")).unwrap_or_default()
}

#[test]
fn it_pages_over_http_and_keeps_its_position() {
    let last = Arc::new(AtomicU64::new(70));
    let there = last.clone();
    let server = Server::start(move |request| counted(request, there.load(Ordering::SeqCst), 30));
    let feed = counter(&server.url(), "limits = { batch_events = 20 }");
    let ran = feed.once().output().expect_code(0);
    assert_eq!(delivered(&feed), numbers(70));
    assert!(ran.stderr.contains("70  Number: Counted"), "{}", ran.stderr);

    last.store(75, Ordering::SeqCst);
    feed.once().output().expect_code(0);
    assert_eq!(delivered(&feed), numbers(75));
    let paths: Vec<String> = server.seen().iter().map(|r| r.path().to_owned()).collect();
    let after = |n: u64| format!("/numbers?after={n}");
    assert_eq!(paths, [0, 30, 60, 70, 70, 75].map(after));
}

#[test]
fn it_survives_being_killed_at_any_step() {
    let server = Server::numbers(100, 30);
    for place in [
        "polled",
        "acked",
        "committing",
        "committed",
        "delivering",
        "delivered",
        "deleted",
    ] {
        let feed = counter(&server.url(), "limits = { batch_events = 20 }");
        for passage in [1, 2] {
            feed.once().dies_at(place, passage).output().expect_killed();
        }
        feed.once().output().expect_code(0);
        assert_eq!(delivered(&feed), numbers(100), "{place}");
    }
}

#[test]
fn its_errors_have_the_exit_codes_that_any_plugin_has() {
    for (status, code) in [(401, 3), (403, 3), (418, 4), (503, 4)] {
        let server = Server::start(move |_| match status {
            503 => Answer::Http(503, "retry-after: 1000\r\n".to_owned(), Vec::new()),
            other => Answer::status(other),
        });
        let feed = counter(&server.url(), "");
        if code == 3 || status == 503 {
            feed.once().output().expect_code(code);
        }
        let check = feed.command(&["check"]).output().expect_code(code);
        assert!(
            check
                .stderr
                .contains(&format!("the counter answered {status}")),
            "{}",
            check.stderr
        );
    }
}

#[test]
fn a_whole_folder_is_checked_before_anything_starts() {
    let server = Server::numbers(10, 30);
    let feed = counter(&server.url(), "");
    let folder = feed.path("conf.d");
    std::fs::create_dir(&folder).unwrap();
    std::fs::rename(feed.path("feeds.toml"), folder.join("a.toml")).unwrap();
    let plugin = guest("counter");
    let other =
        |url: &str| format!("[feeds.other]\nplugin = {plugin:?}\nsettings = {{ url = {url:?} }}\n");
    std::fs::write(folder.join("b.toml"), other("nowhere")).unwrap();
    let run = || feed.command(&["run", "--once", "-c", "conf.d"]).output();
    let told = run().expect_code(2).stderr;
    let wrong = "error: conf.d/b.toml:3: feed `other`: `settings.url`: not an absolute URL";
    assert!(told.contains(wrong), "{told}");
    assert!(server.seen().is_empty(), "nothing started");

    std::fs::write(folder.join("b.toml"), "[feeds.numbers]\n").unwrap();
    let told = run().expect_code(2).stderr;
    let twice = "error: conf.d/b.toml:1: `feeds.numbers`: it is in conf.d/a.toml:2 too";
    assert!(told.contains(twice), "{told}");
    assert!(told.contains("hint: remove one of them"), "{told}");

    std::fs::write(folder.join("b.toml"), other(&server.url())).unwrap();
    let ran = run().expect_code(0);
    // Paths count from the folder, and the other one's sink is standard output.
    assert_eq!(
        std::fs::read_to_string(folder.join("number.ndjson")).unwrap(),
        numbers(10)
    );
    assert_eq!(ran.stdout, numbers(10));
}

#[test]
fn it_is_described_rewound_and_can_not_transform() {
    let server = Server::numbers(10, 30);
    let feed = counter(&server.url(), "");
    let path = guest("counter");
    let path = path.to_string_lossy();
    let described = feed.command(&["describe", &path]).output().expect_code(0);
    assert!(
        described.stdout.starts_with("counter 0.1.0 "),
        "{}",
        described.stdout
    );
    let refused = feed.command(&["transform", &path]).output().expect_code(2);
    assert!(
        refused.stderr.contains("does not export"),
        "{}",
        refused.stderr
    );

    feed.once().output().expect_code(0);
    let rewind = ["state", "rewind", "numbers", "--to", "1h", "--yes"];
    feed.command(&rewind).output().expect_code(0);
    feed.once().output().expect_code(0);
    assert_eq!(delivered(&feed), numbers(10).repeat(2));
    // What is pinned is this very file.
    feed.edit(
        "[feeds.numbers]",
        &format!("[feeds.numbers]\nsha256 = \"{}\"", "0".repeat(64)),
    );
    let refused = feed.once().output().expect_code(2);
    assert!(
        refused.stderr.contains("`sha256`: the plugin's is another"),
        "{}",
        refused.stderr
    );
}
