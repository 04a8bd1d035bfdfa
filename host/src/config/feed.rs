//! One feed, as configured.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use source_host::{Allow, Field, Limits, Problem, SecretSource};

use super::reader::Reader;
use super::sink::{self, SinkConfig};
use super::{Located, Node};

/// One feed, as configured.
#[derive(Debug)]
pub struct FeedConfig {
    pub name: String,
    pub contact: Option<String>,
    pub plugin: PathBuf,
    pub sha256: Option<String>,
    pub secrets: BTreeMap<String, SecretSource>,
    /// None: it is wrong, which was noted.
    pub sink: Option<SinkConfig>,
    pub dead_letters: PathBuf,
    pub allow: Vec<Allow>,
    pub ca_file: Option<PathBuf>,
    pub limits: Limits,
    /// As written: holds the settings, and the place of everything.
    pub node: Node,
}

/// The length of a SHA-256 in hex.
const SHA256: usize = 64;

/// Of `limits.compute`: how often the engine looks.
const SHORTEST_COMPUTE: Duration = Duration::from_millis(10);

/// Of `limits.response_head`: what is read of a response at once.
const SMALLEST_HEAD: u64 = 8 << 10;

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
        reader.missing(
            "plugin",
            "the path of a plugin",
            r#"plugin = "dist/PLUGIN.wasm""#,
        );
    }
    let sha256 = check_sha256(&mut reader);
    let dead_letters = reader.text("dead_letters");
    reader.keys("settings");
    let secrets = check_secrets(&mut reader);
    let sink = sink::check(&mut reader, base);
    let (allow, ca_file) = check_network(&mut reader);
    let limits = check_limits(&mut reader);
    let dead_letters = match dead_letters {
        Some(path) => base.join(path),
        None => state_dir.join(format!("dead-letters-{name}.ndjson")),
    };
    Some(FeedConfig {
        contact,
        plugin: base.join(plugin?),
        sha256,
        secrets: secrets
            .into_iter()
            .map(|(name, source)| (name, in_folder(source, base)))
            .collect(),
        sink,
        dead_letters,
        allow,
        ca_file: ca_file.map(|path| base.join(path)),
        limits,
        name,
        node,
    })
}

fn check_sha256(reader: &mut Reader<'_>) -> Option<String> {
    let text = reader.text("sha256")?;
    if text.len() == SHA256 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some(text.to_ascii_lowercase());
    }
    let hint = "`source-host describe PLUGIN.wasm` prints it";
    reader.problem(
        "sha256",
        format!("expected {SHA256} hex digits"),
        Some(hint),
    );
    // It fits no component: none is loaded.
    Some(text)
}

fn check_secrets(reader: &mut Reader<'_>) -> BTreeMap<String, SecretSource> {
    let names = reader.keys("secrets").into_iter();
    let secrets = names.filter_map(|name| {
        let source = check_secret(reader, &format!("secrets.{name}"))?;
        Some((name, source))
    });
    secrets.collect()
}

/// Where the secret `key` is found.
pub fn check_secret(reader: &mut Reader<'_>, key: &str) -> Option<SecretSource> {
    let text = reader.text(key)?;
    SecretSource::parse(&text)
        .map_err(|message| {
            let hint = "put the value into an environment variable or a file, and write \
                        `env:NAME` or `file:PATH` here";
            reader.problem(key, message, Some(hint));
        })
        .ok()
}

/// The path of a secret's file counts from the configuration's folder.
pub fn in_folder(source: SecretSource, folder: &Path) -> SecretSource {
    match source {
        SecretSource::File(path) => SecretSource::File(folder.join(path)),
        env => env,
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
    for (key, is_wrong, message) in [
        (
            "limits.batch",
            limits.batch > limits.memory,
            "it is more than `limits.memory`, and no plugin could hand it over",
        ),
        (
            "limits.batch_wait",
            limits.batch_wait >= limits.call,
            "it is not shorter than `limits.call`, and every call would be stopped",
        ),
        (
            "limits.compute",
            limits.compute < SHORTEST_COMPUTE,
            "it is measured in steps of 10 ms: at least one",
        ),
        (
            "limits.response_head",
            limits.response_head < SMALLEST_HEAD,
            "it can't be less than 8 KiB",
        ),
    ] {
        if is_wrong {
            reader.problem(key, message, None);
        }
    }
    limits
}
