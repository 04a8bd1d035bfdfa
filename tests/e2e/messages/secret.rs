//! The token: not there, in the wrong place, or pasted badly. Nothing is sent,
//! and its value is not shown.

use jumpcloud_simulator::DEFAULT_KEY;
use jumpcloud_tests::{Feed, Run, Tenant};

use super::message_of;

/// What precedes each message.
const PLACE: &str = "error: feeds.toml:6: feed `acme`: `secrets.token`: ";
const AGAIN: &str = "hint: copy it again, whole, without spaces or stray characters";
const NEEDED: [&str; 2] = [
    "hint: An administrator's API key: Admin Portal > own initials (top right) > My API Key > Generate New API Key, with an expiry of 90 days. A service account has `client_secret` in its place, with `authorization = \"service-account\"`.",
    "hint: set it to `env:NAME` or `file:PATH`, as in `env:TOKEN`",
];

/// A run of a feed is refused with these lines.
fn refused(tenant: &Tenant, feed: &Feed, run: Run, lines: &[&str]) {
    let ran = run.output().expect_code(2);
    assert_eq!(ran.stdout, "");
    assert!(!ran.stderr.contains("s3cret"), "{}", ran.stderr);
    let told = message_of(&ran, feed);
    assert_eq!(told.lines().collect::<Vec<_>>(), lines);
    assert_eq!(tenant.api.seen().len(), 0);
}

#[test]
fn pasted_badly() {
    let tenant = Tenant::settled(0);
    let feed = Feed::of(&tenant);
    let value = |found: &str| format!("the value in `env:JUMPCLOUD_API_KEY` {found}");
    for (token, found, hint) in [
        (" jca_s3cret", value("has white space at position 1"), AGAIN),
        ("jca_s3cret ", value("has white space at position 11"), AGAIN),
        ("jca_ s3cret", value("has white space at position 5"), AGAIN),
        ("jca_\ns3cret", value("has a line break at position 5"), AGAIN),
        ("\"jca_s3cret\"", value("has a quotation mark at position 1"), AGAIN),
        ("jca_\u{200b}s3cret", value("has an invisible character at position 5"), AGAIN),
        ("jca_\u{1b}s3cret", value("has a control character at position 5"), AGAIN),
        ("Bearer jca_s3cret", value("starts with `Bearer `, which is added where it is needed"), AGAIN),
        ("JUMPCLOUD_API_KEY=jca_s3cret", "the variable's name was pasted with the secret; paste only what follows the `=`".into(), ""),
        ("x-api-key:jca_s3cret", "the header's name was pasted with the key; paste only what follows `x-api-key:`".into(), ""),
        ("<s3cret>", "this is a placeholder from a document, not a secret; paste the secret itself".into(), ""),
        ("0a1b2c:s3cret", "this looks like a service account's `clientID:clientSecret`, not like a key; make an API key, or set `authorization = \"service-account\"`".into(), ""),
        ("", value("is empty"), "hint: put the secret into it"),
    ] {
        let error = format!("{PLACE}{found}");
        let lines: &[&str] = if hint.is_empty() { &[&error] } else { &[&error, hint] };
        refused(&tenant, &feed, feed.once().token(token), lines);
    }
}

#[test]
fn not_where_it_should_be() {
    let [description, how] = NEEDED;
    for (secrets, lines) in [
        (
            r#"{ token = "env:JUMPCLOUD_API_KEY" }"#,
            &[
                "the environment variable `JUMPCLOUD_API_KEY` is not set",
                "hint: set it for this process, or name another source: `file:PATH`",
            ][..],
        ),
        (
            r#"{ token = "file:secrets/key" }"#,
            &[
                "the file `[FOLDER]/secrets/key` can't be read: No such file or directory (os error 2)",
                "hint: put the secret into it, readable for this process",
            ],
        ),
        (
            r#"{ token = "jca_s3cret" }"#,
            &[
                "a secret's value does not belong here",
                "hint: put the value into an environment variable or a file, and write `env:NAME` or `file:PATH` here",
            ],
        ),
        ("{}", &["the secret is missing", description, how]),
    ] {
        let tenant = Tenant::settled(0);
        let feed = Feed::of(&tenant);
        feed.edit(r#"{ token = "env:JUMPCLOUD_API_KEY" }"#, secrets);
        let error = format!("{PLACE}{}", lines[0]);
        let lines = [&[error.as_str()], &lines[1..]].concat();
        refused(
            &tenant,
            &feed,
            feed.once().without("JUMPCLOUD_API_KEY"),
            &lines,
        );
    }
}

#[test]
fn under_another_name() {
    let tenant = Tenant::settled(0);
    let feed = Feed::of(&tenant);
    feed.edit("token = ", "tokn = ");
    let [description, how] = NEEDED;
    let lines = [
        "error: feeds.toml:6: feed `acme`: `secrets.tokn`: the plugin has no such secret",
        "hint: it knows `token`, `client_secret`",
        &format!("{PLACE}the secret is missing"),
        description,
        how,
    ];
    refused(&tenant, &feed, feed.once(), &lines);
}

#[test]
fn a_literal_on_the_command_line() {
    let tenant = Tenant::settled(0);
    let feed = Feed::of(&tenant);
    let run = [
        "run",
        "--plugin",
        "none.wasm",
        "--secret",
        "token=jca_s3cret",
    ];
    let lines = [
        "error: --secret token: feed `default`: `secrets.token`: a secret's value does not belong here",
        "hint: put the value into an environment variable or a file, and write `env:NAME` or `file:PATH` here",
        "error: --plugin: feed `default`: `plugin`: the plugin `[FOLDER]/none.wasm` can't be read: No such file or directory (os error 2)",
        "hint: relative paths count from the configuration file, those of flags from the working directory",
    ];
    refused(&tenant, &feed, feed.command(&run), &lines);
}

#[test]
fn a_file_may_end_with_a_line_break() {
    let tenant = Tenant::settled(10);
    let feed = Feed::of(&tenant);
    feed.edit("env:JUMPCLOUD_API_KEY", "file:key");
    std::fs::write(feed.path("key"), format!("{DEFAULT_KEY}\r\n")).unwrap();
    feed.once().output().expect_code(0);
    assert_eq!(feed.lines(), tenant.expected());
}
