//! Helpers of the end-to-end tests: a [`Tenant`] is a simulated JumpCloud, a
//! [`Feed`] is a folder with a configuration that collects from it, and a
//! [`Run`] is one process of the built host in that folder.
#![expect(clippy::expect_used, reason = "a test that can't be set up has failed")]
#![expect(
    clippy::panic,
    reason = "so has one whose program does not do as it should"
)]

mod run;
mod server;

use std::path::{Path, PathBuf};

use jumpcloud_simulator::{Config, DEFAULT_KEY, Event, Kind, Model, Recipe, Simulator};
use serde_json::Value;
use tempfile::TempDir;

pub use run::{Ran, Run, Running};
pub use server::{Answer, Request, Server, counted};

/// The built component: `COMPONENT`, or what `make build` leaves.
pub fn component() -> PathBuf {
    artifact("COMPONENT", "dist/jumpcloud.wasm")
}

/// The built host: `SOURCE_HOST`, or what `make build` leaves.
pub fn source_host() -> PathBuf {
    artifact("SOURCE_HOST", "dist/source-host")
}

/// A component of `tests/guests`, by its name: what `make guests` leaves.
pub fn guest(name: &str) -> PathBuf {
    built(&format!("target/guests/wasm32-wasip2/release/{name}.wasm"))
}

fn artifact(variable: &str, path: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| built(path), PathBuf::from)
}

fn built(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let path = root.expect("tests/ lies in the workspace").join(path);
    let shown = path.display();
    assert!(
        path.exists(),
        "there is no `{shown}`: run `make build guests` first"
    );
    path
}

/// A simulated JumpCloud with one organisation, whose key is [`DEFAULT_KEY`].
#[derive(Debug)]
pub struct Tenant {
    /// Its API.
    pub api: Simulator,
}

impl Tenant {
    /// An organisation in which `events` happened during the last day, which
    /// are all visible, and the published events among them.
    pub fn settled(events: usize) -> Self {
        Self::of(&Recipe::new(events, now_ms()).settled())
    }

    /// An organisation by a recipe, and the published events.
    pub fn of(recipe: &Recipe) -> Self {
        Self::with(Model::tenant(recipe))
    }

    /// A JumpCloud of a test's own making.
    pub fn with(model: Model) -> Self {
        let api = Simulator::start(Config::new(model));
        Self {
            api: api.expect("a free port"),
        }
    }

    /// Something goes wrong from now on: a rule as the simulator reads it.
    pub fn fault(&self, rule: &str) {
        self.api.model().faults.add(rule.parse().expect("a rule"));
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        self.api.model().faults.clear();
    }

    /// The events of this kind that are visible now, in a service that a feed
    /// asks for.
    pub fn events(&self, kind: Kind) -> Vec<Event> {
        let asked = ["directory", "sso", "radius", "ldap", "systems"];
        let now = self.api.now_ms();
        let model = self.api.model();
        let mut events: Vec<Event> = model
            .events()
            .filter(|event| event.kind == kind && event.visible_at <= now)
            .filter(|event| asked.contains(&event.service.name()))
            .cloned()
            .collect();
        events.sort_by_key(|event| event.ms);
        events
    }

    /// The logins and account changes that are visible now.
    pub fn selected(&self) -> Vec<Event> {
        [self.events(Kind::Login), self.events(Kind::Admin)].concat()
    }

    /// The lines that a feed must have delivered by now, sorted: each login and
    /// account change once, through `transform`.
    pub fn expected(&self) -> Vec<String> {
        let raw = self.selected();
        let lines = transformed(&raw);
        assert_eq!(lines.len(), raw.len(), "a line for each event");
        lines
    }
}

/// What `transform` makes of these events: its lines, sorted.
pub fn transformed(events: &[Event]) -> Vec<String> {
    let mut input = Vec::new();
    for event in events {
        input.extend_from_slice(&event.raw);
        input.push(b'\n');
    }
    let run = Run::new(Path::new(".")).arg("transform").arg(component());
    sorted_lines(&run.input(input).output().expect_code(0).stdout)
}

