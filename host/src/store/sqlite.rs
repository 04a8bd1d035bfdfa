//! The store in one SQLite file.
//!
//! SQLite because a batch's events, the plugin's values and the status must
//! become durable together, and because `sqlite3 state.db` answers questions at
//! three in the morning.

mod tables;

use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::lock::Lock;
use super::{BoxFuture, Commit, Delivery, Status, Store};
use crate::error::{Error, Result};
use crate::failpoint;

/// The file's name in its folder.
const FILE: &str = "state.db";

/// Copies of feeds that another version of their plugin went on with.
const COPIES: &str = "copies";

/// A [`Store`] in the file `state.db` of a folder. Clones share it.
#[derive(Clone)]
pub struct SqliteStore {
    connection: Arc<Mutex<Connection>>,
    /// None: it is in memory.
    folder: Option<PathBuf>,
    _lock: Option<Arc<Lock>>,
}

impl SqliteStore {
    /// Opens the folder `dir`, and makes it if it is not there. One process at
    /// a time may: the error names the other.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::make_folder(dir)?;
        let lock = Lock::take(dir)?;
        let path = dir.join(FILE);
        make_file(&path)?;
        let store = Self::connect(&path, tables::open)?;
        Ok(Self {
            folder: Some(dir.to_owned()),
            _lock: Some(Arc::new(lock)),
            ..store
        })
    }

    /// Makes the folder `dir`, for its owner alone, if it is not there.
    pub fn make_folder(dir: &Path) -> Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|e| {
                Error::storage(format!("the folder `{}` can't be made: {e}", dir.display()))
                    .hint("make it, writable for this process, or name another one: `state_dir`")
            })
    }

    /// The files in the folder `dir` that are the store's own.
    pub fn files(dir: &Path) -> [PathBuf; 4] {
        ["state.db", "state.db-shm", "state.db-wal", "lock"].map(|name| dir.join(name))
    }

    /// The folder in `dir` in which it keeps copies.
    pub fn copies(dir: &Path) -> PathBuf {
        dir.join(COPIES)
    }

    /// Whether there is a state in the folder `dir`, as far as one may look into it.
    pub fn is_in(dir: &Path) -> bool {
        dir.join(FILE).try_exists().unwrap_or(true)
    }

    /// Opens the state in the folder `dir` to look at, also while another
    /// process works with it. What an older version of this program wrote is
    /// read as it is.
    pub fn open_shared(dir: &Path) -> Result<Self> {
        Self::connect(&dir.join(FILE), tables::open_shared)
    }

    /// An empty store that is gone with this process: to try things out.
    pub fn in_memory() -> Result<Self> {
        Self::connect(Path::new(":memory:"), tables::open)
    }

    fn connect(
        path: &Path,
        open: impl Fn(&Path) -> rusqlite::Result<Option<Connection>>,
    ) -> Result<Self> {
        let can_not = |e| failed(&format!("`{}` can't be opened", path.display()), &e);
        let Some(connection) = open(path).map_err(can_not)? else {
            return Err(Error::storage(format!(
                "the state `{}` was written by a newer version of this program",
                path.display()
            ))
            .hint("use that version, or another `state_dir`"));
        };
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
            folder: None,
            _lock: None,
        })
    }

    /// Tries whether the state can be written, without changing it.
    pub async fn probe(&self) -> Result<()> {
        self.run("written", |connection| {
            connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK;")
        })
        .await
    }

    /// Runs `work` where it may wait for the disk.
    async fn run<T: Send + 'static>(
        &self,
        verb: &str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let connection = self.connection.clone();
        let done = tokio::task::spawn_blocking(move || {
            work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner))
        });
        match done.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(e)) => Err(failed(&format!("can't be {verb}"), &e)),
            Err(e) => Err(Error::storage(format!("the state can't be {verb}: {e}"))),
        }
    }
}

