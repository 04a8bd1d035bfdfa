//! What the operator configured: from a file or from flags to checked values.
//!
//! All problems are collected, each with its place, and told together. What
//! only the plugin knows (its settings, its secrets) is checked when the feeds
//! are opened.

mod reader;
mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use source_host::{Allow, Field, FileSink, Limits, Problem, SecretSource};

use self::reader::Reader;
pub use self::reader::parse_duration;
pub use self::tree::{Item, Node};
use crate::cli::SourceArgs;

/// A problem with the configuration, and where it is.
#[derive(Clone, Debug)]
pub struct Located {
    /// `feeds.toml:12`, or a flag.
    pub place: String,
    /// The feed it concerns; none: all.
    pub feed: Option<String>,
    pub problem: Problem,
}

/// The whole configuration.
#[derive(Debug)]
pub struct Config {
    pub state_dir: PathBuf,
    /// Every feed that names a plugin; with defaults where there are problems.
    pub feeds: Vec<FeedConfig>,
    /// All that was found wrong so far.
    pub problems: Vec<Located>,
    /// How to name this configuration on a command line.
    pub flags: String,
}

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

const ROOT_KEYS: &[&str] = &["defaults", "feeds", "state_dir"];
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

impl Config {
    /// Reads the file or the flags. Fails only if there is nothing to read.
    pub fn load(args: &SourceArgs) -> Result<Self, Vec<Located>> {
        if args.plugin.is_some() {
            let base = std::env::current_dir()
                .map_err(|e| general("--plugin", format!("no working directory: {e}")))?;
            return Ok(check(&from_flags(args), &base, args.to_string()));
        }
        let path = &args.config;
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e| {
            let mut problems = general(&shown, format!("the configuration can't be read: {e}"));
            for located in &mut problems {
                located
                    .problem
                    .hints
                    .push("name a file with `-c`, or use `--plugin`".to_owned());
            }
            problems
        })?;
        let root = Node::from_toml(&text, &shown).map_err(|errors| {
            let located = |(place, message): (String, String)| general(&place, message);
            errors.into_iter().flat_map(located).collect::<Vec<_>>()
        })?;
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let base = absolute.parent().unwrap_or(Path::new("/"));
        Ok(check(&root, base, args.to_string()))
    }
}

/// A problem that is not with one key.
fn general(place: &str, message: String) -> Vec<Located> {
    vec![Located {
        place: place.to_owned(),
        feed: None,
        problem: Problem::new("", message),
    }]
}

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

/// The tree that a file of one feed would make.
fn from_flags(args: &SourceArgs) -> Node {
    let mut feed = Node::table("--plugin");
    if let Some(plugin) = &args.plugin {
        feed.insert("plugin", Node::text(&plugin.to_string_lossy(), "--plugin"));
    }
    let mut settings = Node::table("--set");
    for (key, value) in &args.set {
        let place = format!("--set {key}");
        settings.insert(
            key,
            Node {
                item: Item::Untyped(value.clone()),
                place,
            },
        );
    }
    feed.insert("settings", settings);
    let mut secrets = Node::table("--secret");
    for (key, value) in &args.secret {
        secrets.insert(key, Node::text(value, &format!("--secret {key}")));
    }
    feed.insert("secrets", secrets);
    let mut sink = Node::table("--sink");
    match args.sink.split_once(':') {
        Some((kind, path)) => {
            sink.insert("type", Node::text(kind, "--sink"));
            sink.insert("path", Node::text(path, "--sink"));
        }
        None => sink.insert("type", Node::text(&args.sink, "--sink")),
    }
    feed.insert("sink", sink);
    let mut feeds = Node::table("--feed");
    feeds.insert(&args.feed, feed);
    let mut root = Node::table("the flags");
    root.insert(
        "state_dir",
        Node::text(&args.state.to_string_lossy(), "--state"),
    );
    root.insert("feeds", feeds);
    root
}

fn check(root: &Node, base: &Path, flags: String) -> Config {
    let mut problems = Vec::new();
    let mut reader = Reader::new(root, None, &mut problems);
    reader.only(ROOT_KEYS);
    let state_dir = base.join(
        reader
            .text("state_dir")
            .unwrap_or_else(|| "state".to_owned()),
    );
    let names = reader.keys("feeds");
    if names.is_empty() {
        reader.problem(
            "feeds",
            "no feed is configured",
            Some("add a table `[feeds.NAME]`"),
        );
    }
    let mut feeds = Vec::new();
    for name in names {
        let Some(mut node) = root
            .get("feeds")
            .and_then(|feeds| feeds.get(&name))
            .cloned()
        else {
            continue;
        };
        if let Some(defaults) = root.get("defaults") {
            node.merge(defaults, &["sink"]);
        }
        feeds.extend(check_feed(name, node, base, &state_dir, &mut problems));
    }
    find_shared_files(&feeds, &mut problems);
    Config {
        state_dir,
        feeds,
        problems,
        flags,
    }
}

