//! What the operator configured: from a file or from flags to checked values.
//!
//! All problems are collected, each with its place, and told together. What
//! only the plugin knows (its settings, its secrets) is checked when the feeds
//! are opened.

mod feed;
mod files;
mod reader;
mod shared;
mod sink;
mod tree;

use std::path::{Path, PathBuf};

use source_host::Problem;

pub use self::feed::FeedConfig;
use self::reader::Reader;
pub use self::reader::parse_duration;
pub use self::sink::SinkConfig;
pub use self::tree::Node;
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

impl Located {
    /// The line, if it is a place in a file.
    pub fn line(&self) -> Option<u32> {
        self.place.rsplit_once(':')?.1.parse().ok()
    }
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

const ROOT_KEYS: &[&str] = &["defaults", "feeds", "state_dir"];

impl Config {
    /// The feed of this name.
    pub fn feed(&self, name: &str) -> Option<&FeedConfig> {
        self.feeds.iter().find(|feed| feed.name == name)
    }

    /// Reads the file, the folder of files or the flags. Fails only if there is
    /// nothing to read.
    pub fn load(args: &SourceArgs) -> Result<Self, Vec<Located>> {
        if args.plugin.is_some() {
            let base = std::env::current_dir().map_err(|e| {
                let problem = Problem::new("", format!("there is no working directory: {e}"));
                vec![general("--plugin", problem)]
            })?;
            return Ok(check(&from_flags(args), &base, &[], args.to_string()));
        }
        if let Some(state) = &args.state {
            return Ok(Self::state_alone(state, args.to_string()));
        }
        let read = files::read(&args.config)?;
        let mut config = check(&read.root, &read.folder, &read.files, args.to_string());
        config.problems.extend(read.problems);
        Ok(config)
    }

