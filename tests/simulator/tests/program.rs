//! The simulator as a program.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in its helpers")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn simulator(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_jumpcloud-simulator"))
        .args(arguments)
        .output()
        .unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn run_gives_the_program_url_and_key_and_takes_its_exit_code() {
    let script = r#"cat; echo "$0 $MY_KEY"; echo aside >&2; exit 7"#;
    let program = [
        "run",
        "--events",
        "10",
        "--key-env",
        "MY_KEY",
        "--key",
        "abc",
        "--",
    ];
    let mut child = Command::new(env!("CARGO_BIN_EXE_jumpcloud-simulator"))
        .args(program)
        .args(["sh", "-c", script, "{url}/x"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"from stdin\n")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert!(
        stdout.starts_with("from stdin\nhttp://127.0.0.1:"),
        "{stdout}"
    );
    assert!(stdout.ends_with("/x abc\n"), "{stdout}");
    assert_eq!(output.stderr, b"aside\n");
}

#[test]
fn run_ends_as_a_shell_does_when_a_signal_ends_the_program() {
    let output = simulator(&["run", "--events", "10", "--", "sh", "-c", "kill -TERM $$"]);
    assert_eq!(output.status.code(), Some(128 + 15));
}

#[test]
fn run_says_what_it_could_not_run() {
    let output = simulator(&["run", "--events", "10", "--", "/nothing/here"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.starts_with("error: could not run `/nothing/here`"),
        "{text}"
    );
}

#[test]
fn generate_repeats_itself_and_tells_the_truth() {
    let options = [
        "generate",
        "--events",
        "300",
        "--seed",
        "9",
        "--now",
        "1780000000000",
    ];
    let raw = simulator(&options);
    assert_eq!(raw.stdout, simulator(&options).stdout);
    let truth = lines(&simulator(&[&options[..], &["--truth"]].concat()));
    let raw = lines(&raw);
    assert_eq!((raw.len(), truth.len()), (300, 300));
    for (event, truth) in raw.iter().zip(&truth) {
        assert_eq!(event["organization"], truth["organization"]);
        assert!(
            ["login", "admin", "other", "dead letter"].contains(&truth["kind"].as_str().unwrap())
        );
    }
    let array = simulator(&[&options[..], &["--format", "array"]].concat());
    assert_eq!(
        serde_json::from_slice::<Vec<Value>>(&array.stdout).unwrap(),
        raw
    );
    let none = simulator(&["generate", "--events", "0", "--format", "array"]);
    assert_eq!(none.stdout, b"[]\n");
}

#[test]
fn a_wrong_fault_is_explained() {
    let output = simulator(&["serve", "--fault", "nonsense"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("hint: a fault is one of status=CODE")
    );
}
