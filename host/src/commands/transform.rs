//! `source-host transform`: raw records on standard input, events on standard
//! output, through a plugin's mapping alone.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::path::Path;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use serde_json::Map;
use source_host::words;
use source_host::{Batch, DeadLetter, Engine, Error, Kind, Result, Transformer};
use tokio::sync::mpsc;

use crate::config::Node;
use crate::{exit, report};

/// The input goes to the plugin in pieces of this length.
const PIECE: usize = 64 << 10;

/// The first bytes of gzip.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A line of dead letters is no longer: an event of 4 MiB that a sink refused,
/// escaped.
const LONGEST_LINE: usize = 32 << 20;

/// Maps all of standard input: raw records, or those in a file of dead letters.
pub async fn run(plugin: &Path, set: &[(String, String)], dead_letters: bool) -> u8 {
    match transform(plugin, set, dead_letters).await {
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
async fn transform(path: &Path, set: &[(String, String)], dead_letters: bool) -> Result<u64> {
    let plugin = Engine::new()?.load(path).await?;
    let properties = plugin.settings_schema().get("properties");
    let mut settings = Map::new();
    for (name, value) in set {
        let schema = properties.and_then(|properties| properties.get(name));
        settings.insert(name.clone(), Node::untyped(value, "--set").to_json(schema));
    }
    let mut transformer = Transformer::open(&plugin, settings).await?;
    match dead_letters {
        false => records(&mut transformer, read_stdin()).await,
        true => letters(&mut transformer, read_stdin()).await,
    }
}

type Pieces = mpsc::Receiver<io::Result<Bytes>>;

/// Maps a stream of records.
async fn records(transformer: &mut Transformer, mut pieces: Pieces) -> Result<u64> {
    let mut rejected = 0;
    let record = |number| format!("record {number}");
    while let Some(piece) = pieces.recv().await {
        let piece = piece.map_err(unreadable)?;
        rejected += hand_out(&transformer.push(&piece).await?, record)?;
    }
    rejected += hand_out(&transformer.finish().await?, record)?;
    Ok(rejected)
}

/// Maps the records in dead letters, each as a stream of its own: one that is
/// broken can't take the next one with it.
async fn letters(transformer: &mut Transformer, mut pieces: Pieces) -> Result<u64> {
    let mut rejected = 0;
    let mut unread = Vec::new();
    let mut number = 0;
    loop {
        let piece = pieces.recv().await.transpose().map_err(unreadable)?;
        match &piece {
            Some(piece) => unread.extend_from_slice(piece),
            None if unread.is_empty() => return Ok(rejected),
            None => unread.push(b'\n'),
        }
        let whole = unread.iter().rposition(|byte| *byte == b'\n');
        let rest = unread.split_off(whole.map_or(0, |at| at + 1));
        for line in unread.split(|byte| *byte == b'\n') {
            if line.is_empty() {
                continue;
            }
            number += 1;
            rejected += letter(transformer, line, number).await?;
        }
        if rest.len() > LONGEST_LINE {
            let message = "standard input is no file of dead letters: a line is longer than 32 MiB";
            return Err(Error::new(Kind::Protocol, message));
        }
        unread = rest;
    }
}

/// Maps the record in one line.
async fn letter(transformer: &mut Transformer, line: &[u8], number: u64) -> Result<u64> {
    let why = match DeadLetter::parse(line) {
        // Mapped already: the sink did not want it.
        Ok(letter) if letter.is_event() && letter.is_whole() => {
            let line = [letter.bytes.trim_ascii_end(), b"\n"].concat();
            return write(&line).map(|()| 0);
        }
        Ok(letter) if letter.is_whole() => {
            let name = |_| format!("dead letter {number}");
            let rejected = hand_out(&transformer.push(&letter.bytes).await?, name)?;
            return Ok(rejected + hand_out(&transformer.finish().await?, name)?);
        }
        Ok(letter) => format!("only the beginning of its {} bytes was kept", letter.length),
        Err(why) => why,
    };
    eprintln!("dead letter {number}: {why}");
    Ok(1)
}

fn unreadable(e: io::Error) -> Error {
    Error::new(Kind::Protocol, format!("standard input can't be read: {e}"))
}

/// Writes the events, and names the rejected records; how many there were.
fn hand_out(batch: &Batch, name: impl Fn(u64) -> String) -> Result<u64> {
    write(&batch.events)?;
    for record in &batch.rejected {
        let name = name(record.number);
        eprintln!("{name}: {} ({})", record.reason, record.code);
    }
    Ok(batch.rejected.len() as u64)
}

fn write(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    written.map_err(|e| match e.kind() {
        ErrorKind::BrokenPipe => {
            Error::new(Kind::SinkClosed, "the reader of standard output is gone")
        }
        _ => Error::sink(format!("standard output can't be written: {e}")),
    })
}

/// Reads standard input in a thread of its own, and decodes it if it is gzip.
fn read_stdin() -> Pieces {
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
