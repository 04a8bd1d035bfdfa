//! The options of the program.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jumpcloud_simulator::{Config, DEFAULT_KEY, Model, Recipe, Rule};

/// A JumpCloud Directory Insights API on this machine, to try a collector against.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a tenant until interrupted.
    Serve {
        #[command(flatten)]
        tenant: Tenant,
        #[command(flatten)]
        server: Server,
    },
    /// Serve a tenant while a program runs, and exit with its exit code.
    Run {
        #[command(flatten)]
        tenant: Tenant,
        #[command(flatten)]
        server: Server,
        /// The environment variable in which the program gets the API key.
        #[arg(long, default_value = "JUMPCLOUD_API_KEY")]
        key_env: String,
        /// The program and its arguments; `{url}` in them becomes the base URL.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Write generated raw events to standard output.
    Generate {
        #[command(flatten)]
        tenant: Tenant,
        /// One event a line, or one JSON array.
        #[arg(long, value_enum, default_value_t = Format::Ndjson)]
        format: Format,
        /// Instead of each event one line with its id, organization, ms and kind.
        #[arg(long)]
        truth: bool,
    },
}

/// The form of generated events.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Format {
    /// One JSON object a line.
    Ndjson,
    /// One JSON array.
    Array,
}

/// What the tenant is like.
#[derive(Args, Debug)]
pub struct Tenant {
    /// How many events are generated.
    #[arg(long, default_value_t = 2000)]
    events: usize,
    /// Where all chance comes from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Over how long a time before now they are spread: 30m, 24h, 90d.
    #[arg(long, default_value = "24h", value_parser = duration_ms)]
    period: i64,
    /// The end of that time instead of now, in milliseconds since 1970.
    #[arg(long)]
    now: Option<i64>,
    /// Among how many organisations; with several, x-org-id is needed.
    #[arg(long, default_value_t = 1)]
    orgs: usize,
    /// Share of events that become visible a minute to six hours late.
    #[arg(long, default_value_t = 0.01)]
    late: f64,
    /// Share of events that are dated in the future.
    #[arg(long, default_value_t = 0.001)]
    future: f64,
    /// Share of events that can't be understood.
    #[arg(long, default_value_t = 0.0005)]
    dead_letters: f64,
    /// Share of events with something unusual in them.
    #[arg(long, default_value_t = 0.01)]
    odd: f64,
}

/// How it is served.
#[derive(Args, Debug)]
pub struct Server {
    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// The API key that is accepted.
    #[arg(long, default_value = DEFAULT_KEY)]
    pub key: String,
    /// A fault, such as `status=429,retry-after=5,on=events,every=10`; may be repeated.
    #[arg(long = "fault", value_name = "SPEC")]
    faults: Vec<Rule>,
    /// For how many days events are kept.
    #[arg(long, default_value_t = 90)]
    retention_days: u32,
    /// Compress for clients that offer gzip.
    #[arg(long)]
    gzip: bool,
    /// By how many milliseconds the simulator's clock is ahead.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    clock_offset_ms: i64,
    /// Write every request to this file, one JSON line each, when the program has ended.
    #[arg(long, value_name = "FILE")]
    pub requests: Option<PathBuf>,
}

impl Tenant {
    /// The recipe of the generator.
    pub fn recipe(&self, now_ms: i64) -> Recipe {
        Recipe {
            seed: self.seed,
            period_ms: self.period,
            organizations: self.orgs,
            late: self.late,
            future: self.future,
            dead_letters: self.dead_letters,
            odd: self.odd,
            ..Recipe::new(self.events, self.now.unwrap_or(now_ms))
        }
    }
}

impl Server {
    /// The configuration of a server of this tenant.
    pub fn config(&self, tenant: &Tenant, now_ms: i64) -> Config {
        let mut model = Model::tenant(&tenant.recipe(now_ms + self.clock_offset_ms));
        let known = DEFAULT_KEY;
        if self.key != known {
            let only = match model.organizations.as_slice() {
                [only] => vec![only.id.clone()],
                _ => Vec::new(),
            };
            let only: Vec<&str> = only.iter().map(String::as_str).collect();
            model.access.revoke_key(known);
            model.access.add_key(&self.key, &only);
        }
        for organization in &mut model.organizations {
            organization.retention_days = self.retention_days;
        }
        for rule in &self.faults {
            model.faults.add(rule.clone());
        }
        Config {
            port: self.port,
            gzip: self.gzip,
            clock_offset_ms: self.clock_offset_ms,
            ..Config::new(model)
        }
    }
}

/// Milliseconds of a duration such as `30m`, `24h`, `90d`.
fn duration_ms(text: &str) -> Result<i64, String> {
    let unit = text.chars().last().unwrap_or_default();
    let factor = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return Err("a duration is a number with s, m, h or d".to_owned()),
    };
    let number: i64 = text
        .strip_suffix(unit)
        .and_then(|number| number.parse().ok())
        .filter(|number| *number > 0)
        .ok_or("a duration is a number with s, m, h or d")?;
    number
        .checked_mul(factor)
        .ok_or_else(|| "that is too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
        let cli = Cli::parse_from(["s", "run", "--fault", "stall,nth=2", "--", "echo", "{url}"]);
        assert!(matches!(cli.command, Command::Run { command, .. } if command.len() == 2));
        assert_eq!(duration_ms("90d"), Ok(90 * 86_400_000));
        assert!(
            duration_ms("24").is_err() && duration_ms("").is_err() && duration_ms("-1h").is_err()
        );
    }
}
