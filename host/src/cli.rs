//! The command line.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs log sources: collects events with a plugin, and delivers them.
#[derive(Debug, Parser)]
#[command(name = "source-host", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,

    /// How to write the log, which goes to standard error
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub log_format: LogFormat,

    /// Log more: once for each request, twice for all there is
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Collect and deliver, all feeds at once
    Run {
        #[command(flatten)]
        source: SourceArgs,
        /// Stop when all feeds have caught up
        #[arg(long)]
        once: bool,
    },
    /// Try everything out without collecting: every problem in one run
    Check {
        #[command(flatten)]
        source: SourceArgs,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show what a plugin is: its settings, secrets, event classes and findings
    Describe {
        /// The plugin's file
        plugin: PathBuf,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Map raw records from standard input (JSON array or NDJSON, also gzip) to standard output
    Transform {
        /// The plugin's file
        plugin: PathBuf,
        /// A setting of the plugin; may be repeated
        #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
        set: Vec<(String, String)>,
        /// Standard input is a feed's file of dead letters: map them once more
        #[arg(long)]
        dead_letters: bool,
    },
    /// Look at the state of feeds, or change it
    State {
        #[command(subcommand)]
        command: StateCommand,
    },
}

#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// Show how far each feed has come; also while they run
    #[command(mut_args(hide_of_one_feed))]
    Show {
        /// Only this feed
        feed: Option<String>,
        #[command(flatten)]
        source: SourceArgs,
        /// Exit with 1 if a feed is further behind than this
        #[arg(long, value_name = "TIME", value_parser = duration)]
        max_lag: Option<std::time::Duration>,
        /// Print a JSON array with an object for each feed
        #[arg(long)]
        json: bool,
    },
    /// Go back: what is newer than a time will be delivered again
    Rewind {
        /// The feed
        feed: String,
        /// A time as in 2026-01-31T00:00:00Z, or how far back from now, as in 24h
        #[arg(long, value_name = "TIME")]
        to: String,
        #[command(flatten)]
        source: SourceArgs,
        /// Don't ask
        #[arg(long)]
        yes: bool,
        /// Print how the feed stands then, as `show` does
        #[arg(long)]
        json: bool,
    },
    /// Forget all: the feed will start as if for the first time
    Reset {
        /// The feed
        feed: String,
        #[command(flatten)]
        source: SourceArgs,
        /// Don't ask
        #[arg(long)]
        yes: bool,
        /// Print how the feed stands then, as `show` does
        #[arg(long)]
        json: bool,
    },
}

/// Where the configuration is: in a file, or in the other flags.
#[derive(Args, Debug)]
pub struct SourceArgs {
    /// The configuration file, or a folder of such files (*.toml)
    #[arg(short, long, value_name = "PATH", default_value = "feeds.toml")]
    pub config: PathBuf,

    /// A plugin's file: one feed, without a configuration file
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub plugin: Option<PathBuf>,

    /// The name of that feed's state
    #[arg(
        long = "feed",
        value_name = "NAME",
        default_value = "default",
        requires = "plugin",
        conflicts_with = "config",
        id = "feed_name"
    )]
    pub feed: String,

    /// A setting of the plugin; may be repeated
    #[arg(
        long,
        value_name = "NAME=VALUE",
        value_parser = pair,
        requires = "plugin",
        conflicts_with = "config"
    )]
    pub set: Vec<(String, String)>,

    /// A secret of the plugin: NAME=env:VARIABLE or NAME=file:PATH; may be repeated
    #[arg(
        long,
        value_name = "NAME=SOURCE",
        value_parser = pair,
        requires = "plugin",
        conflicts_with = "config"
    )]
    pub secret: Vec<(String, String)>,

    /// The folder of the state [default: state]
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub state: Option<PathBuf>,

    /// Where events go: stdout or file:PATH, in which {class}, {date}, {feed} and {partition} stand
    /// for the event's
    #[arg(
        long,
        value_name = "SINK",
        default_value = "stdout",
        value_parser = sink,
        requires = "plugin",
        conflicts_with = "config"
    )]
    pub sink: String,
}