    /// A folder of state, of which nothing tells whose it is: enough to look at
    /// it, or to forget some of it.
    fn state_alone(folder: &Path, flags: String) -> Self {
        let problem = Problem::new("", "no feed is configured")
            .hint("add `--plugin FILE`, or name a configuration file with `-c` in its place");
        Self {
            state_dir: folder.to_owned(),
            feeds: Vec::new(),
            problems: vec![general("--state", problem)],
            flags,
        }
    }
}

/// A problem that is not with one feed.
fn general(place: &str, problem: Problem) -> Located {
    Located {
        place: place.to_owned(),
        feed: None,
        problem,
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
        settings.insert(key, Node::untyped(value, &format!("--set {key}")));
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
    if let Some(state) = &args.state {
        root.insert("state_dir", Node::text(&state.to_string_lossy(), "--state"));
    }
    root.insert("feeds", feeds);
    root
}

/// Checks what was written in `files`, from whose folder `base` paths count.
fn check(root: &Node, base: &Path, files: &[PathBuf], flags: String) -> Config {
    let mut problems = Vec::new();
    let mut reader = Reader::new(root, None, &mut problems);
    reader.only(ROOT_KEYS);
    let state_dir = reader.text("state_dir");
    let state_dir = base.join(state_dir.as_deref().unwrap_or("state"));
    reader.keys("defaults");
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
        feeds.extend(feed::check(name, node, base, &state_dir, &mut problems));
    }
    shared::find(&feeds, &state_dir, files, &mut problems);
    Config {
        state_dir,
        feeds,
        problems,
        flags,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use source_host::SecretSource;

    use super::*;

    fn load(text: &str) -> Config {
        let root = Node::from_toml(text, "feeds.toml").unwrap();
        let files = ["/etc/x/feeds.toml".into()];
        check(
            &root,
            Path::new("/etc/x"),
            &files,
            "-c feeds.toml".to_owned(),
        )
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
        assert_eq!(
            a.sink,
            Some(SinkConfig::File("/etc/x/out/{class}.ndjson".into()))
        );
        assert_eq!(a.dead_letters, Path::new("/etc/x/s/dead-letters-a.ndjson"));
        assert_eq!((a.allow.len(), a.limits.memory), (1, 32 << 20));
        assert_eq!(b.plugin, Path::new("/q.wasm"));
        assert_eq!(b.sink, Some(SinkConfig::Stdout));
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
    fn limits_that_can_not_work_together() {
        let found = problems(
            "[feeds.a]\nplugin = \"p\"\nlimits = {call = \"2s\", memory = \"4 MiB\", \
             compute = \"9ms\", response_head = 8191}\n",
        );
        let keys: Vec<&str> = found.iter().filter_map(|p| p.split(' ').nth(1)).collect();
        let wrong = ["batch", "batch_wait", "compute", "response_head"];
        assert_eq!(
            keys,
            wrong.map(|name| format!("limits.{name}")),
            "{found:?}"
        );
        let whole = "[feeds.a]\nplugin = \"p\"\nlimits = {call = \"2s\", batch_wait = \"1s\"}\n";
        assert_eq!(problems(whole), [""; 0]);
    }

    #[test]
    fn what_would_be_ignored_is_told() {
        assert_eq!(
            problems(
                "defaults = 5\n[feeds.a]\nplugin = \"p\"\n\
                 sink = {type = \"http\", url = \"https://x\", headers = {\"x.y\" = \"z\"}}\n"
            ),
            [
                "feeds.toml:1 defaults expected a table",
                "feeds.toml:4 sink.headers `x.y`: a header's name with a dot is not supported",
            ]
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
        let spelled = shared.replace(
            "[feeds.b]",
            "[feeds.b]\nsink = {type = \"file\", path = \"./a/../o\"}",
        );
        assert_eq!(
            problems(&spelled),
            ["feeds.toml:6 sink.path `/etc/x/./a/../o` is written by the feed `a` too"]
        );
        // As the sink puts names in, and where a placeholder can lead.
        let names = shared.replace("\"o\"", "\"{feed}\"");
        let names = names.replace("[feeds.a]", "[feeds.\"x.a\"]");
        assert_eq!(
            problems(&names.replace("[feeds.b]", "[feeds.x_a]")),
            ["feeds.toml:3 sink.path `/etc/x/{feed}` is written by the feed `x.a` too"]
        );
        let template = spelled.replace("\"o\"", "\"{class}\"");
        let template = template.replace("\"p\"", "\"p.wasm\"");
        assert_eq!(problems(&template).len(), 1);
    }

    #[test]
    fn what_is_read_is_not_written_to() {
        let found = |keys: &str| {
            problems(&format!(
                "[feeds.a]\nplugin = \"p\"\nsecrets = {{ token = \"file:key\" }}\n{keys}\n\
                 network = {{ ca_file = \"ca.pem\" }}\n"
            ))
        };
        for (path, what) in [
            ("state/state.db", "a file of the state"),
            ("state/../state/state.db-wal", "a file of the state"),
            ("state/{class}", "a file of the state"),
            ("feeds.toml", "the configuration"),
            ("{feed}eeds.toml", ""),
            ("p", "a plugin"),
            ("key", "the file of a secret"),
            ("ca.pem", "a file of root certificates"),
            ("state/copies/{feed}", "among the copies of the state"),
            ("state/copies/a-p-1.db", "among the copies of the state"),
            ("state/copies.ndjson", ""),
            ("out/{class}.ndjson", ""),
        ] {
            let sink = format!("sink = {{ type = \"file\", path = \"{path}\" }}");
            let letters = format!("dead_letters = \"{path}\"");
            for (key, keys) in [("sink.path", sink), ("dead_letters", letters)] {
                if path.contains('{') && key == "dead_letters" {
                    continue;
                }
                let told = format!("feeds.toml:4 {key} `/etc/x/{path}` is, or can be, {what}");
                let expected = if what.is_empty() { vec![] } else { vec![told] };
                assert_eq!(found(&keys), expected);
            }
        }
        assert_eq!(
            found(
                "dead_letters = \"hec\"\nsink = { type = \"http\", url = \"https://x\", \
                 headers = { a = { secret = \"file:./hec\" } } }"
            ),
            ["feeds.toml:4 dead_letters `/etc/x/hec` is, or can be, the file of a secret"]
        );
        assert_eq!(
            found("dead_letters = \"o\"\nsink = { type = \"file\", path = \"./o\" }"),
            ["feeds.toml:4 dead_letters `/etc/x/o` is where its events go"]
        );
    }
}
