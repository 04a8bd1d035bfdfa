//! `make bench`: how fast raw events become OCSF, and in how much memory.
//!
//! Each contender is a process of its own that reads the same file on standard
//! input and writes to nowhere. They take turns, so that a change in the
//! machine's speed meets all of them, and the medians are compared.
//!
//! * **native**: the plugin's core, compiled natively; the ceiling.
//! * **component**: the built component in the built host.
//! * **tree**: the same rules on a tree of values (`tree/`), a component in the
//!   same host. Its events must equal the plugin's, or there is no bench.
//! * **jq**, **tenzir**: the main attributes only (`main.jq`, `main.tql`). Left
//!   out where they are not installed.
//!
//! At last the component gets a gigabyte ([`memory`]).

mod memory;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use jumpcloud::transform::Transformer;
use jumpcloud_simulator::Recipe;
use serde_json::Value;

/// Bytes of raw events.
const SIZE: usize = 100_000_000;

/// Bytes handed over at once, as the host does.
const PIECE: usize = 64 << 10;

/// The first so many contenders map by the same rules.
const SAME_RULES: usize = 3;

/// Which of them is the component.
const COMPONENT: usize = 1;

/// A way from raw events to OCSF.
struct Contender {
    name: &'static str,
    command: Vec<PathBuf>,
    /// Counted runs, after one that isn't.
    rounds: usize,
    runs: Vec<Run>,
}

/// What one run took.
struct Run {
    time: Duration,
    /// The most memory, in bytes.
    peak: u64,
}

fn main() -> Result<()> {
    if std::env::args().nth(1).as_deref() == Some("native") {
        return native();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()?;
    let mut contenders = contenders(&root)?;
    let folder = root.join("target/bench");
    fs::create_dir_all(&folder)?;
    let (cases, events) = (folder.join("cases.ndjson"), folder.join("events.ndjson"));
    write_cases(&root.join("tests/cases"), &cases)?;
    let (size, count) = generate(&events)?;
    for input in [cases, events.clone()] {
        check_equal(&contenders, &input)?;
    }
    println!("{count} raw events, {:.1} MB", size as f64 / 1e6);
    let rounds = contenders.iter().map(|contender| contender.rounds).max();
    for round in 0..=rounds.unwrap_or(0) {
        for contender in &mut contenders {
            if round <= contender.rounds {
                let run = measure(&contender.command, File::open(&events)?)?;
                contender.runs.push(run);
            }
        }
    }
    print(&contenders, size)?;
    let component = contenders.get(COMPONENT).context("no component")?;
    memory::print_growth(&component.command, &events)
}

fn contenders(root: &Path) -> Result<Vec<Contender>> {
    let contender = |name, command| Contender {
        name,
        command,
        rounds: 5,
        runs: Vec::new(),
    };
    let transform = |component: &str| {
        let host = root.join("dist/source-host");
        vec![host, "transform".into(), root.join(component)]
    };
    let tree = "target/tree/wasm32-unknown-unknown/release/tree.wasm";
    let mut contenders = vec![
        contender("native", vec![std::env::current_exe()?, "native".into()]),
        contender("component", transform("dist/jumpcloud.wasm")),
        contender("tree", transform(tree)),
    ];
    let scripts = root.join("tests/benches");
    let tenzir = root.join("target/peers/venv/bin/tenzir");
    if tenzir.exists() {
        let command = vec![tenzir, "-f".into(), scripts.join("main.tql")];
        contenders.push(contender("tenzir", command));
    } else {
        println!("without tenzir: `make peers` installs it");
    }
    if Command::new("jq").arg("--version").output().is_ok() {
        let command = vec![
            "jq".into(),
            "-c".into(),
            "-f".into(),
            scripts.join("main.jq"),
        ];
        contenders.push(Contender {
            // It takes most of the time as it is.
            rounds: 1,
            ..contender("jq", command)
        });
    } else {
        println!("without jq: it is not installed");
    }
    Ok(contenders)
}

/// Fails unless all that map by the same rules give the same events.
fn check_equal(contenders: &[Contender], input: &Path) -> Result<()> {
    let mut reference: Option<Vec<u8>> = None;
    for contender in contenders.iter().take(SAME_RULES) {
        let (program, arguments) = contender.command.split_first().context("no command")?;
        let mut child = Command::new(program);
        child.args(arguments).stdin(File::open(input)?);
        let output = child.stderr(Stdio::null()).output()?.stdout;
        let first = reference.get_or_insert_with(|| output.clone());
        let same = output == *first || values(&output)?.eq(&values(first)?);
        ensure!(
            !output.is_empty() && same,
            "{} maps {} differently",
            contender.name,
            input.display()
        );
    }
    Ok(())
}

fn values(lines: &[u8]) -> Result<Vec<Value>> {
    let values = serde_json::Deserializer::from_slice(lines).into_iter();
    Ok(values.collect::<serde_json::Result<_>>()?)
}

fn print(contenders: &[Contender], size: u64) -> Result<()> {
    println!(
        "{:<12}{:>8}{:>8}{:>12}{:>15}{:>16}",
        "", "s", "MB/s", "of native", "of component", "peak memory"
    );
    let median = |contender: &Contender| {
        let mut counted: Vec<_> = contender.runs.iter().skip(1).map(|run| run.time).collect();
        counted.sort();
        let median = counted.get(counted.len() / 2).context("no runs")?;
        anyhow::Ok(median.as_secs_f64())
    };
    let medians = contenders.iter().map(median).collect::<Result<Vec<_>>>()?;
    let [native, component, ..] = medians[..] else {
        bail!("no contenders");
    };
    for (contender, seconds) in contenders.iter().zip(&medians) {
        let peak = contender.runs.iter().map(|run| run.peak).max();
        println!(
            "{:<12}{seconds:>8.2}{:>8.0}{:>11.0}%{:>14.0}%{:>12} MiB",
            contender.name,
            size as f64 / 1e6 / seconds,
            100.0 * native / seconds,
            100.0 * component / seconds,
            peak.unwrap_or(0) >> 20,
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
        let bytes = piece.get(..length).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        output.write_all(&transformer.push(bytes).events)?;
    }
    output.write_all(&transformer.finish().events)?;
    Ok(())
}

/// Every case of the mapping, one a line.
fn write_cases(folder: &Path, path: &Path) -> Result<()> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.retain(|path| path.to_string_lossy().ends_with(".raw.json"));
    paths.sort();
    let mut file = io::BufWriter::new(File::create(path)?);
    for path in paths {
        let case = fs::read_to_string(path)?.replace(['\n', '\r'], " ");
        writeln!(file, "{case}")?;
    }
    Ok(file.flush()?)
}

/// The raw events of a realistic tenant, one a line; their bytes, and how many.
fn generate(path: &Path) -> Result<(u64, u64)> {
    let mut file = io::BufWriter::new(File::create(path)?);
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
    Ok((written as u64, events))
}

/// One run.
fn measure(command: &[PathBuf], input: impl Into<Stdio>) -> Result<Run> {
    let (program, arguments) = command.split_first().context("no command")?;
    let start = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(input)
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
    if !status.success() {
        bail!("{} ended with {status}", program.display());
    }
    Ok(Run { time, peak })
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
