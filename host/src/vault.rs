//! The secrets of one feed, and the one door through which text leaves a guest.
//!
//! A guest never holds a secret. It gets a placeholder that can't be guessed,
//! puts it into a header, and the host replaces it there on the way to one of
//! the feed's own origins. Whatever comes back, from the guest or the server,
//! is searched for both before anybody reads it.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};

use crate::error::Problem;
use crate::secret::{Secret, SecretSource};

/// Earlier values of one secret that are still searched for.
const RETIRED: usize = 16;

/// Text longer than this is cut before a person sees it.
const TEXT_CHARS: usize = 2_000;

/// One secret that a feed was given.
struct Entry {
    name: String,
    source: SecretSource,
    placeholder: String,
    value: Secret,
    /// Earlier values, which may still be echoed; the latest last.
    retired: Vec<Secret>,
}

/// What a secret in a `Basic` header was encoded to, in one request.
pub(crate) struct Credentials(String);

/// Tells sets of secrets apart, by a hash of their values.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(crate) const fn new(hash: [u8; 32]) -> Self {
        Self(hash)
    }
}

/// The secrets of one feed.
pub(crate) struct Vault(RwLock<Vec<Entry>>);

impl Vault {
    /// No secrets: for guests that need none.
    pub(crate) fn empty() -> Self {
        Self(RwLock::new(Vec::new()))
    }

