//! Every limit of the documents, run into: one line that names it.

use std::net::TcpListener;

use jumpcloud_tests::{Answer, Server};

use source_host::Limits;

use super::Sandbox;

/// Each has a test of its name below.
#[test]
fn no_limit_is_without_a_test() {
    for (name, ..) in Limits::TABLE {
        let test = format!("#[test]\nfn {name}() {{");
        assert!(include_str!("limits.rs").contains(&test), "{name}");
    }
}

/// The harm is done after two good batches; it stops the feed, and this is what
/// is said of it.
#[track_caller]
fn stops(settings: &str, limits: &str, message: &str) {
    let sandbox = Sandbox::new(&format!("after = 2, {settings}"), limits);
    let said = sandbox.run(1);
    sandbox.expect_batches(2);
    said.expect_error(message);
}

#[test]
fn memory() {
    let told = "the plugin was stopped: it wanted more than 8 MiB of memory (`limits.memory`)";
    stops(r#"does = "grow""#, r#"memory = "8 MiB""#, told);
}

#[test]
fn memory_of_what_is_handed_over() {
    let told = "the plugin was stopped: it handed over more than 64 MiB at once (`limits.memory`)";
    stops(r#"does = "shared-text""#, "handles = 1000", told);
}

#[test]
fn memory_of_all_values() {
    let told = "all that is written at once may have 16777216 bytes (`limits.memory`)";
    let sandbox = Sandbox::new(
        r#"after = 2, does = "many-values", in = "ack""#,
        r#"memory = "16 MiB", batch = "1 MiB""#,
    );
    let said = sandbox.run(5);
    sandbox.expect_batches(2);
    said.expect_error(told);
    // Keys without values are no way around it.
    sandbox.feed.edit(
        r#"does = "many-values""#,
        r#"does = "many-values", size = 1"#,
    );
    sandbox.feed.edit("16 MiB", "4 MiB");
    let told = "all that is written at once may have 4194304 bytes (`limits.memory`)";
    sandbox.run(5).expect_error(told);
}

#[test]
fn value() {
    let sandbox = Sandbox::new(
        r#"after = 2, does = "large-value", in = "ack""#,
        r#"value = "100 kB""#,
    );
    let said = sandbox.run(5);
    sandbox.expect_batches(2);
    said.expect_error("a value may have 100000 bytes (`limits.value`)");
}

#[test]
fn values_are_refused_outside_ack() {
    let sandbox = Sandbox::new(r#"after = 2, does = "set""#, "handles = 1000");
    let said = sandbox.run(5);
    sandbox.expect_batches(2);
    said.expect_error("Error::AccessDenied");
}

#[test]
fn compute() {
    let told =
        "the plugin was stopped: it computed for more than 0.05 s in one call (`limits.compute`)";
    stops(r#"does = "spin""#, r#"compute = "50ms""#, told);
}

#[test]
fn call() {
    let told = "the plugin was stopped: a call took longer than 0.1 s (`limits.call`)";
    stops(
        r#"does = "sleep""#,
        r#"call = "100ms", batch_wait = "50ms""#,
        told,
    );
    stops(
        r#"does = "busy-wait""#,
        r#"call = "100ms", batch_wait = "50ms""#,
        told,
    );
    // The server never answers.
    let silent = Server::start(|_| Answer::silence());
    let fetch = format!(r#"does = "fetch", url = "{}""#, silent.url());
    stops(&fetch, r#"call = "100ms", batch_wait = "50ms""#, told);
}

#[test]
fn handles() {
    let told = "the plugin was stopped: it held more than 100 handles (`limits.handles`)";
    stops(r#"does = "handles""#, "handles = 100", told);
    stops(r#"does = "buckets""#, "handles = 100", told);
}

#[test]
fn table_elements() {
    let sandbox = Sandbox::new(r#"does = "nothing""#, "table_elements = 1");
    let told = "the plugin does not start: it wanted tables of more than 1 elements \
                (`limits.table_elements`)";
    let said = sandbox.run(1);
    assert_eq!(said.lines("error: hostile: ").len(), 1, "{}", said.0);
    assert!(said.0.contains(told), "{}", said.0);
}

#[test]
fn recursion() {
    let sandbox = Sandbox::new(r#"after = 2, does = "recurse""#, "handles = 1000");
    let said = sandbox.run(1);
    sandbox.expect_batches(2);
    said.expect_error("the plugin failed: wasm trap: call stack exhausted");
}

#[test]
fn log_lines() {
    for (harm, lines) in [("log", 10), ("log-without-end", 10)] {
        let sandbox = Sandbox::new(
            &format!(r#"does = "{harm}", batches = 1"#),
            "log_lines = 10",
        );
        let said = sandbox.run(0);
        sandbox.expect_batches(1);
        // Of the call with the batch, and of the one after it.
        assert_eq!(said.lines(" plugin").len(), 2 * lines, "{}", said.0);
        let more = "the plugin prints more than `limits.log_lines`";
        assert_eq!(said.lines(more).len(), 2, "{}", said.0);
        assert!(said.0.lines().all(|line| line.len() < 4_000), "{harm}");
    }
}

#[test]
fn batch() {
    let told = "the plugin's batch is larger than 62 bytes";
    stops(r#"does = "bytes""#, "batch = 1000", told);
}

#[test]
fn batch_wait() {
    // The plugin is told, with the others of its kind.
    let limits = r#"batch_wait = "1234ms", batch = 1000, batch_events = 7"#;
    let sandbox = Sandbox::new(r#"does = "limits", batches = 1"#, limits);
    sandbox.run(0);
    assert_eq!(sandbox.delivered(), [r#"{"limits":[1234,1000,7]}"#]);
}

#[test]
fn batch_events() {
    // Halved at each of five failures.
    stops(
        r#"does = "events""#,
        "batch_events = 100",
        "the plugin's batch has more than 6 records",
    );
    stops(
        r#"does = "dead-letters""#,
        "batch_events = 100",
        "the plugin's batch has more than 6 records",
    );
}

#[test]
fn what_is_in_no_contract() {
    let told = "the plugin's batch has an index that does not fit its lines";
    stops(r#"does = "index""#, "handles = 1000", told);
    stops(r#"does = "hidden-lines""#, "handles = 1000", told);
    let told = "the plugin's batch has the number 2 and follows 2";
    stops(r#"does = "same-number""#, "handles = 1000", told);
    let told = "the plugin's batch has the number 4 and follows 2";
    stops(r#"does = "number-ahead""#, "handles = 1000", told);
}

#[test]
fn findings_are_few() {
    let sandbox = Sandbox::new(r#"does = "findings", batches = 1"#, "handles = 1000");
    assert_eq!(sandbox.run(0).lines("finding ").len(), 64);
}

#[test]
fn text_is_only_text() {
    let text = "[31mred[2J error: not ours 1m]0;titlesdrawkcab";
    let sandbox = Sandbox::new(r#"does = "texts", batches = 1"#, "handles = 1000");
    assert!(!sandbox.run(0).lines(text).is_empty());
    let letters = std::fs::read_to_string(sandbox.feed.path("state/dead-letters-hostile.ndjson"));
    let letters = letters.unwrap();
    assert!(
        letters.contains(text) && !letters.contains("u001b"),
        "{letters}"
    );

    sandbox.feed.edit(r#"does = "texts""#, r#"does = "error""#);
    sandbox.run(1).expect_error(text);
    // What it prints is a line for each of its own.
    sandbox.feed.edit(r#"does = "error""#, r#"does = "panic""#);
    let printed = "the plugin failed: error: not ours 1m]0;titlesdrawkcab";
    sandbox.run(1).expect_error(printed);
}

/// A request fails, and this is why.
#[track_caller]
fn request_fails(answer: Answer, settings: &str, limits: &str, reason: &str) {
    let server = Server::start(move |_| answer.clone());
    let url = server.url();
    let sandbox = Sandbox::new(
        &format!(r#"does = "fetch", url = "{url}", {settings}"#),
        limits,
    );
    let ran = sandbox.feed.once().output().expect_code(4);
    sandbox.neighbour_is_done();
    assert!(ran.stderr.contains(reason), "{}", ran.stderr);
}

#[test]
fn request() {
    let reason = "hint: refused by this host: its body is larger than `limits.request`";
    request_fails(Answer::status(200), "size = 1001", "request = 1000", reason);
}

#[test]
fn response_head() {
    let answer = Answer::Http(200, format!("x-a: {}\r\n", "a".repeat(20_000)), Vec::new());
    let reason = "the head of the response is larger than `limits.response_head`";
    request_fails(answer, "size = 0", "response_head = 10000", reason);
}

#[test]
fn response() {
    let answer = Answer::text("x".repeat(1_001));
    let reason = "the answer has more than 1000 bytes (`limits.response`)";
    request_fails(answer, "size = 0", "response = 1000", reason);
}

#[test]
fn first_byte() {
    let limits = r#"first_byte = "50ms", call = "5s", batch_wait = "1s""#;
    let reason = "(`limits.first_byte`)";
    request_fails(Answer::silence(), "size = 0", limits, reason);
}

#[test]
fn between_bytes() {
    let stall = Answer::Stall(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc".to_vec());
    let reason = "(`limits.between_bytes`)";
    let limits = r#"between_bytes = "50ms", body = "2s""#;
    request_fails(stall, "size = 0", limits, reason);
}

#[test]
fn body() {
    let limits = r#"body = "50ms", between_bytes = "10s", response = 500"#;
    request_fails(Answer::Drip, "size = 0", limits, "(`limits.body`)");
}

#[test]
fn connect() {
    // Nobody answers to TLS.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let sandbox = Sandbox::new(
        &format!(r#"does = "fetch", url = "https://127.0.0.1:{port}""#),
        r#"connect = "50ms", first_byte = "1s""#,
    );
    let ran = sandbox.feed.once().output().expect_code(4);
    let reason = "no connection within the time-out (`limits.connect`)";
    assert!(ran.stderr.contains(reason), "{}", ran.stderr);
}
