//! A program of its own around the library: a store and a sink that are not the
//! library's, and a loop that polls when it likes.
//!
//! ```sh
//! cargo run --example embed -- PLUGIN.wasm '{"url": "http://127.0.0.1:8080"}' FOLDER
//! ```
//!
//! Its promise is the library's: each event is delivered once, though the
//! process may be killed at any moment. The tests below do so.
#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use source_host::{
    Append, BoxFuture, Commit, Delivered, Delivery, Engine, Error, Feed, FeedOptions, Next,
    Outgoing, Result, Sink, Status, Store,
};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [plugin, settings, folder] = arguments.as_slice() else {
        println!("usage: embed PLUGIN.wasm SETTINGS FOLDER");
        return Ok(());
    };
    let settings = serde_json::from_str(settings).map_err(|e| Error::storage(e.to_string()))?;
    let mut feed = open(Path::new(plugin), settings, Path::new(folder)).await?;
    let batches = drain(&mut feed).await?;
    println!("{batches} batches in {folder}");
    Ok(())
}

/// A feed that keeps all it has in `folder`.
async fn open(plugin: &Path, settings: Map<String, Value>, folder: &Path) -> Result<Feed> {
    fs::create_dir_all(folder).map_err(|e| Error::storage(e.to_string()))?;
    let plugin = Engine::new()?.load(plugin).await?;
    let mut options = FeedOptions::new("embedded", folder.join("dead-letters.ndjson"));
    options.settings = settings;
    options.limits.batch_events = 20;
    let store = JsonStore::open(folder.join("state.json")).map_err(failed)?;
    let sink = Batches(folder.to_owned());
    Feed::open(&plugin, options, Arc::new(store), Arc::new(sink)).await
}

/// Collects until nothing more is to come; how many batches had events. A
/// program that wants to wait and retry, too, calls `Feed::run`.
async fn drain(feed: &mut Feed) -> Result<u32> {
    let mut batches = 0;
    loop {
        let batch = feed.poll(true).await?;
        batches += u32::from(!batch.events.is_empty());
        if let Next::Idle(_) = feed.settle(batch).await?.next {
            return Ok(batches);
        }
    }
}

/// A sink that makes a file of each batch. The plan is the file's name: to do
/// it again is to write the same file again.
struct Batches(PathBuf);

impl Sink for Batches {
    fn kind(&self) -> &str {
        "batches"
    }

    fn plan<'a>(&'a self, outgoing: Outgoing<'a>) -> BoxFuture<'a, Result<Value>> {
        let name = format!("{:06}.ndjson", outgoing.batch.checkpoint);
        Box::pin(async { Ok(name.into()) })
    }

    fn deliver<'a>(
        &'a self,
        plan: &'a Value,
        events: &'a Bytes,
    ) -> BoxFuture<'a, Result<Delivered>> {
        let path = self.0.join(plan.as_str().unwrap_or_default());
        Box::pin(async move {
            replace(&path, events).map_err(|e| Error::sink(e.to_string()))?;
            Ok(Delivered::Whole)
        })
    }
}

/// A store of one feed in one JSON file, which is replaced at each commit: all
/// of a commit is there, or nothing.
struct JsonStore {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Clone, Default, Deserialize, Serialize)]
struct State {
    values: BTreeMap<String, Vec<u8>>,
    status: Option<Status>,
    outbox: Option<Row>,
}

/// A [`Delivery`] as JSON.
#[derive(Clone, Deserialize, Serialize)]
struct Row {
    checkpoint: u64,
    partition: String,
    sink: String,
    plan: Value,
    events: Vec<u8>,
    dead_letters: Option<(Append, Vec<u8>)>,
}

impl JsonStore {
    fn open(path: PathBuf) -> io::Result<Self> {
        let state = match fs::read(&path) {
            Ok(json) => serde_json::from_slice(&json)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => State::default(),
            Err(e) => return Err(e),
        };
        Ok(Self {
            path,
            state: Mutex::new(state),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a changed state durable.
    fn change(&self, change: impl FnOnce(&mut State)) -> Result<()> {
        let mut state = self.state();
        let mut new = state.clone();
        change(&mut new);
        let json = serde_json::to_vec(&new).map_err(|e| failed(e.into()))?;
        replace(&self.path, &json).map_err(failed)?;
        *state = new;
        Ok(())
    }
}

impl Store for JsonStore {
    fn get<'a>(&'a self, _feed: &'a str, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>>> {
        let value = self.state().values.get(key).cloned();
        Box::pin(async { Ok(value) })
    }

    fn commit<'a>(&'a self, _feed: &'a str, commit: Commit) -> BoxFuture<'a, Result<()>> {
        let done = self.change(|state| {
            for (key, value) in commit.values {
                match value {
                    Some(value) => state.values.insert(key, value),
                    None => state.values.remove(&key),
                };
            }
            state.status = Some(commit.status);
            state.outbox = commit.delivery.as_ref().map(Row::from);
        });
        Box::pin(async { done })
    }

    fn outbox<'a>(&'a self, _feed: &'a str) -> BoxFuture<'a, Result<Option<Delivery>>> {
        let row = self.state().outbox.clone();
        Box::pin(async { Ok(row.map(Delivery::from)) })
    }

    fn replan<'a>(
        &'a self,
        _feed: &'a str,
        delivery: &'a Delivery,
        status: &'a Status,
    ) -> BoxFuture<'a, Result<()>> {
        let done = self.change(|state| {
            state.outbox = Some(delivery.into());
            state.status = Some(status.clone());
        });
        Box::pin(async { done })
    }

