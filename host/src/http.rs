//! The import `wasi:http`: every request of a feed's guest goes through
//! [`Http::send`], by one pooled client.
//!
//! On the way out: the origin is checked, the body is taken whole (it is small),
//! the request waits for its turn ([`crate::gate`]), placeholders become secrets.
//! On the way back: secrets that a server echoes
//! are redacted, gzip is decoded, and the body is pumped into a bounded buffer
//! ([`body`]), so that a guest that is not being polled does not time out.

mod body;
pub(crate) mod client;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use wasmtime_wasi_http::{Error as WasiError, RequestOptions, WasiBody, WasiHttpHooks};

use self::body::Room;
pub(crate) use self::body::error_code;
use self::client::Client;
use crate::egress::{Origin, Rules};
use crate::error::Result;
use crate::gate::Gates;
use crate::limits::Limits;
use crate::vault::{Credentials, Vault};

/// The way out of one feed. It lives as long as the feed, so that connections
/// outlive the plugin's instances.
pub(crate) struct Http {
    feed: String,
    client: Client,
    rules: Arc<Rules>,
    vault: Arc<Vault>,
    limits: Limits,
    gates: Arc<Gates>,
    /// Why the last request had no answer, or not all of it.
    failure: Arc<Mutex<Option<String>>>,
    room: Room,
}

impl Http {
    /// A client for `feed`; `ca_file` holds further root certificates (PEM).
    pub(crate) fn new(
        feed: String,
        rules: Rules,
        vault: Arc<Vault>,
        limits: Limits,
        gates: Arc<Gates>,
        ca_file: Option<&std::path::Path>,
    ) -> Result<Self> {
        let rules = Arc::new(rules);
        let client = client::build(rules.clone(), &limits, ca_file)?;
        Ok(Self {
            feed,
            client,
            rules,
            vault,
            limits,
            gates,
            failure: Arc::default(),
            room: Room::new(),
        })
    }

