//! From a checked configuration to open feeds. All are opened before any runs,
//! and what is wrong with any is told together.

use std::sync::Arc;

use serde_json::{Map, Value};
use source_host::{
    Engine, Feed, FeedOptions, FileSink, Kind, Plugin, Problem, Sink, StdoutSink, Store,
};

use crate::config::{FeedConfig, Located, SinkConfig};
use crate::{exit, report};

/// A feed that can be opened.
pub struct Ready<'a> {
    pub config: &'a FeedConfig,
    pub plugin: Plugin,
}

/// Why feeds can't be opened.
pub enum Failed {
    /// The operator has to do something.
    Problems(Vec<Located>),
    /// Something else, with the feed's name.
    Error(String, source_host::Error),
}

impl Failed {
    /// Says it on standard error; the exit code.
    pub fn report(&self) -> u8 {
        match self {
            Self::Problems(problems) => {
                report::problems(problems);
                exit::CONFIGURATION
            }
            Self::Error(feed, error) => {
                report::error(Some(feed), error);
                exit::code(error)
            }
        }
    }
}

/// Loads every feed's plugin, each file once.
pub async fn load<'a>(engine: &Engine, feeds: &'a [FeedConfig]) -> Result<Vec<Ready<'a>>, Failed> {
    let mut ready = Vec::new();
    let mut problems = Vec::new();
    for config in feeds {
        let plugin = match engine.load(&config.plugin).await {
            Ok(plugin) => plugin,
            Err(e) if e.kind() == Kind::Configuration => {
                let mut problem = Problem::new("plugin", e.to_string());
                problem.hints.extend_from_slice(e.hints());
                problems.push(config.locate(problem));
                continue;
            }
            Err(e) => return Err(Failed::Error(config.name.clone(), e)),
        };
        if let Some(pin) = &config.sha256
            && pin != plugin.sha256()
        {
            let message = format!("the plugin's SHA-256 is another: {}", plugin.sha256());
            let hint = "if you meant to change the plugin, change the pin too";
            problems.push(config.locate(Problem::new("sha256", message).hint(hint)));
        }
        ready.push(Ready { config, plugin });
    }
    if problems.is_empty() {
        Ok(ready)
    } else {
        Err(Failed::Problems(problems))
    }
}

/// Opens every feed.
pub async fn open(ready: &[Ready<'_>], store: &Arc<dyn Store>) -> Result<Vec<Feed>, Failed> {
    let mut feeds = Vec::new();
    let mut problems = Vec::new();
    for one in ready {
        match open_one(one, store).await {
            Ok(feed) => feeds.push(feed),
            Err(Failed::Problems(more)) => problems.extend(more),
            Err(other) => return Err(other),
        }
    }
    if problems.is_empty() {
        Ok(feeds)
    } else {
        Err(Failed::Problems(problems))
    }
}

/// Opens one feed.
pub async fn open_one(ready: &Ready<'_>, store: &Arc<dyn Store>) -> Result<Feed, Failed> {
    let Ready { config, plugin } = ready;
    let options = FeedOptions {
        name: config.name.clone(),
        settings: settings(config, plugin),
        secrets: config.secrets.clone(),
        dead_letters: config.dead_letters.clone(),
        allow: config.allow.clone(),
        ca_file: config.ca_file.clone(),
        limits: config.limits.clone(),
    };
    let sink: Arc<dyn Sink> = match &config.sink {
        SinkConfig::Stdout => Arc::new(StdoutSink),
        SinkConfig::File(path) => match FileSink::new(path) {
            Ok(sink) => Arc::new(sink),
            Err(message) => {
                let problem = config.locate(Problem::new("sink.path", message));
                return Err(Failed::Problems(vec![problem]));
            }
        },
    };
    match Feed::open(plugin, options, store.clone(), sink).await {
        Ok(feed) => Ok(feed),
        Err(e) if e.kind() == Kind::Configuration => Err(Failed::Problems(
            e.problems()
                .iter()
                .map(|problem| config.locate(problem.clone()))
                .collect(),
        )),
        Err(e) => Err(Failed::Error(config.name.clone(), e)),
    }
}

/// A feed's settings as JSON; flags are typed by the plugin's schema.
fn settings(config: &FeedConfig, plugin: &Plugin) -> Map<String, Value> {
    let schema = plugin.settings_schema();
    match config
        .node
        .get("settings")
        .map(|node| node.to_json(Some(schema)))
    {
        Some(Value::Object(settings)) => settings,
        _ => Map::new(),
    }
}
