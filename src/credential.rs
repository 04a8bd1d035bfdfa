//! The credential: which secret is needed, what a badly pasted one looks like,
//! and the header that carries it.
//!
//! A host may hand in the secret itself or a placeholder that it replaces in
//! request headers; this module can't tell, and passes it on unread.

mod secret;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

pub use self::secret::{Pattern, SECRETS, Secret};
use crate::error::Problem;
use crate::finding::Severity;
use crate::settings::Authorization;

/// The credential of a feed.
#[derive(Clone)]
pub struct Credential {
    authorization: Authorization,
    secret: String,
}

impl Credential {
    /// Takes what this authorization needs from the secrets handed in, reporting
    /// every problem at once and no value.
    pub fn new(
        authorization: Authorization,
        secrets: Vec<(String, String)>,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let needed = Secret::of(authorization);
        let name = needed.map_or("", |secret| secret.name);
        let mut secret = String::new();
        let mut other = None;
        for (given, value) in secrets {
            if given == name {
                secret = value;
                continue;
            }
            match SECRETS.iter().find(|known| known.name == given) {
                Some(known) => other = Some(known),
                None => problems.push(
                    Problem::new(given, "no such secret")
                        .hint(format!("the secret that is needed is `{name}`")),
                ),
            }
        }
        if secret.is_empty() {
            let mut problem = Problem::new(name, "missing or empty");
            if let Some(Secret {
                name,
                when: [when, ..],
                ..
            }) = other
            {
                problem = problem.hint(format!(
                    "`{name}` is given: did you mean `authorization = \"{when}\"`?"
                ));
            }
            let description = needed.map_or("", |secret| secret.description);
            problems.push(problem.hint(description));
        } else {
            drop_one_line_break(&mut secret);
            problems.extend(badly_pasted(name, &secret));
            problems.extend(
                needed
                    .and_then(|needed| needed.advice(authorization, &secret, Severity::Error))
                    .map(|advice| Problem::new(name, advice)),
            );
        }
        if problems.is_empty() {
            Ok(Self {
                authorization,
                secret,
            })
        } else {
            Err(problems)
        }
    }

    /// How it is sent.
    pub fn authorization(&self) -> Authorization {
        self.authorization
    }

    /// The header that carries it: to the API, or for a service account (of
    /// this id) to where it gets its tokens.
    pub fn header(&self, client_id: &str) -> (&'static str, String) {
        let secret = &self.secret;
        match self.authorization {
            Authorization::ApiKey => ("x-api-key", secret.clone()),
            Authorization::Bearer => ("authorization", format!("Bearer {secret}")),
            Authorization::ServiceAccount => {
                let pair = BASE64.encode(format!("{client_id}:{secret}"));
                ("authorization", format!("Basic {pair}"))
            }
        }
    }

    /// The same, sent in another way.
    #[must_use]
    pub fn sent_as(&self, authorization: Authorization) -> Self {
        Self {
            authorization,
            secret: self.secret.clone(),
        }
    }

