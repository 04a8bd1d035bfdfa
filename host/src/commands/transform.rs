//! `source-host transform`: raw records on standard input, events on standard
//! output, through a plugin's mapping alone.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::path::Path;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use serde_json::Map;
use source_host::words;
use source_host::{Batch, Engine, Error, Kind, Result, Transformer};
use tokio::sync::mpsc;

use crate::config::Node;
use crate::{exit, report};

/// The input goes to the plugin in pieces of this length.
const PIECE: usize = 64 << 10;

/// The first bytes of gzip.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Maps all of standard input.
pub async fn run(plugin: &Path, set: &[(String, String)]) -> u8 {
    match transform(plugin, set).await {
        Ok(0) => exit::OK,
        Ok(rejected) => {
            eprintln!("error: {} rejected", words::counted(rejected, "record"));
            exit::FAILURE
        }
        Err(e) => {
            report::error(None, &e);
            exit::code(&e)
        }
    }
}

/// Returns how many records were rejected.
async fn transform(path: &Path, set: &[(String, String)]) -> Result<u64> {
    let plugin = Engine::new()?.load(path).await?;
    let properties = plugin.settings_schema().get("properties");
    let mut settings = Map::new();
    for (name, value) in set {
        let schema = properties.and_then(|properties| properties.get(name));
        settings.insert(name.clone(), Node::untyped(value, "--set").to_json(schema));
    }
    let mut transformer = Transformer::open(&plugin, settings).await?;
    let mut pieces = read_stdin();
    let mut rejected = 0;
    while let Some(piece) = pieces.recv().await {
        let piece = piece.map_err(|e| {
            Error::new(Kind::Protocol, format!("standard input can't be read: {e}"))
        })?;
        rejected += hand_out(&transformer.push(&piece).await?)?;
    }
    rejected += hand_out(&transformer.finish().await?)?;
    Ok(rejected)
}

/// Writes the events, and names the rejected records; how many there were.
fn hand_out(batch: &Batch) -> Result<u64> {
    let mut out = io::stdout().lock();
    out.write_all(&batch.events)
        .and_then(|()| out.flush())
        .map_err(|e| match e.kind() {
            ErrorKind::BrokenPipe => {
                Error::new(Kind::SinkClosed, "the reader of standard output is gone")
            }
            _ => Error::sink(format!("standard output can't be written: {e}")),
        })?;
    for record in &batch.rejected {
        eprintln!(
            "record {}: {} ({})",
            record.number, record.reason, record.code
        );
    }
    Ok(batch.rejected.len() as u64)
}

/// Reads standard input in a thread of its own, and decodes it if it is gzip.
fn read_stdin() -> mpsc::Receiver<io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        if let Err(e) = read_into(io::stdin().lock(), &sender) {
            let _ = sender.blocking_send(Err(e));
        }
    });
    receiver
}

fn read_into(mut input: impl BufRead, out: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    let is_gzip = input.fill_buf()?.starts_with(&GZIP);
    let mut input: Box<dyn Read> = if is_gzip {
        Box::new(MultiGzDecoder::new(input))
    } else {
        Box::new(input)
    };
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        let read = input.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
        if read == 0 || out.blocking_send(Ok(piece.into())).is_err() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(input: Vec<u8>) -> Vec<u8> {
        let (sender, mut receiver) = mpsc::channel(4);
        let reader =
            tokio::task::spawn_blocking(move || read_into(io::Cursor::new(input), &sender));
        let mut all = Vec::new();
        while let Some(piece) = receiver.recv().await {
            let piece = piece.unwrap();
            assert!(piece.len() <= PIECE);
            all.extend_from_slice(&piece);
        }
        reader.await.unwrap().unwrap();
        all
    }

    #[tokio::test]
    async fn input_comes_in_pieces_and_gzip_is_decoded() {
        let text: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
        assert_eq!(read(text.clone()).await, text);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&text).unwrap();
        let mut twice = encoder.finish().unwrap();
        twice.extend_from_within(..);
        assert_eq!(read(twice).await, [text.clone(), text].concat());
        assert_eq!(read(Vec::new()).await, b"");
    }
}
