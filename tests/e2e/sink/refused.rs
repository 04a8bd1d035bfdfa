//! What a receiver refuses, and what comes of it: halves, dead letters, or the
//! end of the feed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jumpcloud_tests::{Answer, Request, Server};

use super::http::{feed, received, text, unique};
use crate::counter::numbers;

#[test]
fn what_is_too_large_is_split_and_the_split_survives_a_kill() {
    let receiver = Server::start(|request| match request.body.len() {
        ..=100 => Answer::status(200),
        _ => Answer::status(413),
    });
    for place in [
        None,
        Some(("replanned", 1)),
        Some(("replanned", 3)),
        Some(("delivering", 4)),
    ] {
        let (feed, _source) = feed(60, &receiver, "");
        receiver.seen().clear();
        if let Some((place, passage)) = place {
            feed.once().dies_at(place, passage).output().expect_killed();
        }
        feed.once().output().expect_code(0);
        let seen = receiver.seen();
        let all = received(&seen, |_, request| request.body.len() <= 100);
        assert_eq!(unique(&all), numbers(60));
        let repeats = all.lines().count() - 60;
        assert!(repeats <= 10, "a part at most: {repeats}");
        let whole = seen.iter().filter(|request| request.body.len() > 100);
        assert!(whole.count() <= 3 * 3 + 1, "what was split stays so");
    }
}

#[test]
fn an_event_that_is_refused_becomes_a_dead_letter() {
    let bad = |request: &Request| {
        let text = String::from_utf8_lossy(&request.body).into_owned();
        text.contains("\"number\":7}") || text.contains("\"number\":30}")
    };
    let receiver = Server::start(move |request| match bad(request) {
        true => Answer::Http(400, String::new(), b"unlucky\x1b[31m".to_vec()),
        false => Answer::status(200),
    });
    for place in [None, Some(("replanned", 5)), Some(("delivered", 1))] {
        receiver.seen().clear();
        let (feed, _source) = feed(50, &receiver, "");
        if let Some((place, passage)) = place {
            feed.once().dies_at(place, passage).output().expect_killed();
        }
        let ran = feed.once().output().expect_code(0);
        if place.is_none() {
            let told = "2  of the new events refused by the sink, kept in /";
            assert!(ran.stderr.contains(told), "{}", ran.stderr);
        }
        let shown = feed.command(&["state", "show", "numbers"]).output();
        let told = "in all: 50 events (2 of them refused by the sink)";
        assert!(shown.stdout.contains(told), "{}", shown.stdout);
        let all = received(&receiver.seen(), |_, request| !bad(request));
        let expected = numbers(50)
            .replace("{\"number\":7}\n", "")
            .replace("{\"number\":30}\n", "");
        assert_eq!(unique(&all), expected);
        let letters =
            std::fs::read_to_string(feed.path("state/dead-letters-numbers.ndjson")).unwrap();
        let letters: Vec<serde_json::Value> = letters
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let texts: Vec<&str> = letters
            .iter()
            .map(|l| l["text"].as_str().unwrap())
            .collect();
        assert_eq!(texts, ["{\"number\":7}", "{\"number\":30}"]);
        assert_eq!(letters[0]["code"], "sink-refused");
        let reason = letters[0]["reason"].as_str().unwrap();
        assert!(
            reason.ends_with("answers 400 Bad Request: unlucky[31m"),
            "{reason}"
        );
    }
}

#[test]
fn a_receiver_that_takes_nothing_makes_no_dead_letters() {
    let mended = Arc::new(AtomicU64::new(0));
    let is_mended = mended.clone();
    let receiver = Server::start(move |_| match is_mended.load(Ordering::SeqCst) {
        0 => Answer::status(400),
        _ => Answer::status(200),
    });
    let (feed, _source) = feed(50, &receiver, "");
    let ran = feed.once().output().expect_code(5);
    assert!(ran.stderr.contains("no event is taken"), "{}", ran.stderr);
    assert!(!feed.path("state/dead-letters-numbers.ndjson").exists());
    let asked = receiver.seen().len();
    mended.store(1, Ordering::SeqCst);
    feed.once().output().expect_code(0);
    assert_eq!(
        unique(&received(&receiver.seen(), |at, _| at >= asked)),
        numbers(50)
    );
}

