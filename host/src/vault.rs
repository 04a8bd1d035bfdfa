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

use crate::bindings::types::{SecretPattern, Severity};
use crate::error::Problem;
use crate::secret::{Secret, SecretSource};

/// Earlier values of one secret that are still searched for.
const RETIRED: usize = 16;

/// Text longer than this is cut before a person sees it.
const TEXT_CHARS: usize = 2_000;

/// A secret as it is configured.
pub(crate) struct Wanted {
    /// The configuration's key for it.
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) source: SecretSource,
    /// What a badly pasted value looks like: those patterns that apply.
    pub(crate) patterns: Vec<SecretPattern>,
}

/// One secret that a feed was given.
struct Entry {
    wanted: Wanted,
    placeholder: String,
    value: Secret,
    /// Earlier values, which may still be echoed; the latest last.
    retired: Vec<Secret>,
    /// What was told of the file that is to replace the value; none: it is good.
    wrong: Option<String>,
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
    pub(crate) fn open(secrets: impl IntoIterator<Item = Wanted>) -> (Self, Vec<Problem>) {
        let mut entries = Vec::new();
        let mut problems = Vec::new();
        for wanted in secrets {
            match wanted.read().and_then(|value| Entry::new(wanted, value)) {
                Ok(entry) => entries.push(entry),
                Err(problem) => problems.push(problem),
            }
        }
        (Self(RwLock::new(entries)), problems)
    }

    /// What the guest is given: (name, placeholder).
    pub(crate) fn placeholders(&self) -> Vec<(String, String)> {
        self.entries()
            .iter()
            .map(|e| (e.wanted.name.clone(), e.placeholder.clone()))
            .collect()
    }

    /// Where the secrets come from, for people.
    pub(crate) fn sources(&self) -> String {
        let sources: Vec<String> = self
            .entries()
            .iter()
            .map(|e| format!("`{}`", e.wanted.source))
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

    /// What is odd about values, which are used all the same; for people.
    pub(crate) fn advice(&self) -> Vec<String> {
        self.entries().iter().filter_map(Entry::advice).collect()
    }

    /// Takes new values from files that changed; says whether there were any.
    /// Of a file that can't be used is told what is wrong, once, and the value
    /// before stays in use. `feed` is for the log.
    pub(crate) fn refresh(&self, feed: Option<&str>) -> bool {
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = false;
        for entry in entries.iter_mut() {
            if !matches!(entry.wanted.source, SecretSource::File(_)) {
                continue;
            }
            match entry.wanted.read() {
                Ok(value) => {
                    if entry.wrong.take().is_some() {
                        let Wanted { key, source, .. } = &entry.wanted;
                        tracing::info!(feed, "`{key}`: the value in `{source}` is good again");
                    }
                    if entry.replace(value) {
                        changed = true;
                        let advice = entry.advice();
                        advice
                            .iter()
                            .for_each(|advice| tracing::warn!(feed, "{advice}"));
                    }
                }
                Err(problem) if entry.wrong.as_ref() == Some(&problem.message) => {}
                Err(problem) => {
                    tracing::warn!(feed, "{problem}; the value before stays in use");
                    let tell = |hint| tracing::warn!(feed, "hint: {hint}");
                    problem.hints.iter().for_each(tell);
                    entry.wrong = Some(problem.message);
                }
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
            needles.extend(values.map(|value| (value, &*entry.wanted.name)));
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

impl Wanted {
    /// The value, or what is wrong with it.
    fn read(&self) -> Result<Secret, Problem> {
        let Self { key, source, .. } = self;
        let value = source.read().map_err(|message| {
            Problem::new(key, message).hint(match source {
                SecretSource::Env(_) => {
                    "set it for this process, or name another source: `file:PATH`"
                }
                SecretSource::File(_) => "put the secret into it, readable for this process",
            })
        })?;
        let flaws = value.flaws();
        if !flaws.is_empty() {
            let message = format!("the value in `{source}` {}", flaws.join(", "));
            return Err(
                Problem::new(key, message).hint(match value.reveal().is_empty() {
                    true => "put the secret into it",
                    false => "copy it again, whole, without spaces or stray characters",
                }),
            );
        }
        match value.matching(&self.patterns) {
            Some((advice, Severity::Error)) => Err(Problem::new(key, advice)),
            _ => Ok(value),
        }
    }
}

impl Entry {
    fn new(wanted: Wanted, value: Secret) -> Result<Self, Problem> {
        Ok(Self {
            placeholder: placeholder().map_err(|e| Problem::new(&wanted.key, e))?,
            wanted,
            value,
            retired: Vec::new(),
            wrong: None,
        })
    }

    fn advice(&self) -> Option<String> {
        let (advice, _) = self.value.matching(&self.wanted.patterns)?;
        Some(format!("`{}`: {advice}", self.wanted.key))
    }

    /// Puts `value` in the place of the one before, if it is another.
    fn replace(&mut self, value: Secret) -> bool {
        if value.reveal() == self.value.reveal() {
            return false;
        }
        let old = std::mem::replace(&mut self.value, value);
        let new = self.value.reveal();
        let is_other = |secret: &Secret| ![new, old.reveal()].contains(&secret.reveal());
        self.retired.retain(is_other);
        if self.retired.len() == RETIRED {
            self.retired.remove(0);
        }
        self.retired.push(old);
        true
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
    use std::path::Path;

    use super::*;

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
        assert_eq!(
            vault.clean(&"x".repeat(5_000)).chars().count(),
            TEXT_CHARS + 1
        );
    }

    #[test]
    fn a_renewed_file_is_taken_and_the_old_value_still_redacted() {
        let dir = tempfile::tempdir().unwrap();
        let vault = vault(dir.path(), "0ld-value");
        assert!(!vault.refresh(None));
        std::fs::write(dir.path().join("key"), "n3w-value").unwrap();
        assert!(vault.refresh(None));
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
            assert!(!vault.refresh(None), "{text}");
            assert!(wrong().contains(told), "{}", wrong());
        }
        std::fs::remove_file(&path).unwrap();
        assert!(!vault.refresh(None));
        assert!(wrong().contains("can't be read"), "{}", wrong());
        assert_eq!(vault.clean("0ld-value"), "[secret token]");
        std::fs::write(&path, "0ld-value").unwrap();
        assert!(!vault.refresh(None), "as it was");
        assert_eq!(wrong(), "");
    }

    #[test]
    fn a_value_that_begins_like_another_leaves_no_rest() {
        let dir = tempfile::tempdir().unwrap();
        let vault = vault(dir.path(), "abcdefgh");
        for value in ["abcdefgh-longer", "abcd", "abcdefgh-longer"] {
            std::fs::write(dir.path().join("key"), value).unwrap();
            assert!(vault.refresh(None));
        }
        assert_eq!(vault.clean("<abcdefgh-longer>"), "<[secret token]>");
        assert_eq!(vault.entries()[0].retired.len(), 2, "none is there twice");
        for number in 0..100 {
            std::fs::write(dir.path().join("key"), format!("value-{number}")).unwrap();
            vault.refresh(None);
        }
        assert_eq!(vault.entries()[0].retired.len(), RETIRED);
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
}
