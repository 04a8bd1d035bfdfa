//! A stream that does to an answer what [`Wire`] says, below HTTP: it cuts, stalls, resets, slows.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::lock;
use crate::faults::Wire;

/// A connection to a client.
pub(super) struct WireStream {
    stream: TcpStream,
    /// The fate of the next answer; taken when its first byte is written.
    next: Arc<Mutex<Option<Wire>>>,
    wire: Wire,
    place: Place,
    body_written: usize,
    pause: Option<Pin<Box<Sleep>>>,
}

/// Where in an answer a byte is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    StatusLine,
    /// At the start of a line of the head; true if that line may be the empty one.
    Name {
        first: bool,
    },
    Value,
    Body,
}

impl Place {
    fn after(self, byte: u8) -> Place {
        match (self, byte) {
            (Place::Body, _) => Place::Body,
            (Place::Name { first: true }, b'\r') => Place::Name { first: true },
            (Place::Name { first: true }, b'\n') => Place::Body,
            (_, b'\n') => Place::Name { first: true },
            (Place::Name { .. }, b':') => Place::Value,
            (Place::Name { .. }, _) => Place::Name { first: false },
            (place, _) => place,
        }
    }
}

impl WireStream {
    pub(super) fn new(stream: TcpStream, next: Arc<Mutex<Option<Wire>>>) -> WireStream {
        WireStream {
            stream,
            next,
            wire: Wire::Whole,
            place: Place::StatusLine,
            body_written: 0,
            pause: None,
        }
    }

    /// How much of this may be written before `body_end` bytes of the body are.
    fn allowed(&self, bytes: &[u8], body_end: usize) -> usize {
        let head = bytes.iter().scan(self.place, |place, byte| {
            let before = *place;
            *place = before.after(*byte);
            (before != Place::Body).then_some(())
        });
        let body = body_end.saturating_sub(self.body_written);
        head.count().saturating_add(body).min(bytes.len())
    }

    /// Writes some of these bytes, in the given case, and keeps account.
    fn write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
        change: fn(&mut u8),
    ) -> Poll<io::Result<usize>> {
        let mut place = self.place;
        let changed: Vec<u8> = bytes
            .iter()
            .map(|byte| {
                let before = place;
                place = place.after(*byte);
                let mut byte = *byte;
                if matches!(before, Place::Name { .. }) {
                    change(&mut byte);
                }
                byte
            })
            .collect();
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, &changed))?;
        for byte in bytes.iter().take(written) {
            self.body_written += usize::from(self.place == Place::Body);
            self.place = self.place.after(*byte);
        }
        Poll::Ready(Ok(written))
    }

    fn write_until(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
        body_end: usize,
    ) -> Option<Poll<io::Result<usize>>> {
        match self.allowed(bytes, body_end) {
            0 => None,
            allowed => {
                let bytes = bytes.get(..allowed).unwrap_or_default();
                Some(self.write(context, bytes, |_| {}))
            }
        }
    }
}

impl AsyncWrite for WireStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(wire) = lock(&this.next).take() {
            this.wire = wire;
            this.place = Place::StatusLine;
            this.body_written = 0;
            this.pause = None;
        }
        match this.wire {
            Wire::Whole => Pin::new(&mut this.stream).poll_write(context, bytes),
            Wire::UpperCase => this.write(context, bytes, |byte| byte.make_ascii_uppercase()),
            Wire::LowerCase => this.write(context, bytes, |byte| byte.make_ascii_lowercase()),
            Wire::Reset => {
                // Closing without lingering sends a reset.
                this.stream.set_zero_linger()?;
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
            Wire::Cut(end) => this
                .write_until(context, bytes, end)
                .unwrap_or_else(|| Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))),
            // No waker is kept: only the client's closing, seen by the reader, ends this.
            Wire::Stall => Poll::Pending,
            Wire::StallInBody(end) => this
                .write_until(context, bytes, end)
                .unwrap_or(Poll::Pending),
            Wire::Slow {
                bytes: size,
                pause_ms,
            } => {
                if let Some(pause) = &mut this.pause {
                    ready!(pause.as_mut().poll(context));
                }
                let piece = bytes.get(..size.min(bytes.len())).unwrap_or_default();
                let written = ready!(Pin::new(&mut this.stream).poll_write(context, piece))?;
                let pause = tokio::time::sleep(Duration::from_millis(pause_ms));
                this.pause = Some(Box::pin(pause));
                Poll::Ready(Ok(written))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl AsyncRead for WireStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}