#[test]
fn events_that_are_refused_one_after_the_other_stop_the_feed_too() {
    let mended = Arc::new(AtomicU64::new(0));
    let is_mended = mended.clone();
    let receiver = Server::start(move |_| match is_mended.load(Ordering::SeqCst) {
        0 => Answer::status(400),
        _ => Answer::status(200),
    });
    let (feed, _source) = feed(50, &receiver, "");
    feed.edit("batch_events = 20", "batch_events = 1");
    for _ in 0..2 {
        let ran = feed.once().output().expect_code(5);
        assert!(ran.stderr.contains("no event is taken"), "{}", ran.stderr);
    }
    let letters = std::fs::read_to_string(feed.path("state/dead-letters-numbers.ndjson"));
    assert_eq!(letters.unwrap().lines().count(), 20);
    let asked = receiver.seen().len();
    mended.store(1, Ordering::SeqCst);
    feed.once().output().expect_code(0);
    let rest = received(&receiver.seen(), |at, _| at >= asked);
    assert_eq!(format!("{}{rest}", numbers(20)), numbers(50));
}

#[test]
fn of_a_long_refusal_the_first_words_are_told() {
    let words = "unlucky ".repeat(2_000).into_bytes();
    let receiver = Server::start(move |_| Answer::Http(404, String::new(), words.clone()));
    let (feed, _source) = feed(20, &receiver, "");
    let ran = feed.once().output().expect_code(5);
    let said = "answers 404 Not Found: unlucky unlucky";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}

#[test]
fn a_refused_credential_stops_at_once() {
    for status in [401, 403] {
        let receiver = Server::start(move |request| {
            let said = request
                .header("authorization")
                .unwrap_or_default()
                .to_owned();
            Answer::Http(status, String::new(), said.into_bytes())
        });
        let headers = r#", headers = { Authorization = { secret = "env:HEC" } }"#;
        let (feed, _source) = feed(50, &receiver, headers);
        let ran = feed
            .command(&["run"])
            .env("HEC", "s3cret-hec-0123")
            .output()
            .expect_code(5);
        assert_eq!(receiver.seen().len(), 1);
        let said = format!("answers {status}");
        assert!(
            ran.stderr.contains(&said) && !ran.stderr.contains("s3cret"),
            "{}",
            ran.stderr
        );
        assert!(
            ran.stderr
                .contains("hint: the credential comes from `env:HEC`"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn other_answers_are_the_operators_to_mend() {
    let redirect = "location: https://elsewhere.example/\r\n".to_owned();
    for (answer, hint) in [
        (Answer::status(404), "see `sink.url`"),
        (
            Answer::Http(307, redirect, Vec::new()),
            "redirects are not followed",
        ),
    ] {
        let receiver = Server::start(move |_| answer.clone());
        let (feed, _source) = feed(50, &receiver, "");
        let ran = feed.once().output().expect_code(5);
        assert!(ran.stderr.contains(hint), "{}", ran.stderr);
        // A batch in the outbox goes to the address that is right now.
        let right = Server::start(|_| Answer::status(200));
        feed.edit(&receiver.url(), &right.url());
        feed.once().output().expect_code(0);
        assert_eq!(received(&right.seen(), |_, _| true), numbers(50));
    }
}

#[test]
fn a_few_wrong_events_do_not_stop_a_receiver_that_took_the_batch_before() {
    let bad = |request: &Request| {
        let wrong = [41, 42, 43].map(|number| format!("\"number\":{number}}}"));
        wrong.iter().any(|event| text(request).contains(event))
    };
    let receiver = Server::start(move |request| match bad(request) {
        true => Answer::status(400),
        false => Answer::status(200),
    });
    let (feed, _source) = feed(43, &receiver, "");
    feed.once().output().expect_code(0);
    let all = received(&receiver.seen(), |_, request| !bad(request));
    assert_eq!(all, numbers(40));
    let letters = std::fs::read_to_string(feed.path("state/dead-letters-numbers.ndjson"));
    assert_eq!(letters.unwrap().lines().count(), 3);
}
