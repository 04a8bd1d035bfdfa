//! The sink `stdout`: lines for the next program in a pipe. A pipe can't say
//! what its reader has taken, so an interrupted batch is repeated.

use std::io::{self, ErrorKind, Write};

use bytes::Bytes;
use serde_json::Value;

use super::{Delivered, Outgoing, Sink};
use crate::error::{Error, Kind, Result};
use crate::failpoint;
use crate::store::BoxFuture;

/// Writes events to standard output.
#[derive(Default)]
pub struct StdoutSink;

impl Sink for StdoutSink {
    fn kind(&self) -> &str {
        "stdout"
    }

    fn plan<'a>(&'a self, _outgoing: Outgoing<'a>) -> BoxFuture<'a, Result<Value>> {
        Box::pin(async { Ok(Value::Null) })
    }

    fn deliver<'a>(
        &'a self,
        _plan: &'a Value,
        events: &'a Bytes,
    ) -> BoxFuture<'a, Result<Delivered>> {
        let events = events.clone();
        Box::pin(async move {
            let written = tokio::task::spawn_blocking(move || write(&events)).await;
            match written.unwrap_or_else(|e| Err(io::Error::other(e))) {
                Ok(()) => Ok(Delivered::Whole),
                Err(e) if e.kind() == ErrorKind::BrokenPipe => Err(Error::new(
                    Kind::SinkClosed,
                    "the reader of standard output is gone",
                )
                .hint("nothing is lost: the next run repeats this batch, whole")),
                Err(e) => Err(Error::sink(format!(
                    "standard output can't be written: {e}"
                ))),
            }
        })
    }
}

fn write(events: &[u8]) -> io::Result<()> {
    // Locked for the whole batch: lines of two feeds never mix.
    let mut out = io::stdout().lock();
    if failpoint::is_set("delivering") {
        let (half, _) = events.split_at(events.len() / 2);
        out.write_all(half)?;
        out.flush()?;
        failpoint::pass("delivering");
        return out
            .write_all(events.get(half.len()..).unwrap_or_default())
            .and_then(|()| out.flush());
    }
    out.write_all(events)?;
    out.flush()
}