    /// Reads every secret: those that are usable, and all that is wrong with
    /// the others.
    pub(crate) fn open<'a>(
        sources: impl IntoIterator<Item = (&'a String, &'a SecretSource)>,
    ) -> (Self, Vec<Problem>) {
        let mut entries = Vec::new();
        let mut problems = Vec::new();
        for (name, source) in sources {
            let key = format!("secrets.{name}");
            let value = match source.read() {
                Ok(value) => value,
                Err(message) => {
                    let hint = match source {
                        SecretSource::Env(_) => {
                            "set it for this process, or name another source: `file:PATH`"
                        }
                        SecretSource::File(_) => {
                            "put the secret into it, readable for this process"
                        }
                    };
                    problems.push(Problem::new(key, message).hint(hint));
                    continue;
                }
            };
            let flaws = value.flaws();
            if !flaws.is_empty() {
                let message = format!("the value in `{source}` {}", flaws.join(", "));
                let hint = match value.reveal().is_empty() {
                    true => "put the secret into it",
                    false => "copy it again, whole, without spaces or stray characters",
                };
                problems.push(Problem::new(key, message).hint(hint));
                continue;
            }
            match placeholder() {
                Ok(placeholder) => entries.push(Entry {
                    name: name.clone(),
                    source: source.clone(),
                    placeholder,
                    value,
                    retired: Vec::new(),
                }),
                Err(message) => problems.push(Problem::new(key, message)),
            }
        }
        (Self(RwLock::new(entries)), problems)
    }

    /// What the guest is given: (name, placeholder).
    pub(crate) fn placeholders(&self) -> Vec<(String, String)> {
        self.entries()
            .iter()
            .map(|e| (e.name.clone(), e.placeholder.clone()))
            .collect()
    }

    /// Where the secrets come from, for people.
    pub(crate) fn sources(&self) -> String {
        let sources: Vec<String> = self
            .entries()
            .iter()
            .map(|e| format!("`{}`", e.source))
            .collect();
        sources.join(", ")
    }

    /// Feeds with the same values have the same fingerprint.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let mut hash = Sha256::new();
        for entry in self.entries().iter() {
            let value = entry.value.reveal();
            hash.update(value.len().to_le_bytes());
            hash.update(value);
        }
        Fingerprint::new(hash.finalize().into())
    }

    /// Looks for something in a secret, by name.
    pub(crate) fn inspect<T>(&self, name: &str, look: impl FnOnce(&Secret) -> T) -> Option<T> {
        self.entries()
            .iter()
            .find(|e| e.name == name)
            .map(|e| look(&e.value))
    }

    /// Takes new values from files that changed; says whether there were any. A
    /// file that can't be read or holds a flawed value changes nothing: a
    /// writer may be in the middle of it.
    pub(crate) fn refresh(&self) -> bool {
        let mut changed = false;
        for entry in self
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .iter_mut()
        {
            if let SecretSource::File(_) = entry.source
                && let Ok(value) = entry.source.read()
                && value.reveal() != entry.value.reveal()
                && value.flaws().is_empty()
            {
                let old = std::mem::replace(&mut entry.value, value);
                let new = entry.value.reveal();
                let is_other = |secret: &Secret| ![new, old.reveal()].contains(&secret.reveal());
                entry.retired.retain(is_other);
                if entry.retired.len() == RETIRED {
                    entry.retired.remove(0);
                }
                entry.retired.push(old);
                changed = true;
            }
        }
        changed
    }

    /// Whether a placeholder occurs in these bytes.
    pub(crate) fn mentioned_in(&self, bytes: &[u8]) -> bool {
        self.entries()
            .iter()
            .any(|e| find(bytes, e.placeholder.as_bytes()).is_some())
    }

    /// Puts the secrets in the place of their placeholders, inside `Basic`
    /// credentials too: returns those, for a server may echo them.
    pub(crate) fn fill(&self, headers: &mut HeaderMap) -> Vec<Credentials> {
        let mut credentials = Vec::new();
        for entry in self.entries().iter() {
            let fill = |bytes: &[u8]| {
                replace_all(
                    bytes,
                    entry.placeholder.as_bytes(),
                    entry.value.reveal().as_bytes(),
                )
            };
            for value in headers.values_mut() {
                let filled = match basic_credentials(value) {
                    Some(plain) => fill(&plain).map(|plain| {
                        let encoded = BASE64.encode(plain);
                        let filled = format!("Basic {encoded}").into_bytes();
                        credentials.push(Credentials(encoded));
                        filled
                    }),
                    None => fill(value.as_bytes()),
                };
                if let Some(filled) = filled
                    && let Ok(mut filled) = HeaderValue::from_bytes(&filled)
                {
                    filled.set_sensitive(true);
                    *value = filled;
                }
            }
        }
        credentials
    }

    /// The bytes without our secrets and placeholders, and without these
    /// credentials; none: they held none.
    pub(crate) fn redact(&self, bytes: &[u8], credentials: &[Credentials]) -> Option<Vec<u8>> {
        let entries = self.entries();
        let mut needles: Vec<(&str, &str)> = Vec::new();
        for entry in entries.iter() {
            let values = entry.retired.iter().chain([&entry.value]);
            let values = values.map(Secret::reveal).chain([&*entry.placeholder]);
            needles.extend(values.map(|value| (value, &*entry.name)));
        }
        let encoded = credentials
            .iter()
            .map(|Credentials(text)| (&**text, "Basic"));
        needles.extend(encoded);
        // One may begin like another: what is left of that must not be shown.
        needles.sort_by_key(|(needle, _)| std::cmp::Reverse(needle.len()));
        let mut redacted: Option<Vec<u8>> = None;
        for (needle, name) in needles {
            let current = redacted.as_deref().unwrap_or(bytes);
            let mark = format!("[secret {name}]");
            if let Some(fewer) = replace_all(current, needle.as_bytes(), mark.as_bytes()) {
                redacted = Some(fewer);
            }
        }
        redacted
    }

    /// Text from a guest or a server as a person may see it: without secrets,
    /// control and direction characters, and not too long.
    pub(crate) fn clean(&self, text: &str) -> String {
        // Stripped first: a secret with invisible characters in it would pass
        // the search, and become readable by their removal.
        let stripped: String = text.chars().filter_map(printable).collect();
        let redacted = self.redact(stripped.as_bytes(), &[]);
        let text = redacted.map_or(stripped, |bytes| {
            String::from_utf8_lossy(&bytes).into_owned()
        });
        match text.char_indices().nth(TEXT_CHARS) {
            Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
            None => text,
        }
    }

    fn entries(&self) -> RwLockReadGuard<'_, Vec<Entry>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The character as it may reach a terminal; none: it may not.
