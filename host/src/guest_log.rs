//! What a guest prints: whole lines go to the host's log, cleaned, and no more
//! of them than its limit for each call.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

use crate::vault::Vault;

/// A line is cut here, also one that never ends.
const LINE_BYTES: usize = 8 << 10;

/// The standard output and error of one guest. Clones share it.
#[derive(Clone)]
pub(crate) struct GuestLog(Arc<Mutex<Lines>>);

struct Lines {
    feed: String,
    vault: Arc<Vault>,
    unfinished: Vec<u8>,
    last: Option<String>,
    left: u64,
    limit: u64,
}

impl GuestLog {
    pub(crate) fn new(feed: String, vault: Arc<Vault>, limit: u64) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            feed,
            vault,
            unfinished: Vec::new(),
            last: None,
            left: limit,
            limit,
        })))
    }

    /// A new call: the count starts over.
    pub(crate) fn begin(&self) {
        let mut lines = self.lines();
        lines.left = lines.limit;
        lines.last = None;
    }

    /// The last line that this call printed: of a panic, its message.
    pub(crate) fn last_line(&self) -> Option<String> {
        let mut lines = self.lines();
        lines.finish_line();
        lines.last.clone()
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' || self.unfinished.len() >= LINE_BYTES {
                self.finish_line();
            }
            if *byte != b'\n' {
                self.unfinished.push(*byte);
            }
        }
    }

    fn finish_line(&mut self) {
        if self.unfinished.is_empty() {
            return;
        }
        let text = self.vault.clean(&String::from_utf8_lossy(&std::mem::take(
            &mut self.unfinished,
        )));
        match self.left {
            0 => return,
            1 => {
                tracing::warn!(feed = %self.feed, "the plugin prints more than `limits.log_lines`")
            }
            _ => tracing::warn!(feed = %self.feed, "plugin: {text}"),
        }
        self.left -= 1;
        // Below its message a panic has advice for its programmer.
        if !text.starts_with("note: ") {
            self.last = Some(text);
        }
    }
}

impl IsTerminal for GuestLog {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestLog {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for GuestLog {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.lines().take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_cleaned_and_bounded() {
        let log = GuestLog::new("f".into(), Arc::new(Vault::empty()), 3);
        log.lines().take(b"one\ntw");
        log.lines().take(b"o\x1b[1m");
        assert_eq!(log.last_line().as_deref(), Some("two[1m"));
        log.lines().take(b"three\nfour\nfive\n");
        assert_eq!(log.last_line().as_deref(), Some("three"));
        log.begin();
        log.lines().take(b"out of luck\nnote: run with a flag\n");
        assert_eq!(log.last_line().as_deref(), Some("out of luck"));
        log.begin();
        log.lines().take(&vec![b'x'; LINE_BYTES + 5]);
        assert_eq!(log.last_line().as_deref(), Some("xxxxx"));
    }
}