/// A folder with a configuration `feeds.toml` of one feed, `acme`, and all that
/// comes of it: `state/`, and events in `out/`.
#[derive(Debug)]
pub struct Feed {
    folder: TempDir,
}

impl Feed {
    /// Collects from this tenant, in batches of a hundred, from two days ago.
    pub fn of(tenant: &Tenant) -> Self {
        Self::at(&tenant.api.base_url())
    }

    /// Collects from this address.
    pub fn at(url: &str) -> Self {
        let feed = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        feed.configure(&format!(
            r#"state_dir = "state"

[feeds.acme]
plugin = "[PLUGIN]"
settings = {{ api_base_url = "{url}", start = "2d" }}
secrets = {{ token = "env:JUMPCLOUD_API_KEY" }}
sink = {{ type = "file", path = "out/{{class}}.ndjson" }}
limits = {{ batch_events = 100 }}
"#
        ));
        feed
    }

    /// Writes another `feeds.toml`, in which `[PLUGIN]` stands for the component.
    pub fn configure(&self, toml: &str) {
        let plugin = component();
        let toml = toml.replace("[PLUGIN]", &plugin.to_string_lossy());
        std::fs::write(self.path("feeds.toml"), toml).expect("a configuration");
    }

    /// Replaces a part of `feeds.toml`.
    pub fn edit(&self, old: &str, new: &str) {
        let path = self.path("feeds.toml");
        let toml = std::fs::read_to_string(path).expect("a configuration");
        assert!(toml.contains(old), "`{old}` is not in\n{toml}");
        self.configure(&toml.replace(old, new));
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A run of the host in the folder, with the tenant's key.
    pub fn command(&self, arguments: &[&str]) -> Run {
        let run = Run::new(self.folder.path()).token(DEFAULT_KEY);
        arguments
            .iter()
            .fold(run, |run, argument| run.arg(argument))
    }

    /// A script of `bash` in the folder, in which `$0` is the host.
    pub fn shell(&self, script: &str) -> Run {
        Run::shell(self.folder.path(), script)
    }

    /// `run --once`.
    pub fn once(&self) -> Run {
        self.command(&["run", "--once"])
    }

    /// The lines in the files of events, sorted.
    pub fn lines(&self) -> Vec<String> {
        let mut all = String::new();
        for class in CLASSES {
            let path = self.path(&format!("out/{class}.ndjson"));
            all += &std::fs::read_to_string(path).unwrap_or_default();
        }
        sorted_lines(&all)
    }

    /// The lines in the file of dead letters.
    pub fn dead_letters(&self) -> Vec<Value> {
        let path = self.path("state/dead-letters-acme.ndjson");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let parsed = text.lines().map(serde_json::from_str);
        parsed
            .collect::<Result<_, _>>()
            .expect("a line of JSON each")
    }
}

/// The classes of events, as in the names of files.
pub const CLASSES: [&str; 2] = ["authentication", "account_change"];

/// The lines of a text, sorted.
pub fn sorted_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Fails unless both hold the same lines as often; says how many differ, and
/// shows the first of them.
pub fn assert_same_lines(found: &[String], expected: &[String]) {
    let only_in = |these: &[String], those: &[String]| {
        let mut rest = those.iter().peekable();
        let mut only = Vec::new();
        for line in these {
            while rest.next_if(|other| *other < line).is_some() {}
            if rest.next_if(|other| *other == line).is_none() {
                only.push(line.clone());
            }
        }
        only
    };
    let (more, less) = (only_in(found, expected), only_in(expected, found));
    assert!(
        more.is_empty() && less.is_empty(),
        "{} lines too many, {} missing; the first: {:?} and {:?}",
        more.len(),
        less.len(),
        more.first(),
        less.first(),
    );
}

/// Now, in ms since 1970.
pub fn now_ms() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
