//! The credential: which secret is needed, what a badly pasted one looks like,
//! and the header that carries it.
//!
//! A host may hand in the secret itself or a placeholder that it replaces in
//! request headers; this module can't tell, and passes it on unread.

use std::fmt;

use crate::error::Problem;
use crate::finding::Severity;
use crate::settings::{Authorization, Settings};

/// A secret that a feed may need (WIT `types.secret-spec`).
#[derive(Clone, Copy, Debug)]
pub struct Secret {
    /// The name under which it is handed in.
    pub name: &'static str,
    /// What it is and where it is made.
    pub description: &'static str,
    /// It is needed when `authorization` is one of these.
    pub when: &'static [&'static str],
    /// What a badly pasted value looks like; the first match counts.
    pub patterns: &'static [Pattern],
}

/// A shape of a secret's value, and what it means.
#[derive(Clone, Copy, Debug)]
pub struct Pattern {
    /// `*` stands for any run of characters, all else for itself, in any case.
    pub pattern: &'static str,
    /// It applies when `authorization` is one of these; empty: always.
    pub when: &'static [&'static str],
    /// `Error`: the value is refused; otherwise it is reported and used.
    pub severity: Severity,
    /// What the shape means and what to do.
    pub advice: &'static str,
}

/// Every secret.
pub const SECRETS: &[Secret] = &[Secret {
    name: "token",
    description: "An administrator's API key: Admin Portal > own initials (top right) > My API Key > Generate New API Key, with an expiry of 90 days.",
    when: &["api-key", "bearer"],
    patterns: &[
        Pattern {
            pattern: "<*>",
            when: &[],
            severity: Severity::Error,
            advice: "this is a placeholder from a document, not a key; paste the key itself",
        },
        Pattern {
            pattern: "x-api-key:*",
            when: &[],
            severity: Severity::Error,
            advice: "the header's name was pasted with the key; paste only what follows `x-api-key:`",
        },
        Pattern {
            pattern: "*:*",
            when: &[],
            severity: Severity::Error,
            advice: "this looks like a service account's `clientID:clientSecret`, not like a key; make an API key",
        },
        Pattern {
            pattern: "jca_*",
            when: &["bearer"],
            severity: Severity::Warning,
            advice: "this looks like an API key, which JumpCloud takes as `x-api-key`; set `authorization = \"api-key\"`",
        },
    ],
}];

/// The credential of a feed.
#[derive(Clone)]
pub struct Credential {
    authorization: Authorization,
    token: String,
}

impl Credential {
    /// Takes what the settings need from the secrets handed in, reporting every
    /// problem at once and no value.
    pub fn new(settings: &Settings, secrets: Vec<(String, String)>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut token = None;
        for (name, value) in secrets {
            if SECRETS.iter().any(|secret| secret.name == name) {
                token = Some(value);
            } else {
                problems.push(
                    Problem::new(name, "no such secret")
                        .hint("the secret of this source is `token`"),
                );
            }
        }
        let mut token = token.unwrap_or_default();
        if token.is_empty() {
            let problem = Problem::new("token", "missing or empty");
            problems.push(problem.hint("set it to an API key from the Admin Portal: My API Key"));
        } else {
            drop_one_line_break(&mut token);
            problems.extend(badly_pasted(&token));
            problems.extend(
                advice(settings.authorization, &token, Severity::Error)
                    .map(|advice| Problem::new("token", advice)),
            );
        }
        if problems.is_empty() {
            Ok(Self {
                authorization: settings.authorization,
                token,
            })
        } else {
            Err(problems)
        }
    }

    /// The header that carries it.
    pub fn header(&self) -> (&'static str, String) {
        match self.authorization {
            Authorization::ApiKey => ("x-api-key", self.token.clone()),
            Authorization::Bearer => ("authorization", format!("Bearer {}", self.token)),
        }
    }

    /// What is odd about the value, though it may be right.
    pub fn warning(&self) -> Option<&'static str> {
        advice(self.authorization, &self.token, Severity::Warning)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("authorization", &self.authorization)
            .finish_non_exhaustive()
    }
}

fn advice(authorization: Authorization, value: &str, severity: Severity) -> Option<&'static str> {
    let mode = match authorization {
        Authorization::ApiKey => "api-key",
        Authorization::Bearer => "bearer",
    };
    let patterns = SECRETS.iter().flat_map(|secret| secret.patterns);
    patterns
        .filter(|pattern| pattern.when.is_empty() || pattern.when.contains(&mode))
        .find(|pattern| matches(pattern.pattern.as_bytes(), value.as_bytes()))
        .filter(|pattern| pattern.severity == severity)
        .map(|pattern| pattern.advice)
}

