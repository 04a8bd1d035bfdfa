//! Secrets go where they belong, and nowhere else.

use std::path::Path;

use super::*;
use crate::bindings::types::{SecretPattern, Severity};
use crate::secret::SecretSource;

fn wanted(name: &str, source: SecretSource) -> Wanted {
    Wanted {
        key: format!("secrets.{name}"),
        name: name.to_owned(),
        source,
        patterns: Vec::new(),
    }
}

fn vault(dir: &Path, value: &str) -> Vault {
    let path = dir.join("key");
    std::fs::write(&path, value).unwrap();
    let (vault, problems) = Vault::open([wanted("token", SecretSource::File(path))]);
    assert_eq!(problems, []);
    vault
}

#[test]
fn a_placeholder_becomes_the_secret_in_headers_and_basic_credentials() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(dir.path(), "s3cret-value\n");
    let placeholder = &vault.placeholders()[0].1;
    assert!(!placeholder.contains("s3cret"));
    let basic = format!("Basic {}", BASE64.encode(format!("id:{placeholder}")));
    let mut headers = HeaderMap::new();
    headers.insert("x-key", placeholder.parse().unwrap());
    headers.insert("authorization", basic.parse().unwrap());
    headers.insert("accept", "a/b".parse().unwrap());
    let credentials = vault.fill(&mut headers);
    assert_eq!(headers["x-key"], "s3cret-value");
    assert!(headers["x-key"].is_sensitive() && !headers["accept"].is_sensitive());
    let encoded = headers["authorization"]
        .to_str()
        .unwrap()
        .strip_prefix("Basic ")
        .unwrap();
    assert_eq!(BASE64.decode(encoded).unwrap(), b"id:s3cret-value");
    let echo = format!("no good: {encoded}");
    let redacted = vault.redact(echo.as_bytes(), &credentials);
    assert_eq!(redacted.unwrap(), b"no good: [secret Basic]");
    assert!(vault.mentioned_in(format!("/x?k={placeholder}").as_bytes()));
    assert!(!vault.mentioned_in(b"/x"));
}

#[test]
fn text_is_redacted_stripped_and_cut() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(dir.path(), "s3cret-value");
    let placeholder = vault.placeholders()[0].1.clone();
    let text = format!("a s3cret-value\nb\u{1b}[31m {placeholder} \u{202e}c");
    assert_eq!(
        vault.clean(&text),
        "a [secret token] b[31m [secret token] c"
    );
    for char in [
        '\u{ad}',
        '\u{200b}',
        '\u{61c}',
        '\u{fe0f}',
        '\u{feff}',
        '\u{e0041}',
    ] {
        let text = format!("s3cret{char}-value");
        assert_eq!(vault.clean(&text), "[secret token]", "{char:?}");
    }
    assert_eq!(
        vault.clean(&"x".repeat(5_000)).chars().count(),
        TEXT_CHARS + 1
    );
}

#[test]
fn a_secret_that_begins_where_a_text_was_cut_is_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(dir.path(), "s3cret-value");
    let credentials = [Credentials("aWQ6czNjcmV0".to_owned())];
    for (start, kept) in [
        ("no", "no"),
        ("no: s", "no: "),
        ("no: s3cret-valu", "no: "),
        ("no: s3cret-value", "no: [secret token]"),
        ("s3cret-value s3cret", "[secret token] "),
        ("no: aWQ6czNjcm", "no: "),
        ("s3c", ""),
        ("", ""),
    ] {
        let redacted = vault.redact_start(start.as_bytes(), &credentials);
        let shown = redacted.unwrap_or(start.as_bytes().to_vec());
        assert_eq!(String::from_utf8(shown).unwrap(), kept);
    }
    assert_eq!(vault.clean_start("a\nb s3cr\u{200b}et-"), "a b ");
    assert_eq!(vault.clean("its"), "its");
}

#[test]
fn a_renewed_file_is_taken_and_the_old_value_still_redacted() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(dir.path(), "0ld-value");
    assert!(!vault.refresh("f"));
    std::fs::write(dir.path().join("key"), "n3w-value").unwrap();
    assert!(vault.refresh("f"));
    assert_eq!(
        vault.clean("0ld-value n3w-value"),
        "[secret token] [secret token]"
    );
}

#[test]
fn a_file_that_can_not_be_used_changes_nothing_until_it_is_good() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    std::fs::write(&path, "0ld-value").unwrap();
    let pattern = SecretPattern {
        pattern: "*=*".into(),
        when: None,
        severity: Severity::Error,
        advice: "this looks like an assignment".into(),
    };
    let (vault, problems) = Vault::open([Wanted {
        patterns: vec![pattern],
        ..wanted("token", SecretSource::File(path.clone()))
    }]);
    assert_eq!(problems, []);
    let wrong = || vault.entries()[0].wrong.clone().unwrap_or_default();
    for (text, told) in [
        ("n3w value", "white space at position 4"),
        ("", "is empty"),
        ("KEY=n3w", "looks like an assignment"),
    ] {
        std::fs::write(&path, text).unwrap();
        assert!(!vault.refresh("f"), "{text}");
        assert!(wrong().contains(told), "{}", wrong());
    }
    std::fs::remove_file(&path).unwrap();
    assert!(!vault.refresh("f"));
    assert!(wrong().contains("can't be read"), "{}", wrong());
    assert_eq!(vault.clean("0ld-value"), "[secret token]");
    std::fs::write(&path, "0ld-value").unwrap();
    assert!(!vault.refresh("f"), "as it was");
    assert_eq!(wrong(), "");
}

#[test]
fn a_value_that_begins_like_another_leaves_no_rest() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(dir.path(), "abcdefgh");
    for value in ["abcdefgh-longer", "abcd", "abcdefgh-longer"] {
        std::fs::write(dir.path().join("key"), value).unwrap();
        assert!(vault.refresh("f"));
    }
    assert_eq!(vault.clean("<abcdefgh-longer>"), "<[secret token]>");
    assert_eq!(vault.entries()[0].retired.len(), 2, "none is there twice");
    for number in 0..100 {
        std::fs::write(dir.path().join("key"), format!("value-{number}")).unwrap();
        vault.refresh("f");
    }
    assert_eq!(vault.entries()[0].retired.len(), entry::RETIRED);
    assert_eq!(vault.clean("value-97"), "[secret token]");
}

#[test]
fn all_problems_are_told_without_the_values() {
    let dir = tempfile::tempdir().unwrap();
    let bad = dir.path().join("bad");
    std::fs::write(&bad, "sp aced\"").unwrap();
    let unset = SecretSource::Env("SOURCE_HOST_TEST_UNSET".into());
    let (_, problems) = Vault::open([wanted("a", SecretSource::File(bad)), wanted("b", unset)]);
    assert_eq!(problems.len(), 2);
    assert!(problems[0].message.contains("white space at position 3"));
    assert!(!format!("{problems:?}").contains("aced"));
    assert!(
        problems[1]
            .message
            .contains("`SOURCE_HOST_TEST_UNSET` is not set")
    );
}
