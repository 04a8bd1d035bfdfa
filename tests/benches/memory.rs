//! The memory that a megabyte takes, and a gigabyte of the same.
//!
//! It is written into a pipe as it is read: a megabyte of events, over and over.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Result, anyhow, ensure};

use crate::measure;

/// Bytes of events that are repeated.
const SHORT: usize = 1_000_000;

/// How often, to make a gigabyte of them.
const TIMES: usize = 1_000;

/// The most growth, in MiB.
const MOST: u64 = 64;

/// How the events are written.
#[derive(Clone, Copy)]
struct Shape {
    start: &'static [u8],
    between: &'static str,
    end: &'static [u8],
}

const LINES: Shape = Shape {
    start: b"",
    between: "\n",
    end: b"\n",
};

const ARRAY_ON_ONE_LINE: Shape = Shape {
    start: b"[",
    between: ",",
    end: b"]",
};

/// Prints it for lines and for an array; fails if it grows too much.
pub fn print_growth(command: &[PathBuf], events: &Path) -> Result<()> {
    let text = fs::read_to_string(events)?;
    let mut length = 0;
    let short: Vec<&str> = text
        .lines()
        .take_while(|line| {
            length += line.len();
            length < SHORT
        })
        .collect();
    print!("component's peak memory at 1 MB and 1 GB:");
    for (name, shape) in [("NDJSON", LINES), ("array on one line", ARRAY_ON_ONE_LINE)] {
        let events = short.join(shape.between);
        let few = peak(command, &events, shape, 1)?;
        let many = peak(command, &events, shape, TIMES)?;
        print!(" {name} {few} and {many} MiB;");
        ensure!(many <= few + MOST, "it grows by more than {MOST} MiB");
    }
    println!(" it may grow by {MOST} MiB");
    Ok(())
}

/// The most memory that the command takes for so many times these events, in
/// MiB.
fn peak(command: &[PathBuf], events: &str, shape: Shape, times: usize) -> Result<u64> {
    let (input, mut output) = io::pipe()?;
    let write = move || {
        output.write_all(shape.start)?;
        for time in 0..times {
            if time > 0 {
                output.write_all(shape.between.as_bytes())?;
            }
            output.write_all(events.as_bytes())?;
        }
        output.write_all(shape.end)
    };
    thread::scope(|scope| {
        let writer = scope.spawn(write);
        let run = measure(command, input);
        let written = writer.join().map_err(|_| anyhow!("the writer panicked"))?;
        match written {
            // Whoever doesn't read it all says itself why.
            Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(e.into()),
            _ => Ok(run?.peak >> 20),
        }
    })
}
