//! The tokens of a service account (OAuth 2.0 client credentials).
//!
//! ```text
//!   Send ──► held ──────────────► sent ── 401, the first time ──► held, and the token is forgotten
//!             │  there is a token   └──── any other head ──► the machine
//!             └─ Read, without one: the token is asked for; a failure is the request's own
//! ```
//!
//! A token is kept in memory alone: never in the state, a message or `Debug`
//! output. It is asked for when a request is waited for and there is none, or
//! none that lives for half a minute more. A request that it does not open the
//! door for is sent once more, with a new one: accounts lose theirs at any time.

use std::collections::BTreeMap;
use std::fmt;

use super::Passed;
use super::refusal::Endpoint;
use crate::api::Request;
use crate::clock::Reading;
use crate::collect::RequestId;
use crate::collect::call::Call;
use crate::credential::Credential;
use crate::error::Error;
use crate::feed::{Input, Step};
use crate::refusal::Cause;
use crate::settings::Settings;

/// The request for a token. Those of machines are counted from 1.
const TOKEN_REQUEST: RequestId = 0;

/// So long before its end a token is renewed, in ms; a short-lived one halfway.
const EARLY: u64 = 30_000;

/// Fewer bytes of a token than these may be shown: messages are cut.
const SHOWN: usize = 16;

/// One service account, its token, and the requests that need it.
#[derive(Debug)]
pub struct Account {
    endpoint: Endpoint,
    client_id: String,
    credential: Credential,
    token: Option<Token>,
    /// The one that was replaced last: an answer may still name it.
    before: Option<String>,
    /// How many tokens there were.
    tokens: u32,
    /// A token is being asked for,
    asking: Option<Call>,
    /// and this is the request that waits for it.
    waiting: RequestId,
    /// Requests whose answer has not begun.
    requests: BTreeMap<RequestId, Pending>,
}

struct Token {
    text: String,
    /// From this monotonic time on it is not used, in ms.
    ends: u64,
}

/// A request whose answer has not begun.
#[derive(Debug)]
struct Pending {
    /// Without a token, to be sent once more.
    request: Request,
    place: Place,
    /// It is sent for the second time.
    again: bool,
}

#[derive(Debug)]
enum Place {
    /// It waits for a token.
    Held,
    /// It was sent with the so-manieth token.
    Sent(u32),
    /// A token was refused it; that answer is still open.
    Refused,
    /// There is no token for it.
    Failed(Error),
}

impl Account {
    /// By settings and secret.
    pub fn new(settings: &Settings, credential: Credential) -> Self {
        Self {
            endpoint: Endpoint::new(settings),
            client_id: settings.client_id.clone(),
            credential,
            token: None,
            before: None,
            tokens: 0,
            asking: None,
            waiting: TOKEN_REQUEST,
            requests: BTreeMap::new(),
        }
    }

    /// It has had tokens before.
    pub fn establish(&mut self) {
        self.endpoint.establish();
    }

    /// The machine sends a request.
    pub fn send(&mut self, id: RequestId, request: Request, reading: Reading) -> Passed {
        let pending = Pending {
            request,
            place: Place::Held,
            again: false,
        };
        self.requests.insert(id, pending);
        self.start(id, reading).map_or(Passed::Held, Passed::Step)
    }

    /// The machine waits for a request.
    pub fn read(&mut self, id: RequestId, until: u64, reading: Reading) -> Passed {
        match self.requests.get_mut(&id).map(|pending| &mut pending.place) {
            None | Some(Place::Sent(_)) => return Passed::Step(Step::Read(id, until)),
            Some(Place::Held) => {}
            Some(place @ Place::Refused) => {
                *place = Place::Held;
                return Passed::Step(Step::Drop(id));
            }
            Some(Place::Failed(error)) => {
                let cause = Cause::Unauthorized(Box::new(error.clone()));
                self.requests.remove(&id);
                return Passed::Input(id, Input::Failed(cause));
            }
        }
        if let Some(step) = self.start(id, reading) {
            return Passed::Step(step);
        }
        self.waiting = id;
        Passed::Step(match self.asking {
            Some(_) => Step::Read(TOKEN_REQUEST, until),
            None => {
                self.asking = Some(Call::new(TOKEN_REQUEST, None));
                let request = self
                    .endpoint
                    .request()
                    .with(self.credential.header(&self.client_id));
                Step::Send(TOKEN_REQUEST, request)
            }
        })
    }

    /// The machine gives up a request.
    pub fn forget(&mut self, id: RequestId) -> Passed {
        match self.requests.remove(&id).map(|pending| pending.place) {
            None | Some(Place::Sent(_) | Place::Refused) => return Passed::Step(Step::Drop(id)),
            Some(Place::Held | Place::Failed(_)) => {}
        }
        let held = |pending: &Pending| matches!(pending.place, Place::Held);
        if self.requests.values().any(held) || self.asking.take().is_none() {
            return Passed::Held;
        }
        Passed::Step(Step::Drop(TOKEN_REQUEST))
    }

