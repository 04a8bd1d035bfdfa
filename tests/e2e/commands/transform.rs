//! `transform`: raw events of any form on standard input.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use jumpcloud_simulator::Kind;
use jumpcloud_tests::{Feed, Run, Tenant, component};
use serde_json::json;

fn transform(input: Vec<u8>) -> Run {
    Run::new(Path::new("."))
        .arg("transform")
        .arg(component())
        .input(input)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn an_array_lines_and_gzip_of_either_give_the_same() {
    let tenant = Tenant::settled(500);
    let raw: Vec<String> = tenant
        .selected()
        .iter()
        .map(|event| String::from_utf8(event.raw.to_vec()).unwrap())
        .collect();
    let lines = raw.join("\n");
    let array = format!("[{}]", raw.join(",\n"));
    let expected = transform(lines.clone().into())
        .output()
        .expect_code(0)
        .stdout;
    assert_eq!(expected.lines().count(), raw.len());
    for input in [
        array.clone().into_bytes(),
        gzip(lines.as_bytes()),
        gzip(array.as_bytes()),
    ] {
        assert_eq!(transform(input).output().expect_code(0).stdout, expected);
    }
    assert_eq!(transform(Vec::new()).output().expect_code(0).stdout, "");
}

#[test]
fn a_bad_record_costs_that_record_alone() {
    let tenant = Tenant::settled(50);
    let mut input = Vec::new();
    for event in tenant.selected() {
        input.extend_from_slice(&event.raw);
        input.extend_from_slice(b"\n");
    }
    let good = transform(input.clone()).output().expect_code(0).stdout;
    for event in tenant.events(Kind::DeadLetter) {
        input.splice(0..0, [event.raw.as_ref(), b"\n"].concat());
    }
    let ran = transform(input).output().expect_code(1);
    assert_eq!(ran.stdout, good);
    assert!(ran.stderr.starts_with("record 1: "), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("error: 1 record rejected"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_byte_order_mark_costs_nothing() {
    let tenant = Tenant::settled(50);
    let raw = tenant.events(Kind::Login)[0].raw.to_vec();
    let expected = transform(raw.clone()).output().expect_code(0).stdout;
    let lines = ["\u{feff}".as_bytes(), &raw].concat();
    let array = ["\u{feff}[".as_bytes(), &raw, b"]"].concat();
    for input in [gzip(&lines), gzip(&array), lines, array] {
        assert_eq!(transform(input).output().expect_code(0).stdout, expected);
    }
}

#[test]
fn a_summary_says_what_became_of_all_records() {
    let tenant = Tenant::settled(50);
    let login = String::from_utf8(tenant.events(Kind::Login)[0].raw.to_vec()).unwrap();
    let other = r#"{"event_type":"group_create"}"#;
    let ran = transform(format!("{login}\n{other}\n").into()).output();
    let summary = "1 event from 2 records: 1 not selected (group_create 1), 0 rejected\n";
    assert_eq!(ran.expect_code(0).stderr, summary);
    let ran = transform(format!("{other}\n{{}}\n").into()).output();
    assert_eq!(
        ran.expect_code(1).stderr,
        "record 2: `event_type` is missing or not a text (no-event-type)\n\
         0 events from 2 records: 1 not selected (group_create 1), 1 rejected\n\
         error: 1 record rejected\n"
    );
}

#[test]
fn a_gzip_that_is_cut_off_gives_the_records_before_the_cut() {
    let tenant = Tenant::settled(500);
    let raw: Vec<_> = tenant.selected().into_iter().map(|e| e.raw).collect();
    let whole = gzip(&raw.join(&b'\n'));
    let expected = transform(whole.clone()).output().expect_code(0).stdout;
    let cut = whole[..whole.len() / 2].to_vec();
    let ran = transform(cut).output().expect_code(1);
    assert!(expected.starts_with(&ran.stdout));
    let lines = ran.stdout.lines().count();
    assert!(lines > raw.len() / 3, "{lines} of {}", raw.len());
    let error = "error: the gzip on standard input is cut off\n\nhint: fetch it again";
    assert!(ran.stderr.contains(error), "{}", ran.stderr);
}

#[test]
fn dead_letters_are_read_back() {
    let tenant = Tenant::settled(30);
    let events = tenant.selected();
    let letter = |raw: &[u8], length: usize| {
        let text = std::str::from_utf8(raw).ok();
        let base64 = (raw == b"\xff{").then_some("/3s=");
        let line = json!({"feed": "acme", "partition": "", "code": "x", "reason": "y",
            "length": length, "sha256": "", "text": text, "base64": base64});
        line.to_string() + "\n"
    };
    let mut letters = String::new();
    for event in &events {
        // A broken one before each takes nothing with it.
        letters += &letter(br#"{"id": "unfinished"#, 18);
        letters += &letter(&event.raw, event.raw.len());
    }
    // Understood, and refused by a sink: it comes as it is.
    letters += &letter(b"{\"class_uid\":3002}\n", 19).replace("\"x\"", "\"sink-refused\"");
    letters += &letter(b"\xff{", 2);
    letters += &letter(&events[0].raw[..9], 70_000);
    letters += &"x".repeat(33 << 20);
    letters += "\n{}";

    let raw: Vec<u8> = events
        .iter()
        .flat_map(|event| [&event.raw[..], b"\n"].concat())
        .collect();
    let expected = transform(raw).output().expect_code(0).stdout;
    let read_back = transform(letters.into()).arg("--dead-letters");
    let ran = read_back.output().expect_code(1);
    assert_eq!(ran.stdout, expected + "{\"class_uid\":3002}\n");
    let number = 2 * events.len() + 2;
    for said in [
        "dead letter 1: ".to_owned(),
        format!("dead letter {number}: "),
        format!(
            "dead letter {}: only the beginning of its 70000 bytes was kept",
            number + 1
        ),
        format!("dead letter {}: no line of a file", number + 2),
        format!(
            "dead letter {}: not a dead letter: missing field `code`",
            number + 3
        ),
        format!("error: {} records rejected", events.len() + 4),
    ] {
        assert!(ran.stderr.contains(&said), "no `{said}` in {}", ran.stderr);
    }
}

#[test]
fn what_a_feed_kept_is_read_back() {
    let tenant = Tenant::settled(300);
    let feed = Feed::of(&tenant);
    feed.once().output().expect_code(0);
    let file = std::fs::read(feed.path("state/dead-letters-acme.ndjson")).unwrap();
    let count = tenant.events(Kind::DeadLetter).len();
    assert!(count > 0);
    // This version understands them no better.
    let ran = transform(file)
        .arg("--dead-letters")
        .output()
        .expect_code(1);
    assert_eq!(ran.stdout, "");
    assert_eq!(
        ran.stderr.matches("dead letter ").count(),
        count,
        "{}",
        ran.stderr
    );
}

#[test]
fn input_of_the_other_kind() {
    let letter = json!({"code": "x", "reason": "y", "length": 2, "text": "{}"});
    let ran = transform(letter.to_string().into()).output().expect_code(1);
    let hint = "hint: dead letters are read with `--dead-letters`";
    assert!(ran.stderr.contains(hint), "{}", ran.stderr);
    for raw in ["{\"event_type\":\"x\"}", "[{}]", "[\n{}\n]", "1"] {
        let ran = transform(raw.into()).arg("--dead-letters");
        let told = ran.output().expect_code(1).stderr;
        let hint = "hint: raw events are read without `--dead-letters`";
        assert!(told.contains(hint) && !told.contains("struct"), "{told}");
    }
}

#[test]
fn settings_that_bear_on_the_output() {
    let tenant = Tenant::settled(50);
    let raw = tenant.events(Kind::Login)[0].raw.to_vec();
    let set = |set: &str| transform(raw.clone()).arg("--set").arg(set).output();
    let with_raw = set("include_raw=true").expect_code(0).stdout;
    let event: serde_json::Value = serde_json::from_str(&with_raw).unwrap();
    assert_eq!(event["raw_data"].as_str().unwrap().as_bytes(), raw);
    assert_eq!(set("event_types=admin").expect_code(0).stdout, "");
    let refused = set("include_raw=perhaps").expect_code(2);
    assert!(refused.stderr.contains("include_raw"), "{}", refused.stderr);
}
