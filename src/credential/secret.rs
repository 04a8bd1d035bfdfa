//! The secrets that a feed may need, and what badly pasted ones look like.

use crate::finding::Severity;
use crate::settings::Authorization;

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
pub const SECRETS: &[Secret] = &[
    Secret {
        name: "token",
        description: "An administrator's API key: Admin Portal > own initials (top right) > My API Key > Generate New API Key, with an expiry of 90 days. A service account has `client_secret` in its place, with `authorization = \"service-account\"`.",
        when: &["api-key", "bearer"],
        patterns: &[
            refused("<*>", PLACEHOLDER),
            refused("export *=*", ASSIGNED),
            refused("*api_key=*", ASSIGNED),
            refused("*=jca_*", ASSIGNED),
            refused(
                "x-api-key:*",
                "the header's name was pasted with the key; paste only what follows `x-api-key:`",
            ),
            refused("*,*", STRAY),
            refused("*;*", STRAY),
            refused(
                "*:*",
                "this looks like a service account's `clientID:clientSecret`, not like a key; make an API key, or set `authorization = \"service-account\"`",
            ),
            Pattern {
                pattern: "jca_*",
                when: &["bearer"],
                severity: Severity::Warning,
                advice: "this looks like an API key, which JumpCloud takes as `x-api-key`; set `authorization = \"api-key\"`",
            },
        ],
    },
    Secret {
        name: "client_secret",
        description: "A service account's client secret, shown once when it is made in the Admin Portal; its client id is the setting `client_id`.",
        when: &["service-account"],
        patterns: &[
            refused("<*>", PLACEHOLDER),
            refused("export *=*", ASSIGNED),
            refused("*client_secret=*", ASSIGNED),
            Pattern {
                pattern: "jca_*",
                when: &[],
                severity: Severity::Warning,
                advice: "this looks like an API key; with it set `authorization = \"api-key\"` and give it as `token`",
            },
            Pattern {
                pattern: "*:*",
                when: &[],
                severity: Severity::Warning,
                advice: "this looks like `clientID:clientSecret`; paste only what follows the colon, and set `client_id` to what stands before it",
            },
        ],
    },
];

/// Pasted from a document.
const PLACEHOLDER: &str =
    "this is a placeholder from a document, not a secret; paste the secret itself";

/// Copied from a shell or a file of variables.
const ASSIGNED: &str =
    "the variable's name was pasted with the secret; paste only what follows the `=`";

/// Copied with what stood around it in a table or a list. (A client secret may
/// have any character; a key is sent in a header as it is, and has letters and
/// digits.)
const STRAY: &str = "a comma or semicolon was pasted with the key; copy it again, whole, without spaces or stray characters";

/// What no secret looks like.
const fn refused(pattern: &'static str, advice: &'static str) -> Pattern {
    Pattern {
        pattern,
        when: &[],
        severity: Severity::Error,
        advice,
    }
}

impl Secret {
    /// The one that is needed with this authorization.
    pub fn of(authorization: Authorization) -> Option<&'static Self> {
        let name = authorization.name();
        SECRETS.iter().find(|secret| secret.when.contains(&name))
    }

    /// What the shape of a value means, if it is of this severity.
    pub fn advice(
        &self,
        authorization: Authorization,
        value: &str,
        severity: Severity,
    ) -> Option<&'static str> {
        let name = authorization.name();
        let mut patterns = self.patterns.iter();
        patterns
            .find(|pattern| {
                (pattern.when.is_empty() || pattern.when.contains(&name))
                    && matches(pattern.pattern.as_bytes(), value.as_bytes())
            })
            .filter(|pattern| pattern.severity == severity)
            .map(|pattern| pattern.advice)
    }
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
