//! A response's body on its way to the guest.
//!
//! The host reads each body as it arrives, into a bounded buffer: a guest that
//! is not being polled does not hold the connection open, and time-outs count
//! only the time spent waiting for the server.

use std::error::Error as _;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use wasmtime::StoreContextMut;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::IoError;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{Error as WasiError, WasiBody, WasiHttpView};

use crate::instance::Guest;

/// Pieces of one body that wait for the guest; one is at most a network buffer,
/// or what one [`GZIP_PIECE`] decodes to.
const BUFFERED: usize = 8;

/// Bytes of all bodies of a feed that wait for the guest, or are kept to be
/// redacted.
const ROOM: usize = 16 << 20;

/// Compressed bytes are decoded this many at a time: gzip grows them by at most
/// a factor of about a thousand.
const GZIP_PIECE: usize = 1 << 10;

/// An error's body is read whole up to this length; the rest is dropped.
const ERROR_BODY: usize = 256 << 10;

/// What happens to a body on its way.
pub(super) struct Pump {
    pub(super) gzip: bool,
    /// So long the server may keep still,
    pub(super) between_bytes: Duration,
    /// and so long it may take in all.
    pub(super) whole: Duration,
    /// The body may have so many bytes, decoded.
    pub(super) most: u64,
    /// Takes secrets out.
    pub(super) redact: Option<Redact>,
    /// Told in words why it broke off.
    pub(super) note: Note,
    /// Where it waits for the guest.
    pub(super) room: Room,
}

/// The bytes, which may be the whole body or its start, without secrets; none:
/// they held none.
pub(super) type Redact = Box<dyn Fn(&[u8], bool) -> Option<Vec<u8>> + Send + Sync>;

/// Takes words for people.
pub(super) type Note = Box<dyn Fn(&str) + Send + Sync>;

type Piece = (Result<Bytes, WasiError>, Option<OwnedSemaphorePermit>);

/// What the bodies of a feed share: a permit is a byte.
#[derive(Clone)]
pub(super) struct Room(Arc<Semaphore>);

impl Room {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(ROOM)))
    }

    /// Waits until there is room for so many bytes.
    async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes.min(ROOM)).ok()?;
        self.0.clone().acquire_many_owned(bytes).await.ok()
    }
}

/// Starts reading `incoming`. Dropping the returned body ends that, and the
/// connection with it.
pub(super) fn pump(incoming: Incoming, how: Pump) -> WasiBody {
    let (sender, pieces) = mpsc::channel(BUFFERED);
    tokio::spawn(async move {
        let worked = async {
            if let Err(error) = run(incoming, &how, &sender).await {
                (how.note)(&words(&error, &how));
                let _ = sender.send((Err(error), None)).await;
            }
        };
        tokio::select! {
            () = worked => {}
            () = sender.closed() => {}
        }
    });
    Pieces(pieces).boxed_unsync()
}

