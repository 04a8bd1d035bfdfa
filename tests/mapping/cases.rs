//! The cases in `tests/cases`: `NN-name.raw.json`, one raw event, beside `NN-name.ocsf.json`, what it
//! is in OCSF. A new case needs these files only; `UPDATE_CASES=1` writes the second one, to be read
//! before it is committed.

use std::{collections::BTreeSet, env, fs, path::PathBuf};

use jumpcloud::{
    event::Event,
    mapping::{self, EventTypes, ROWS},
};
use serde_json::Value;

use crate::ocsf;

const ALL: EventTypes = EventTypes {
    login: true,
    admin: true,
};

#[test]
fn every_case_reads_as_expected() {
    let update = env::var_os("UPDATE_CASES").is_some();
    let mut wrong = Vec::new();
    for raw_path in cases() {
        let raw = fs::read(&raw_path).unwrap();
        let event = Event::parse(&raw).unwrap();
        let row = mapping::select(&event, ALL)
            .unwrap()
            .expect("case is selected");
        let mut line = Vec::new();
        mapping::write(&event, row, false, &mut line);
        let line = String::from_utf8(line).unwrap();

        let name = raw_path.display().to_string();
        wrong.extend(
            ocsf::faults(&line)
                .into_iter()
                .map(|fault| format!("{name}: {fault}")),
        );
        let path = name.replace(".raw.json", ".ocsf.json");
        let got: Value = serde_json::from_str(&line).unwrap();
        if update {
            fs::write(&path, readable(&line)).unwrap();
        }
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let want: Value = serde_json::from_str(&text).unwrap();
        if got != want {
            wrong.push(format!("{name}: got\n{got:#}\ninstead of\n{want:#}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_row_has_a_case() {
    let seen: BTreeSet<String> = cases()
        .into_iter()
        .map(|path| {
            let event: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
            event["event_type"].as_str().unwrap().to_owned()
        })
        .collect();
    let missing: Vec<_> = ROWS
        .iter()
        .map(|row| row.name)
        .filter(|n| !seen.contains(*n))
        .collect();
    assert!(missing.is_empty(), "no case for {}", missing.join(", "));
}

fn cases() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".raw.json"))
        .collect();
    paths.sort();
    paths
}

/// The line with line breaks and indents, its names in their order.
fn readable(line: &str) -> String {
    let mut text = String::new();
    let (mut depth, mut in_string, mut escaped) = (0, false, false);
    let mut characters = line.trim_end().chars().peekable();
    while let Some(c) = characters.next() {
        let closes_empty = matches!(characters.peek(), Some('}' | ']'));
        match c {
            '{' | '[' if !in_string && !closes_empty => {
                depth += 1;
                text.extend([c, '\n']);
                text.push_str(&"  ".repeat(depth));
            }
            '}' | ']' if !in_string && !text.ends_with(['{', '[']) => {
                depth -= 1;
                text.push('\n');
                text.push_str(&"  ".repeat(depth));
                text.push(c);
            }
            ',' if !in_string => {
                text.extend([c, '\n']);
                text.push_str(&"  ".repeat(depth));
            }
            ':' if !in_string => text.push_str(": "),
            _ => text.push(c),
        }
        in_string ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
    }
    text + "\n"
}
