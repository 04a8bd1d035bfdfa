//! What the operator reads when something is wrong: for each kind of bad input
//! the exit code and the exact message, and that the next run goes on from
//! where it was. `SNAPSHOTS=overwrite` writes changed messages into the tests.

mod account;
mod configuration;
mod findings;
mod outage;
mod refusal;
mod secret;

use jumpcloud_tests::{Feed, Ran, component};

/// The message of a run, without what differs from one run to the next: paths,
/// ports, times, spans of milliseconds, ids.
fn told(ran: &Ran, feed: &Feed) -> String {
    let folder = feed.path("");
    let folder = folder.to_string_lossy();
    let text = ran
        .stderr
        .replace(&*component().to_string_lossy(), "[PLUGIN]")
        .replace(folder.trim_end_matches('/'), "[FOLDER]");
    let text = without_spans(&text);
    let mut out = String::new();
    for word in text.split_inclusive([' ', '\n', '`', ',', ';']) {
        let (word, end) = word.split_at(word.len() - usize::from(!ends_in_letter(word)));
        out += masked(word).as_deref().unwrap_or(word);
        out += end;
    }
    out
}

/// The same, only what went wrong and the ways out.
fn message_of(ran: &Ran, feed: &Feed) -> String {
    let told = told(ran, feed);
    let lines = told
        .lines()
        .filter(|line| line.starts_with("error: ") || line.starts_with("hint: "));
    lines.map(|line| format!("{line}\n")).collect()
}

/// `[N] ms` in the place of any number of milliseconds.
fn without_spans(text: &str) -> String {
    let mut pieces = text.split(" ms").peekable();
    let mut out = String::new();
    while let Some(piece) = pieces.next() {
        let number = piece.trim_end_matches(|c: char| c.is_ascii_digit());
        match pieces.peek() {
            Some(_) if number.len() < piece.len() => out += &format!("{number}[N] ms"),
            Some(_) => out += &format!("{piece} ms"),
            None => out += piece,
        }
    }
    out
}

fn ends_in_letter(word: &str) -> bool {
    !word.ends_with([' ', '\n', '`', ',', ';'])
}

/// A word that differs from one run to the next, by its shape.
fn masked(word: &str) -> Option<String> {
    let shape: String = word
        .chars()
        .map(|c| if c.is_ascii_hexdigit() { '0' } else { c })
        .collect();
    if shape.starts_with("0000-00-00T00:00:00") {
        return Some("[TIME]".to_owned());
    }
    if shape == "00000000-0000-0000-0000-000000000000" {
        return Some("[ID]".to_owned());
    }
    if shape == "0".repeat(64) {
        return Some("[SHA256]".to_owned());
    }
    let (before, port) = word.split_once("127.0.0.1:")?;
    let port = port.trim_start_matches(|c: char| c.is_ascii_digit());
    Some(format!("{before}127.0.0.1:[PORT]{port}"))
}
