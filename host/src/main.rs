//! `source-host`, the program: the library behind a command line.

mod cli;
mod commands;
mod config;
mod exit;
mod report;
mod setup;

use clap::Parser;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::{Cli, Command, LogFormat};

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    start_log(cli.log_format, cli.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("error: no threads: {e}");
            return exit::FAILURE.into();
        }
    };
    let code = runtime.block_on(async {
        match cli.command {
            Command::Run { source, once } => commands::run::run(&source, once).await,
            Command::Check { source, json } => commands::check::run(&source, json).await,
            Command::Describe { plugin, json } => commands::describe::run(&plugin, json).await,
            Command::Transform { plugin, set } => commands::transform::run(&plugin, &set).await,
            Command::State { command } => commands::state::run(&command).await,
        }
    });
    // A thread may wait in a write or read that never ends: not for that one.
    runtime.shutdown_background();
    code.into()
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
