//! `source-host transform`: raw records on standard input, events on standard
//! output, through a plugin's mapping alone.

mod input;
mod lines;

use std::io::{self, ErrorKind, Write};
use std::path::Path;

use serde_json::Map;
use source_host::words::counted;
use source_host::{Batch, Counters, DeadLetter, Engine, Error, Kind, Result, Transformer};

use self::input::Pieces;
use self::lines::Lines;
use crate::config::Node;
use crate::{exit, report};

/// A line of dead letters is no longer: an event of 4 MiB that a sink refused,
/// escaped.
const LONGEST_LINE: usize = 32 << 20;

/// What was seen of the input.
#[derive(Default)]
struct Seen {
    counters: Counters,
    /// It looks like input of the other kind.
    hint: Option<&'static str>,
}

/// Maps all of standard input: raw records, or those in a file of dead letters.
pub async fn run(plugin: &Path, set: &[(String, String)], dead_letters: bool) -> u8 {
    transform(plugin, set, dead_letters)
        .await
        .unwrap_or_else(|e| {
            report::error(None, &e);
            exit::code(&e)
        })
}

/// Returns the exit code that the input deserves.
async fn transform(path: &Path, set: &[(String, String)], dead_letters: bool) -> Result<u8> {
    let plugin = Engine::new()?.load(path).await?;
    let properties = plugin.settings_schema().get("properties");
    let mut settings = Map::new();
    for (name, value) in set {
        let schema = properties.and_then(|properties| properties.get(name));
        settings.insert(name.clone(), Node::untyped(value, "--set").to_json(schema));
    }
    let mut transformer = Transformer::open(&plugin, settings).await?;
    let mut seen = Seen::default();
    let unreadable = match dead_letters {
        false => records(&mut transformer, input::stdin(), &mut seen).await?,
        true => letters(&mut transformer, input::stdin(), &mut seen).await?,
    };
    let counters = &seen.counters;
    report::note(None, &report::transformed(counters));
    if counters.rejected > 0 {
        let rejected = counted(counters.rejected, "record");
        report::failure(None, &format!("{rejected} rejected"));
        let hints: Vec<String> = seen.hint.iter().map(|hint| (*hint).to_owned()).collect();
        report::hints(None, &hints);
    }
    if let Some(e) = &unreadable {
        report_unreadable(e);
    }
    Ok(match counters.rejected == 0 && unreadable.is_none() {
        true => exit::OK,
        false => exit::FAILURE,
    })
}

fn report_unreadable(error: &io::Error) {
    if error.kind() == ErrorKind::UnexpectedEof {
        report::failure(None, "the gzip on standard input is cut off");
        report::hints(
            None,
            &["fetch it again: only the records before the cut were read".to_owned()],
        );
    } else {
        report::failure(None, &format!("standard input can't be read: {error}"));
    }
}

/// Maps a stream of records. Returns why it could not be read to its end.
async fn records(
    transformer: &mut Transformer,
    mut pieces: Pieces,
    seen: &mut Seen,
) -> Result<Option<io::Error>> {
    let mut unreadable = None;
    let record = |number| format!("record {number}");
    while let Some(piece) = pieces.recv().await {
        match piece {
            Ok(piece) => hand_out(&transformer.push(&piece).await?, seen, record)?,
            Err(e) => unreadable = Some(e),
        }
    }
    hand_out(&transformer.finish().await?, seen, record)?;
    Ok(unreadable)
}

/// Maps the records in dead letters, each as a stream of its own: one that is
/// broken can't take the next one with it. Returns as [`records`].
async fn letters(
    transformer: &mut Transformer,
    mut pieces: Pieces,
    seen: &mut Seen,
) -> Result<Option<io::Error>> {
    let mut unreadable = None;
    let mut lines = Lines::new(LONGEST_LINE);
    let mut number = 0;
    loop {
        let piece = pieces.recv().await;
        let is_end = piece.is_none();
        let whole = match piece {
            Some(Ok(piece)) => lines.push(&piece),
            Some(Err(e)) => {
                unreadable = Some(e);
                continue;
            }
            None => lines.finish().into_iter().collect(),
        };
        for line in whole {
            number += 1;
            letter(transformer, line.as_deref(), number, seen).await?;
        }
        if is_end {
            return Ok(unreadable);
        }
    }
}

/// Maps the record in one line; none: the line is too long.
async fn letter(
    transformer: &mut Transformer,
    line: Option<&[u8]>,
    number: u64,
    seen: &mut Seen,
) -> Result<()> {
    let too_long = || Err("no line of a file of dead letters is longer than 32 MiB".to_owned());
    let why = match line.map_or_else(too_long, DeadLetter::parse) {
        // Mapped already: the sink did not want it.
        Ok(letter) if letter.is_event() && letter.is_whole() => {
            seen.counters.received += 1;
            seen.counters.emitted += 1;
            return write(&[letter.bytes.trim_ascii_end(), b"\n"].concat());
        }
        Ok(letter) if letter.is_whole() => {
            let name = |_| format!("dead letter {number}");
            hand_out(&transformer.push(&letter.bytes).await?, seen, name)?;
            return hand_out(&transformer.finish().await?, seen, name);
        }
        Ok(letter) => format!("only the beginning of its {} bytes was kept", letter.length),
        Err(why) => {
            if number == 1 {
                seen.hint = Some("raw events are read without `--dead-letters`");
            }
            why
        }
    };
    seen.counters.received += 1;
    seen.counters.rejected += 1;
    report::note(None, &format!("dead letter {number}: {why}"));
    Ok(())
}

/// Writes the events, and names the rejected records.
fn hand_out(batch: &Batch, seen: &mut Seen, name: impl Fn(u64) -> String) -> Result<()> {
    seen.counters.add(&batch.counters);
    write(&batch.events)?;
    for record in &batch.rejected {
        if DeadLetter::parse(&record.bytes).is_ok() {
            seen.hint = Some("dead letters are read with `--dead-letters`");
        }
        let name = name(record.number);
        report::note(
            None,
            &format!("{name}: {} ({})", record.reason, record.code),
        );
    }
    Ok(())
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
