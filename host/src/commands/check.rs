//! `source-host check`: tries everything out and changes nothing.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use source_host::{Engine, Error, Finding, Result, Severity, SqliteStore, Store};

use super::describe::severity;
use crate::cli::SourceArgs;
use crate::config::{Config, FeedConfig, Located, SinkConfig};
use crate::setup::{self, Failed, Ready};
use crate::{exit, report};

/// What was found.
#[derive(Default)]
struct Outcome {
    problems: Vec<Located>,
    /// Failures, with the feed they concern.
    errors: Vec<(Option<String>, Error)>,
    feeds: Vec<Value>,
    lines: Vec<String>,
    alarming: bool,
}

/// Checks all, and reports.
pub async fn run(source: &SourceArgs, json: bool) -> u8 {
    let mut outcome = Outcome::default();
    match Config::load(source) {
        Ok(config) => outcome.check(&config).await,
        Err(problems) => outcome.problems = problems,
    }
    if json {
        println!("{:#}", outcome.as_json());
    } else {
        outcome.lines.iter().for_each(|line| println!("{line}"));
        report::problems(&outcome.problems);
        outcome
            .errors
            .iter()
            .for_each(|(feed, e)| report::error(feed.as_deref(), e));
    }
    outcome.code()
}

impl Outcome {
    async fn check(&mut self, config: &Config) {
        let store = match storage(&config.state_dir).await {
            Ok(store) => {
                self.lines.push(format!(
                    "state: `{}` can be written",
                    config.state_dir.display()
                ));
                store
            }
            Err(e) => {
                self.errors.push((None, e));
                match SqliteStore::in_memory() {
                    Ok(store) => store,
                    Err(e) => return self.errors.push((None, e)),
                }
            }
        };
        let store: Arc<dyn Store> = Arc::new(store);
        let engine = match Engine::new() {
            Ok(engine) => engine,
            Err(e) => return self.errors.push((None, e)),
        };
        for feed in &config.feeds {
            // One at a time, so that a broken one doesn't hide the others.
            match setup::load(&engine, std::slice::from_ref(feed)).await {
                Ok(ready) => {
                    for one in &ready {
                        self.check_feed(one, &store).await;
                    }
                }
                Err(failed) => self.failed(failed),
            }
        }
    }

    async fn check_feed(&mut self, ready: &Ready<'_>, store: &Arc<dyn Store>) {
        let FeedConfig {
            name,
            sink,
            dead_letters,
            ..
        } = ready.config;
        let descriptor = ready.plugin.descriptor();
        let mut feed = match setup::open_one(ready, store).await {
            Ok(feed) => feed,
            Err(failed) => return self.failed(failed),
        };
        let sink = match sink {
            SinkConfig::Stdout => "stdout".to_owned(),
            SinkConfig::File(path) => path.display().to_string(),
        };
        let mut entry = json!({
            "feed": name,
            "plugin": ready.plugin.path(),
            "version": descriptor.version,
            "sha256": ready.plugin.sha256(),
            "sink": sink,
            "dead_letters": dead_letters,
        });
        self.lines.push(format!(
            "{name}: {} {} (`{}`) to `{sink}`",
            descriptor.name,
            descriptor.version,
            ready.plugin.path().display()
        ));
        match feed.check().await {
            Ok(findings) => {
                entry["findings"] = json!(findings);
                for finding in &findings {
                    self.lines.push(finding_line(name, finding));
                    self.alarming |= finding.severity == Severity::Error;
                }
                if findings.is_empty() {
                    self.lines
                        .push(format!("{name}: the upstream answers, nothing to report"));
                }
            }
            Err(e) => {
                entry["error"] = error_json(&e);
                self.errors.push((Some(name.clone()), e));
            }
        }
        self.feeds.push(entry);
    }

    fn failed(&mut self, failed: Failed) {
        match failed {
            Failed::Problems(problems) => self.problems.extend(problems),
            Failed::Error(feed, e) => self.errors.push((Some(feed), e)),
        }
    }

    fn as_json(&self) -> Value {
        let problems = self.problems.iter().map(|located| {
            json!({
                "place": located.place,
                "feed": located.feed,
                "key": located.problem.key,
                "message": located.problem.message,
                "hints": located.problem.hints,
            })
        });
        let general = self.errors.iter().filter(|(feed, _)| feed.is_none());
        json!({
            "ok": self.code() == exit::OK,
            "problems": problems.collect::<Value>(),
            "errors": general.map(|(_, e)| error_json(e)).collect::<Value>(),
            "feeds": self.feeds,
        })
    }

    fn code(&self) -> u8 {
        let mut codes: Vec<u8> = self.errors.iter().map(|(_, e)| exit::code(e)).collect();
        if !self.problems.is_empty() {
            codes.push(exit::CONFIGURATION);
        }
        if self.alarming {
            codes.push(exit::FAILURE);
        }
        exit::first_of(&codes)
    }
}

fn finding_line(feed: &str, finding: &Finding) -> String {
    let Finding {
        code,
        partition,
        message,
        ..
    } = finding;
    let whose = if partition.is_empty() {
        String::new()
    } else {
        format!(" {partition}:")
    };
    format!(
        "{feed}: {} [{code}]{whose} {message}",
        severity(finding.severity)
    )
}

fn error_json(e: &Error) -> Value {
    json!({ "kind": format!("{:?}", e.kind()), "message": e.to_string(), "hints": e.hints() })
}

/// The state, if it is there, to look at; else an empty one, after trying
/// whether it could be made.
async fn storage(dir: &Path) -> Result<SqliteStore> {
    if dir.join("state.db").exists() {
        let store = SqliteStore::open_shared(dir)?;
        store.probe().await?;
        return Ok(store);
    }
    let failed = |e: std::io::Error| {
        Error::storage(format!(
            "the state folder `{}` can't be written: {e}",
            dir.display()
        ))
    };
    std::fs::create_dir_all(dir).map_err(failed)?;
    let probe = dir.join(".probe");
    std::fs::write(&probe, b"")
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(failed)?;
    SqliteStore::in_memory()
}
