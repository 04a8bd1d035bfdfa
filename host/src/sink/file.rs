//! The sink `file`: events appended to files, whose paths may depend on the
//! event. How a line gets there exactly once is in `append.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use chrono::DateTime;
use serde_json::Value;

use super::append::{Append, Files, try_out};
use super::{Delivered, Outgoing, Sink};
use crate::bindings::types::EventClass;
use crate::clock::now;
use crate::error::{Error, Result};
use crate::store::BoxFuture;

/// What a path may contain in braces.
const NAMES: [&str; 4] = ["class", "date", "feed", "partition"];

/// Milliseconds in a day.
const DAY: i64 = 86_400_000;

/// Appends events to files.
pub struct FileSink {
    /// As configured.
    path: String,
    template: Vec<Part>,
    files: Files,
}

/// A piece of a path template.
enum Part {
    Text(String),
    Class,
    Date,
    Feed,
    Partition,
}

impl FileSink {
    /// A sink whose path may contain `{class}` (the event's class, as in
    /// `authentication`), `{date}` (the day of the event in UTC), `{feed}` and
    /// `{partition}` or `{org}`. In what is put in, characters other than ASCII letters,
    /// digits, `_` and `-` become `_`. Else says what is wrong with the path.
    pub fn new(path: &Path) -> Result<Self, String> {
        let text = path.to_str().ok_or("the path is not UTF-8 text")?;
        if text.is_empty() {
            return Err("the path is empty".to_owned());
        }
        Ok(Self {
            path: text.to_owned(),
            template: parse(text)?,
            files: Files::new(0o644),
        })
    }

    /// The template of a path with the name of `feed` in it, as the sink puts it
    /// in.
    pub fn path_of_feed(template: &Path, feed: &str) -> PathBuf {
        let text = template.to_string_lossy();
        text.replace("{feed}", &plain(feed)).into()
    }

    /// A sink that can only deliver: a plan says all that it takes.
    pub(crate) fn for_plans() -> Self {
        Self {
            path: String::new(),
            template: Vec::new(),
            files: Files::new(0o644),
        }
    }

    /// The path for events of `class` (by name) at `time` (ms since 1970).
    fn path(&self, feed: &str, partition: &str, class: &str, time: i64) -> PathBuf {
        let date = || match DateTime::from_timestamp_millis(time) {
            Some(time) => time.format("%Y-%m-%d").to_string(),
            None => "undated".to_owned(),
        };
        let parts = self.template.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Class => plain(class),
            Part::Date => date(),
            Part::Feed => plain(feed),
            Part::Partition => plain(partition),
        });
        PathBuf::from(parts.collect::<String>())
    }

    /// Which bytes of the batch go to which file.
    fn route(&self, outgoing: Outgoing<'_>) -> BTreeMap<PathBuf, Vec<(usize, usize)>> {
        let class_names: HashMap<u32, &str> = outgoing
            .classes
            .iter()
            .map(|class| (class.uid, class.name.as_str()))
            .collect();
        let mut paths: HashMap<(u32, i64), PathBuf> = HashMap::new();
        let mut routes: BTreeMap<PathBuf, Vec<(usize, usize)>> = BTreeMap::new();
        let mut start = 0;
        for entry in &outgoing.batch.index {
            let end = start + entry.length as usize;
            let path = paths
                .entry((entry.class, entry.time.div_euclid(DAY)))
                .or_insert_with(|| {
                    let number = entry.class.to_string();
                    let class = class_names.get(&entry.class).copied().unwrap_or(&number);
                    self.path(outgoing.feed, &outgoing.batch.partition, class, entry.time)
                });
            match routes.get_mut(path) {
                Some(spans) => match spans.last_mut() {
                    Some(last) if last.1 == start => last.1 = end,
                    _ => spans.push((start, end)),
                },
                None => {
                    routes.insert(path.clone(), vec![(start, end)]);
                }
            }
            start = end;
        }
        routes
    }
}

impl Sink for FileSink {
    fn kind(&self) -> &str {
        "file"
    }

    fn destination(&self) -> String {
        self.path.clone()
    }

