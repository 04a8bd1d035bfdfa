//! Requests in flight, over `wasi:http`.

use std::collections::BTreeMap;

use wasi::clocks::monotonic_clock;
use wasi::http::outgoing_handler;
use wasi::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, Method, OutgoingBody, OutgoingRequest,
    Scheme,
};
use wasi::io::poll::{Pollable, poll};
use wasi::io::streams::{InputStream, StreamError};

use crate::api::{Head, Request};
use crate::collect::RequestId;
use crate::feed::Input;
use crate::refusal::Cause;

/// The most bytes that are taken from a body at once.
const CHUNK: u64 = 256 << 10;

/// The most bytes that `blocking-write-and-flush` takes.
const WRITE: usize = 4_096;

/// The open requests.
#[derive(Default)]
pub struct Requests(BTreeMap<RequestId, State>);

/// How far a request has come.
enum State {
    Sent(FutureIncomingResponse),
    // The stream is a child of the body: dropped first, by order.
    Body(InputStream, IncomingBody),
    Failed(Cause),
}

impl Requests {
    /// Starts a request.
    pub fn send(&mut self, id: RequestId, request: Request) {
        let state = match start(request) {
            Ok(response) => State::Sent(response),
            Err(cause) => State::Failed(cause),
        };
        self.0.insert(id, state);
    }

    /// Forgets a request, whatever its state.
    pub fn drop(&mut self, id: RequestId) {
        self.0.remove(&id);
    }

    /// Waits for what comes next of a request, until a monotonic time (ms).
    pub fn read(&mut self, id: RequestId, until: u64) -> Input {
        let (state, input) = match self.0.remove(&id) {
            None => return Input::Failed(Cause::Other("no such request".to_owned())),
            Some(State::Failed(cause)) => return Input::Failed(cause),
            Some(State::Sent(response)) => await_head(response, until),
            Some(State::Body(stream, body)) => await_bytes(body, stream, until),
        };
        if let Some(state) = state {
            self.0.insert(id, state);
        }
        input
    }
}

fn start(request: Request) -> Result<FutureIncomingResponse, Cause> {
    let refused = |()| Cause::Other("the runtime does not take the request".to_owned());
    let (scheme, rest) = request
        .url
        .split_once("://")
        .unwrap_or(("https", &request.url));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let scheme = if scheme == "http" {
        Scheme::Http
    } else {
        Scheme::Https
    };
    let headers = Fields::new();
    for (name, value) in &request.headers {
        headers
            .append(name, value.as_bytes())
            .map_err(|_| refused(()))?;
    }
    let length = request.body.len().to_string();
    headers
        .append("content-length", length.as_bytes())
        .map_err(|_| refused(()))?;
    let outgoing = OutgoingRequest::new(headers);
    outgoing.set_method(&Method::Post).map_err(refused)?;
    outgoing.set_scheme(Some(&scheme)).map_err(refused)?;
    outgoing.set_authority(Some(authority)).map_err(refused)?;
    outgoing.set_path_with_query(Some(path)).map_err(refused)?;
    let body = outgoing.body().map_err(refused)?;
    let response = outgoing_handler::handle(outgoing, None).map_err(|code| cause(&code))?;
    // A request that is refused closes its body; the response says why.
    if let Ok(stream) = body.write() {
        let _ = request
            .body
            .chunks(WRITE)
            .try_for_each(|part| stream.blocking_write_and_flush(part));
    }
    let _ = OutgoingBody::finish(body, None);
    Ok(response)
}

fn await_head(response: FutureIncomingResponse, until: u64) -> (Option<State>, Input) {
    if !wait(&response.subscribe(), until) {
        return (Some(State::Sent(response)), Input::Nothing);
    }
    let answer = match response.get() {
        None => return (Some(State::Sent(response)), Input::Nothing),
        Some(Ok(Ok(answer))) => answer,
        Some(Ok(Err(code))) => return (None, Input::Failed(cause(&code))),
        Some(Err(())) => return (None, Input::Failed(Cause::Cut)),
    };
    let headers = answer.headers().entries().into_iter();
    let head = Head {
        status: answer.status(),
        headers: headers
            .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
            .collect(),
    };
    let state = match answer.consume() {
        Ok(body) => match body.stream() {
            Ok(stream) => State::Body(stream, body),
            Err(()) => State::Failed(Cause::Cut),
        },
        Err(()) => State::Failed(Cause::Cut),
    };
    (Some(state), Input::Head(head))
}

// Parameters are dropped last first: the stream, a child of the body, before it.
fn await_bytes(body: IncomingBody, stream: InputStream, until: u64) -> (Option<State>, Input) {
    loop {
        match stream.read(CHUNK) {
            Ok(bytes) if bytes.is_empty() => {
                if !wait(&stream.subscribe(), until) {
                    return (Some(State::Body(stream, body)), Input::Nothing);
                }
            }
            Ok(bytes) => return (Some(State::Body(stream, body)), Input::Body(bytes)),
            Err(StreamError::Closed) => return (None, Input::End),
            Err(StreamError::LastOperationFailed(error)) => {
                let code = wasi::http::types::http_error_code(&error);
                return (
                    None,
                    Input::Failed(code.map_or(Cause::Cut, |code| cause(&code))),
                );
            }
        }
    }
}

/// Waits until something is ready; false: the time came first.
fn wait(ready: &Pollable, until: u64) -> bool {
    let timer = monotonic_clock::subscribe_instant(until.saturating_mul(1_000_000));
    poll(&[ready, &timer]).contains(&0)
}

fn cause(code: &ErrorCode) -> Cause {
    match code {
        ErrorCode::DnsError(_) | ErrorCode::DnsTimeout | ErrorCode::DestinationNotFound => {
            Cause::Dns
        }
        ErrorCode::ConnectionRefused
        | ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationIpUnroutable => Cause::Connect,
        ErrorCode::TlsProtocolError
        | ErrorCode::TlsCertificateError
        | ErrorCode::TlsAlertReceived(_) => Cause::Tls,
        ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => Cause::Timeout,
        ErrorCode::ConnectionTerminated
        | ErrorCode::HttpResponseIncomplete
        | ErrorCode::HttpResponseContentCoding(_)
        | ErrorCode::HttpResponseTransferCoding(_) => Cause::Cut,
        ErrorCode::HttpResponseBodySize(_) => {
            Cause::Other("the answer is larger than the host takes".to_owned())
        }
        ErrorCode::HttpResponseHeaderSectionSize(_) | ErrorCode::HttpResponseHeaderSize(_) => {
            Cause::Other("the answer's head is larger than the host takes".to_owned())
        }
        ErrorCode::HttpRequestBodySize(_) => {
            Cause::Other("the request is larger than the host sends".to_owned())
        }
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => Cause::Denied,
        other => Cause::Other(format!("{other:?}")),
    }
}
