//! Where a secret comes from, and whether it was pasted well.
//!
//! A [`Secret`] can't be printed, compared or serialized: the only way to its
//! text is [`Secret::reveal`], which the vault alone calls.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::bindings::types::{SecretPattern, Severity};
use crate::words::is_invisible;

/// The longest value, in bytes: a header has to hold it.
const LONGEST: usize = 16 << 10;

/// Where a secret's value is found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SecretSource {
    /// In the environment variable of this name.
    Env(String),
    /// In this file, of which one line break at the end is dropped. It is read
    /// again when it changes.
    File(PathBuf),
}

impl SecretSource {
    /// Reads `env:NAME` or `file:PATH`. The error never repeats the text, which
    /// may be the secret itself.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() && !name.contains(['=', '\0']) => {
                Ok(Self::Env(name.to_owned()))
            }
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(PathBuf::from(path))),
            Some(("env", _)) => Err("`env:` needs the name of a variable after it"),
            Some(("file", _)) => Err("`file:` needs a path after it"),
            _ => Err("a secret's value does not belong here"),
        }
    }

    /// The file, if users other than its owner and group may read it.
    pub(crate) fn readable_by_all(&self) -> Option<&Path> {
        let Self::File(path) = self else { return None };
        let found = std::fs::metadata(path).ok()?;
        let mode = found.permissions().mode();
        (found.is_file() && mode & 0o004 != 0).then_some(path)
    }

    /// The raw text, or why there is none.
    pub(crate) fn read(&self) -> Result<Secret, String> {
        match self {
            Self::Env(name) => match std::env::var(name) {
                Ok(text) => Ok(Secret(text)),
                Err(std::env::VarError::NotPresent) => {
                    Err(format!("the environment variable `{name}` is not set"))
                }
                Err(std::env::VarError::NotUnicode(_)) => Err(format!(
                    "the environment variable `{name}` is not UTF-8 text"
                )),
            },
            Self::File(path) => {
                let mut text = read_start(path)
                    .map_err(|e| format!("the file `{}` can't be read: {e}", path.display()))?;
                if text.ends_with('\n') {
                    text.pop();
                    if text.ends_with('\r') {
                        text.pop();
                    }
                }
                Ok(Secret(text))
            }
        }
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

/// A secret's value.
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// What is wrong with the value ("has white space at position 3"); no kind
    /// twice.
    pub(crate) fn flaws(&self) -> Vec<String> {
        let text = &self.0;
        if text.is_empty() {
            return vec!["is empty".to_owned()];
        }
        if text.len() > LONGEST {
            return vec![format!("is longer than {} KiB", LONGEST >> 10)];
        }
        let mut flaws = Vec::new();
        let bearer = text
            .get(..7)
            .is_some_and(|start| start.eq_ignore_ascii_case("bearer "));
        if bearer {
            flaws.push("starts with `Bearer `, which is added where it is needed".to_owned());
        }
        let skip = if bearer { 7 } else { 0 };
        let mut seen = Vec::new();
        for (position, char) in text.chars().enumerate().skip(skip) {
            let Some(kind) = flaw(char) else { continue };
            if !seen.contains(&kind) {
                seen.push(kind);
                flaws.push(format!("has {kind} at position {}", position + 1));
            }
        }
        flaws
    }

    /// The first of `patterns` that matches.
    pub(crate) fn matching<'a>(
        &self,
        patterns: &'a [SecretPattern],
    ) -> Option<(&'a str, Severity)> {
        patterns
            .iter()
            .find(|p| glob(p.pattern.as_bytes(), self.0.as_bytes()))
            .map(|p| (p.advice.as_str(), p.severity))
    }
}

/// As much of a file as may hold a secret, and a little more: it may be another
/// file.
fn read_start(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let most = LONGEST as u64 + 3;
    File::open(path)?.take(most).read_to_string(&mut text)?;
    Ok(text)
}

