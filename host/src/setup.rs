//! From a configuration to open feeds. All are opened before any runs, and all
//! that is wrong with any is told together. A plugin that fails is no problem of
//! the configuration, and stops its own feed alone.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::{Map, Value};
use source_host::{
    Engine, Error, Feed, FeedOptions, FileSink, HttpOptions, HttpSink, Kind, Plugin, Problem,
    Result, Sink, SqliteStore, StdoutSink, Store,
};

use crate::config::{Config, FeedConfig, Located, SinkConfig};
use crate::{exit, report};

/// Why feeds can't be opened.
pub enum Failed {
    /// The operator has to do something.
    Problems(Vec<Located>),
    /// Something else; with the feed's name, if it is one feed's.
    Error(Option<String>, Error),
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
                report::error(feed.as_deref(), error);
                exit::code(error)
            }
        }
    }
}

/// What was opened.
pub struct Opened {
    pub feeds: Vec<Feed>,
    pub store: Arc<dyn Store>,
    /// Of feeds that are not there: how their plugins failed.
    pub failed: Vec<Failed>,
}

/// Opens those of the configured feeds that are `wanted`, and the state, which
/// nobody else may be using.
pub async fn open(config: &Config, wanted: impl Fn(&FeedConfig) -> bool) -> Result<Opened, Failed> {
    let engine = Engine::new().map_err(|e| Failed::Error(None, e))?;
    let mut problems = config.problems.clone();
    let mut failed = Vec::new();
    let mut note = |failure, problems: &mut _| match failure {
        Failed::Error(Some(_), ref e) if e.kind() == Kind::Plugin => {
            failed.push(failure);
            Ok(())
        }
        failure => collect(failure, problems),
    };
    let mut loaded = Vec::new();
    for feed in config.feeds.iter().filter(|feed| wanted(feed)) {
        match load(&engine, feed).await {
            Ok(plugin) => loaded.push((feed, plugin)),
            Err(failure) => note(failure, &mut problems)?,
        }
    }
    // With problems nothing will run: the feeds are opened to find the others.
    let store = match problems.as_slice() {
        [] => SqliteStore::open(&config.state_dir),
        _ => SqliteStore::in_memory(),
    };
    let store: Arc<dyn Store> = Arc::new(store.map_err(|e| Failed::Error(None, e))?);
    let mut feeds = Vec::new();
    // All at once: one that hangs keeps no other waiting.
    let opening = loaded
        .iter()
        .map(|(feed, plugin)| open_feed(feed, plugin, &store));
    for opened in join_all(opening).await {
        match opened {
            Ok(feed) => feeds.push(feed),
            Err(failure) => note(failure, &mut problems)?,
        }
    }
    if !problems.is_empty() {
        return Err(Failed::Problems(problems));
    }
    Ok(Opened {
        feeds,
        store,
        failed,
    })
}

/// Notes problems, with none told twice in other words; other failures are
/// final.
pub fn collect(failed: Failed, problems: &mut Vec<Located>) -> Result<(), Failed> {
    let Failed::Problems(more) = failed else {
        return Err(failed);
    };
    for new in more {
        let same = |old: &Located| old.feed == new.feed && old.problem.key == new.problem.key;
        if !problems.iter().any(same) {
            problems.push(new);
        }
    }
    Ok(())
}

/// Loads a feed's plugin, if it is the one that is pinned.
pub async fn load(engine: &Engine, config: &FeedConfig) -> Result<Plugin, Failed> {
    let pin = config.sha256.as_deref();
    let e = match engine
        .load_checked(&config.plugin, pin, &config.limits)
        .await
    {
        Ok(plugin) => return Ok(plugin),
        Err(e) => e,
    };
    let problems = match (e.kind(), e.problems()) {
        (Kind::Configuration, []) => {
            let problem = Problem::new("plugin", e.to_string());
            let hints = e.hints().iter();
            vec![hints.fold(problem, |problem, hint| problem.hint(hint))]
        }
        (Kind::Configuration, problems) => problems.to_vec(),
        _ => return Err(Failed::Error(Some(config.name.clone()), e)),
    };
    let located = problems.into_iter().map(|problem| config.locate(problem));
    Err(Failed::Problems(located.collect()))
}

/// Opens one feed.
pub async fn open_feed(
    config: &FeedConfig,
    plugin: &Plugin,
    store: &Arc<dyn Store>,
) -> Result<Feed, Failed> {
    let options = FeedOptions {
        name: config.name.clone(),
        settings: settings(config, plugin),
        secrets: config.secrets.clone(),
        dead_letters: config.dead_letters.clone(),
        allow: config.allow.clone(),
        ca_file: config.ca_file.clone(),
        limits: config.limits.clone(),
    };
    // With a sink that is wrong the feed is opened all the same, to find what
    // else is.
    let (sink, wrong_sink) = match sink(config) {
        Ok(sink) => (sink, None),
        Err(e) => (Arc::new(StdoutSink) as Arc<dyn Sink>, Some(e)),
    };
    let opened = Feed::open(plugin, options, store.clone(), sink).await;
    let wrong_feed = match (opened, &wrong_sink) {
        (Ok(feed), None) => return Ok(feed),
        (opened, _) => opened.err(),
    };
    let mut problems = Vec::new();
    for e in wrong_feed.into_iter().chain(wrong_sink) {
        match e.problems() {
            [] => return Err(Failed::Error(Some(config.name.clone()), e)),
            more => problems.extend(more.iter().map(|problem| config.locate(problem.clone()))),
        }
    }
    Err(Failed::Problems(problems))
}

/// A feed's sink; any, if it is wrong: the feed will not run.
fn sink(config: &FeedConfig) -> Result<Arc<dyn Sink>> {
    Ok(match &config.sink {
        Some(SinkConfig::Stdout) | None => Arc::new(StdoutSink),
        Some(SinkConfig::File(path)) => {
            let wrong = |message| Error::configuration([Problem::new("sink.path", message)]);
            Arc::new(FileSink::new(path).map_err(wrong)?)
        }
        Some(SinkConfig::Http(http)) => Arc::new(HttpSink::new(&HttpOptions {
            feed: config.name.clone(),
            url: http.url.clone(),
            headers: http.headers.clone(),
            gzip: http.gzip,
            body: http.body,
            ca_file: config.ca_file.clone(),
            limits: config.limits.clone(),
        })?),
    })
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