    /// What came of a request; what the machine is to hear of it.
    pub fn handle(
        &mut self,
        id: RequestId,
        input: Input,
        reading: Reading,
    ) -> Option<(RequestId, Input)> {
        if id == TOKEN_REQUEST {
            if matches!(input, Input::Nothing) {
                return Some((self.waiting, input));
            }
            let answer = self.asking.as_mut()?.take(input)?;
            self.asking = None;
            match self.endpoint.read(answer) {
                Ok((text, lifetime)) => self.take(text, lifetime, reading),
                Err(error) => self.fail(error),
            }
            return None;
        }
        let is_refused = matches!(&input, Input::Head(head) if head.status == 401);
        let answered = matches!(input, Input::Head(_) | Input::Failed(_));
        if let Some(pending) = self.requests.get_mut(&id)
            && let Place::Sent(number) = pending.place
        {
            if is_refused && number == self.tokens {
                self.before = self.token.take().map(|token| token.text);
            }
            if is_refused && !pending.again {
                (pending.place, pending.again) = (Place::Refused, true);
                return None;
            }
            if answered {
                self.requests.remove(&id);
            }
        }
        Some((id, input))
    }

    /// The error without the token, or the one before it.
    pub fn hide(&self, error: Error) -> Error {
        let known: Vec<&str> = self
            .token
            .iter()
            .map(|token| token.text.as_str())
            .chain(self.before.as_deref())
            .collect();
        error.map_text(|text| known.iter().fold(text, |text, token| without(text, token)))
    }

    /// Sends a held request, if there is a token.
    fn start(&mut self, id: RequestId, reading: Reading) -> Option<Step> {
        let token = self.token.as_ref();
        let token = token.filter(|token| reading.monotonic < token.ends)?;
        let pending = self.requests.get_mut(&id)?;
        pending.place = Place::Sent(self.tokens);
        let header = ("authorization", format!("Bearer {}", token.text));
        Some(Step::Send(id, pending.request.clone().with(header)))
    }

    /// There is a token that lives for so many ms from now on.
    fn take(&mut self, text: String, lifetime: u64, reading: Reading) {
        let lifetime = lifetime - EARLY.min(lifetime / 2);
        let ends = reading.monotonic.saturating_add(lifetime);
        if let Some(before) = self.token.replace(Token { text, ends }) {
            self.before = Some(before.text);
        }
        self.tokens = self.tokens.wrapping_add(1);
        self.endpoint.establish();
    }

    /// There is none for the request that waits; whoever else needs one may try.
    fn fail(&mut self, error: Error) {
        if let Some(pending) = self.requests.get_mut(&self.waiting)
            && matches!(pending.place, Place::Held)
        {
            pending.place = Place::Failed(error);
        }
    }
}

/// `text` without `token`, also where its end is cut off.
fn without(text: String, token: &str) -> String {
    let start = token.get(..SHOWN.min(token.len())).unwrap_or(token);
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, _)) = rest.split_once(start) {
        let (_, found) = rest.split_at(before.len());
        let same = found.bytes().zip(token.bytes());
        let length = same.take_while(|(a, b)| a == b).count();
        clean += before;
        clean += "[token]";
        rest = found.get(length..).unwrap_or_default();
    }
    clean + rest
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_in_no_error_and_no_debug_output() {
        let settings = Settings::parse("").unwrap();
        let secrets = vec![("client_secret".to_owned(), "s3cret".to_owned())];
        let authorization = crate::settings::Authorization::ServiceAccount;
        let credential = Credential::new(authorization, secrets).unwrap();
        let mut account = Account::new(&settings, credential);
        account.take("eyJ-t0ken".to_owned(), 3_600_000, Reading::default());
        let error = account.hide(Error::protocol("`bad token eyJ-t0ken`"));
        assert!(
            error.to_string().ends_with("`bad token [token]`"),
            "{error}"
        );

        let long = "eyJhbGciOiJSUzI1NiJ9.abcdefghijklmnop";
        account.take(long.to_owned(), 3_600_000, Reading::default());
        let cut = long.get(..30).unwrap();
        let error = account.hide(Error::protocol(format!("eyJ-t0ken, `{long}` and {cut}")));
        assert!(
            error
                .to_string()
                .ends_with("[token], `[token]` and [token]"),
            "{error}"
        );
        account.take("eyJ-t0ken".to_owned(), 3_600_000, Reading::default());

        let request = crate::api::request(&settings, None, "/events", Vec::new());
        let Passed::Step(step) = account.send(1, request, Reading::default()) else {
            panic!("it is sent at once");
        };
        let Step::Send(_, sent) = &step else {
            panic!("it is sent");
        };
        let header = ("authorization", "Bearer eyJ-t0ken".to_owned());
        assert_eq!(sent.headers.last(), Some(&header));
        let seen = format!("{step:?} {account:?}");
        assert!(
            !seen.contains("t0ken") && !seen.contains("s3cret"),
            "{seen}"
        );
    }
}
