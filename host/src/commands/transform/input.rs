//! Standard input, in pieces, decoded if it is gzip.

use std::io::{self, BufRead, Cursor, Read};

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use tokio::sync::mpsc;

/// The input comes in pieces of this length.
const PIECE: usize = 64 << 10;

/// The first bytes of gzip.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Pieces of the input; an error comes last.
pub type Pieces = mpsc::Receiver<io::Result<Bytes>>;

/// Reads standard input in a thread of its own.
pub fn stdin() -> Pieces {
    let (sender, receiver) = mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        if let Err(e) = read_into(io::stdin().lock(), &sender) {
            let _ = sender.blocking_send(Err(e));
        }
    });
    receiver
}

fn read_into(mut input: impl BufRead, out: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    let mut start = Vec::new();
    input
        .by_ref()
        .take(GZIP.len() as u64)
        .read_to_end(&mut start)?;
    let is_gzip = start == GZIP;
    let input = Cursor::new(start).chain(input);
    let mut input: Box<dyn Read> = if is_gzip {
        Box::new(MultiGzDecoder::new(input))
    } else {
        Box::new(input)
    };
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        let read = input.by_ref().take(PIECE as u64).read_to_end(&mut piece);
        // What came before an error counts.
        if !piece.is_empty() && out.blocking_send(Ok(piece.into())).is_err() {
            return Ok(());
        }
        if read? == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Write};

    use super::*;

    /// What was read, and how it ended.
    async fn read(input: Vec<u8>) -> (Vec<u8>, io::Result<()>) {
        let (sender, mut receiver) = mpsc::channel(4);
        let reader = tokio::task::spawn_blocking(move || read_into(Cursor::new(input), &sender));
        let mut all = Vec::new();
        while let Some(piece) = receiver.recv().await {
            let piece = piece.unwrap();
            assert!(piece.len() <= PIECE);
            all.extend_from_slice(&piece);
        }
        (all, reader.await.unwrap())
    }

    async fn read_whole(input: Vec<u8>) -> Vec<u8> {
        let (all, ended) = read(input).await;
        ended.unwrap();
        all
    }

    fn text() -> Vec<u8> {
        (0..200_000u32).flat_map(u32::to_le_bytes).collect()
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn input_comes_in_pieces_and_gzip_is_decoded() {
        assert_eq!(read_whole(text()).await, text());
        let mut twice = gzip(&text());
        twice.extend_from_within(..);
        assert_eq!(read_whole(twice).await, [text(), text()].concat());
        for short in ["", "{", "{}"] {
            assert_eq!(read_whole(short.into()).await, short.as_bytes());
        }
    }

    #[tokio::test]
    async fn what_came_before_a_cut_is_read() {
        let mut cut = gzip(&text());
        cut.truncate(cut.len() / 2);
        let (all, ended) = read(cut).await;
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert!(text().starts_with(&all));
        assert!(all.len() > text().len() / 3, "{}", all.len());
    }
}
