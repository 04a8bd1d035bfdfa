//! The simulator as a program: `serve`, `run` a program against it, or `generate` raw events.

mod cli;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command as Process, ExitCode, ExitStatus};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use clap::Parser;
use jumpcloud_simulator::{DEFAULT_SERVICE_ACCOUNT, Event, Generator, Simulator};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use cli::{Cli, Command, Format, Server, Tenant};

fn main() -> ExitCode {
    match act(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn act(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve { tenant, server } => {
            let simulator = start(&server, &tenant)?;
            introduce(&simulator, &server)?;
            loop {
                std::thread::park();
            }
        }
        Command::Run {
            tenant,
            server,
            key_env,
            command,
        } => {
            let simulator = start(&server, &tenant)?;
            let status = run(&simulator, &server.key, &key_env, &command)?;
            if let Some(path) = &server.requests {
                write_requests(&simulator, path)
                    .with_context(|| format!("could not write `{}`", path.display()))?;
            }
            Ok(exit_code(status))
        }
        Command::Generate {
            tenant,
            format,
            truth,
        } => {
            let events = tenant.recipe(now_ms()).generate();
            match write_events(events, format, truth) {
                // Whoever reads has had enough, as `head` does.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
                other => other
                    .map(|()| ExitCode::SUCCESS)
                    .context("could not write the events"),
            }
        }
    }
}

/// Starts the server; what to do if its port is taken.
fn start(server: &Server, tenant: &Tenant) -> anyhow::Result<Simulator> {
    Simulator::start(server.config(tenant, now_ms())).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            let port = server.port;
            anyhow!(
                "port {port} is taken\n\nhint: choose another one with `--port`; 0 is any free one"
            )
        }
        _ => anyhow!(error).context("could not start the server"),
    })
}

/// Says how to point a feed at it: by flags, or in a `feeds.toml`.
fn introduce(simulator: &Simulator, server: &Server) -> io::Result<()> {
    let (url, token_url) = (simulator.base_url(), simulator.token_url());
    let key = &server.key;
    let organizations: Vec<String> = simulator
        .model()
        .organizations
        .iter()
        .map(|one| one.id.clone())
        .collect();
    let list = format!("{organizations:?}");
    let (flag, setting) = match organizations.len() {
        0 | 1 => Default::default(),
        _ => (
            format!(" --set org_ids={}", organizations.join(",")),
            format!(", org_ids = {list}"),
        ),
    };
    let organizations = organizations.join(",");
    let (client_id, client_secret) = DEFAULT_SERVICE_ACCOUNT;
    let mut out = io::stdout().lock();
    write!(
        out,
        r#"{url}

Point a feed at it with these flags, and the key in the environment:
  export JUMPCLOUD_API_KEY={key}
  --set api_base_url={url} --secret token=env:JUMPCLOUD_API_KEY{flag}

Or as its service account, with the secret in the environment:
  export JUMPCLOUD_CLIENT_SECRET={client_secret}
  --set api_base_url={url} --set authorization=service-account --set client_id={client_id} \
  --set oauth_token_url={token_url} --set org_ids={organizations} \
  --secret client_secret=env:JUMPCLOUD_CLIENT_SECRET

Or in a feeds.toml, one of these or both, with the same in the environment:
  [feeds.key]
  plugin   = "dist/jumpcloud.wasm"
  settings = {{ api_base_url = "{url}"{setting} }}
  secrets  = {{ token = "env:JUMPCLOUD_API_KEY" }}

  [feeds.account]
  plugin   = "dist/jumpcloud.wasm"
  secrets  = {{ client_secret = "env:JUMPCLOUD_CLIENT_SECRET" }}

  [feeds.account.settings]
  api_base_url    = "{url}"
  authorization   = "service-account"
  client_id       = "{client_id}"
  oauth_token_url = "{token_url}"
  org_ids         = {list}
"#
    )?;
    out.flush()
}

/// Runs the program to its end.
fn run(
    simulator: &Simulator,
    key: &str,
    key_env: &str,
    command: &[String],
) -> anyhow::Result<ExitStatus> {
    let url = simulator.base_url();
    let mut words = command.iter().map(|word| word.replace("{url}", &url));
    let program = words.next().unwrap_or_default();

    // The terminal sends its interrupt to both: the program decides what becomes of it, and this
    // one waits. Being asked for once, the signal no longer ends this process.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let _interrupts = {
        let _entered = runtime.enter();
        signal(SignalKind::interrupt())?
    };
    Process::new(&program)
        .args(words)
        .env(key_env, key)
        .status()
        .with_context(|| format!("could not run `{program}`"))
}

/// The program's own code; 128 and the signal that ended it, as shells have it.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    ExitCode::from(code as u8)
}

fn write_requests(simulator: &Simulator, path: &Path) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for seen in simulator.seen() {
        let line = json!({
            "ms": seen.at_ms,
            "method": seen.method,
            "path": seen.path,
            "body": String::from_utf8_lossy(&seen.body),
            "status": seen.status,
        });
        writeln!(out, "{line}")?;
    }
    out.flush()
}

fn write_events(events: Generator, format: Format, truth: bool) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    if truth {
        for event in events {
            writeln!(out, "{}", truth_of(&event))?;
        }
        return out.flush();
    }
    let (open, between, close): (&[u8], &[u8], &[u8]) = match format {
        Format::Ndjson => (b"", b"\n", b"\n"),
        Format::Array => (b"[", b",", b"]\n"),
    };
    out.write_all(open)?;
    let mut first = true;
    for event in events {
        if !first {
            out.write_all(between)?;
        }
        first = false;
        out.write_all(&event.raw)?;
    }
    if !first || format == Format::Array {
        out.write_all(close)?;
    }
    out.flush()
}

fn truth_of(event: &Event) -> String {
    json!({
        "id": event.id,
        "organization": *event.organization,
        "ms": event.ms,
        "kind": event.kind.name(),
    })
    .to_string()
}

fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis() as i64
}
