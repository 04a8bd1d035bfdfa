//! The token: not there, in the wrong place, or pasted badly. Nothing is sent,
//! and its value is not shown.

use jumpcloud_tests::{Feed, Tenant};
use snapbox::{assert_data_eq, data::Inline, str};

use super::told;

/// A token of this value, given by a variable, is refused.
fn refused(token: &str, message: Inline) {
    let tenant = Tenant::settled(0);
    let feed = Feed::of(&tenant);
    let ran = feed.once().token(token).output().expect_code(2);
    assert_eq!(ran.stdout, "");
    assert!(!ran.stderr.contains("s3cret"), "{}", ran.stderr);
    assert_data_eq!(told(&ran, &feed), message);
    assert_eq!(tenant.api.seen().len(), 0);
}

#[test]
fn white_space_before_it() {
    refused(
        " jca_s3cret",
        str![[r#"
error: feeds.toml:6: feed `acme`: `secrets.token`: the value in `env:JUMPCLOUD_API_KEY` has white space at position 1

hint: copy it again, whole, without spaces or stray characters


"#]],
    );
}

#[test]
fn white_space_after_it() {
    refused(
        "jca_s3cret ",
        str![[r#"
error: feeds.toml:6: feed `acme`: `secrets.token`: the value in `env:JUMPCLOUD_API_KEY` has white space at position 11

hint: copy it again, whole, without spaces or stray characters


"#]],
    );
}

#[test]
fn white_space_inside() {
    refused(
        "jca_ s3cret",
        str![[r#"
error: feeds.toml:6: feed `acme`: `secrets.token`: the value in `env:JUMPCLOUD_API_KEY` has white space at position 5

hint: copy it again, whole, without spaces or stray characters


"#]],
    );
}

#[test]
fn a_line_break() {
    refused(
        "jca_\ns3cret",
        str![[r#"
error: feeds.toml:6: feed `acme`: `secrets.token`: the value in `env:JUMPCLOUD_API_KEY` has a line break at position 5

hint: copy it again, whole, without spaces or stray characters


"#]],
    );
}

#[test]
fn quotes() {
    refused(
        "\"jca_s3cret\"",
        str![[r#"
error: feeds.toml:6: feed `acme`: `secrets.token`: the value in `env:JUMPCLOUD_API_KEY` has a quotation mark at position 1

hint: copy it again, whole, without spaces or stray characters


"#]],
    );
}

#[test]
fn a_bearer_prefix() {
    refused(
        "Bearer jca_s3cret",
        str![[r#"
error: feeds.toml:6: feed `acme`: `secrets.token`: the value in `env:JUMPCLOUD_API_KEY` starts with `Bearer `, which is added where it is needed

hint: copy it again, whole, without spaces or stray characters


"#]],
    );
}

#[test]
fn a_header_name() {
    refused(
        "x-api-key:jca_s3cret",
        str![[r#"
error: feeds.toml:6: feed `acme`: `secrets.token`: the header's name was pasted with the key; paste only what follows `x-api-key:`

"#]],
    );
}

#[test]
fn a_zero_width_character() {
    refused(
        "jca_\u{200b}s3cret",
        str![[r#"
error: feeds.toml:6: feed `acme`: `secrets.token`: the value in `env:JUMPCLOUD_API_KEY` has a zero-width character at position 5

hint: copy it again, whole, without spaces or stray characters


"#]],
    );
}

#[test]
fn a_control_character() {
    refused(
        "jca_\u{1b}s3cret",
        str![[r#"
error: feeds.toml:6: feed `acme`: `secrets.token`: the value in `env:JUMPCLOUD_API_KEY` has a control character at position 5

hint: copy it again, whole, without spaces or stray characters


"#]],
    );
}

#[test]
fn a_placeholder_of_the_documents() {
    refused(
        "<s3cret>",
        str![[r#"
error: feeds.toml:6: feed `acme`: `secrets.token`: this is a placeholder from a document, not a secret; paste the secret itself

"#]],
    );
}

#[test]
fn a_service_account_pair() {
    refused(
        "0a1b2c:s3cret",
        str![[r#"
error: feeds.toml:6: feed `acme`: `secrets.token`: this looks like a service account's `clientID:clientSecret`, not like a key; make an API key, or set `authorization = "service-account"`

"#]],
    );
}

#[test]
fn nothing() {
    refused(
        "",
        str![[r#"
error: feeds.toml:6: feed `acme`: `secrets.token`: the value in `env:JUMPCLOUD_API_KEY` is empty

hint: put the secret into it


"#]],
    );
}

/// A configuration with this in the place of the source of the token.
fn misplaced(source: &str, message: Inline) {
    let tenant = Tenant::settled(0);
    let feed = Feed::of(&tenant);
    feed.edit(r#"{ token = "env:JUMPCLOUD_API_KEY" }"#, source);
    let ran = feed
        .once()
        .without("JUMPCLOUD_API_KEY")
        .output()
        .expect_code(2);
    assert!(!ran.stderr.contains("s3cret"), "{}", ran.stderr);
    assert_data_eq!(told(&ran, &feed), message);
    assert_eq!(tenant.api.seen().len(), 0);
}

#[test]
fn an_unset_variable() {
    misplaced(
        r#"{ token = "env:JUMPCLOUD_API_KEY" }"#,
        str![[r#"
error: feeds.toml:6: feed `acme`: `secrets.token`: the environment variable `JUMPCLOUD_API_KEY` is not set

hint: set it for this process, or name another source: `file:PATH`


"#]],
    );
}

#[test]
fn a_file_that_is_not_there() {
    misplaced(
        r#"{ token = "file:secrets/key" }"#,
        str![[r#"
error: feeds.toml:6: feed `acme`: `secrets.token`: the file `[FOLDER]/secrets/key` can't be read: No such file or directory (os error 2)

hint: put the secret into it, readable for this process


"#]],
    );
}

#[test]
fn a_literal() {
    misplaced(
        r#"{ token = "jca_s3cret" }"#,
        str![[r#"
error: feeds.toml:6: feed `acme`: `secrets.token`: a secret's value does not belong here

hint: put the value into an environment variable or a file, and write `env:NAME` or `file:PATH` here


"#]],
    );
}

#[test]
fn a_literal_on_the_command_line() {
    let feed = Feed::at("http://127.0.0.1:9");
    let arguments = [
        "run",
        "--plugin",
        "none.wasm",
        "--secret",
        "token=jca_s3cret",
    ];
    let ran = feed.command(&arguments).output().expect_code(2);
    assert!(!ran.stderr.contains("s3cret"), "{}", ran.stderr);
    assert_data_eq!(
        told(&ran, &feed),
        str![[r#"
error: --secret token: feed `default`: `secrets.token`: a secret's value does not belong here

hint: put the value into an environment variable or a file, and write `env:NAME` or `file:PATH` here

error: --plugin: feed `default`: `plugin`: the plugin `[FOLDER]/none.wasm` can't be read: No such file or directory (os error 2)

hint: relative paths count from the configuration file, those of flags from the working directory


"#]]
    );
}

#[test]
fn none() {
    misplaced(
        "{}",
        str![[r#"
error: feeds.toml:6: feed `acme`: `secrets.token`: the secret is missing

hint: An administrator's API key: Admin Portal > own initials (top right) > My API Key > Generate New API Key, with an expiry of 90 days.
hint: set it to `env:NAME` or `file:PATH`, as in `env:TOKEN`


"#]],
    );
}

#[test]
fn one_under_another_name() {
    misplaced(
        r#"{ tokn = "env:HOME" }"#,
        str![[r#"
error: feeds.toml:6: feed `acme`: `secrets.tokn`: the plugin has no such secret

hint: it knows `token`, `client_secret`

error: feeds.toml:6: feed `acme`: `secrets.token`: the secret is missing

hint: An administrator's API key: Admin Portal > own initials (top right) > My API Key > Generate New API Key, with an expiry of 90 days.
hint: set it to `env:NAME` or `file:PATH`, as in `env:TOKEN`


"#]],
    );
}

#[test]
fn a_file_may_end_with_a_line_break() {
    let tenant = Tenant::settled(10);
    let feed = Feed::of(&tenant);
    feed.edit("env:JUMPCLOUD_API_KEY", "file:key");
    std::fs::write(
        feed.path("key"),
        format!("{}\r\n", jumpcloud_simulator::DEFAULT_KEY),
    )
    .unwrap();
    feed.once().output().expect_code(0);
    assert_eq!(feed.lines(), tenant.expected());
}
