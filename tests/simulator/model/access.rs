//! Who may ask, and for which organisation.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use super::Request;
use super::answer::Answer;
use crate::dice::mix;

/// The credentials that the simulated API accepts.
#[derive(Clone, Debug)]
pub struct Access {
    /// Whether an API key is accepted after `Authorization: Bearer` too; unknown of the real API.
    pub keys_as_bearer: bool,
    /// How long a token of the token endpoint lives, in seconds.
    pub token_lifetime_s: i64,
    /// What the token endpoint says of that.
    pub expires_in: ExpiresIn,
    keys: Vec<Key>,
    accounts: Vec<Account>,
    tokens: Vec<Token>,
}

/// How long a token is said to live.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ExpiresIn {
    /// As long as it does.
    True,
    /// Nothing is said.
    Missing,
    /// This JSON.
    Says(&'static str),
}

#[derive(Clone, Debug)]
struct Key {
    secret: String,
    /// Empty: every organisation, as a provider's key.
    organizations: Vec<String>,
    may_read: bool,
}

#[derive(Clone, Debug)]
struct Account {
    client_id: String,
    secrets: Vec<String>,
    may_read: bool,
}

#[derive(Clone, Debug)]
struct Token {
    text: String,
    ends_ms: i64,
    may_read: bool,
}

/// What a request may see.
enum Grant {
    All {
        may_read: bool,
    },
    Some {
        organizations: Vec<String>,
        may_read: bool,
    },
}

impl Default for Access {
    fn default() -> Access {
        Access {
            keys_as_bearer: false,
            token_lifetime_s: 3600,
            expires_in: ExpiresIn::True,
            keys: Vec::new(),
            accounts: Vec::new(),
            tokens: Vec::new(),
        }
    }
}

impl Access {
    /// Accepts an API key for these organisations; for all of them if the list is empty.
    pub fn add_key(&mut self, secret: &str, organizations: &[&str]) {
        self.keys.push(Key {
            secret: secret.to_owned(),
            organizations: organizations.iter().map(|id| (*id).to_owned()).collect(),
            may_read: true,
        });
    }

    /// Refuses the key from now on with a 401: it was replaced by another, or has expired.
    pub fn revoke_key(&mut self, secret: &str) {
        self.keys.retain(|key| key.secret != secret);
    }

    /// Takes the right to read from the key (a role of command runners: 403), or gives it back.
    pub fn set_key_may_read(&mut self, secret: &str, may_read: bool) {
        for key in self.keys.iter_mut().filter(|key| key.secret == secret) {
            key.may_read = may_read;
        }
    }

    /// Accepts a secret of a service account for every organisation. A second call with the same
    /// id adds a second secret, as two can be live at a time.
    pub fn add_service_account(&mut self, client_id: &str, secret: &str) {
        match self
            .accounts
            .iter_mut()
            .find(|account| account.client_id == client_id)
        {
            Some(account) => account.secrets.push(secret.to_owned()),
            None => self.accounts.push(Account {
                client_id: client_id.to_owned(),
                secrets: vec![secret.to_owned()],
                may_read: true,
            }),
        }
    }

    /// Refuses this secret of a service account; tokens that were issued live on.
    pub fn revoke_service_secret(&mut self, client_id: &str, secret: &str) {
        for account in self
            .accounts
            .iter_mut()
            .filter(|account| account.client_id == client_id)
        {
            account.secrets.retain(|known| known != secret);
        }
    }

    /// Takes from a service account the permission to get tokens (403), or gives it back.
    pub fn set_service_may_read(&mut self, client_id: &str, may_read: bool) {
        for account in self
            .accounts
            .iter_mut()
            .filter(|account| account.client_id == client_id)
        {
            account.may_read = may_read;
        }
    }

    /// Accepts a ready-made token until `ends_ms`.
    pub fn add_token(&mut self, token: &str, ends_ms: i64) {
        self.tokens.push(Token {
            text: token.to_owned(),
            ends_ms,
            may_read: true,
        });
    }

    /// Ends all tokens that were issued so far.
    pub fn expire_tokens(&mut self) {
        self.tokens.clear();
    }

