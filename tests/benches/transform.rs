//! `make bench`: how fast raw events become OCSF.
//!
//! Each contender is a process of its own that reads the same file on standard
//! input and writes to nowhere. They take turns, so that a change in the
//! machine's speed meets all of them, and the medians are compared.
//!
//! * **native**: the plugin's core, compiled natively; the floor.
//! * **component**: the built component in the built host.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use jumpcloud::transform::Transformer;
use jumpcloud_simulator::Recipe;

/// Bytes of raw events.
const SIZE: usize = 100_000_000;

/// Counted runs of each contender, after one that isn't.
const RUNS: usize = 5;

/// Bytes handed over at once, as the host does.
const PIECE: usize = 64 << 10;

fn main() -> Result<()> {
    if std::env::args().nth(1).as_deref() == Some("native") {
        return native();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (input, events) = generate(&root.join("target/bench"))?;
    let size = input.metadata()?.len();
    let path = root.join("target/bench/events.ndjson");
    let contenders: [(&str, Vec<PathBuf>); 2] = [
        ("native", vec![std::env::current_exe()?, "native".into()]),
        (
            "component",
            vec![
                root.join("dist/source-host"),
                "transform".into(),
                root.join("dist/jumpcloud.wasm"),
            ],
        ),
    ];
    println!("{events} raw events, {:.1} MB", size as f64 / 1e6);
    let mut runs: Vec<Vec<(Duration, u64)>> = contenders.iter().map(|_| Vec::new()).collect();
    for round in 0..=RUNS {
        for ((_, command), runs) in contenders.iter().zip(&mut runs) {
            let run = measure(command, &path)?;
            if round > 0 {
                runs.push(run);
            }
        }
    }
    println!(
        "{:<12}{:>10}{:>10}{:>12}{:>14}",
        "", "s", "MB/s", "of native", "peak memory"
    );
    let mut floor = None;
    for ((name, _), mut runs) in contenders.into_iter().zip(runs) {
        runs.sort();
        let seconds = runs.get(RUNS / 2).context("no runs")?.0.as_secs_f64();
        let peak = runs.iter().map(|(_, peak)| *peak).max().unwrap_or(0);
        let floor = *floor.get_or_insert(seconds);
        println!(
            "{name:<12}{seconds:>10.2}{:>10.0}{:>11.0}%{:>11} MiB",
            size as f64 / 1e6 / seconds,
            100.0 * floor / seconds,
            peak >> 20,
        );
    }
    Ok(())
}

/// The core alone.
fn native() -> Result<()> {
    let mut transformer = Transformer::open("")?;
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut piece = vec![0; PIECE];
    loop {
        let length = input.read(&mut piece)?;
        if length == 0 {
            break;
        }
        output.write_all(&transformer.push(&piece[..length]).events)?;
    }
    output.write_all(&transformer.finish().events)?;
    Ok(())
}

/// The raw events of a realistic tenant, as NDJSON; and how many.
fn generate(folder: &Path) -> Result<(File, u64)> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join("events.ndjson");
    let mut file = io::BufWriter::new(File::create(&path)?);
    let recipe = Recipe {
        dead_letters: 0.0,
        ..Recipe::new(SIZE / 500, 1_790_000_000_000)
    };
    let (mut written, mut events) = (0, 0);
    for event in recipe.generate() {
        if written >= SIZE {
            break;
        }
        file.write_all(&event.raw)?;
        file.write_all(b"\n")?;
        written += event.raw.len() + 1;
        events += 1;
    }
    file.flush()?;
    drop(file);
    Ok((File::open(&path)?, events))
}

/// Time and peak memory (bytes) of one run.
fn measure(command: &[PathBuf], input: &Path) -> Result<(Duration, u64)> {
    let (program, arguments) = command.split_first().context("no command")?;
    let start = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(File::open(input)?)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("{}: run `make build` first", program.display()))?;
    let mut peak = 0;
    let status = loop {
        peak = peak_memory(&child).unwrap_or(peak);
        match child.try_wait()? {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    let time = start.elapsed();
    // `transform` exits with 1 if it rejected a record.
    if status.code().is_none_or(|code| code > 1) {
        bail!("{} ended with {status}", program.display());
    }
    Ok((time, peak))
}

/// The most memory that a process has had resident so far; as Linux tells it.
fn peak_memory(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim()
        .strip_suffix(" kB")?
        .parse::<u64>()
        .ok()
        .map(|kib| kib << 10)
}
