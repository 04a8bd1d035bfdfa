//! What a refusal means: status and body of an answer, or the way a request
//! failed, as the class of error that the host acts on and the sentence that
//! the operator reads. One table, in the order of the statuses.
//!
//! Texts of answers by JumpCloud's API description, its SDK and its exporter;
//! most bodies are `{"message": "..."}`.

mod credential;

use serde::Deserialize;

use crate::api::{Count, Head};
use crate::clock::rfc3339;
use crate::error::{Error, Failure, Problem};
use crate::settings::{ApiUrl, Authorization};

/// What `api_base_url` is, and may be.
fn addresses(url: &ApiUrl) -> String {
    const KNOWN: &str = "`https://api.jumpcloud.com`, `https://api.eu.jumpcloud.com` or `https://api.in.jumpcloud.com`";
    match url.is_known() {
        true => format!("`api_base_url` is {KNOWN}"),
        false => format!(
            "`api_base_url` is {}, and JumpCloud's are {KNOWN}",
            url.base()
        ),
    }
}

/// How a request failed before an answer was complete.
#[derive(Clone, Debug, PartialEq)]
pub enum Cause {
    /// The host's name has no address.
    Dns,
    /// No connection, or one that was refused or reset.
    Connect,
    /// No secure connection.
    Tls,
    /// The peer kept still for too long.
    Timeout,
    /// The answer ended too early.
    Cut,
    /// The host of this component does not let it call this address.
    Denied,
    /// There is no token to send it with, and this is why.
    Unauthorized(Box<Error>),
    /// Anything else, in the runtime's words.
    Other(String),
}

/// What a refused request was about.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Whom it went to.
    pub url: &'a ApiUrl,
    /// How it was authorised.
    pub authorization: Authorization,
    /// The organisation named, if `org_ids` names any.
    pub organization: Option<&'a str>,
    /// Start of the time range, in ms since 1970 UTC.
    pub start: i64,
    /// Its end, if it had one.
    pub end: Option<i64>,
    /// Machine's clock less JumpCloud's, in ms.
    pub skew: i64,
    /// Whether this address has served this feed before: a wrong address then
    /// is an outage.
    pub established: bool,
    /// The day on which the credential has expired, if that is known: its first
    /// ms.
    pub expired: Option<i64>,
}

/// What a refusal means.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// The start lies further back than events are kept: so many days, if the
    /// server said.
    PastRetention(Option<i64>),
    /// A failure.
    Failed(Error),
}

/// Reads the answer of a count.
pub fn counted(asked: Asked<'_>, head: &Head, body: &[u8]) -> Result<u64, Refusal> {
    if head.status != 200 {
        return Err(answered(asked, head, body));
    }
    serde_json::from_slice::<Count>(body)
        .map(|count| count.count)
        .map_err(|_| {
            Refusal::Failed(
                if head.is_html() || body.trim_ascii_start().starts_with(b"<") {
                    not_the_api(asked, "a page in HTML")
                } else {
                    Error::protocol("`/events/count` gave no count")
                },
            )
        })
}

/// Reads the answer of a page as far as to say whether it is one.
pub fn paged(asked: Asked<'_>, head: &Head, body: &[u8]) -> Result<(), Refusal> {
    if head.status != 200 {
        return Err(answered(asked, head, body));
    }
    if head.is_html() {
        return Err(Refusal::Failed(not_the_api(asked, "a page in HTML")));
    }
    let body = body.trim_ascii_start();
    match body.starts_with(b"[") {
        true => Ok(()),
        false => Err(Refusal::Failed(no_array(asked, body))),
    }
}

/// Reads an answer whose status is not 200.
pub fn answered(asked: Asked<'_>, head: &Head, body: &[u8]) -> Refusal {
    let said = message(body);
    let id = head.request_id().map(|id| cut(id, 80));
    let by_id = id
        .as_ref()
        .map_or(String::new(), |id| format!(", request id {id}"));
    let error = match head.status {
        300..=399 => redirected(asked, head),
        400 if said.contains("retention period") => {
            return Refusal::PastRetention(days(&said));
        }
        400 if said.to_ascii_lowercase().contains("start time")
            || said.contains("start_time") && said.contains("future") =>
        {
            let end = asked.end.map_or("now".to_owned(), rfc3339);
            Error::Protocol(
                Failure::new(format!(
                    "JumpCloud refused a time window we built: {} to {end}",
                    rfc3339(asked.start)
                ))
                .hint(format!(
                    "check this machine's clock, it is {} s off JumpCloud's",
                    asked.skew / 1000
                ))
                .hint(format!("please report this with JumpCloud's words `{said}`{by_id}")),
            )
        }
        400 if said.to_ascii_lowercase().contains("service") => Error::BadSettings(vec![
            Problem::new("event_types", "JumpCloud does not know a service that they are kept in")
                .hint(format!("it says: `{said}`")),
        ]),
        400 => {
            let message = format!("JumpCloud refused the request: `{said}`");
            let mut problem = Problem::new(mentioned(&said), message);
            let trace = |id| format!("JumpCloud's support can trace request id {id}");
            problem.hints.extend(id.map(trace));
            Error::BadSettings(vec![problem])
        }
        401 => Error::Authentication(credential::unauthenticated(asked)),
        402 => Error::NotEntitled(
            Failure::new(
                "this organisation's plan does not include Directory Insights, or not this far back (402)",
            )
            .hint("ask your JumpCloud account manager, or set a later `start`"),
        ),
        403 => Error::Permission(credential::forbidden(asked)),
        404 => not_the_api(asked, "404 Not Found"),
        429 => Error::Unavailable(Failure::new("JumpCloud limits our rate (429)"), head.retry_after()),
        408 | 500..=599 => Error::Unavailable(
            Failure::new(format!("JumpCloud failed ({}){by_id}", head.status)),
            head.retry_after(),
        ),
        status => Error::protocol(format!("status {status}, `{said}`{by_id}")),
    };
    Refusal::Failed(error)
}