/// The kind of a character that no secret holds on purpose.
fn flaw(char: char) -> Option<&'static str> {
    Some(match char {
        '\n' | '\r' | '\u{2028}' | '\u{2029}' => "a line break",
        c if is_invisible(c) => "an invisible character",
        c if c.is_whitespace() => "white space",
        c if c.is_control() => "a control character",
        '"' | '\'' | '`' | '“' | '”' | '‘' | '’' | '„' => "a quotation mark",
        c if !c.is_ascii() => "a character outside ASCII",
        _ => return None,
    })
}

/// Whether `text` is of the shape `pattern`, in which `*` stands for any run of
/// bytes. ASCII case does not count.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    // `*` is tried as short as possible first and lengthened on a mismatch; only
    // the last `*` ever needs to be, so this takes at most pattern × text steps.
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(wanted) if wanted.eq_ignore_ascii_case(byte) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((star_p, star_t)) => {
                    star = Some((star_p, star_t + 1));
                    p = star_p + 1;
                    t = star_t + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaws(text: &str) -> Vec<String> {
        Secret(text.to_owned()).flaws()
    }

    #[test]
    fn sources() {
        assert_eq!(
            SecretSource::parse("env:KEY"),
            Ok(SecretSource::Env("KEY".into()))
        );
        assert_eq!(
            SecretSource::parse("file:/run/key:1"),
            Ok(SecretSource::File("/run/key:1".into()))
        );
        for literal in ["0123abcd", "env:", "file:", "jca_x:y", "https://x"] {
            let message = SecretSource::parse(literal).unwrap_err();
            assert!(
                !message.contains("0123") && !message.contains("jca"),
                "{message}"
            );
        }
    }

    #[test]
    fn one_line_break_at_the_end_of_a_file_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        for (text, value) in [
            ("abc", "abc"),
            ("abc\n", "abc"),
            ("abc\r\n", "abc"),
            ("abc\n\n", "abc\n"),
            (&"x".repeat(LONGEST * 9), &"x".repeat(LONGEST + 3)),
        ] {
            std::fs::write(&path, text).unwrap();
            let secret = SecretSource::File(path.clone())
                .read()
                .map_err(drop)
                .unwrap();
            assert_eq!(secret.reveal(), value);
        }
    }

    #[test]
    fn a_file_that_all_may_read_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "k").unwrap();
        let source = SecretSource::File(path.clone());
        for (mode, readable) in [(0o600, false), (0o640, false), (0o604, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(source.readable_by_all().is_some(), readable, "{mode:o}");
        }
    }

    #[test]
    fn flaws_name_kind_and_position_and_never_the_value() {
        assert!(flaws("jca_0123456789abcdefABCDEF-._~+/=:").is_empty());
        assert_eq!(flaws(""), ["is empty"]);
        assert_eq!(flaws(&"x ".repeat(LONGEST)), ["is longer than 16 KiB"]);
        assert!(flaws(&"x".repeat(LONGEST)).is_empty());
        assert_eq!(flaws(" k3y"), ["has white space at position 1"]);
        assert_eq!(flaws("k3y\n"), ["has a line break at position 4"]);
        assert_eq!(flaws("k 3 y"), ["has white space at position 2"]);
        assert_eq!(
            flaws("\"k3y\" "),
            [
                "has a quotation mark at position 1",
                "has white space at position 6"
            ]
        );
        assert_eq!(
            flaws("k\u{200b}3y"),
            ["has an invisible character at position 2"]
        );
        assert_eq!(flaws("k\u{7}3y"), ["has a control character at position 2"]);
        assert_eq!(flaws("ké"), ["has a character outside ASCII at position 2"]);
        let bearer = flaws("bearer k3y");
        assert_eq!(bearer.len(), 1);
        assert!(bearer[0].contains("Bearer") && !bearer[0].contains("k3y"));
    }

    #[test]
    fn globs() {
        for (pattern, text, matches) in [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("jca_*", "JCA_x", true),
            ("*:*", "a:b", true),
            ("*:*", "ab", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-c-d", false),
            ("**x", "yx", true),
        ] {
            assert_eq!(
                glob(pattern.as_bytes(), text.as_bytes()),
                matches,
                "{pattern} {text}"
            );
        }
    }
}