    fn check<'a>(&'a self, feed: &'a str, classes: &'a [EventClass]) -> BoxFuture<'a, Result<()>> {
        let path = |class: &EventClass| self.path(feed, "_", &class.name, now());
        let paths: BTreeSet<PathBuf> = classes.iter().map(path).collect();
        Box::pin(async move { paths.iter().try_for_each(|path| try_out(path)) })
    }

    fn plan<'a>(&'a self, outgoing: Outgoing<'a>) -> BoxFuture<'a, Result<Value>> {
        let routes = self.route(outgoing);
        Box::pin(async move {
            let mut appends = Vec::new();
            for (path, spans) in routes {
                appends.push(self.files.plan(path, spans).await?);
            }
            serde_json::to_value(appends).map_err(|e| Error::sink(format!("no plan: {e}")))
        })
    }

    fn deliver<'a>(
        &'a self,
        plan: &'a Value,
        events: &'a Bytes,
    ) -> BoxFuture<'a, Result<Delivered>> {
        Box::pin(async move {
            let appends: Vec<Append> = serde_json::from_value(plan.clone())
                .map_err(|e| Error::sink(format!("the plan in the outbox can't be read: {e}")))?;
            for append in &appends {
                self.files.deliver(append.clone(), events.clone()).await?;
            }
            self.files.keep_only(appends.iter());
            Ok(Delivered::Whole)
        })
    }
}

fn parse(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or("a `{` has no `}`")?;
        parts.push(Part::Text(before.to_owned()));
        parts.push(match name {
            "class" => Part::Class,
            "date" => Part::Date,
            "feed" => Part::Feed,
            // Most partitions are organisations.
            "partition" | "org" => Part::Partition,
            other => {
                let known = NAMES.map(|name| format!("`{{{name}}}`")).join(", ");
                return Err(format!("`{{{other}}}` is none of {known}"));
            }
        });
        rest = after;
    }
    parts.push(Part::Text(rest.to_owned()));
    Ok(parts)
}

/// `text` as a part of a file name: it comes from a plugin or a server.
fn plain(text: &str) -> String {
    if text.is_empty() {
        return "_".to_owned();
    }
    let keep = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.chars()
        .map(|c| if keep(c) { c } else { '_' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::types::{Batch, Counters, Entry, Next};

    fn batch(entries: &[(u32, i64, u32)]) -> Batch {
        Batch {
            partition: "../o".into(),
            events: Vec::new(),
            index: entries
                .iter()
                .map(|(class, time, length)| Entry {
                    id: String::new(),
                    class: *class,
                    activity: 1,
                    time: *time,
                    length: *length,
                })
                .collect(),
            rejected: Vec::new(),
            checkpoint: 1,
            counters: Counters::default(),
            findings: Vec::new(),
            progress: None,
            next: Next::More,
        }
    }

    #[tokio::test]
    async fn lines_go_to_the_files_of_their_class_day_and_partition() {
        let dir = tempfile::tempdir().unwrap();
        let template = dir
            .path()
            .join("{feed}-{org}{partition}/{class}-{date}.ndjson");
        let sink = FileSink::new(&template).unwrap();
        let classes = [EventClass {
            uid: 7,
            caption: "Seven".into(),
            name: "seven".into(),
            activities: Vec::new(),
        }];
        let events = Bytes::from_static(b"aa\nb\ncc\nd\n");
        let batch = batch(&[(7, 0, 3), (7, 5, 2), (8, 0, 3), (7, -1, 2)]);
        let plan = sink
            .plan(Outgoing {
                feed: "f.x",
                classes: &classes,
                batch: &batch,
                events: &events,
                known: true,
            })
            .await
            .unwrap();
        for _ in 0..2 {
            sink.deliver(&plan, &events).await.unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(dir.path().join("f_x-___o___o").join(name));
        assert_eq!(read("seven-1970-01-01.ndjson").unwrap(), "aa\nb\n");
        assert_eq!(read("seven-1969-12-31.ndjson").unwrap(), "d\n");
        assert_eq!(read("8-1970-01-01.ndjson").unwrap(), "cc\n");
    }

    #[test]
    fn a_wrong_template_is_named() {
        let wrong = |text: &str| FileSink::new(Path::new(text)).err().unwrap();
        assert_eq!(
            wrong("x/{klass}"),
            "`{klass}` is none of `{class}`, `{date}`, `{feed}`, `{partition}`"
        );
        assert_eq!(wrong("x/{class"), "a `{` has no `}`");
        assert_eq!(wrong(""), "the path is empty");
    }
}
