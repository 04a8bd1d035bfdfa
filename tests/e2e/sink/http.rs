//! The sink `http`, against a receiver of the test's own.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::GzDecoder;
use jumpcloud_tests::{Answer, Feed, Request, Server};

use crate::counter::{counter, numbers};

/// A feed of the numbers up to `last` in batches of 20, posted to `receiver`.
pub fn feed(last: u64, receiver: &Server, more: &str) -> (Feed, Server) {
    let source = Server::numbers(last, 50);
    let feed = counter(&source.url(), "limits = { batch_events = 20 }");
    feed.edit(
        r#"sink = { type = "file", path = "{class}.ndjson" }"#,
        &format!(
            r#"sink = {{ type = "http", url = "{}/in?x=1"{more} }}"#,
            receiver.url()
        ),
    );
    (feed, source)
}

pub fn text(request: &Request) -> String {
    String::from_utf8(request.body.clone()).unwrap()
}

/// All that was sent with an answer of 2xx, in order; what came twice (by its
/// id) came with the same bytes.
pub fn received(requests: &[Request], taken: impl Fn(usize, &Request) -> bool) -> String {
    let mut by_id: BTreeMap<String, String> = BTreeMap::new();
    let mut all = String::new();
    for (at, request) in requests.iter().enumerate() {
        let id = request.header("x-batch-id").unwrap().to_owned();
        let known = by_id.insert(id.clone(), text(request));
        assert!(known.is_none_or(|known| known == text(request)), "{id}");
        if taken(at, request) {
            all += &text(request);
        }
    }
    all
}

pub fn unique(lines: &str) -> String {
    let mut numbers: Vec<&str> = lines.split_inclusive('\n').collect();
    numbers.sort_by_key(|line| line.len());
    let mut seen = BTreeSet::new();
    numbers.retain(|line| seen.insert(*line));
    numbers.sort_by(|a, b| a.len().cmp(&b.len()).then(a.cmp(b)));
    numbers.concat()
}

#[test]
fn batches_are_posted_and_the_secret_is_in_the_header_alone() {
    let receiver = Server::start(|_| Answer::status(204));
    let headers = r#", headers = { Authorization = { prefix = "Splunk ", secret = "file:hec" }, X-Channel = "7" }"#;
    let (feed, _source) = feed(50, &receiver, headers);
    std::fs::write(feed.path("hec"), "s3cret-hec-0123\n").unwrap();
    let ran = feed.once().arg("-vv").output().expect_code(0);
    let seen = receiver.seen();
    assert_eq!(received(&seen, |_, _| true), numbers(50));
    assert_eq!(seen.len(), 3);
    for request in seen.iter() {
        assert!(
            request.head.starts_with("POST /in?x=1 HTTP/1.1\n"),
            "{}",
            request.head
        );
        assert_eq!(
            request.header("authorization"),
            Some("Splunk s3cret-hec-0123")
        );
        assert_eq!(request.header("x-channel"), Some("7"));
        assert_eq!(request.header("content-type"), Some("application/x-ndjson"));
        assert!(
            request
                .header("x-batch-id")
                .unwrap()
                .starts_with("numbers-")
        );
    }
    let state = std::fs::read(feed.path("state/state.db")).unwrap();
    for place in [ran.stdout.as_bytes(), ran.stderr.as_bytes(), &state] {
        let text = String::from_utf8_lossy(place);
        assert!(!text.contains("s3cret-hec"));
        // An address may hold a token too.
        assert!(!text.contains("/in?x=1"));
    }
}

#[test]
fn arrays_and_gzip() {
    let receiver = Server::start(|_| Answer::status(200));
    let (feed, _source) = feed(50, &receiver, r#", body = "array", gzip = true"#);
    feed.once().output().expect_code(0);
    let mut all = Vec::new();
    for request in receiver.seen().iter() {
        assert_eq!(request.header("content-encoding"), Some("gzip"));
        assert_eq!(request.header("content-type"), Some("application/json"));
        let mut body = String::new();
        GzDecoder::new(request.body.as_slice())
            .read_to_string(&mut body)
            .unwrap();
        all.extend(serde_json::from_str::<Vec<serde_json::Value>>(&body).unwrap());
    }
    let lines: String = all.iter().map(|event| format!("{event}\n")).collect();
    assert_eq!(lines, numbers(50));
}

#[test]
fn a_receiver_that_fails_every_third_time_and_a_host_that_is_killed_lose_nothing() {
    let count = Arc::new(AtomicU64::new(0));
    let receiver = Server::start(move |_| match count.fetch_add(1, Ordering::SeqCst) % 3 {
        2 => Answer::Http(503, "retry-after: 0\r\n".to_owned(), Vec::new()),
        _ => Answer::status(200),
    });
    let (feed, _source) = feed(200, &receiver, "");
    for (place, passage) in [("committed", 2), ("delivering", 3), ("delivered", 2)] {
        feed.once().dies_at(place, passage).output().expect_killed();
    }
    feed.once().output().expect_code(0);
    let all = received(&receiver.seen(), |at, _| at % 3 != 2);
    assert_eq!(unique(&all), numbers(200));
    let repeats = all.lines().count() - 200;
    assert!(
        repeats <= 3 * 20,
        "one batch for each kill at most: {repeats}"
    );
}

/// Each batch fails once: there are more failures than a single run bears in a
/// row, but something is delivered between any two.
#[test]
fn a_receiver_that_takes_something_now_and_then_is_not_given_up() {
    let count = Arc::new(AtomicU64::new(0));
    let receiver = Server::start(move |_| match count.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => Answer::Http(503, "retry-after: 0\r\n".to_owned(), Vec::new()),
        _ => Answer::status(200),
    });
    let (feed, _source) = feed(120, &receiver, "");
    let ran = feed.once().output().expect_code(0);
    assert_eq!(
        received(&receiver.seen(), |at, _| at % 2 == 1),
        numbers(120)
    );
    assert!(
        ran.stderr.contains("numbers: 120 new events"),
        "what was delivered by a second attempt counts too: {}",
        ran.stderr
    );
}