fn check_feed(
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
    let names: Vec<&str> = Limits::TABLE.iter().map(|(name, _)| *name).collect();
    reader.only_in("limits", &names);
    for (name, field) in Limits::TABLE {
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

/// Two feeds that may write one file: their lines would get into each other's
/// way. A path with `{feed}` in it is each feed's own.
fn find_shared_files(feeds: &[FeedConfig], problems: &mut Vec<Located>) {
    let mut owners: BTreeMap<PathBuf, &str> = BTreeMap::new();
    for feed in feeds {
        let sink = match &feed.sink {
            SinkConfig::File(path) => Some(("sink.path", path)),
            SinkConfig::Stdout => None,
        };
        for (key, path) in sink
            .into_iter()
            .chain([("dead_letters", &feed.dead_letters)])
        {
            let own = path.to_string_lossy().replace("{feed}", &feed.name);
            if let Some(owner) = owners.insert(PathBuf::from(own), &feed.name) {
                let message = format!("`{}` is written by the feed `{owner}` too", path.display());
                let problem = Problem::new(key, message).hint("give each feed a path of its own");
                problems.push(feed.locate(problem));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn load(text: &str) -> Config {
        let root = Node::from_toml(text, "feeds.toml").unwrap();
        check(&root, Path::new("/etc/x"), "-c feeds.toml".to_owned())
    }

    fn problems(text: &str) -> Vec<String> {
        let shown = |l: &Located| format!("{} {} {}", l.place, l.problem.key, l.problem.message);
        load(text).problems.iter().map(shown).collect()
    }

    #[test]
    fn a_whole_file() {
        let config = load(
            "state_dir = \"s\"\n[defaults]\nplugin = \"p.wasm\"\nlimits = {memory = \"32 MiB\"}\n\
             [feeds.a]\nsecrets = {token = \"file:k\", other = \"env:X\"}\n\
             sink = {type = \"file\", path = \"out/{class}.ndjson\"}\n\
             network = {allow = [\"10.0.0.0/8\"], ca_file = \"ca.pem\"}\n\
             [feeds.b]\nplugin = \"/q.wasm\"\nlimits = {batch_wait = \"2s\", batch_events = 7}\n",
        );
        assert_eq!(config.problems.len(), 0);
        assert_eq!(config.state_dir, Path::new("/etc/x/s"));
        let [a, b] = config.feeds.as_slice() else {
            panic!("{config:?}")
        };
        assert_eq!(a.plugin, Path::new("/etc/x/p.wasm"));
        assert_eq!(a.secrets["token"], SecretSource::File("/etc/x/k".into()));
        assert_eq!(a.sink, SinkConfig::File("/etc/x/out/{class}.ndjson".into()));
        assert_eq!(a.dead_letters, Path::new("/etc/x/s/dead-letters-a.ndjson"));
        assert_eq!((a.allow.len(), a.limits.memory), (1, 32 << 20));
        assert_eq!(b.plugin, Path::new("/q.wasm"));
        assert_eq!(b.sink, SinkConfig::Stdout);
        assert_eq!(b.limits.batch_wait, Duration::from_secs(2));
        assert_eq!((b.limits.batch_events, b.limits.memory), (7, 32 << 20));
    }

    #[test]
    fn all_problems_at_once_each_with_its_line() {
        let found = problems(
            "state_dirr = \"s\"\n[feeds.a]\nplugin = 7\nsecretz = {}\n\
             secrets = {token = \"0123456789abcdef\"}\n\
             sink = {type = \"fiel\"}\nlimits = {memory = \"much\", x = 1}\n\
             network = {allow = [\"nowhere\"]}\n",
        );
        assert_eq!(
            found,
            [
                "feeds.toml:1 state_dirr there is no such key",
                "feeds.toml:4 secretz there is no such key",
                "feeds.toml:3 plugin expected text",
                "feeds.toml:5 secrets.token a secret's value does not belong here",
                "feeds.toml:6 sink.type `fiel` is not known",
                "feeds.toml:8 network.allow[0] `nowhere`: neither a range of addresses (`10.0.0.0/8`) nor `host:port`",
                "feeds.toml:7 limits.x there is no such key",
                "feeds.toml:7 limits.memory expected a number of bytes, as in `\"64 MiB\"`",
            ]
        );
        assert!(!format!("{found:?}").contains("0123"));
        assert_eq!(
            problems("x = 1")[1],
            "feeds.toml:1 feeds no feed is configured"
        );
    }

    #[test]
    fn two_feeds_do_not_share_a_file() {
        let shared = "[defaults]\nplugin = \"p\"\nsink = {type = \"file\", path = \"o\"}\n\
                      [feeds.a]\n[feeds.b]\n";
        assert_eq!(
            problems(shared),
            ["feeds.toml:3 sink.path `/etc/x/o` is written by the feed `a` too"]
        );
        assert_eq!(problems(&shared.replace("\"o\"", "\"{feed}/o\"")), [""; 0]);
    }
}