async fn run(
    mut incoming: Incoming,
    how: &Pump,
    out: &mpsc::Sender<Piece>,
) -> Result<(), WasiError> {
    let mut gzip = how.gzip.then(|| MultiGzDecoder::new(Vec::new()));
    let mut error_body: Option<Vec<u8>> = how.redact.as_ref().map(|_| Vec::new());
    let kept_room = match error_body {
        Some(_) => how.room.take(ERROR_BODY).await,
        None => None,
    };
    let mut left = how.most;
    let mut empty = true;
    let mut whole = true;
    // What refuses a request is short, or not worth waiting for.
    let most = if error_body.is_some() {
        how.between_bytes
    } else {
        how.whole
    };
    let mut waited = Duration::ZERO;
    loop {
        let begun = Instant::now();
        let within = how.between_bytes.min(most.saturating_sub(waited));
        let next = next_piece(&mut incoming, within).await;
        waited += begun.elapsed();
        let piece = match next {
            Ok(Some(piece)) => piece,
            Ok(None) => break,
            Err(WasiError::ConnectionReadTimeout) if error_body.is_some() => {
                whole = false;
                break;
            }
            Err(WasiError::ConnectionReadTimeout) if waited >= most => {
                return Err(WasiError::HttpResponseTimeout);
            }
            Err(e) => return Err(e),
        };
        empty &= piece.is_empty();
        let step = if gzip.is_some() {
            GZIP_PIECE
        } else {
            piece.len().max(1)
        };
        for raw in piece.chunks(step) {
            let decoded = match &mut gzip {
                Some(decoder) => inflate(decoder, raw)?,
                None => piece.clone(),
            };
            left = left
                .checked_sub(decoded.len() as u64)
                .ok_or(WasiError::HttpResponseBodySize(Some(how.most)))?;
            match &mut error_body {
                Some(kept) => {
                    let room = ERROR_BODY.saturating_sub(kept.len());
                    kept.extend(decoded.iter().take(room));
                    if kept.len() == ERROR_BODY {
                        whole = false;
                        break;
                    }
                }
                None if decoded.is_empty() => {}
                None => {
                    let room = how.room.take(decoded.len()).await;
                    if out.send((Ok(decoded), room)).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
        if !whole {
            break;
        }
    }
    if let Some(mut decoder) = gzip
        && !empty
        && whole
    {
        decoder
            .try_finish()
            .map_err(|_| WasiError::HttpResponseIncomplete)?;
    }
    if let (Some(kept), Some(redact)) = (error_body, &how.redact) {
        let kept = redact(&kept, whole).unwrap_or(kept);
        let _ = out.send((Ok(kept.into()), kept_room)).await;
    }
    Ok(())
}

/// The next bytes of the body; none at its end.
async fn next_piece(incoming: &mut Incoming, within: Duration) -> Result<Option<Bytes>, WasiError> {
    loop {
        let frame = tokio::time::timeout(within, incoming.frame())
            .await
            .map_err(|_| WasiError::ConnectionReadTimeout)?;
        match frame {
            None => return Ok(None),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(bytes) => return Ok(Some(bytes)),
                Err(_trailers) => {}
            },
            Some(Err(e)) => return Err(broken(&e)),
        }
    }
}

/// Why a body broke off, for people.
fn words(error: &WasiError, how: &Pump) -> String {
    match error {
        WasiError::ConnectionReadTimeout => format!(
            "no byte for {} s in the middle of the answer (`limits.between_bytes`)",
            how.between_bytes.as_secs_f64()
        ),
        WasiError::HttpResponseTimeout => format!(
            "more than {} s of waiting for one answer (`limits.body`)",
            how.whole.as_secs_f64()
        ),
        WasiError::HttpResponseBodySize(_) => {
            format!(
                "the answer has more than {} bytes (`limits.response`)",
                how.most
            )
        }
        WasiError::HttpResponseContentCoding(_) => "the answer is no sound gzip".to_owned(),
        _ => "the connection was closed in the middle of the answer".to_owned(),
    }
}

/// What a guest learns of why a body broke off: wasmtime-wasi-http 48.0 does not
/// know the errors of bodies in `http-error-code`, for which this stands in.
pub(crate) fn error_code(
    mut store: StoreContextMut<'_, Guest>,
    (error,): (Resource<IoError>,),
) -> wasmtime::Result<(Option<ErrorCode>,)> {
    let error = store.data_mut().http().table.get(&error)?;
    let code = match (error.downcast_ref(), error.downcast_ref()) {
        (Some(code), _) => Some(ErrorCode::clone(code)),
        (None, Some(WasiError::ConnectionReadTimeout)) => Some(ErrorCode::ConnectionReadTimeout),
        (None, Some(WasiError::HttpResponseTimeout)) => Some(ErrorCode::HttpResponseTimeout),
        (None, Some(WasiError::HttpResponseIncomplete)) => Some(ErrorCode::HttpResponseIncomplete),
        (None, Some(WasiError::HttpResponseBodySize(most))) => {
            Some(ErrorCode::HttpResponseBodySize(*most))
        }
        (None, Some(WasiError::HttpResponseContentCoding(coding))) => {
            Some(ErrorCode::HttpResponseContentCoding(coding.clone()))
        }
        (None, Some(WasiError::HttpResponseTransferCoding(coding))) => {
            Some(ErrorCode::HttpResponseTransferCoding(coding.clone()))
        }
        (None, Some(_)) => Some(ErrorCode::ConnectionTerminated),
        (None, None) => None,
    };
    Ok((code,))
}

/// Why a body ended early: hyper wraps the reason in an `io::Error`.
fn broken(e: &hyper::Error) -> WasiError {
    let io = e
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>());
    match io.map(io::Error::kind) {
        Some(io::ErrorKind::UnexpectedEof) => WasiError::HttpResponseIncomplete,
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => {
            WasiError::HttpResponseTransferCoding(Some("chunked".to_owned()))
        }
        _ => WasiError::ConnectionTerminated,
    }
}

fn inflate(decoder: &mut MultiGzDecoder<Vec<u8>>, raw: &[u8]) -> Result<Bytes, WasiError> {
    let wrong = |_| WasiError::HttpResponseContentCoding(Some("gzip".to_owned()));
    decoder.write_all(raw).map_err(wrong)?;
    decoder.flush().map_err(wrong)?;
    Ok(std::mem::take(decoder.get_mut()).into())
}

/// The guest's end of the buffer.
struct Pieces(mpsc::Receiver<Piece>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = WasiError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, WasiError>>> {
        self.0
            .poll_recv(cx)
            .map(|piece| piece.map(|(bytes, _room)| bytes.map(Frame::data)))
    }
}