    fn delivered<'a>(&'a self, _feed: &'a str, checkpoint: u64) -> BoxFuture<'a, Result<()>> {
        let is_other = |row: &Row| row.checkpoint != checkpoint;
        let done = self.change(|state| state.outbox = state.outbox.take().filter(is_other));
        Box::pin(async { done })
    }

    fn status<'a>(&'a self, _feed: &'a str) -> BoxFuture<'a, Result<Option<Status>>> {
        let status = self.state().status.clone();
        Box::pin(async { Ok(status) })
    }

    fn feeds(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        Box::pin(async { Ok(vec!["embedded".to_owned()]) })
    }

    fn reset<'a>(&'a self, _feed: &'a str) -> BoxFuture<'a, Result<()>> {
        let done = self.change(|state| *state = State::default());
        Box::pin(async { done })
    }
}

impl From<&Delivery> for Row {
    fn from(delivery: &Delivery) -> Self {
        let dead_letters = delivery.dead_letters.as_ref();
        Self {
            checkpoint: delivery.checkpoint,
            partition: delivery.partition.clone(),
            sink: delivery.sink.clone(),
            plan: delivery.plan.clone(),
            events: delivery.events.to_vec(),
            dead_letters: dead_letters.map(|(append, lines)| (append.clone(), lines.to_vec())),
        }
    }
}

impl From<Row> for Delivery {
    fn from(row: Row) -> Self {
        Self {
            checkpoint: row.checkpoint,
            partition: row.partition,
            sink: row.sink,
            plan: row.plan,
            events: row.events.into(),
            dead_letters: row
                .dead_letters
                .map(|(append, lines)| (append, lines.into())),
        }
    }
}

/// Makes `bytes` the content of a file, durably: all of it or nothing.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

fn failed(e: io::Error) -> Error {
    Error::storage(format!("the state can't be used: {e}"))
}

/// `make guests` builds the plugin that they collect with.
#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use serde_json::json;

    use super::*;

    /// Serves the numbers up to a hundred, thirty a page; its address.
    fn serve() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let request = lines.next().unwrap().unwrap();
                while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
                let after = request.split(['=', ' ']).nth(2).unwrap();
                let first = after.parse::<u32>().unwrap() + 1;
                let page = (first..=100).take(30).map(|n| format!("{n}\n"));
                let body = page.collect::<String>();
                let length = body.len();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n");
                let _ = write!(stream, "{head}connection: close\r\n\r\n{body}");
            }
        });
        url
    }

    async fn open_at(url: &str, folder: &Path) -> Feed {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let plugin = root.join("../target/guests/wasm32-wasip2/release/counter.wasm");
        let settings = Map::from_iter([("url".to_owned(), json!(url))]);
        open(&plugin, settings, folder).await.unwrap()
    }

    /// All that was delivered, in the order of the batches.
    fn delivered(folder: &Path) -> String {
        let entries = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> = entries
            .filter(|path| path.extension().is_some_and(|e| e == "ndjson"))
            .collect();
        files.sort();
        files
            .iter()
            .map(|path| fs::read_to_string(path).unwrap())
            .collect()
    }

    fn numbers() -> String {
        (1..=100).map(|n| format!("{{\"number\":{n}}}\n")).collect()
    }

    #[tokio::test]
    async fn a_batch_that_was_polled_and_not_settled_comes_again() {
        let (url, folder) = (serve(), tempfile::tempdir().unwrap());
        let mut feed = open_at(&url, folder.path()).await;
        let first = feed.poll(true).await.unwrap();
        feed.settle(first).await.unwrap();
        let lost = feed.poll(true).await.unwrap();
        drop(feed);

        let mut feed = open_at(&url, folder.path()).await;
        let again = feed.poll(true).await.unwrap();
        assert_eq!(again.checkpoint, lost.checkpoint);
        // It may have more by now.
        assert!(again.events.starts_with(&lost.events));
        feed.settle(again).await.unwrap();
        drain(&mut feed).await.unwrap();
        assert_eq!(delivered(folder.path()), numbers());
    }

    #[tokio::test]
    async fn a_process_that_is_killed_at_any_step_loses_and_repeats_nothing() {
        let url = serve();
        for step in ["polled", "acked", "committed", "delivered", "deleted"] {
            let folder = tempfile::tempdir().unwrap();
            let killed = Command::new(std::env::current_exe().unwrap())
                .args(["--ignored", "--exact", "tests::one_run"])
                .env("SOURCE_HOST_FAILPOINT", format!("{step}:2"))
                .env("EMBED_URL", &url)
                .env("EMBED_FOLDER", folder.path())
                .output()
                .unwrap();
            assert!(killed.status.signal().is_some(), "{step}: {killed:?}");
            assert!(delivered(folder.path()).len() < numbers().len());
            drain(&mut open_at(&url, folder.path()).await)
                .await
                .unwrap();
            assert_eq!(delivered(folder.path()), numbers(), "{step}");
        }
    }

    /// What the test before kills.
    #[tokio::test]
    #[ignore = "a part of the test before"]
    async fn one_run() {
        let url = std::env::var("EMBED_URL").unwrap();
        let folder = PathBuf::from(std::env::var_os("EMBED_FOLDER").unwrap());
        drain(&mut open_at(&url, &folder).await).await.unwrap();
    }
}