#[test]
fn a_receiver_that_is_down_stops_a_single_run_and_not_the_next() {
    let down = Arc::new(AtomicU64::new(1));
    let is_down = down.clone();
    let receiver = Server::start(move |_| match is_down.load(Ordering::SeqCst) {
        0 => Answer::status(200),
        _ => Answer::Http(
            429,
            "retry-after: 1000\r\n".to_owned(),
            b"slow down".to_vec(),
        ),
    });
    let (feed, _source) = feed(50, &receiver, "");
    let ran = feed.once().output().expect_code(5);
    assert!(
        ran.stderr
            .contains("answers 429 Too Many Requests: slow down"),
        "{}",
        ran.stderr
    );
    assert_eq!(
        receiver.seen().len(),
        1,
        "it is left alone for as long as it asks"
    );
    down.store(0, Ordering::SeqCst);
    feed.once().output().expect_code(0);
    assert_eq!(received(&receiver.seen(), |at, _| at > 0), numbers(50));
}

#[test]
fn a_running_host_waits_for_its_receiver_and_asks_for_nothing_meanwhile() {
    let asked = Arc::new(AtomicU64::new(0));
    let count = asked.clone();
    let receiver = Server::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0..2 => Answer::Http(500, "retry-after: 1\r\n".to_owned(), Vec::new()),
        _ => Answer::status(200),
    });
    let (feed, source) = feed(50, &receiver, "");
    let mut running = feed.command(&["run"]).start();
    while asked.load(Ordering::SeqCst) < 2 && !running.has_ended() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(source.seen().len(), 1, "the outbox is the backpressure");
    let done = || received(&receiver.seen(), |at, _| at >= 2) == numbers(50);
    while !done() && !running.has_ended() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    running.signal("TERM");
    running.wait().expect_code(0);
}

#[test]
fn a_receiver_that_keeps_silent_is_asked_again() {
    let count = Arc::new(AtomicU64::new(0));
    let receiver = Server::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::silence(),
        _ => Answer::status(200),
    });
    let (feed, _source) = feed(20, &receiver, "");
    feed.edit(
        "batch_events",
        r#"connect = "1s", first_byte = "1s", batch_events"#,
    );
    let told = feed.once().output().expect_code(0).stderr;
    assert!(told.contains("no answer within"), "{told}");
    assert_eq!(received(&receiver.seen(), |at, _| at > 0), numbers(20));
}

/// It would wait for longer than a run may take to end.
#[test]
fn a_receiver_that_hangs_does_not_hold_up_the_end() {
    let silent = Server::start(|_| Answer::silence());
    let (feed, _source) = feed(20, &silent, "");
    feed.edit(
        "batch_events",
        r#"connect = "1s", first_byte = "30s", batch_events"#,
    );
    let mut running = feed.command(&["run"]).start();
    while silent.seen().is_empty() && !running.has_ended() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    running.signal("TERM");
    let told = running.wait().expect_code(0).stderr;
    let stopped = "stopping in the middle of a delivery: it will be done again";
    assert!(told.contains(stopped), "{told}");

    let right = Server::start(|_| Answer::status(200));
    feed.edit(&silent.url(), &right.url());
    feed.once().output().expect_code(0);
    assert_eq!(received(&right.seen(), |_, _| true), numbers(20));
}

#[test]
fn an_answer_whose_body_never_ends_is_an_answer() {
    let stalls = |head: &str| {
        let bytes = format!("HTTP/1.1 {head}\r\ncontent-length: 9000\r\n\r\nunlucky");
        Server::start(move |_| Answer::Stall(bytes.clone().into_bytes()))
    };
    let taken = stalls("200 OK");
    let (feed_of_one, _source) = feed(20, &taken, "");
    feed_of_one.once().output().expect_code(0);
    assert_eq!(received(&taken.seen(), |_, _| true), numbers(20));

    let busy = stalls("429 -\r\nretry-after: 1000");
    let (feed, _source) = feed(20, &busy, "");
    feed.edit(
        "batch_events",
        r#"connect = "1s", first_byte = "2s", batch_events"#,
    );
    let ran = feed.once().output().expect_code(5);
    let said = "answers 429 Too Many Requests: unlucky";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}

