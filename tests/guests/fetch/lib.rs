//! HTTP for guests: one request, and its answer whole, over `wasi:http`.

use wasi::clocks::monotonic_clock::subscribe_duration;
use wasi::http::outgoing_handler;
use wasi::http::types::{
    Fields, FutureIncomingResponse, IncomingBody, Method, OutgoingBody, OutgoingRequest, Scheme,
};
use wasi::io::poll::poll;
use wasi::io::streams::StreamError;

/// The most bytes that are taken from a body at once.
const PIECE: u64 = 64 << 10;

/// The most bytes that `blocking-write-and-flush` takes.
const WRITE: usize = 4_096;

/// A request.
#[derive(Default)]
pub struct Request {
    /// Its absolute URL.
    pub url: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body; without one it is a `GET`, with one a `POST`.
    pub body: Option<Vec<u8>>,
}

/// An answer.
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// A request under way. To drop it is to give it up.
pub struct Fetch(FutureIncomingResponse);

impl Fetch {
    /// Sends a request. The error says in words why it can't be sent.
    pub fn start(request: &Request) -> Result<Self, String> {
        let refused = |what: &str| format!("{what} of the request is refused");
        let (scheme, rest) = request.url.split_once("://").ok_or("no absolute URL")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => Scheme::Other(other.to_owned()),
        };
        let headers = Fields::new();
        for (name, value) in &request.headers {
            headers
                .append(name, value.as_bytes())
                .map_err(|e| format!("the header `{name}` is refused: {e:?}"))?;
        }
        let outgoing = OutgoingRequest::new(headers);
        let method = match request.body {
            Some(_) => Method::Post,
            None => Method::Get,
        };
        outgoing
            .set_method(&method)
            .map_err(|()| refused("the method"))?;
        outgoing
            .set_scheme(Some(&scheme))
            .map_err(|()| refused("the scheme"))?;
        outgoing
            .set_authority(Some(authority))
            .map_err(|()| refused("the authority"))?;
        outgoing
            .set_path_with_query(Some(path))
            .map_err(|()| refused("the path"))?;
        let body = outgoing.body().map_err(|()| refused("the body"))?;
        let response = outgoing_handler::handle(outgoing, None).map_err(|e| format!("{e:?}"))?;
        // A request that is refused closes its body; the response says why.
        if let Ok(stream) = body.write() {
            let bytes = request.body.as_deref().unwrap_or_default();
            let _ = bytes
                .chunks(WRITE)
                .try_for_each(|piece| stream.blocking_write_and_flush(piece));
        }
        let _ = OutgoingBody::finish(body, None);
        Ok(Self(response))
    }

    /// Waits for the answer, for so many milliseconds; none: it did not come.
    pub fn wait(&self, milliseconds: u32) -> Option<Result<Answer, String>> {
        let enough = subscribe_duration(u64::from(milliseconds) * 1_000_000);
        poll(&[&self.0.subscribe(), &enough]);
        let response = match self.0.get()? {
            Ok(Ok(response)) => response,
            Ok(Err(e)) => return Some(Err(format!("{e:?}"))),
            Err(()) => return Some(Err("the answer was taken before".to_owned())),
        };
        let Ok(body) = response.consume() else {
            return Some(Err("the body was taken before".to_owned()));
        };
        Some(read(&body).map(|body| Answer {
            status: response.status(),
            headers: response.headers().entries(),
            body,
        }))
    }
}

fn read(body: &IncomingBody) -> Result<Vec<u8>, String> {
    let stream = body.stream().map_err(|()| "the body was taken before")?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(PIECE) {
            Ok(piece) => bytes.extend(piece),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(e)) => {
                let code = wasi::http::types::http_error_code(&e);
                return Err(code.map_or_else(|| e.to_debug_string(), |code| format!("{code:?}")));
            }
        }
    }
}