    async fn send(
        &self,
        request: Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<Response<WasiBody>, WasiError> {
        let (mut request, origin) = self.admit(request).await?;
        let gate = self.gates.at(&origin, self.vault.fingerprint());
        let turn = gate.enter().await;
        let credentials = self.vault.fill(request.headers_mut());
        // Whatever the guest would accept: in what is not decoded no secret is
        // found.
        request
            .headers_mut()
            .insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let line = format!("{} {origin}{}", request.method(), request.uri().path());
        let first_byte = shorter(self.limits.first_byte, options.first_byte_timeout);
        let started = Instant::now();
        let sent = tokio::time::timeout(first_byte, self.client.request(request)).await;
        let took = started.elapsed().as_millis();
        let (error, reason) = match sent {
            Ok(Ok(response)) => {
                let status = response.status();
                tracing::debug!(feed = %self.feed, "{line}: {status} after {took} ms");
                self.note(None);
                if let Some(rest) = turn.answered(&response) {
                    let seconds = rest.as_secs();
                    tracing::warn!(
                        feed = %self.feed,
                        "{origin} asks for rest ({status}): for {seconds} s nothing is asked of it with \
                         this credential, by any feed"
                    );
                }
                return self.receive(response, &line, credentials, options);
            }
            Ok(Err(e)) => client::reason(&e),
            Err(_) => (
                WasiError::HttpResponseTimeout,
                format!("no answer within {took} ms (`limits.first_byte`)"),
            ),
        };
        tracing::debug!(feed = %self.feed, "{line}: {reason}");
        self.note(Some(format!("{line}: {reason}")));
        Err(error)
    }

    /// How long a request of this feed has to wait because the upstream asked
    /// for rest.
    pub(crate) fn held_for(&self) -> Duration {
        let secrets = self.vault.fingerprint();
        let origins = self.rules.origins();
        let until = origins.filter_map(|origin| self.gates.held_until(origin, secrets));
        until.max().map_or(Duration::ZERO, |until| {
            until.saturating_duration_since(tokio::time::Instant::now())
        })
    }

    /// Why the last request had no answer, or not all of it, in words; none: it
    /// had one.
    pub(crate) fn last_failure(&self) -> Option<String> {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note(&self, failure: Option<String>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    /// Takes the whole request and says no to what may not leave.
    async fn admit(
        &self,
        request: Request<WasiBody>,
    ) -> Result<(Request<Full<Bytes>>, Origin), WasiError> {
        let refuse = |reason: &str, error| {
            tracing::warn!(feed = %self.feed, "refused a request of the plugin: {reason}");
            self.note(Some(format!("refused by this host: {reason}")));
            Err(error)
        };
        let deny = |reason: &str| refuse(reason, WasiError::HttpRequestDenied);
        // The one is answered with the request itself, the other with a tunnel.
        if matches!(*request.method(), Method::TRACE | Method::CONNECT) {
            return deny(&format!("the method `{}`", request.method()));
        }
        let origin = match self.rules.permits(request.uri()) {
            Ok(origin) => origin,
            Err(reason) => return deny(&self.vault.clean(&reason)),
        };
        if self
            .vault
            .mentioned_in(request.uri().to_string().as_bytes())
        {
            return deny("a secret belongs into a header, not into a URL");
        }
        let (head, body) = request.into_parts();
        let most = usize::try_from(self.limits.request).unwrap_or(usize::MAX);
        let body = match Limited::new(body, most).collect().await {
            Ok(body) => body.to_bytes(),
            Err(e) if e.is::<LengthLimitError>() => {
                let error = WasiError::HttpRequestBodySize(Some(self.limits.request));
                return refuse("its body is larger than `limits.request`", error);
            }
            Err(_) => return Err(WasiError::HttpRequestBodySize(None)),
        };
        if self.vault.mentioned_in(&body) {
            return deny("a secret belongs into a header, not into a body");
        }
        Ok((Request::from_parts(head, Full::new(body)), origin))
    }

    fn receive(
        &self,
        response: Response<Incoming>,
        line: &str,
        credentials: Vec<Credentials>,
        options: RequestOptions,
    ) -> Result<Response<WasiBody>, WasiError> {
        let (mut head, incoming) = response.into_parts();
        self.redact_headers(&mut head.headers, &credentials);
        let encoding = head.headers.get(CONTENT_ENCODING);
        let gzip = encoding.is_some_and(|e| e.as_bytes().eq_ignore_ascii_case(b"gzip"));
        if gzip {
            head.headers.remove(CONTENT_ENCODING);
            head.headers.remove(CONTENT_LENGTH);
        }
        // A server echoes what it was sent in its errors: those are redacted.
        let vault = self.vault.clone();
        let redact = move |bytes: &[u8], is_whole: bool| match is_whole {
            true => vault.redact(bytes, &credentials),
            false => vault.redact_start(bytes, &credentials),
        };
        let redact = (!head.status.is_success()).then(|| Box::new(redact) as body::Redact);
        let (feed, line, failure) = (self.feed.clone(), line.to_owned(), self.failure.clone());
        let note = move |words: &str| {
            let failed = format!("{line}: {words}");
            tracing::debug!(%feed, "{failed}");
            *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failed);
        };
        let body = body::pump(
            incoming,
            body::Pump {
                gzip,
                between_bytes: shorter(self.limits.between_bytes, options.between_bytes_timeout),
                whole: self.limits.body,
                most: self.limits.response,
                redact,
                note: Box::new(note),
                room: self.room.clone(),
            },
        );
        Ok(Response::from_parts(head, body))
    }

    fn redact_headers(&self, headers: &mut HeaderMap, credentials: &[Credentials]) {
        for value in headers.values_mut() {
            if let Some(redacted) = self.vault.redact(value.as_bytes(), credentials) {
                *value = HeaderValue::from_bytes(&redacted)
                    .unwrap_or_else(|_| HeaderValue::from_static("[redacted]"));
            }
        }
    }
}

fn shorter(limit: Duration, wish: Option<Duration>) -> Duration {
    wish.map_or(limit, |wish| wish.min(limit))
}

/// What an instance calls when its guest sends a request; without an [`Http`]
/// none gets out.
pub(crate) struct Hooks(pub(crate) Option<Arc<Http>>);

/// The driver of a connection, of which the pool takes care by itself.
type Driver = Box<dyn Future<Output = Result<(), WasiError>> + Send>;

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _fut: Driver,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Driver), WasiError>> + Send> {
        let http = self.0.clone();
        Box::new(async move {
            let Some(http) = http else {
                return Err(WasiError::HttpRequestDenied);
            };
            let response = http.send(request, options.unwrap_or_default()).await?;
            Ok((response, Box::new(async { Ok(()) }) as Driver))
        })
    }
}

#[cfg(test)]
mod tests;