/// The flags again, for a command line that people can copy.
impl fmt::Display for SourceArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = |path: &Path| quoted(&path.to_string_lossy());
        match (&self.plugin, &self.state) {
            (Some(plugin), _) => write!(f, "--plugin {}", path(plugin))?,
            (None, Some(state)) => return write!(f, "--state {}", path(state)),
            (None, None) => return write!(f, "-c {}", path(&self.config)),
        }
        if self.feed != "default" {
            write!(f, " --feed {}", quoted(&self.feed))?;
        }
        for (name, value) in &self.set {
            write!(f, " --set {}", quoted(&format!("{name}={value}")))?;
        }
        for (name, source) in &self.secret {
            write!(f, " --secret {}", quoted(&format!("{name}={source}")))?;
        }
        if let Some(state) = &self.state {
            write!(f, " --state {}", path(state))?;
        }
        if self.sink != "stdout" {
            write!(f, " --sink {}", quoted(&self.sink))?;
        }
        Ok(())
    }
}

/// `text` as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// To look, the folder of the state is enough.
fn hide_of_one_feed(arg: clap::Arg) -> clap::Arg {
    let hidden = ["plugin", "feed_name", "set", "secret", "sink"].contains(&arg.get_id().as_str());
    arg.hide(hidden)
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE"),
    }
}

fn sink(text: &str) -> Result<String, String> {
    match text.split_once(':') {
        None if text == "stdout" => Ok(text.to_owned()),
        Some(("file", path)) if !path.is_empty() => Ok(text.to_owned()),
        Some(("http" | "https", _)) => {
            Err("the sink `http` is set up in a configuration file (`-c`)".to_owned())
        }
        _ if text.is_empty() => Err("expected `stdout` or `file:PATH`".to_owned()),
        _ => Err(format!(
            "expected `stdout` or `file:PATH`; did you mean `file:{text}`?"
        )),
    }
}

fn duration(text: &str) -> Result<std::time::Duration, &'static str> {
    crate::config::parse_duration(text).ok_or("expected a time, as in 15m")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_of_one_feed_are_not_ignored_beside_a_file() {
        for flag in [
            "--plugin",
            "--feed",
            "--set=a=b",
            "--secret=a=b",
            "--state",
            "--sink=stdout",
        ] {
            let line = match flag.contains('=') {
                true => vec!["x", "run", "-c", "f.toml", flag],
                false => vec!["x", "run", "-c", "f.toml", flag, "y"],
            };
            let e = Cli::try_parse_from(line).unwrap_err();
            assert_eq!(e.kind(), clap::error::ErrorKind::ArgumentConflict, "{flag}");
        }
        assert!(Cli::try_parse_from(["x", "run", "--set", "a=b"]).is_err());
    }

    #[test]
    fn sinks() {
        assert_eq!(sink("stdout").as_deref(), Ok("stdout"));
        assert_eq!(sink("file:a:b").as_deref(), Ok("file:a:b"));
        for (wrong, hint) in [
            ("out.ndjson", "did you mean `file:out.ndjson`?"),
            ("https://collector.example", "configuration file"),
            ("", "`file:PATH`"),
        ] {
            assert!(sink(wrong).unwrap_err().contains(hint), "{wrong}");
        }
    }

    #[test]
    fn flags_can_be_copied() {
        let line = "x run --plugin p.wasm --set a=b --set c= --secret t=env:T --state s \
                    --sink file:out/{class}";
        let Command::Run { source, .. } = Cli::parse_from(line.split_whitespace()).command else {
            panic!("another command");
        };
        assert_eq!(
            source.to_string(),
            "--plugin p.wasm --set a=b --set c= --secret t=env:T --state s \
             --sink 'file:out/{class}'"
        );
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
