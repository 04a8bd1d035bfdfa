//! The address that gives tokens: what it is asked, and what its answers mean.

use serde::Deserialize;
use serde_json::Value;

use crate::api::{Head, Request, user_agent};
use crate::clock::day;
use crate::collect::call::Answer;
use crate::error::{Error, Failure, Problem};
use crate::refusal::{self, Cause, cut};
use crate::settings::{Settings, host};

/// How long a token lives if the answer does not say, in seconds.
const LIFETIME: u64 = 3_600;

/// No token is used for longer, in seconds.
const MOST: u64 = 86_400;

/// Where tokens come from.
#[derive(Debug)]
pub struct Endpoint {
    url: String,
    /// The API is not that of the United States, and the address is the one
    /// documented for it: nobody knows whether it serves both.
    is_a_guess: bool,
    /// It has given tokens before: a wrong address is an outage now.
    established: bool,
    /// The first ms of the day on which the secret expires, if that is known.
    expires: Option<i64>,
}

/// The answer of RFC 6749, section 5.1.
#[derive(Deserialize)]
struct Grant {
    access_token: String,
    /// Seconds; some servers write it as text.
    #[serde(default)]
    expires_in: Value,
}

/// The answer of RFC 6749, section 5.2.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refused {
    error: String,
    error_description: String,
}

impl Endpoint {
    /// By the settings.
    pub fn new(settings: &Settings) -> Self {
        Self {
            url: settings.oauth_token_url.clone(),
            is_a_guess: settings.token_address_is_a_guess(),
            established: false,
            expires: settings.token_expires,
        }
    }

    /// It has given tokens before.
    pub fn establish(&mut self) {
        self.established = true;
    }

    /// A request for a token, without the credential.
    pub fn request(&self) -> Request {
        Request {
            url: self.url.clone(),
            headers: vec![
                ("accept", "application/json".to_owned()),
                (
                    "content-type",
                    "application/x-www-form-urlencoded".to_owned(),
                ),
                user_agent(),
            ],
            body: b"grant_type=client_credentials&scope=api".to_vec(),
        }
    }

    /// The token, and for how many ms it lives.
    pub fn read(&self, answer: Result<Answer, Cause>) -> Result<(String, u64), Error> {
        let Answer { head, body } = answer.map_err(|cause| self.failed(&cause))?;
        if head.status != 200 {
            return Err(self.refused(&head, &body));
        }
        if head.is_html() || body.trim_ascii_start().starts_with(b"<") {
            return Err(self.not_it("a page in HTML"));
        }
        let grant: Option<Grant> = serde_json::from_slice(&body).ok();
        // It goes into a header.
        let usable = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        let Some(grant) = grant.filter(|grant| usable(&grant.access_token)) else {
            return Err(Error::protocol(format!("{} gave no token", self.host())));
        };
        // None, 0 or nonsense: the usual one; if that is too long, the token is
        // refused one day, and renewed.
        let stated = match &grant.expires_in {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        };
        let seconds = stated.filter(|seconds| *seconds > 0).unwrap_or(LIFETIME);
        Ok((grant.access_token, seconds.min(MOST) * 1_000))
    }

    fn host(&self) -> &str {
        host(&self.url)
    }

    fn refused(&self, head: &Head, body: &[u8]) -> Error {
        let said: Refused = serde_json::from_slice(body).unwrap_or_default();
        let status = head.status;
        match (status, said.error.as_str()) {
            (401, _) | (400, "invalid_client") => Error::Authentication(self.suspect(
                Failure::new(format!(
                    "JumpCloud refused the service account's client id or secret ({status})"
                ))
                .hint(match self.expires.map(day) {
                    Some(day) => format!("by `token_expires` the secret expires on {day}"),
                    None => "the secret may have expired, been replaced, or been pasted incompletely; up to two can be active".to_owned(),
                })
                .hint("make a new secret for the service account in the Admin Portal and put it in the place of `client_secret`")
                .hint(self.asked()),
            )),
            (403, _) | (400, "unauthorized_client" | "invalid_scope" | "access_denied") => {
                Error::Permission(
                    Failure::new(format!(
                        "the service account gets no token ({status}): its id and secret are right, but it may not use the API"
                    ))
                    .hint("give it a role in the Admin Portal that may read Directory Insights"),
                )
            }
            (404, _) => self.not_it("404 Not Found"),
            (300..=399, _) => {
                let to = head.header("location").unwrap_or("nowhere");
                self.not_it(&format!("with a redirect to `{}`", cut(to, 200)))
            }
            (429, _) => Error::Unavailable(
                Failure::new(format!("{} limits our rate (429)", self.host())),
                head.retry_after(),
            ),
            (408 | 500..=599, _) => Error::Unavailable(
                Failure::new(format!("{} failed ({status})", self.host())),
                head.retry_after(),
            ),
            _ => {
                let words = match said.error_description.as_str() {
                    // It may hold a token.
                    "" if matches!(status, 200..=299) => String::new(),
                    "" => String::from_utf8_lossy(body).into_owned(),
                    words => words.to_owned(),
                };
                let (host, words) = (self.host(), cut(&words, 300));
                Error::protocol(format!("{host} gave no token: status {status}, `{words}`"))
            }
        }
    }

    fn failed(&self, cause: &Cause) -> Error {
        match cause {
            Cause::Dns if self.is_a_guess && !self.established => {
                let host = self.host();
                Error::Authentication(self.suspect(Failure::new(format!(
                    "there is no token for the service account: no address for `{host}`"
                ))))
            }
            Cause::Denied => refusal::denied("oauth_token_url", self.host()),
            cause => refusal::unreachable(self.host(), cause).and_hints([self.asked()]),
        }
    }

    /// Something else answers there.
    fn not_it(&self, found: &str) -> Error {
        let message = format!(
            "no tokens are given at this address: {} answered {found}",
            self.host()
        );
        if self.established {
            return Error::Unavailable(Failure::new(message), None);
        }
        if self.is_a_guess {
            return Error::Authentication(self.suspect(Failure::new(message)));
        }
        Error::BadSettings(vec![Problem::new("oauth_token_url", message).hint(
            "without this setting it is `https://admin-oauth.id.jumpcloud.com/oauth2/token`",
        )])
    }

    /// Where it was asked.
    fn asked(&self) -> String {
        let url = &self.url;
        format!(
            "the token was asked for at `{url}`; an account of another region needs `oauth_token_url`"
        )
    }

    /// The address may be the reason.
    fn suspect(&self, failure: Failure) -> Failure {
        match self.is_a_guess {
            true => failure.hint("the token address for this region is not documented; set `oauth_token_url` if JumpCloud gave you another, or use an API key"),
            false => failure,
        }
    }
}
