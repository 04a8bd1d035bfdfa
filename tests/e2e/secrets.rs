//! A secret is seen by the upstream alone. A token that occurs nowhere else is
//! looked for in everything that a run leaves behind or shows.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use jumpcloud_simulator::{DEFAULT_KEY, DEFAULT_SERVICE_ACCOUNT, organization_id};
use jumpcloud_tests::{Feed, Ran, Run, Tenant};

const CANARY: &str = "jca_canary4f1d0c8ab93e7762d5";

/// Fails if the token is in this text, or what the plugin was given for it.
#[track_caller]
fn without_canary(what: &str, bytes: &[u8]) {
    for secret in [CANARY, DEFAULT_KEY, "placeholder"] {
        let found = bytes
            .windows(secret.len())
            .any(|window| window == secret.as_bytes());
        assert!(
            !found,
            "{what} holds {secret}: {}",
            String::from_utf8_lossy(bytes)
        );
    }
}

fn every_file(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            every_file(&path, found)
        } else {
            found.push(path)
        }
    }
}

/// Runs it, with all that can be logged.
fn loud(run: Run) -> Ran {
    let ran = run.token(CANARY).arg("-vv").output();
    without_canary("standard output", ran.stdout.as_bytes());
    without_canary("standard error", ran.stderr.as_bytes());
    ran
}

#[test]
fn the_token_is_nowhere() {
    let tenant = Tenant::settled(300);
    let add_key = || {
        tenant
            .api
            .model()
            .access
            .add_key(CANARY, &[&organization_id(0)])
    };
    add_key();
    let feed = Feed::of(&tenant);
    let first = loud(feed.once().dies_at("committed", 2));
    assert!(
        first.stderr.contains("TRACE") || first.stderr.contains("DEBUG"),
        "it logs all"
    );

    // The upstream fails, refuses, and shows the token to whoever reads its answer.
    tenant.fault(&format!("redirect=https://example.com/?key={CANARY}"));
    let echoed = loud(feed.once()).expect_code(2);
    assert!(echoed.stderr.contains("example.com"), "{}", echoed.stderr);
    loud(feed.command(&["check", "--json"])).expect_code(2);
    tenant.heal();
    for fault in ["status=503,retry-after=600", "not-an-array,on=events,nth=1"] {
        tenant.fault(fault);
        loud(feed.once());
        tenant.heal();
    }
    tenant.api.model().access.revoke_key(CANARY);
    loud(feed.once()).expect_code(3);
    loud(feed.command(&["check"])).expect_code(3);
    add_key();

    loud(feed.command(&["--log-format", "json", "run", "--once"])).expect_code(0);
    loud(feed.command(&["check", "--json"])).expect_code(0);
    loud(feed.command(&["check"])).expect_code(0);
    loud(feed.command(&["state", "show", "--json"])).expect_code(0);
    loud(feed.command(&["state", "rewind", "acme", "--to", "2d", "--yes"])).expect_code(0);
    assert_eq!(feed.lines(), tenant.expected());

    let mut files = Vec::new();
    every_file(&feed.path(""), &mut files);
    assert!(files.len() >= 5, "state, events, dead letters: {files:?}");
    for file in files {
        without_canary(&file.to_string_lossy(), &fs::read(&file).unwrap());
    }
}

/// The token of a service account is in the plugin's memory, and nowhere else.
#[test]
fn the_token_of_a_service_account_is_nowhere() {
    let tenant = Tenant::settled(300);
    let id = organization_id(0);
    let feed = Feed::of(&tenant);
    let url = tenant.api.token_url();
    feed.edit(
        "settings = {",
        &format!(r#"settings = {{ authorization = "service-account", client_id = "simulator", oauth_token_url = "{url}", org_ids = ["{id}"],"#),
    );
    feed.edit("token = ", "client_secret = ");
    let secret = DEFAULT_SERVICE_ACCOUNT.1;
    let run = |arguments: &[&str]| {
        let ran = feed.command(arguments).token(secret).arg("-vv").output();
        for text in [&ran.stdout, &ran.stderr] {
            // Tokens, the secret, and both in Basic credentials.
            for secret in [
                "eyJ",
                secret,
                "c2ltdWxhdG9yOnNpbXVsYXRvci1zZWNyZX",
                "placeholder",
            ] {
                assert!(!text.contains(secret), "{secret}: {text}");
            }
        }
        ran
    };
    run(&["run", "--once"]).expect_code(0);
    run(&["check"]).expect_code(0);
    assert_eq!(feed.lines(), tenant.expected());
    let mut files = Vec::new();
    every_file(&feed.path("state"), &mut files);
    for file in files {
        let bytes = fs::read(&file).unwrap();
        for secret in ["eyJ", secret] {
            let found = bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
            assert!(!found, "{secret} is in {}", file.display());
        }
    }
}

#[test]
fn the_token_is_not_in_the_list_of_processes() {
    let tenant = Tenant::settled(10);
    tenant.fault("stall");
    let feed = Feed::of(&tenant);
    let running = feed.once().start();
    while tenant.api.model().stats.requests() == 0 {
        thread::sleep(Duration::from_millis(5));
    }
    let command_line = fs::read(format!("/proc/{}/cmdline", running.id())).unwrap();
    assert!(!command_line.is_empty());
    without_canary("the command line", &command_line);
}
