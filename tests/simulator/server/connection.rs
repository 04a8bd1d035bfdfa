//! One connection: HTTP requests to the model, its answers back.

use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request as HttpRequest, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::wire::WireStream;
use super::{Seen, Shared, lock};
use crate::faults::Wire;
use crate::model::{Answer, Request};

/// The longest body of a request that is read.
const MAX_REQUEST: usize = 1 << 20;

/// Answers requests until the client, or a fault, closes the connection.
pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    // Without it the client's delayed acknowledgement would slow each answer down.
    let _ = stream.set_nodelay(true);
    let next = Arc::new(Mutex::new(None));
    let io = TokioIo::new(WireStream::new(stream, Arc::clone(&next)));
    let service = service_fn(move |request| {
        let (shared, next) = (Arc::clone(&shared), Arc::clone(&next));
        async move { Ok::<_, Infallible>(respond(request, &shared, &next).await) }
    });
    // The documented spelling of the headers is the one in which each word starts with a capital.
    // An error is one that the client, or a fault, made.
    let _ = http1::Builder::new()
        .title_case_headers(true)
        .auto_date_header(false)
        .serve_connection(io, service)
        .await;
}

async fn respond(
    request: HttpRequest<Incoming>,
    shared: &Shared,
    next: &Mutex<Option<Wire>>,
) -> Response<Payload> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_REQUEST).collect().await else {
        return response(
            Answer::refused(413, "Request Entity Too Large"),
            shared,
            false,
        );
    };
    let body = body.to_bytes();
    let headers: Vec<(&str, &str)> = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()))
        .collect();
    let now_ms = shared.now_ms();
    let path = head.uri.path();
    let request = Request {
        method: head.method.as_str(),
        path,
        headers: &headers,
        body: &body,
    };
    let answer = lock(&shared.model).answer(request, now_ms);

    lock(&shared.seen).push(Seen {
        at_ms: now_ms,
        method: head.method.to_string(),
        path: path.to_owned(),
        headers: headers
            .iter()
            .map(|(name, value)| without_secret(name, value))
            .collect(),
        body: body.clone(),
        status: answer.status,
    });
    let offers_gzip = request
        .headers_named("accept-encoding")
        .any(|value| value.contains("gzip"));
    *lock(next) = Some(answer.wire);
    response(answer, shared, offers_gzip)
}

fn without_secret(name: &str, value: &str) -> (String, String) {
    let value = match name {
        "authorization" | "x-api-key" => "…",
        _ => value,
    };
    (name.to_owned(), value.to_owned())
}

fn response(answer: Answer, shared: &Shared, offers_gzip: bool) -> Response<Payload> {
    let zip = shared.gzip && offers_gzip && !answer.body.is_empty();
    let bytes = match zip {
        true => gzip(&answer.body).unwrap_or_default(),
        false => answer.body,
    };
    let mut response = Response::new(Payload {
        bytes,
        chunked: shared.chunked,
    });
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or_default();
    let headers = response.headers_mut();
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(&value),
        ) {
            headers.append(name, value);
        }
    }
    if zip {
        headers.append("content-encoding", HeaderValue::from_static("gzip"));
    }
    response
}

fn gzip(body: &[u8]) -> std::io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish().map(Bytes::from)
}

/// A body, with a length or in chunks.
struct Payload {
    bytes: Bytes,
    chunked: bool,
}

const CHUNK: usize = 16 * 1024;

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        let length = match self.chunked {
            true => self.bytes.len().min(CHUNK),
            false => self.bytes.len(),
        };
        Poll::Ready(Some(Ok(Frame::data(self.bytes.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.chunked {
            true => SizeHint::default(),
            false => SizeHint::with_exact(self.bytes.len() as u64),
        }
    }
}
