//! `transform`: raw events of any form on standard input.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use jumpcloud_simulator::Kind;
use jumpcloud_tests::{Run, Tenant, component};

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