#[test]
fn a_batch_for_a_receiver_that_is_gone_can_be_dropped() {
    let receiver = Server::start(|_| Answer::status(404));
    let (feed, _source) = feed(20, &receiver, "");
    let told = |arguments: &[&str], code, expected: &[&str]| {
        let told = feed.command(arguments).output().expect_code(code).stderr;
        for expected in expected {
            assert!(told.contains(expected), "no `{expected}` in {told}");
        }
    };
    let waiting = "0 delivered; waiting for the sink: 20 events";
    told(&["run", "--once"], 5, &[waiting]);
    told(
        &["run"],
        5,
        &["after what waits for the sink (20 events)", waiting],
    );
    // Without a yes nothing is sent.
    let asked = receiver.seen().len();
    let (reset, rewind) = (["state", "reset"], ["state", "rewind", "--to", "1h"]);
    let yes = ["numbers", "--yes"];
    for change in [&reset[..], &rewind] {
        told(
            &[change, &yes[..1]].concat(),
            2,
            &["add `--yes`", ": 20 events"],
        );
    }
    assert_eq!(receiver.seen().len(), asked);
    let hint = "hint: mend the sink first; `source-host state reset numbers -c ";
    told(
        &[&rewind[..], &yes].concat(),
        5,
        &["error: numbers: `http", hint],
    );
    let dropped = "numbers: 20 events dropped: `http";
    told(
        &[&reset[..], &yes].concat(),
        0,
        &[dropped, "numbers: reset"],
    );
    let right = Server::start(|_| Answer::status(200));
    feed.edit(&receiver.url(), &right.url());
    feed.once().output().expect_code(0);
    assert_eq!(received(&right.seen(), |_, _| true), numbers(20));
}

/// A batch is under way to one sink when the configuration names another.
#[test]
fn a_batch_that_is_under_way_goes_where_it_was_planned() {
    let receiver = Server::start(|_| Answer::status(200));
    let (feed, _source) = feed(50, &receiver, "");
    let http = format!(r#"type = "http", url = "{}/in?x=1""#, receiver.url());
    let file = r#"type = "file", path = "folder/out.ndjson""#;
    let out = || std::fs::read_to_string(feed.path("folder/out.ndjson")).unwrap_or_default();

    // Files to requests: what was planned is written, the rest is posted.
    feed.edit(&http, file);
    feed.once().dies_at("committed", 1).output().expect_killed();
    // For a file that can't be written any more there has to be a way out, if the
    // configuration names another sink by now.
    std::fs::remove_dir_all(feed.path("folder")).unwrap();
    std::fs::write(feed.path("folder"), "in the way").unwrap();
    let told = feed.once().output().expect_code(5).stderr;
    assert!(
        !told.contains("under way") && !told.contains("reset"),
        "{told}"
    );
    feed.edit(file, &http);
    let told = feed.once().output().expect_code(5).stderr;
    assert!(
        told.contains("batch 1 was under way to the sink `file`"),
        "{told}"
    );
    assert!(told.contains("source-host state reset numbers"), "{told}");
    std::fs::remove_file(feed.path("folder")).unwrap();
    feed.once().output().expect_code(0);
    assert_eq!(out(), numbers(20));
    let posted = received(&receiver.seen(), |_, _| true);
    assert_eq!(out() + &posted, numbers(50));

    // Requests to files: nobody knows where to, so the sink has to be put back.
    let yes = ["state", "rewind", "numbers", "--to", "1h", "--yes"];
    feed.command(&yes).output().expect_code(0);
    feed.once().dies_at("committed", 1).output().expect_killed();
    feed.edit(&http, file);
    let told = feed.once().output().expect_code(5).stderr;
    assert!(
        told.contains("holds a batch for a sink of type `http`"),
        "{told}"
    );
    assert!(told.contains("put that sink back"), "{told}");
    assert!(told.contains("source-host state reset numbers"), "{told}");
    feed.command(&["state", "reset", "numbers", "--yes"])
        .output()
        .expect_code(0);
    feed.once().output().expect_code(0);
    assert_eq!(out(), numbers(20) + &numbers(50));
}

#[test]
fn a_check_connects_and_sends_nothing() {
    let receiver = Server::start(|_| Answer::status(200));
    let (feed, _source) = feed(50, &receiver, "");
    feed.command(&["check"]).output().expect_code(0);
    assert!(receiver.seen().is_empty());
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    feed.edit(receiver.address(), &closed.to_string());
    let ran = feed.command(&["check"]).output().expect_code(5);
    let told = format!("`http://{closed}/…` can't be reached: Connection refused");
    assert!(ran.stderr.contains(&told), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("hint: see whether it runs"),
        "{}",
        ran.stderr
    );
}