impl Store for SqliteStore {
    fn get<'a>(&'a self, feed: &'a str, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>>> {
        let (feed, key) = (feed.to_owned(), key.to_owned());
        Box::pin(self.run("read", move |connection| {
            connection
                .prepare_cached("SELECT value FROM value WHERE feed = ? AND key = ?")?
                .query_row(params![feed, key], |row| row.get(0))
                .optional()
        }))
    }

    fn commit<'a>(&'a self, feed: &'a str, commit: Commit) -> BoxFuture<'a, Result<()>> {
        let feed = feed.to_owned();
        Box::pin(self.run("written", move |connection| {
            let transaction = connection.transaction()?;
            tables::write_values(&transaction, &feed, &commit.values)?;
            tables::write_status(&transaction, &feed, &commit.status)?;
            if let Some(delivery) = &commit.delivery {
                tables::write_outbox(&transaction, &feed, delivery)?;
            }
            failpoint::pass("committing");
            transaction.commit()
        }))
    }

    fn outbox<'a>(&'a self, feed: &'a str) -> BoxFuture<'a, Result<Option<Delivery>>> {
        let feed = feed.to_owned();
        Box::pin(self.run("read", move |connection| {
            tables::read_outbox(connection, &feed)
        }))
    }

    fn replan<'a>(
        &'a self,
        feed: &'a str,
        delivery: &'a Delivery,
        status: &'a Status,
    ) -> BoxFuture<'a, Result<()>> {
        let (feed, delivery, status) = (feed.to_owned(), delivery.clone(), status.clone());
        Box::pin(self.run("written", move |connection| {
            let transaction = connection.transaction()?;
            if tables::replace_plan(&transaction, &feed, &delivery)? {
                tables::write_status(&transaction, &feed, &status)?;
            }
            transaction.commit()
        }))
    }

    fn delivered<'a>(&'a self, feed: &'a str, checkpoint: u64) -> BoxFuture<'a, Result<()>> {
        let feed = feed.to_owned();
        Box::pin(self.run("written", move |connection| {
            let transaction = connection.transaction()?;
            tables::empty_outbox(&transaction, &feed, checkpoint)?;
            transaction.commit()
        }))
    }

    fn status<'a>(&'a self, feed: &'a str) -> BoxFuture<'a, Result<Option<Status>>> {
        let feed = feed.to_owned();
        Box::pin(self.run("read", move |connection| {
            connection
                .prepare_cached("SELECT status FROM status WHERE feed = ?")?
                .query_row([feed], |row| tables::from_json(&row.get::<_, String>(0)?))
                .optional()
        }))
    }

    fn feeds(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        Box::pin(self.run("read", |connection| {
            connection
                .prepare_cached("SELECT feed FROM status ORDER BY feed")?
                .query_map([], |row| row.get(0))?
                .collect()
        }))
    }

    fn keep<'a>(&'a self, feed: &'a str, name: &'a str) -> BoxFuture<'a, Result<Option<String>>> {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '-'
            }
        };
        let name: String = name.chars().map(plain).collect();
        let (feed, file) = (feed.to_owned(), format!("{feed}-{name}.db"));
        Box::pin(async move {
            let Some(folder) = self.folder.as_deref().map(Self::copies) else {
                return Ok(None);
            };
            let path = folder.join(file);
            Self::make_folder(&folder)?;
            make_file(&path)?;
            let shown = path.display().to_string();
            let copy = shown.clone();
            self.run("copied", move |connection| {
                tables::copy_feed(connection, &feed, &copy)
            })
            .await?;
            Ok(Some(shown))
        })
    }

    fn reset<'a>(&'a self, feed: &'a str) -> BoxFuture<'a, Result<()>> {
        let feed = feed.to_owned();
        Box::pin(self.run("written", move |connection| {
            let transaction = connection.transaction()?;
            for table in ["value", "status", "outbox", "plan"] {
                transaction.execute(&format!("DELETE FROM {table} WHERE feed = ?"), [&feed])?;
            }
            transaction.commit()
        }))
    }
}

/// Makes an empty file if there is none. Raw events will lie in it: nobody else
/// reads them. SQLite's own files beside it get the same mode.
fn make_file(path: &Path) -> Result<()> {
    File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|e| {
            Error::storage(format!("the state `{}` can't be made: {e}", path.display()))
                .hint("its folder, and all files in it, must be writable for this process")
        })
}

/// What SQLite reports, and what can be done about it.
fn failed(what: &str, e: &rusqlite::Error) -> Error {
    let error = Error::storage(format!("the state {what}: {e}"));
    match e.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            error.hint("nothing is lost: make room, and it goes on where it was")
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            error.hint("its folder, and all files in it, must be writable for this process")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            error.hint("another program holds it: close whatever has `state.db` open")
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            error.hint("put back a copy of `state.db`").hint(
                "or remove it, and its `-wal` and `-shm`: all feeds start over and repeat events",
            )
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests;
