//! One feed, as configured.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use source_host::{Allow, Field, FileSink, Limits, Problem, SecretSource};

use super::reader::Reader;
use super::{Located, Node};

/// One feed, as configured.
#[derive(Debug)]
pub struct FeedConfig {
    pub name: String,
    pub contact: Option<String>,
    pub plugin: PathBuf,
    pub sha256: Option<String>,
    pub secrets: BTreeMap<String, SecretSource>,
    pub sink: SinkConfig,
    pub dead_letters: PathBuf,
    pub allow: Vec<Allow>,
    pub ca_file: Option<PathBuf>,
    pub limits: Limits,
    /// As written: holds the settings, and the place of everything.
    pub node: Node,
}

/// Where a feed's events go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SinkConfig {
    Stdout,
    File(PathBuf),
}

impl fmt::Display for SinkConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

const FEED_KEYS: &[&str] = &[
    "contact",
    "dead_letters",
    "limits",
    "network",
    "plugin",
    "secrets",
    "settings",
    "sha256",
    "sink",
];

impl FeedConfig {
    /// A problem with one of the feed's keys, and where it was written.
    pub fn locate(&self, problem: Problem) -> Located {
        let place = self.node.place_of(&problem.key).to_owned();
        Located {
            place,
            feed: Some(self.name.clone()),
            problem,
        }
    }
}

/// Checks one feed; none: it names no plugin.
pub fn check(
    name: String,
    node: Node,
    base: &Path,
    state_dir: &Path,
    problems: &mut Vec<Located>,
) -> Option<FeedConfig> {
    let mut reader = Reader::new(&node, Some(&name), problems);
    reader.only(FEED_KEYS);
    let contact = reader.text("contact");
    let plugin = reader.text("plugin");
    if plugin.is_none() {
        reader.missing("plugin", "the path of a plugin");
    }
    let sha256 = reader.text("sha256");
    let dead_letters = reader.text("dead_letters");
    reader.keys("settings");
    let secrets = check_secrets(&mut reader);
    let sink = check_sink(&mut reader, base);
    let (allow, ca_file) = check_network(&mut reader);
    let limits = check_limits(&mut reader);
    let dead_letters = match dead_letters {
        Some(path) => base.join(path),
        None => state_dir.join(format!("dead-letters-{name}.ndjson")),
    };
    Some(FeedConfig {
        contact,
        plugin: base.join(plugin?),
        sha256: sha256.map(|text| text.to_ascii_lowercase()),
        secrets: secrets
            .into_iter()
            .map(|(name, source)| match source {
                SecretSource::File(path) => (name, SecretSource::File(base.join(path))),
                env => (name, env),
            })
            .collect(),
        sink: sink.unwrap_or(SinkConfig::Stdout),
        dead_letters,
        allow,
        ca_file: ca_file.map(|path| base.join(path)),
        limits,
        name,
        node,
    })
}

fn check_secrets(reader: &mut Reader<'_>) -> BTreeMap<String, SecretSource> {
    let mut secrets = BTreeMap::new();
    for name in reader.keys("secrets") {
        let key = format!("secrets.{name}");
        let Some(text) = reader.text(&key) else {
            continue;
        };
        match SecretSource::parse(&text) {
            Ok(source) => {
                secrets.insert(name, source);
            }
            Err(message) => {
                let hint = "put the value into an environment variable or a file, and write \
                            `env:NAME` or `file:PATH` here";
                reader.problem(&key, message, Some(hint));
            }
        }
    }
    secrets
}

fn check_sink(reader: &mut Reader<'_>, base: &Path) -> Option<SinkConfig> {
    reader.keys("sink");
    let kind = reader
        .text("sink.type")
        .unwrap_or_else(|| "stdout".to_owned());
    match kind.as_str() {
        "stdout" => {
            reader.only_in("sink", &["type"]);
            Some(SinkConfig::Stdout)
        }
        "file" => {
            reader.only_in("sink", &["path", "type"]);
            let Some(path) = reader.text("sink.path") else {
                reader.missing("sink.path", "where the events go");
                return None;
            };
            let path = base.join(path);
            match FileSink::new(&path) {
                Ok(_) => Some(SinkConfig::File(path)),
                Err(message) => {
                    reader.problem("sink.path", message, None);
                    None
                }
            }
        }
        other => {
            reader.one_of("sink.type", other, &["file", "stdout"]);
            None
        }
    }
}

fn check_network(reader: &mut Reader<'_>) -> (Vec<Allow>, Option<String>) {
    reader.only_in("network", &["allow", "ca_file"]);
    let mut allow = Vec::new();
    for (key, text) in reader.texts("network.allow") {
        match text.parse() {
            Ok(entry) => allow.push(entry),
            Err(message) => reader.problem(&key, format!("`{text}`: {message}"), None),
        }
    }
    (allow, reader.text("network.ca_file"))
}

fn check_limits(reader: &mut Reader<'_>) -> Limits {
    let mut limits = Limits::default();
    let names: Vec<&str> = Limits::TABLE.iter().map(|(name, ..)| *name).collect();
    reader.only_in("limits", &names);
    for (name, field, _) in Limits::TABLE {
        let key = format!("limits.{name}");
        match field {
            Field::Bytes(at) => reader
                .bytes(&key)
                .into_iter()
                .for_each(|n| *at(&mut limits) = n),
            Field::Count(at) => reader
                .count(&key)
                .into_iter()
                .for_each(|n| *at(&mut limits) = n),
            Field::Time(at) => reader
                .time(&key)
                .into_iter()
                .for_each(|t| *at(&mut limits) = t),
        }
    }
    limits
}
