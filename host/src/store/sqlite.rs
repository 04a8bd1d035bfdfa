//! The store in one SQLite file.
//!
//! SQLite because a batch's events, the plugin's values and the status must
//! become durable together, and because `sqlite3 state.db` answers questions at
//! three in the morning.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::lock::Lock;
use super::{BoxFuture, Commit, Delivery, Status, Store};
use crate::error::{Error, Result};
use crate::failpoint;
use crate::keyvalue::Values;

/// The form of the tables; a file with a higher number is not touched.
const VERSION: i64 = 1;

/// The file's name in its folder.
const FILE: &str = "state.db";

/// Copies of feeds that another version of their plugin went on with.
const COPIES: &str = "copies";

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS value (
        feed TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (feed, key));
    CREATE TABLE IF NOT EXISTS status (
        feed TEXT NOT NULL PRIMARY KEY, status TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS outbox (
        feed TEXT NOT NULL PRIMARY KEY, checkpoint INTEGER NOT NULL,
        sink TEXT NOT NULL, plan TEXT NOT NULL, events BLOB NOT NULL,
        dead_letters_plan TEXT, dead_letters BLOB);
";

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
        let store = Self::connect(&path)?;
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

    /// Opens the folder `dir` to look at, also while another process works in
    /// it.
    pub fn open_shared(dir: &Path) -> Result<Self> {
        Self::connect(&dir.join(FILE))
    }

    /// An empty store that is gone with this process: to try things out.
    pub fn in_memory() -> Result<Self> {
        Self::connect(Path::new(":memory:"))
    }

    fn connect(path: &Path) -> Result<Self> {
        let opened = || -> rusqlite::Result<(Connection, i64)> {
            let connection = Connection::open(path)?;
            connection.busy_timeout(Duration::from_secs(10))?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
            if version == 0 {
                connection.execute_batch(TABLES)?;
                connection.pragma_update(None, "user_version", VERSION)?;
            }
            Ok((connection, version))
        };
        let (connection, version) =
            opened().map_err(|e| failed(&format!("`{}` can't be opened", path.display()), &e))?;
        if version > VERSION {
            return Err(Error::storage(format!(
                "the state `{}` was written by a newer version of this program",
                path.display()
            ))
            .hint("use that version, or another `state_dir`"));
        }
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
            write_values(&transaction, &feed, &commit.values)?;
            transaction
                .prepare_cached("INSERT OR REPLACE INTO status (feed, status) VALUES (?, ?)")?
                .execute(params![feed, to_json(&commit.status)?])?;
            if let Some(delivery) = &commit.delivery {
                write_outbox(&transaction, &feed, delivery)?;
            }
            failpoint::pass("committing");
            transaction.commit()
        }))
    }

    fn outbox<'a>(&'a self, feed: &'a str) -> BoxFuture<'a, Result<Option<Delivery>>> {
        let feed = feed.to_owned();
        Box::pin(self.run("read", move |connection| {
            connection
                .prepare_cached(
                    "SELECT checkpoint, sink, plan, events, dead_letters_plan, dead_letters
                     FROM outbox WHERE feed = ?",
                )?
                .query_row(params![feed], read_delivery)
                .optional()
        }))
    }

    fn replan<'a>(&'a self, feed: &'a str, delivery: &'a Delivery) -> BoxFuture<'a, Result<()>> {
        let (feed, delivery) = (feed.to_owned(), delivery.clone());
        Box::pin(self.run("written", move |connection| {
            let (plan, lines) = dead_letters(&delivery)?;
            connection
                .prepare_cached(
                    "UPDATE outbox SET plan = ?, dead_letters_plan = ?, dead_letters = ?
                     WHERE feed = ? AND checkpoint = ?",
                )?
                .execute(params![
                    to_json(&delivery.plan)?,
                    plan,
                    lines,
                    feed,
                    delivery.checkpoint.cast_signed(),
                ])
                .map(drop)
        }))
    }

    fn delivered<'a>(&'a self, feed: &'a str, checkpoint: u64) -> BoxFuture<'a, Result<()>> {
        let feed = feed.to_owned();
        Box::pin(self.run("written", move |connection| {
            connection
                .prepare_cached("DELETE FROM outbox WHERE feed = ? AND checkpoint = ?")?
                .execute(params![feed, checkpoint.cast_signed()])
                .map(drop)
        }))
    }

    fn status<'a>(&'a self, feed: &'a str) -> BoxFuture<'a, Result<Option<Status>>> {
        let feed = feed.to_owned();
        Box::pin(self.run("read", move |connection| {
            connection
                .prepare_cached("SELECT status FROM status WHERE feed = ?")?
                .query_row(params![feed], |row| from_json(&row.get::<_, String>(0)?))
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
            let Some(folder) = self.folder.as_ref().map(|folder| folder.join(COPIES)) else {
                return Ok(None);
            };
            let path = folder.join(file);
            Self::make_folder(&folder)?;
            make_file(&path)?;
            let shown = path.display().to_string();
            let copy = shown.clone();
            self.run("copied", move |connection| {
                copy_feed(connection, &feed, &copy)
            })
            .await?;
            Ok(Some(shown))
        })
    }

    fn reset<'a>(&'a self, feed: &'a str) -> BoxFuture<'a, Result<()>> {
        let feed = feed.to_owned();
        Box::pin(self.run("written", move |connection| {
            let transaction = connection.transaction()?;
            for table in ["value", "status", "outbox"] {
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

/// Copies a feed's values and status into another file, in the place of what is
/// there.
fn copy_feed(connection: &mut Connection, feed: &str, path: &str) -> rusqlite::Result<()> {
    connection.execute("ATTACH ? AS copy", [path])?;
    let copied = connection.transaction().and_then(|transaction| {
        for table in ["value", "status"] {
            transaction.execute_batch(&format!(
                "CREATE TABLE IF NOT EXISTS copy.{table} AS SELECT * FROM main.{table} WHERE false;
                 DELETE FROM copy.{table};"
            ))?;
            let sql = format!("INSERT INTO copy.{table} SELECT * FROM main.{table} WHERE feed = ?");
            transaction.execute(&sql, [feed])?;
        }
        transaction.commit()
    });
    connection.execute("DETACH copy", [])?;
    copied
}

fn write_values(connection: &Connection, feed: &str, values: &Values) -> rusqlite::Result<()> {
    for (key, value) in values {
        match value {
            Some(value) => connection
                .prepare_cached("INSERT OR REPLACE INTO value (feed, key, value) VALUES (?, ?, ?)")?
                .execute(params![feed, key, value])?,
            None => connection
                .prepare_cached("DELETE FROM value WHERE feed = ? AND key = ?")?
                .execute(params![feed, key])?,
        };
    }
    Ok(())
}

/// Fails if there is a row: a batch that is not delivered is never replaced.
fn write_outbox(connection: &Connection, feed: &str, delivery: &Delivery) -> rusqlite::Result<()> {
    let (dead_letters_plan, dead_letters) = dead_letters(delivery)?;
    connection
        .prepare_cached(
            "INSERT INTO outbox
                (feed, checkpoint, sink, plan, events, dead_letters_plan, dead_letters)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            feed,
            delivery.checkpoint.cast_signed(),
            delivery.sink,
            to_json(&delivery.plan)?,
            delivery.events.as_ref(),
            dead_letters_plan,
            dead_letters,
        ])
        .map(drop)
}

/// The plan of the dead letters, and their lines.
fn dead_letters(delivery: &Delivery) -> rusqlite::Result<(Option<String>, Option<&[u8]>)> {
    Ok(match &delivery.dead_letters {
        Some((append, bytes)) => (Some(to_json(append)?), Some(bytes.as_ref())),
        None => (None, None),
    })
}

fn read_delivery(row: &rusqlite::Row<'_>) -> rusqlite::Result<Delivery> {
    let dead_letters = match row.get::<_, Option<String>>("dead_letters_plan")? {
        Some(plan) => Some((
            from_json(&plan)?,
            Bytes::from(row.get::<_, Vec<u8>>("dead_letters")?),
        )),
        None => None,
    };
    Ok(Delivery {
        checkpoint: row.get::<_, i64>("checkpoint")?.cast_unsigned(),
        sink: row.get("sink")?,
        plan: from_json(&row.get::<_, String>("plan")?)?,
        events: row.get::<_, Vec<u8>>("events")?.into(),
        dead_letters,
    })
}

fn to_json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|e| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, e.into())
    })
}

#[cfg(test)]
mod tests;