/// The answer is no JSON, or comes from something else than the API.
pub fn not_the_api(asked: Asked<'_>, found: &str) -> Error {
    let message = format!(
        "this is not the Directory Insights API: {} answered {found}",
        asked.url.host()
    );
    if asked.established {
        return Error::Unavailable(Failure::new(message), None);
    }
    Error::BadSettings(vec![
        Problem::new("api_base_url", message).hint(addresses(asked.url)),
    ])
}

/// A page's body begins with these bytes instead of an array.
pub fn no_array(asked: Asked<'_>, bytes: &[u8]) -> Error {
    let shown = cut(&String::from_utf8_lossy(bytes), 80);
    match shown.starts_with('<') {
        true => not_the_api(asked, &format!("`{shown}`")),
        false => Error::protocol(format!("no JSON array of events but `{shown}`")),
    }
}

/// The request failed on its way.
pub fn failed(asked: Asked<'_>, cause: &Cause) -> Error {
    match cause {
        Cause::Denied => denied("api_base_url", asked.url.host()),
        Cause::Unauthorized(error) => Error::clone(error),
        cause => unreachable(asked.url.host(), cause),
    }
}

/// The host of this component does not let it call the address in this setting.
pub fn denied(setting: &str, host: &str) -> Error {
    let message = format!("the host does not allow calls to {host}");
    Error::BadSettings(vec![
        Problem::new(setting, message).hint("see the host's log for the rule, and `network.allow`"),
    ])
}

/// There was no answer.
pub fn unreachable(host: &str, cause: &Cause) -> Error {
    let words = match cause {
        Cause::Dns => "no address for this name",
        Cause::Connect => "no connection",
        Cause::Tls => "no secure connection (TLS)",
        Cause::Timeout => "no answer in time",
        Cause::Cut => {
            return Error::Unavailable(Failure::new("JumpCloud's answer was cut off"), None);
        }
        Cause::Denied => "this call is not allowed",
        Cause::Unauthorized(_) => "no token",
        Cause::Other(words) => words,
    };
    Error::Unavailable(
        Failure::new(format!(
            "could not reach JumpCloud at {host}: {}",
            cut(words, 200)
        )),
        None,
    )
}

/// The array of a page does not end, after a row of this time (ms since 1970 UTC).
pub fn unclosed(after: i64) -> Error {
    let message = "JumpCloud's answer does not end: it was cut off, or a bracket or quote in it is not closed";
    let place = format!("that is behind what is of {}", rfc3339(after));
    Error::Unavailable(Failure::new(message).hint(place), None)
}

fn redirected(asked: Asked<'_>, head: &Head) -> Error {
    let target = head
        .header("location")
        .map_or("nowhere".to_owned(), |to| cut(to, 200));
    let message = format!("{} redirects to `{target}`", asked.url.host());
    let hint = "redirects are not followed with credentials; name the final address";
    Error::BadSettings(vec![
        Problem::new("api_base_url", message)
            .hint(hint)
            .hint(addresses(asked.url)),
    ])
}

/// The setting that a text of the server is about; empty: none is mentioned.
fn mentioned(said: &str) -> &'static str {
    let said = said.to_ascii_lowercase();
    let about = [
        ("start", "start"),
        ("org", "org_ids"),
        ("end_time", "start"),
    ];
    about
        .iter()
        .find(|(word, _)| said.contains(word))
        .map_or("", |(_, setting)| setting)
}

/// The number of days that the text about retention names.
fn days(said: &str) -> Option<i64> {
    let (before, _) = said.split_once(" day")?;
    before
        .rsplit(' ')
        .next()?
        .parse()
        .ok()
        .filter(|days| *days > 0)
}

/// The server's own words: `message` of a JSON body, or the body's start.
fn message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Body {
        message: String,
    }
    match serde_json::from_slice::<Body>(body) {
        Ok(body) => cut(&body.message, 300),
        Err(_) => cut(&String::from_utf8_lossy(body), 300),
    }
}

/// Text from outside: without control characters, cut.
pub fn cut(text: &str, most: usize) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(most)
        .collect()
}

#[cfg(test)]
#[path = "refusal/tests.rs"]
mod tests;