    /// What is odd about the value, though it may be right.
    pub fn warning(&self) -> Option<String> {
        let secret = Secret::of(self.authorization)?;
        let advice = secret.advice(self.authorization, &self.secret, Severity::Warning)?;
        Some(format!("`{}`: {advice}", secret.name))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("authorization", &self.authorization)
            .finish_non_exhaustive()
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
fn badly_pasted(name: &str, value: &str) -> Option<Problem> {
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
            name,
            format!("has {found}, at character {position} of {length}"),
        )
        .hint("paste it whole, without spaces or stray characters"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    use Authorization::{ApiKey, Bearer, ServiceAccount};

    fn credential(authorization: Authorization, value: &str) -> Result<Credential, Vec<Problem>> {
        let name = Secret::of(authorization).unwrap().name;
        Credential::new(authorization, vec![(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn each_method_has_its_header() {
        for (authorization, value, header) in [
            (ApiKey, "jca_x\n", ("x-api-key", "jca_x")),
            (Bearer, "abc", ("authorization", "Bearer abc")),
            (ServiceAccount, "abc", ("authorization", "Basic aWQ6YWJj")),
        ] {
            let (name, value) = credential(authorization, value).unwrap().header("id");
            assert_eq!((name, value.as_str()), header);
        }
    }

    #[test]
    fn what_is_not_needed_may_be_there_and_what_is_unknown_not() {
        let secret = |name: &str| (name.to_owned(), "abc".to_owned());
        let both = vec![secret("token"), secret("client_secret")];
        assert!(Credential::new(ApiKey, both.clone()).is_ok());
        assert!(Credential::new(ServiceAccount, both).is_ok());
        let problems = Credential::new(ServiceAccount, vec![secret("token"), secret("x")]);
        let names: Vec<_> = problems
            .unwrap_err()
            .into_iter()
            .map(|p| p.setting)
            .collect();
        assert_eq!(names, ["x", "client_secret"]);
    }

    #[test]
    fn the_other_secret_names_its_authorization() {
        let given = vec![("client_secret".to_owned(), "abc".to_owned())];
        let problems = Credential::new(ApiKey, given).unwrap_err();
        assert_eq!(
            problems[0].hints[0],
            "`client_secret` is given: did you mean `authorization = \"service-account\"`?"
        );
    }

    #[test]
    fn a_bad_paste_is_named_by_kind_and_position_and_never_shown() {
        for (token, want) in [
            (
                " jca_s3cret",
                "has white space around it, at character 1 of 11",
            ),
            (
                "jca_s3cret ",
                "has white space around it, at character 11 of 11",
            ),
            (
                "jca_ s3cret",
                "has white space inside, at character 5 of 11",
            ),
            ("jca_\ns3cret", "has a line break, at character 5 of 11"),
            ("jca_s3cret\n\n", "has a line break, at character 11 of 11"),
            (
                "\"jca_s3cret\"",
                "has a quotation mark, at character 1 of 12",
            ),
            (
                "Bearer jca_s3cret",
                "has a leading `Bearer `, at character 1 of 17",
            ),
            (
                "jca_\u{200b}s3cret",
                "has a zero-width character, at character 5 of 11",
            ),
            (
                "jca_\u{7}s3cret",
                "has a control character, at character 5 of 11",
            ),
            (
                "jca_s3crét",
                "has a character outside ASCII, at character 9 of 10",
            ),
            ("", "missing or empty"),
            ("<API_KEY>", SECRETS[0].patterns[0].advice),
            ("JUMPCLOUD_API_KEY=s3cret", SECRETS[0].patterns[2].advice),
            ("TOKEN=jca_s3cret", SECRETS[0].patterns[3].advice),
            ("x-api-key:jca_s3cret", SECRETS[0].patterns[4].advice),
            ("jca_s3cret,", SECRETS[0].patterns[5].advice),
            ("jca_s3cret;", SECRETS[0].patterns[6].advice),
            ("id:s3cret", SECRETS[0].patterns[7].advice),
        ] {
            let problems = credential(ApiKey, token).unwrap_err();
            assert_eq!(problems[0].message, want);
            assert!(!format!("{problems:?}").contains("s3cr"));
        }
    }

    #[test]
    fn an_assignment_is_no_secret_and_padding_is_no_assignment() {
        let export = credential(ApiKey, "export X=s3cret").unwrap_err();
        assert_eq!(export.len(), 2, "white space too: {export:?}");
        assert_eq!(export[1].message, SECRETS[0].patterns[1].advice);
        for value in ["JUMPCLOUD_CLIENT_SECRET=abc", "client_secret=abc"] {
            assert!(credential(ServiceAccount, value).is_err());
        }
        for authorization in [ApiKey, Bearer, ServiceAccount] {
            assert!(credential(authorization, "c2VjcmV0LWtleQ==").is_ok());
        }
    }

    #[test]
    fn an_api_key_as_bearer_is_warned_of() {
        assert!(credential(Bearer, "jca_x").unwrap().warning().is_some());
        assert!(credential(ApiKey, "jca_x").unwrap().warning().is_none());
    }

    #[test]
    fn the_value_is_not_in_debug_output() {
        assert!(!format!("{:?}", credential(ApiKey, "jca_x")).contains("jca_x"));
    }
}