    /// The organisation that a request is about.
    pub(super) fn organization(
        &self,
        request: &Request,
        now_ms: i64,
        known: &[&str],
    ) -> Result<String, Answer> {
        let grant = self.grant(request, now_ms)?;
        let (Grant::All { may_read } | Grant::Some { may_read, .. }) = &grant;
        if !may_read {
            return Err(Answer::refused(403, "Forbidden"));
        }
        if request.header("x-provider-id").is_some() {
            return Err(Answer::refused(
                400,
                "the simulator has no Multi-Tenant Portal",
            ));
        }
        let mut wanted = request.headers_named("x-org-id");
        let first = wanted.next();
        if wanted.next().is_some() {
            return Err(Answer::refused(
                400,
                "the simulator takes one x-org-id per request",
            ));
        }
        let own = match &grant {
            Grant::All { .. } => None,
            Grant::Some { organizations, .. } => Some(organizations.as_slice()),
        };
        match (first, own) {
            (None, Some([only])) => Ok(only.clone()),
            (None, _) => Err(Answer::refused(403, "x-org-id header is required")),
            (Some(id), own) => {
                let allowed = own.is_none_or(|own| own.iter().any(|one| one == id));
                match allowed && known.contains(&id) {
                    true => Ok(id.to_owned()),
                    false => Err(Answer::refused(
                        403,
                        "Forbidden: no access to this organization",
                    )),
                }
            }
        }
    }

    fn grant(&self, request: &Request, now_ms: i64) -> Result<Grant, Answer> {
        let unauthorized = || Answer::refused(401, "Unauthorized");
        if let Some(secret) = request.header("x-api-key") {
            return self.key(secret).ok_or_else(unauthorized);
        }
        let authorization = request.header("authorization").ok_or_else(unauthorized)?;
        let bearer = authorization
            .strip_prefix("Bearer ")
            .ok_or_else(unauthorized)?;
        let live = |token: &&Token| token.text == bearer && token.ends_ms > now_ms;
        if let Some(token) = self.tokens.iter().find(live) {
            return Ok(Grant::All {
                may_read: token.may_read,
            });
        }
        match self.keys_as_bearer {
            true => self.key(bearer).ok_or_else(unauthorized),
            false => Err(unauthorized()),
        }
    }

    fn key(&self, secret: &str) -> Option<Grant> {
        let key = self.keys.iter().find(|key| key.secret == secret)?;
        Some(match key.organizations.is_empty() {
            true => Grant::All {
                may_read: key.may_read,
            },
            false => Grant::Some {
                organizations: key.organizations.clone(),
                may_read: key.may_read,
            },
        })
    }

    /// The token endpoint: client credentials, by HTTP Basic and a form.
    pub(super) fn issue_token(&mut self, request: &Request, now_ms: i64, number: u64) -> Answer {
        let refused = |status: u16, code: &str, text: &str| {
            Answer::json(
                status,
                json!({"error": code, "error_description": text}).to_string(),
            )
        };
        if request.method != "POST" {
            return refused(405, "invalid_request", "use POST");
        }
        let form = String::from_utf8_lossy(request.body);
        let has = |pair: &str| form.split('&').any(|part| part == pair);
        let Some((id, secret)) = request.header("authorization").and_then(basic) else {
            return refused(401, "invalid_client", "client authentication is missing");
        };
        let account = self
            .accounts
            .iter()
            .find(|account| account.client_id == id && account.secrets.contains(&secret));
        let Some(account) = account else {
            return refused(401, "invalid_client", "client authentication failed");
        };
        if !has("grant_type=client_credentials") {
            return refused(
                400,
                "unsupported_grant_type",
                "grant_type must be client_credentials",
            );
        }
        if !has("scope=api") {
            return refused(400, "invalid_scope", "scope must be api");
        }
        if !account.may_read {
            return refused(
                403,
                "access_denied",
                "the service account lacks the permission",
            );
        }
        let ends_ms = now_ms + self.token_lifetime_s * 1000;
        let text = token_text(number, ends_ms);
        self.tokens.push(Token {
            text: text.clone(),
            ends_ms,
            may_read: true,
        });
        let lifetime = match self.expires_in {
            ExpiresIn::True => format!("\"expires_in\":{},", self.token_lifetime_s),
            ExpiresIn::Missing => String::new(),
            ExpiresIn::Says(json) => format!("\"expires_in\":{json},"),
        };
        let body =
            format!(r#"{{"access_token":"{text}",{lifetime}"scope":"api","token_type":"bearer"}}"#);
        Answer::json(200, body)
    }
}

/// A text in the shape of a JWT; whoever uses it must take it as opaque.
fn token_text(number: u64, ends_ms: i64) -> String {
    let part = |text: String| URL_SAFE_NO_PAD.encode(text);
    let header = part(json!({"alg": "RS256", "typ": "JWT"}).to_string());
    let claims = part(json!({"exp": ends_ms.div_euclid(1000), "jti": number}).to_string());
    format!(
        "{header}.{claims}.{}",
        part(format!("{:016x}", mix(number)))
    )
}

fn basic(authorization: &str) -> Option<(String, String)> {
    let encoded = authorization.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

#[cfg(test)]
#[path = "access/tests.rs"]
mod tests;
