//! `source-host`, the program: the library behind a command line.

mod cli;
mod commands;
mod config;
mod exit;
mod report;
mod setup;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::{Cli, Command, LogFormat};

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.log_format, cli.verbose);
    report::set_format(cli.log_format);
    match run(cli.command) {
        Ok(code) => code.into(),
        Err(e) => {
            report::failure(None, &format!("{e:#}"));
            exit::FAILURE.into()
        }
    }
}

/// `ulimit -f` was reached (by signal(7), on all machines but MIPS).
const SIGXFSZ: i32 = 25;

/// Runs a command; its exit code.
fn run(command: Command) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no threads can be started")?;
    let code = runtime.block_on(async {
        // With a handler, a file that may not grow is a failed write, and no end
        // of the process.
        let _ = signal(SignalKind::from_raw(SIGXFSZ));
        match command {
            Command::Run { source, once } => commands::run::run(&source, once).await,
            Command::Check { source, json } => Ok(commands::check::run(&source, json).await),
            Command::Describe { plugin, json } => Ok(commands::describe::run(&plugin, json).await),
            Command::Transform {
                plugin,
                set,
                dead_letters,
            } => Ok(commands::transform::run(&plugin, &set, dead_letters).await),
            Command::State { command } => Ok(commands::state::run(&command).await),
        }
    });
    // A thread may wait in a write or read that never ends: not for that one.
    runtime.shutdown_background();
    code
}

/// Logs to standard error: of this program by `verbose`, of its libraries only
/// warnings, unless all is asked for.
fn start_log(format: LogFormat, verbose: u8) {
    let (own, others) = match verbose {
        0 => (LevelFilter::INFO, LevelFilter::WARN),
        1 => (LevelFilter::DEBUG, LevelFilter::WARN),
        _ => (LevelFilter::TRACE, LevelFilter::DEBUG),
    };
    let levels = Targets::new()
        .with_target("source_host", own)
        // It would log what a guest prints, as it is; ours is cleaned.
        .with_target("wasmtime_wasi", LevelFilter::WARN)
        .with_default(others);
    let registry = tracing_subscriber::registry().with(levels);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => registry
            .with(layer.with_ansi(false).with_target(false))
            .init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).init(),
    }
}
