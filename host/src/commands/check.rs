//! `source-host check`: tries everything out and changes nothing.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use source_host::{Engine, Error, Finding, Plugin, Result, Severity, SqliteStore, Store};

use super::describe::severity;
use crate::cli::SourceArgs;
use crate::config::{Config, FeedConfig, Located, SinkConfig};
use crate::setup::{self, Failed};
use crate::{exit, report};

/// What was found.
#[derive(Default)]
struct Outcome {
    problems: Vec<Located>,
    /// Failures, with the feed they concern.
    errors: Vec<(Option<String>, Error)>,
    /// What can be said of each feed: for programs,
    feeds: Vec<Value>,
    /// and for people.
    lines: Vec<String>,
    /// Findings, for people, and the feeds in which they are.
    findings: Vec<(String, Vec<String>)>,
    /// The worst that a feed reported.
    worst: Option<Severity>,
}

/// Checks all, and reports.
pub async fn run(source: &SourceArgs, json: bool) -> u8 {
    let mut outcome = Outcome::default();
    match Config::load(source) {
        Ok(config) => outcome.check(&config).await,
        Err(problems) => outcome.problems = problems,
    }
    if json {
        report::print(&format!("{:#}\n", outcome.as_json()));
    } else {
        outcome
            .lines
            .iter()
            .for_each(|line| report::print(&format!("{line}\n")));
        outcome
            .findings
            .iter()
            .for_each(|(line, feeds)| report::print(&format!("{}: {line}\n", feeds.join(", "))));
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
        self.problems.clone_from(&config.problems);
        let storage = storage(&config.state_dir).await;
        if storage.is_ok() {
            self.lines.push(format!(
                "state: `{}` can be written",
                config.state_dir.display()
            ));
        }
        if let Some(proxy) = source_host::https_proxy() {
            self.lines.push(format!(
                "network: https goes through the proxy `{proxy}`, which resolves names; of a \
                 plugin's requests the origin is checked, and not the address"
            ));
        }
        let opened = storage.or_else(|e| {
            self.errors.push((None, e));
            SqliteStore::in_memory()
        });
        let (store, engine): (Arc<dyn Store>, Engine) = match (opened, Engine::new()) {
            (Ok(store), Ok(engine)) => (Arc::new(store), engine),
            (Err(e), _) | (_, Err(e)) => return self.errors.push((None, e)),
        };
        for feed in &config.feeds {
            let checked = match setup::load(&engine, feed).await {
                Ok(plugin) => self.check_feed(feed, &plugin, &store).await,
                Err(failed) => Err(failed),
            };
            let collected = checked.or_else(|e| setup::collect(e, &mut self.problems));
            if let Err(Failed::Error(feed, e)) = collected {
                self.errors.push((feed, e));
            }
        }
    }

    async fn check_feed(
        &mut self,
        config: &FeedConfig,
        plugin: &Plugin,
        store: &Arc<dyn Store>,
    ) -> Result<(), Failed> {
        let FeedConfig {
            name, dead_letters, ..
        } = config;
        let mut feed = setup::open_feed(config, plugin, store).await?;
        let descriptor = plugin.descriptor();
        let path = plugin.path().display();
        let sink = config.sink.as_ref().map(SinkConfig::to_string);
        let to = sink.as_ref().map(|sink| format!(" to `{sink}`"));
        self.lines.push(format!(
            "{name}: {} {} (`{path}`){}",
            descriptor.name,
            descriptor.version,
            to.unwrap_or_default()
        ));
        if let Err(e) = feed.check_sink().await {
            self.errors.push((Some(name.clone()), e));
        }
        // With a wrong setting left out, it might be sent to a wrong address.
        let is_of_others = |it: &Located| it.feed.as_ref().is_some_and(|feed| feed != name);
        let is_sound = self.problems.iter().all(is_of_others);
        let checked = match is_sound {
            true => feed.check().await,
            false => {
                let line =
                    format!("{name}: no request is made as long as its configuration is wrong");
                self.lines.push(line);
                Ok(Vec::new())
            }
        };
        let findings = checked.as_deref().unwrap_or_default();
        findings
            .iter()
            .for_each(|finding| self.found(name, finding));
        self.worst = findings
            .iter()
            .map(|f| f.severity)
            .chain(self.worst)
            .max_by_key(|s| *s as u8);
        self.feeds.push(json!({
            "feed": name,
            "plugin": plugin.path(),
            "version": descriptor.version,
            "sha256": plugin.sha256(),
            "sink": sink,
            "dead_letters": dead_letters,
            "findings": findings.iter().map(finding_json).collect::<Value>(),
            "error": checked.as_ref().err().map(error_json),
        }));
        checked
            .map(drop)
            .map_err(|e| Failed::Error(Some(name.clone()), e))
    }

    /// What is found of several feeds is told once, with the names of all.
    fn found(&mut self, feed: &str, finding: &Finding) {
        let line = finding_line(finding);
        match self.findings.iter_mut().find(|(known, _)| *known == line) {
            Some((_, feeds)) => feeds.push(feed.to_owned()),
            None => self.findings.push((line, vec![feed.to_owned()])),
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
        let errors = self.errors.iter().map(|(feed, e)| {
            let mut error = error_json(e);
            if let Value::Object(error) = &mut error {
                error.insert("feed".to_owned(), json!(feed));
            }
            error
        });
        json!({
            "ok": self.code() == exit::OK,
            "problems": problems.collect::<Value>(),
            "errors": errors.collect::<Value>(),
            "feeds": self.feeds,
        })
    }

    fn code(&self) -> u8 {
        let mut codes: Vec<u8> = self.errors.iter().map(|(_, e)| exit::code(e)).collect();
        if !self.problems.is_empty() {
            codes.push(exit::CONFIGURATION);
        }
        if self.worst == Some(Severity::Error) {
            codes.push(exit::FAILURE);
        }
        exit::first_of(&codes)
    }
}

fn finding_line(finding: &Finding) -> String {
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
    format!("{} [{code}]{whose} {message}", severity(finding.severity))
}

fn finding_json(finding: &Finding) -> Value {
    let Finding {
        code,
        partition,
        message,
        ..
    } = finding;
    let severity = severity(finding.severity);
    json!({ "code": code, "severity": severity, "partition": partition, "message": message })
}

fn error_json(e: &Error) -> Value {
    json!({ "kind": e.kind().name(), "message": e.to_string(), "hints": e.hints() })
}

/// The state, if it is there, to look at; else an empty one, after trying
/// whether it could be made.
async fn storage(dir: &Path) -> Result<SqliteStore> {
    if SqliteStore::is_in(dir) {
        let store = SqliteStore::open_shared(dir)?;
        store.probe().await?;
        return Ok(store);
    }
    let failed = |e: std::io::Error| {
        Error::storage(format!(
            "the state folder `{}` can't be written: {e}",
            dir.display()
        ))
        .hint("make it writable for this process, or name another one: `state_dir`")
    };
    SqliteStore::make_folder(dir)?;
    let probe = dir.join(".probe");
    std::fs::write(&probe, b"")
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(failed)?;
    SqliteStore::in_memory()
}
