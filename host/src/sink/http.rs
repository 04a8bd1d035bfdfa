//! The sink `http`: each batch is posted to a collector.
//!
//! A status of 2xx means that the batch is durable there. Anything that may pass
//! by itself (429, 5xx, no answer) is tried again by whoever runs the feed, from
//! the outbox; meanwhile nothing new is collected. A receiver can't say what it
//! took before a connection broke, so a batch may come twice, with the same
//! bytes and the same `X-Batch-Id`. How a batch is divided is in [`plan`].

mod options;
mod plan;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use http::response::Parts;
use http::uri::PathAndQuery;
use http::{Request, StatusCode, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tower_service::Service;

pub use self::options::{HeaderText, HttpBody, HttpOptions};
use self::plan::{Plan, Verdict};
use super::{Delivered, Outgoing, Sink};
use crate::bindings::types::EventClass;
use crate::egress::{Origin, Rules};
use crate::error::{Error, Kind, Result};
use crate::failpoint;
use crate::gate::retry_after;
use crate::http::client::{self, Client, Connector};
use crate::store::BoxFuture;
use crate::vault::Vault;

/// So much of a refusal is read.
const WORDS: usize = 4 << 10;

/// Identifies a request's events: equal ids, equal bytes.
const BATCH_ID: HeaderName = HeaderName::from_static("x-batch-id");

/// Posts events to a collector.
pub struct HttpSink {
    feed: String,
    client: Client,
    connector: Connector,
    uri: Uri,
    /// With placeholders in the place of secrets.
    headers: HeaderMap,
    vault: Vault,
    gzip: bool,
    body: HttpBody,
    patience: Duration,
    /// Events that were given up since something was taken: of batches of which
    /// nothing was.
    given_up: AtomicUsize,
}

impl HttpSink {
    /// A sink by these options; all that is wrong with them comes as one error.
    /// Nothing is sent.
    pub fn new(options: &HttpOptions) -> Result<Self> {
        let (vault, mut problems) = options.vault();
        let url = options
            .checked_url()
            .map_err(|problem| problems.push(problem));
        let headers = options
            .checked_headers(&vault)
            .map_err(|more| problems.extend(more));
        let (Ok((uri, origin)), Ok(headers), []) = (url, headers, problems.as_slice()) else {
            return Err(Error::configuration(problems));
        };
        vault.warn(&options.feed);
        let rules = Arc::new(Rules::only(origin));
        let (limits, ca_file) = (&options.limits, options.ca_file.as_deref());
        Ok(Self {
            connector: client::connector(rules.clone(), limits, ca_file)?,
            client: client::build(rules, limits, ca_file)?,
            feed: options.feed.clone(),
            uri,
            headers,
            vault,
            gzip: options.gzip,
            body: options.body,
            patience: options.limits.first_byte,
            given_up: AtomicUsize::new(0),
        })
    }

    /// An address as it may be shown: what follows the host may hold a token, as
    /// those of some collectors do.
    pub fn shown(url: &str) -> String {
        let uri = url.parse::<Uri>().unwrap_or_default();
        let rest = match uri.path_and_query().map_or("/", PathAndQuery::as_str) {
            "/" => "",
            _ => "/…",
        };
        Origin::of(&uri).map_or("…".to_owned(), |origin| format!("{origin}{rest}"))
    }

    fn place(&self) -> String {
        Self::shown(&self.uri.to_string())
    }

    /// Sends some lines of a batch, and says what came of it.
    async fn post(&self, batch: &str, lines: &[u8]) -> Result<Verdict> {
        self.vault.refresh(&self.feed);
        let request = self.request(batch, lines)?;
        let sent = tokio::time::timeout(self.patience, self.client.request(request)).await;
        let response = match sent {
            Ok(Ok(response)) => response,
            Ok(Err(e)) => {
                let (_, reason) = client::reason(&e);
                return Err(self.unavailable(&reason));
            }
            Err(_) => {
                let seconds = self.patience.as_secs_f64();
                return Err(self.unavailable(&format!("no answer within {seconds} s")));
            }
        };
        failpoint::pass("delivering");
        if response.status().is_success() {
            return Ok(Verdict::Taken);
        }
        let (head, body) = response.into_parts();
        let (words, is_whole) = self.words(body).await;
        let words = String::from_utf8_lossy(&words);
        let words = match is_whole {
            true => self.vault.clean(&words),
            false => self.vault.clean_start(&words),
        };
        self.judge(&head, words.trim())
    }

    /// The first words of a refusal, as far as they come in time, and whether
    /// those are all.
    async fn words(&self, mut body: impl Body<Data = Bytes> + Unpin) -> (Vec<u8>, bool) {
        let mut words = Vec::new();
        let read = async {
            while words.len() <= WORDS {
                match body.frame().await {
                    Some(Ok(frame)) => {
                        words.extend_from_slice(&frame.into_data().unwrap_or_default());
                    }
                    Some(Err(_)) => return false,
                    None => return true,
                }
            }
            false
        };
        let read = tokio::time::timeout(self.patience, read).await;
        words.truncate(WORDS);
        (words, read.unwrap_or(false))
    }

    fn request(&self, batch: &str, lines: &[u8]) -> Result<Request<Full<Bytes>>> {
        let failed =
            |e: &dyn std::fmt::Display| Error::sink(format!("no request can be made: {e}"));
        let mut request = Request::post(self.uri.clone());
        let (kind, body) = match self.body {
            HttpBody::Ndjson => ("application/x-ndjson", lines.to_vec()),
            HttpBody::Array => ("application/json", array(lines)),
        };
        let hash = format!("{:x}", Sha256::digest(lines));
        let id = HeaderValue::from_str(&format!("{batch}-{hash:.16}")).map_err(|e| failed(&e))?;
        if let Some(headers) = request.headers_mut() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            let agent = concat!("source-host/", env!("CARGO_PKG_VERSION"));
            headers.insert(USER_AGENT, HeaderValue::from_static(agent));
            headers.extend(self.headers.clone());
            self.vault.fill(headers);
            headers.insert(BATCH_ID, id);
            if self.gzip {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
        }
        let body = match self.gzip {
            true => compress(&body).map_err(|e| failed(&e))?,
            false => body,
        };
        request.body(Full::new(body.into())).map_err(|e| failed(&e))
    }

    /// What an answer means that is no success.
    fn judge(&self, head: &Parts, words: &str) -> Result<Verdict> {
        let status = head.status;
        let place = self.place();
        let said = match words.is_empty() {
            true => format!("`{place}` answers {status}"),
            false => format!("`{place}` answers {status}: {words}"),
        };
        match status {
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => Ok(Verdict::Refused(said)),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let sources = self.vault.sources();
                Err(Error::sink(said).hint(match sources.is_empty() {
                    true => "add the credential: `sink.headers`".to_owned(),
                    false => format!("the credential comes from {sources}"),
                }))
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Err(busy(said).after(retry_after(&head.headers)))
            }
            _ if status.is_server_error() => Err(busy(said).after(retry_after(&head.headers))),
            _ if status.is_redirection() => Err(Error::sink(said)
                .hint("redirects are not followed: set `sink.url` to where it leads")),
            _ => Err(Error::sink(said).hint("see `sink.url` and `sink.body`")),
        }
    }

    fn unavailable(&self, reason: &str) -> Error {
        let reason = self.vault.clean(reason);
        busy(format!("`{}` can't be reached: {reason}", self.place()))
            .hint("see whether it runs, and `sink.url`; nothing is lost meanwhile")
    }
}

