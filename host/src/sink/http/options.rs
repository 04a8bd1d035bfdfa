//! How the sink `http` is set up, and what may be wrong with that.

use std::collections::BTreeMap;
use std::path::PathBuf;

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use super::BATCH_ID;
use crate::egress::{Origin, is_loopback};
use crate::error::Problem;
use crate::limits::Limits;
use crate::secret::SecretSource;
use crate::vault::{Vault, Wanted};

/// How the sink `http` is set up.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// The feed whose events are sent: for the log.
    pub feed: String,
    /// Where batches are posted to: `https`, or plain `http` on this machine.
    pub url: String,
    /// Headers of every request, by name.
    pub headers: BTreeMap<String, HeaderText>,
    /// Whether bodies are compressed.
    pub gzip: bool,
    /// What a body looks like.
    pub body: HttpBody,
    /// Further root certificates (PEM).
    pub ca_file: Option<PathBuf>,
    /// Of these count `connect` and `first_byte`.
    pub limits: Limits,
}

/// The text of a header.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HeaderText {
    /// As it is.
    Plain(String),
    /// A secret, after a prefix as `Bearer `.
    Secret {
        /// Before the secret; may be empty.
        prefix: String,
        /// Where the secret is found.
        source: SecretSource,
    },
}

/// What the body of a request looks like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HttpBody {
    /// One event a line.
    Ndjson,
    /// One JSON array of events.
    Array,
}

/// Headers that this program sets, and those that belong to a connection.
const OURS: [HeaderName; 6] = [
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::HOST,
    header::TRANSFER_ENCODING,
    BATCH_ID,
];

/// Headers that are a credential by nature.
const SECRET: [HeaderName; 4] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
];

impl HttpOptions {
    /// The address, if requests may go there.
    pub(super) fn checked_url(&self) -> Result<(Uri, Origin), Problem> {
        let wrong = |what: &str| Problem::new("sink.url", what);
        let parsed = self.url.parse::<Uri>().ok();
        if parsed
            .as_ref()
            .and_then(Uri::authority)
            .is_some_and(|a| a.as_str().contains('@'))
        {
            return Err(wrong("the URL holds a credential").hint(
                "put it into a header: `headers.Authorization = { prefix = \"Basic \", secret = \"env:NAME\" }`",
            ));
        }
        let Some((uri, origin)) = parsed.and_then(|uri| {
            let origin = Origin::of(&uri)?;
            Some((uri, origin))
        }) else {
            return Err(wrong(
                "not an address, as in `https://collector.example/events`",
            ));
        };
        if !origin.is_encrypted() && !is_loopback(&origin) {
            return Err(
                wrong("plain http would send events and credentials in clear")
                    .hint("use `https://`; plain http is for this machine only"),
            );
        }
        Ok((uri, origin))
    }

    /// The secrets in headers, by the header's name, and all that is wrong with
    /// them.
    pub(super) fn vault(&self) -> (Vault, Vec<Problem>) {
        let secrets = self.headers.iter().filter_map(|(name, text)| match text {
            HeaderText::Secret { source, .. } => Some(Wanted {
                key: format!("sink.headers.{name}"),
                name: name.clone(),
                source: source.clone(),
                patterns: Vec::new(),
            }),
            HeaderText::Plain(_) => None,
        });
        Vault::open(secrets)
    }

    /// The headers, with placeholders where secrets belong.
    pub(super) fn checked_headers(&self, vault: &Vault) -> Result<HeaderMap, Vec<Problem>> {
        let placeholders: BTreeMap<String, String> = vault.placeholders().into_iter().collect();
        let mut headers = HeaderMap::new();
        let mut problems = Vec::new();
        for (name, text) in &self.headers {
            let mut wrong = |message: &str, hint: &str| {
                let problem = Problem::new(format!("sink.headers.{name}"), message);
                problems.push(problem.hint(hint));
            };
            let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
                wrong("not the name of a header", "letters, digits and `-`");
                continue;
            };
            if OURS.contains(&parsed) {
                wrong("this header is set by this program", "leave it out");
                continue;
            }
            let text = match text {
                HeaderText::Plain(_) if SECRET.contains(&parsed) => {
                    wrong(
                        "the value of this header is a secret, and not written here",
                        "name where it is: `{ prefix = \"Bearer \", secret = \"env:NAME\" }`, or with `secret = \"file:PATH\"`",
                    );
                    continue;
                }
                HeaderText::Plain(text) => text.clone(),
                HeaderText::Secret { prefix, .. } => match placeholders.get(name) {
                    Some(placeholder) => format!("{prefix}{placeholder}"),
                    // What is wrong with it was told before.
                    None => continue,
                },
            };
            match HeaderValue::from_str(&text) {
                Ok(value) => drop(headers.insert(parsed, value)),
                Err(_) => wrong("not the text of a header", "it has no line breaks, say"),
            }
        }
        if problems.is_empty() {
            Ok(headers)
        } else {
            Err(problems)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> HttpOptions {
        HttpOptions {
            feed: "f".to_owned(),
            url: url.to_owned(),
            headers: BTreeMap::new(),
            gzip: false,
            body: HttpBody::Ndjson,
            ca_file: None,
            limits: Limits::default(),
        }
    }

    #[test]
    fn addresses() {
        for good in [
            "https://collector.example/x?y",
            "https://10.1.2.3:8088",
            "http://127.0.0.1:1/",
            "http://localhost/",
            "http://[::1]/",
        ] {
            assert!(options(good).checked_url().is_ok(), "{good}");
        }
        for wrong in [
            "",
            "collector.example",
            "ftp://collector.example/",
            "http://collector.example/",
            "http://10.1.2.3/",
            "https://me:s3cret@collector.example/",
            "http://localhost.evil.example/",
        ] {
            let problem = options(wrong).checked_url().unwrap_err();
            assert!(!format!("{problem:?}").contains("s3cret"), "{wrong}");
        }
    }

    #[test]
    fn headers() {
        let plain = |text: &str| HeaderText::Plain(text.to_owned());
        let mut options = options("https://collector.example");
        options.headers = BTreeMap::from([
            ("Host".to_owned(), plain("x")),
            ("X-Batch-Id".to_owned(), plain("x")),
            ("a b".to_owned(), plain("x")),
            ("X-Any".to_owned(), plain("a\nb")),
            ("authorization".to_owned(), plain("Bearer s3cret")),
        ]);
        let problems = options.checked_headers(&Vault::empty()).unwrap_err();
        assert_eq!(problems.len(), 5, "{problems:?}");
        assert!(!format!("{problems:?}").contains("s3cret"));

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hec");
        std::fs::write(&path, "s3cret-value\n").unwrap();
        let secret = |source| HeaderText::Secret {
            prefix: "Splunk ".to_owned(),
            source,
        };
        options.headers = BTreeMap::from([
            ("Authorization".to_owned(), secret(SecretSource::File(path))),
            ("X-Channel".to_owned(), plain("7")),
        ]);
        let (vault, problems) = options.vault();
        assert_eq!(problems, []);
        let mut headers = options.checked_headers(&vault).unwrap();
        assert!(!format!("{headers:?} {options:?}").contains("s3cret"));
        vault.fill(&mut headers);
        assert_eq!(headers["authorization"], "Splunk s3cret-value");
        assert_eq!(headers["x-channel"], "7");

        let unset = SecretSource::Env("SOURCE_HOST_TEST_UNSET".to_owned());
        options.headers = BTreeMap::from([("Authorization".to_owned(), secret(unset))]);
        let (_, problems) = options.vault();
        assert_eq!(problems[0].key, "sink.headers.Authorization");
    }
}