/// Whether a value has the shape of a pattern.
fn matches(pattern: &[u8], value: &[u8]) -> bool {
    match pattern.split_first() {
        None => value.is_empty(),
        Some((b'*', rest)) => {
            (0..=value.len()).any(|at| value.get(at..).is_some_and(|tail| matches(rest, tail)))
        }
        Some((want, rest)) => value
            .split_first()
            .is_some_and(|(first, tail)| first.eq_ignore_ascii_case(want) && matches(rest, tail)),
    }
}

/// Editors end a file with a line break; it is not part of the secret.
fn drop_one_line_break(value: &mut String) {
    if value.ends_with('\n') {
        value.pop();
        if value.ends_with('\r') {
            value.pop();
        }
    }
}

/// What a paste brought along that no key has: the first of it, by kind and
/// position, never the value.
fn badly_pasted(value: &str) -> Option<Problem> {
    let kind = |(at, c): (usize, char)| {
        let edge = at == 0 || at + 1 == value.chars().count();
        Some(match c {
            '\n' | '\r' => "a line break",
            c if c.is_whitespace() && edge => "white space around it",
            c if c.is_whitespace() => "white space inside",
            '"' | '\'' | '`' | '\u{2018}'..='\u{201f}' => "a quotation mark",
            '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' => "a zero-width character",
            c if c.is_control() => "a control character",
            c if !c.is_ascii() => "a character outside ASCII",
            _ => return None,
        })
    };
    let prefix = value
        .get(..7)
        .is_some_and(|start| start.eq_ignore_ascii_case("bearer "));
    let (found, position) = if prefix {
        ("a leading `Bearer `", 1)
    } else {
        let (at, c) = value
            .char_indices()
            .enumerate()
            .find_map(|(n, (_, c))| kind((n, c)).map(|found| (n, found)))?;
        (c, at + 1)
    };
    let length = value.chars().count();
    Some(
        Problem::new(
            "token",
            format!("has {found}, at character {position} of {length}"),
        )
        .hint("paste the key whole, without spaces or stray characters"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(authorization: &str, token: &str) -> Result<Credential, Vec<Problem>> {
        let json = format!(r#"{{"authorization": "{authorization}"}}"#);
        let settings = Settings::parse(&json).unwrap();
        Credential::new(&settings, vec![("token".to_owned(), token.to_owned())])
    }

    #[test]
    fn each_method_has_its_header() {
        let header = credential("api-key", "jca_x\n").unwrap().header();
        assert_eq!(header, ("x-api-key", "jca_x".to_owned()));
        let header = credential("bearer", "abc").unwrap().header();
        assert_eq!(header, ("authorization", "Bearer abc".to_owned()));
    }

    #[test]
    fn a_bad_paste_is_named_by_kind_and_position_and_never_shown() {
        for (token, want) in [
            (
                " jca_secret",
                "has white space around it, at character 1 of 11",
            ),
            (
                "jca_secret ",
                "has white space around it, at character 11 of 11",
            ),
            (
                "jca_ secret",
                "has white space inside, at character 5 of 11",
            ),
            ("jca_\nsecret", "has a line break, at character 5 of 11"),
            ("jca_secret\n\n", "has a line break, at character 11 of 11"),
            (
                "\"jca_secret\"",
                "has a quotation mark, at character 1 of 12",
            ),
            (
                "Bearer jca_secret",
                "has a leading `Bearer `, at character 1 of 17",
            ),
            (
                "jca_\u{200b}secret",
                "has a zero-width character, at character 5 of 11",
            ),
            (
                "jca_\u{7}secret",
                "has a control character, at character 5 of 11",
            ),
            (
                "jca_sécret",
                "has a character outside ASCII, at character 6 of 10",
            ),
            ("", "missing or empty"),
            ("<API_KEY>", SECRETS[0].patterns[0].advice),
            ("x-api-key:jca_secret", SECRETS[0].patterns[1].advice),
            ("id:secret", SECRETS[0].patterns[2].advice),
        ] {
            let problems = credential("api-key", token).unwrap_err();
            assert_eq!(problems[0].message, want);
            assert!(!format!("{problems:?}").contains("secret") || !want.contains("secret"));
        }
    }

    #[test]
    fn an_api_key_as_bearer_is_warned_of() {
        assert!(credential("bearer", "jca_x").unwrap().warning().is_some());
        assert!(credential("api-key", "jca_x").unwrap().warning().is_none());
    }

    #[test]
    fn the_value_is_not_in_debug_output() {
        assert!(!format!("{:?}", credential("api-key", "jca_x")).contains("jca_x"));
    }
}