impl Sink for HttpSink {
    fn kind(&self) -> &str {
        "http"
    }

    /// Its hash: an address may hold a token.
    fn destination(&self) -> String {
        format!("{:x}", Sha256::digest(self.uri.to_string()))
    }

    /// Connects; to send anything would be to deliver it.
    fn check<'a>(&'a self, _: &'a str, _: &'a [EventClass]) -> BoxFuture<'a, Result<()>> {
        let connected = self.connector.clone().call(self.uri.clone());
        Box::pin(async move {
            let refused = |e: &(dyn std::error::Error + 'static)| client::reason(e).1;
            connected
                .await
                .map(drop)
                .map_err(|e| self.unavailable(&refused(&*e)))
        })
    }

    fn plan<'a>(&'a self, outgoing: Outgoing<'a>) -> BoxFuture<'a, Result<Value>> {
        let batch = format!("{}-{}", outgoing.feed, outgoing.batch.checkpoint);
        let given_up = self.given_up.load(Ordering::Relaxed);
        let plan = Plan::new(batch, outgoing.events.len(), outgoing.known, given_up);
        Box::pin(async move { to_value(&plan) })
    }

    fn deliver<'a>(
        &'a self,
        plan: &'a Value,
        events: &'a Bytes,
    ) -> BoxFuture<'a, Result<Delivered>> {
        Box::pin(async move {
            let plan: Plan = serde_json::from_value(plan.clone())
                .map_err(|e| Error::sink(format!("the plan in the outbox can't be read: {e}")))?;
            let Some(lines) = plan.next(events) else {
                return Ok(Delivered::Whole);
            };
            let verdict = self.post(&plan.batch, lines).await?;
            let (plan, refused) = plan.after(verdict, events).map_err(|reason| {
                Error::sink(format!("no event is taken: {reason}"))
                    .hint("see `sink.url`, `sink.body` and the headers; nothing is lost")
                    .hint("if one event is too large for it (413), raise its limit on requests")
            })?;
            self.given_up.store(plan.given_up, Ordering::Relaxed);
            if plan.next(events).is_none() && refused.is_none() {
                return Ok(Delivered::Whole);
            }
            Ok(Delivered::Partly {
                plan: to_value(&plan)?,
                refused: refused.into_iter().collect(),
            })
        })
    }
}

/// An error that may pass by itself.
fn busy(message: String) -> Error {
    Error::new(Kind::SinkUnavailable, message)
}

fn to_value(plan: &Plan) -> Result<Value> {
    serde_json::to_value(plan).map_err(|e| Error::sink(format!("no plan: {e}")))
}

/// Lines as one JSON array. An event has no line break but the one at its end.
fn array(lines: &[u8]) -> Vec<u8> {
    let lines = lines.strip_suffix(b"\n").unwrap_or(lines);
    let commas = lines
        .iter()
        .map(|byte| if *byte == b'\n' { b',' } else { *byte });
    [b'['].into_iter().chain(commas).chain([b']']).collect()
}

fn compress(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_an_array() {
        assert_eq!(array(b"{}\n"), b"[{}]");
        assert_eq!(array(b"{\"a\":1}\n{}\n"), b"[{\"a\":1},{}]");
    }
}
