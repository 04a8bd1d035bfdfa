//! The secrets of one feed, and the one door through which text leaves a guest.
//!
//! A guest never holds a secret. It gets a placeholder that can't be guessed,
//! puts it into a header, and the host replaces it there on the way to one of
//! the feed's own origins. Whatever comes back, from the guest or the server,
//! is searched for both before anybody reads it.

mod entry;

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};

use self::entry::Entry;
pub(crate) use self::entry::Wanted;
use crate::error::Problem;
use crate::secret::Secret;
use crate::words::is_invisible;

/// Text longer than this is cut before a person sees it.
const TEXT_CHARS: usize = 2_000;

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
            match Entry::open(wanted) {
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

    /// Says what is odd about values, which are used all the same, and about
    /// their files. `feed` is for the log.
    pub(crate) fn warn(&self, feed: &str) {
        self.entries().iter().for_each(|entry| entry.warn(feed));
    }

    /// Takes new values from files that changed; says whether there were any.
    /// Of a file that can't be used is told what is wrong, once, and the value
    /// before stays in use. `feed` is for the log.
    pub(crate) fn refresh(&self, feed: &str) -> bool {
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let changed = entries.iter_mut().map(|entry| entry.refresh(feed));
        changed.fold(false, |any, changed| any | changed)
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
        let mut redacted: Option<Vec<u8>> = None;
        for (needle, name) in needles(&entries, credentials) {
            let current = redacted.as_deref().unwrap_or(bytes);
            let mark = format!("[secret {name}]");
            if let Some(fewer) = replace_all(current, needle.as_bytes(), mark.as_bytes()) {
                redacted = Some(fewer);
            }
        }
        redacted
    }

    /// The same for `start`, after which more was to come: what may be the
    /// beginning of a secret at its end is cut off.
    pub(crate) fn redact_start(
        &self,
        start: &[u8],
        credentials: &[Credentials],
    ) -> Option<Vec<u8>> {
        let redacted = self.redact(start, credentials);
        let bytes = redacted.as_deref().unwrap_or(start);
        let cut = self.begun_in(bytes, credentials);
        let kept = bytes.get(..bytes.len().saturating_sub(cut));
        match cut {
            0 => redacted,
            _ => kept.map(<[u8]>::to_vec),
        }
    }

    /// So many bytes at the end of these may be the beginning of a secret.
    fn begun_in(&self, bytes: &[u8], credentials: &[Credentials]) -> usize {
        let entries = self.entries();
        let needles = needles(&entries, credentials);
        let begun = needles.iter().filter_map(|(needle, _)| {
            let longest = needle.len().saturating_sub(1).min(bytes.len());
            let begins = |length: &usize| {
                let begin = needle.as_bytes().get(..*length);
                begin.is_some_and(|begin| bytes.ends_with(begin))
            };
            (1..=longest).rev().find(begins)
        });
        begun.max().unwrap_or(0)
    }

    /// Text from a guest or a server as a person may see it: without secrets,
    /// control and direction characters, and not too long.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.cleaned(text, Self::redact)
    }

    /// The same for the start of a text, after which more was to come.
    pub(crate) fn clean_start(&self, start: &str) -> String {
        self.cleaned(start, Self::redact_start)
    }

    fn cleaned(
        &self,
        text: &str,
        redact: impl Fn(&Self, &[u8], &[Credentials]) -> Option<Vec<u8>>,
    ) -> String {
        // Stripped first: a secret with invisible characters in it would pass
        // the search, and become readable by their removal.
        let stripped: String = text.chars().filter_map(printable).collect();
        let redacted = redact(self, stripped.as_bytes(), &[]);
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

/// What is not to be seen, and its name: the longest first, for one may begin
/// like another, and what is left of that must not be shown.
fn needles<'a>(entries: &'a [Entry], credentials: &'a [Credentials]) -> Vec<(&'a str, &'a str)> {
    let mut needles: Vec<(&str, &str)> = Vec::new();
    for entry in entries {
        let values = entry.retired.iter().chain([&entry.value]);
        let values = values.map(Secret::reveal).chain([&*entry.placeholder]);
        needles.extend(values.map(|value| (value, &*entry.wanted.name)));
    }
    let encoded = credentials
        .iter()
        .map(|Credentials(text)| (&**text, "Basic"));
    needles.extend(encoded);
    needles.sort_by_key(|(needle, _)| std::cmp::Reverse(needle.len()));
    needles
}

/// The character as it may reach a terminal; none: it may not.
fn printable(char: char) -> Option<char> {
    match char {
        '\n' | '\r' | '\t' => Some(' '),
        '\u{2028}' | '\u{2029}' => Some(' '),
        c if c.is_control() || is_invisible(c) => None,
        c => Some(c),
    }
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
mod tests;
