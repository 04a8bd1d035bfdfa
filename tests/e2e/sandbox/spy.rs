//! A plugin that tells all it knows, in events, dead letters, findings, errors
//! and its log: no secret is among it.

use std::fs;

use jumpcloud_tests::{Answer, Feed, Server, guest};

const CANARY: &str = "canary-4f1d0c8ab93e7762d5";

fn assert_clean(what: &str, bytes: &[u8]) {
    let found = bytes
        .windows(CANARY.len())
        .any(|window| window == CANARY.as_bytes());
    assert!(!found, "{what}: {}", String::from_utf8_lossy(bytes));
}

#[test]
fn what_a_plugin_knows_is_no_secret() {
    // The server gets the secret, and shows it in headers and refusals.
    let server = Server::start(|request| {
        let secret = request.header("x-token").unwrap_or_default();
        let headers = format!("x-echo: {secret}\r\nset-cookie: k={secret}\r\n");
        Answer::Http(401, headers, format!("who is {secret}?").into_bytes())
    });
    let feed = Feed::at("http://127.0.0.1:9");
    feed.configure(&format!(
        r#"
[feeds.spy]
plugin = "{}"
settings = {{ url = "{}" }}
secrets = {{ token = "env:SPY_TOKEN" }}
sink = {{ type = "file", path = "out.ndjson" }}
"#,
        guest("spy").display(),
        server.url()
    ));
    for arguments in [
        &["run", "--once"][..],
        &["check"],
        &["check", "--json"],
        &["--log-format", "json", "run", "--once"],
        &["state", "show", "--json"],
    ] {
        let run = feed.command(arguments).env("SPY_TOKEN", CANARY).arg("-vv");
        let ran = run.output();
        assert_clean("standard output", ran.stdout.as_bytes());
        assert_clean("standard error", ran.stderr.as_bytes());
        assert!(!ran.stderr.contains("placeholder"), "{}", ran.stderr);
    }
    assert_eq!(
        server.seen()[0].header("x-token"),
        Some(CANARY),
        "it did go out"
    );

    let told = fs::read_to_string(feed.path("out.ndjson")).unwrap();
    for known in [
        "x-echo=[secret token]",
        "who is [secret token]?",
        "arguments [] variables []",
    ] {
        assert!(told.contains(known), "{told}");
    }
    let mut folders = vec![feed.path("")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            assert_clean(&path.to_string_lossy(), &fs::read(&path).unwrap());
        }
    }
    assert!(files >= 4, "configuration, state, events, dead letters");
}