fn printable(char: char) -> Option<char> {
    match char {
        '\n' | '\r' | '\t' => Some(' '),
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => None,
        '\u{2028}' | '\u{2029}' => Some(' '),
        c if c.is_control() => None,
        c => Some(c),
    }
}

/// A text of 128 random bits that passes every syntax a secret may have.
fn placeholder() -> Result<String, String> {
    let mut random = [0u8; 16];
    getrandom::fill(&mut random).map_err(|e| format!("no random numbers: {e}"))?;
    Ok(format!("placeholder{:032x}", u128::from_be_bytes(random)))
}

/// The decoded credentials of a `Basic` header.
fn basic_credentials(value: &HeaderValue) -> Option<Vec<u8>> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    BASE64.decode(encoded.trim()).ok()
}

/// `bytes` with `by` in the place of every `needle`; none if there is none.
fn replace_all(bytes: &[u8], needle: &[u8], by: &[u8]) -> Option<Vec<u8>> {
    let mut replaced = Vec::new();
    let mut rest = bytes;
    while let Some(at) = find(rest, needle) {
        let (before, after) = rest.split_at(at);
        replaced.extend_from_slice(before);
        replaced.extend_from_slice(by);
        rest = after.get(needle.len()..).unwrap_or_default();
    }
    if rest.len() == bytes.len() {
        return None;
    }
    replaced.extend_from_slice(rest);
    Some(replaced)
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return None;
    }
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;

    fn vault(dir: &Path, value: &str) -> Vault {
        let path = dir.join("key");
        std::fs::write(&path, value).unwrap();
        let sources = BTreeMap::from([("token".to_owned(), SecretSource::File(path))]);
        let (vault, problems) = Vault::open(&sources);
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
        assert_eq!(
            vault.clean(&"x".repeat(5_000)).chars().count(),
            TEXT_CHARS + 1
        );
    }

    #[test]
    fn a_renewed_file_is_taken_and_the_old_value_still_redacted() {
        let dir = tempfile::tempdir().unwrap();
        let vault = vault(dir.path(), "0ld-value");
        assert!(!vault.refresh());
        std::fs::write(dir.path().join("key"), "n3w value").unwrap();
        assert!(!vault.refresh(), "a flawed value is not taken");
        std::fs::write(dir.path().join("key"), "n3w-value").unwrap();
        assert!(vault.refresh());
        assert_eq!(
            vault.clean("0ld-value n3w-value"),
            "[secret token] [secret token]"
        );
    }

    #[test]
    fn a_value_that_begins_like_another_leaves_no_rest() {
        let dir = tempfile::tempdir().unwrap();
        let vault = vault(dir.path(), "abcdefgh");
        for value in ["abcdefgh-longer", "abcd", "abcdefgh-longer"] {
            std::fs::write(dir.path().join("key"), value).unwrap();
            assert!(vault.refresh());
        }
        assert_eq!(vault.clean("<abcdefgh-longer>"), "<[secret token]>");
        assert_eq!(vault.entries()[0].retired.len(), 2, "none is there twice");
        for number in 0..100 {
            std::fs::write(dir.path().join("key"), format!("value-{number}")).unwrap();
            vault.refresh();
        }
        assert_eq!(vault.entries()[0].retired.len(), RETIRED);
        assert_eq!(vault.clean("value-97"), "[secret token]");
    }

    #[test]
    fn all_problems_are_told_without_the_values() {
        let dir = tempfile::tempdir().unwrap();
        let bad = dir.path().join("bad");
        std::fs::write(&bad, "sp aced\"").unwrap();
        let sources = BTreeMap::from([
            ("a".to_owned(), SecretSource::File(bad)),
            (
                "b".to_owned(),
                SecretSource::Env("SOURCE_HOST_TEST_UNSET".into()),
            ),
        ]);
        let (_, problems) = Vault::open(&sources);
        assert_eq!(problems.len(), 2);
        assert!(problems[0].message.contains("white space at position 3"));
        assert!(!format!("{problems:?}").contains("aced"));
        assert!(
            problems[1]
                .message
                .contains("`SOURCE_HOST_TEST_UNSET` is not set")
        );
    }
}
