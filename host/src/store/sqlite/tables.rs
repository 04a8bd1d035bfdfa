//! The tables in the file, and every statement that changes them.
//!
//! The plan of a delivery has a table of its own: it changes with each step of a
//! delivery, and SQLite writes a row anew as a whole, with all events in it.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, TransactionBehavior, params};

use super::super::{Delivery, Status};
use crate::keyvalue::Values;

/// The form of the tables; a file with a higher number is not touched.
pub(super) const VERSION: i64 = 2;

/// So long another process may hold the file.
const PATIENCE: Duration = Duration::from_secs(10);

const TABLES: &str = "
    CREATE TABLE value (
        feed TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (feed, key));
    CREATE TABLE status (
        feed TEXT NOT NULL PRIMARY KEY, status TEXT NOT NULL);
    CREATE TABLE outbox (
        feed TEXT NOT NULL PRIMARY KEY, checkpoint INTEGER NOT NULL, sink TEXT NOT NULL,
        events BLOB NOT NULL, partition TEXT NOT NULL DEFAULT '');
    CREATE TABLE plan (
        feed TEXT NOT NULL PRIMARY KEY, checkpoint INTEGER NOT NULL, plan TEXT NOT NULL,
        dead_letters_plan TEXT, dead_letters BLOB);
";

/// From version 1, which had no partition, and all of a delivery in one row.
const FROM_1: &str = "
    ALTER TABLE outbox ADD COLUMN partition TEXT NOT NULL DEFAULT '';
    CREATE TABLE plan (
        feed TEXT NOT NULL PRIMARY KEY, checkpoint INTEGER NOT NULL, plan TEXT NOT NULL,
        dead_letters_plan TEXT, dead_letters BLOB);
    INSERT INTO plan
        SELECT feed, checkpoint, plan, dead_letters_plan, dead_letters FROM outbox;
    ALTER TABLE outbox DROP COLUMN plan;
    ALTER TABLE outbox DROP COLUMN dead_letters_plan;
    ALTER TABLE outbox DROP COLUMN dead_letters;
";

/// What lets a reader find in a file of version 1 what it looks for: the views
/// are of the connection, and not in the file.
const VIEW_OF_1: &str = "
    CREATE TEMP VIEW outbox AS
        SELECT feed, checkpoint, sink, events, '' AS partition FROM main.outbox;
    CREATE TEMP VIEW plan AS
        SELECT feed, checkpoint, plan, dead_letters_plan, dead_letters FROM main.outbox;
";

/// Opens a file, with tables of the form of now in it; none: they are newer.
pub(super) fn open(path: &Path) -> rusqlite::Result<Option<Connection>> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    if version(&connection)? < VERSION {
        // Alone: another process may be about to do the same.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        match version(&transaction)? {
            0 => transaction.execute_batch(TABLES)?,
            1 => transaction.execute_batch(FROM_1)?,
            _ => {}
        }
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()?;
    }
    Ok((version(&connection)? == VERSION).then_some(connection))
}

/// Opens a file to look at, and leaves its tables as they are: another process
/// may work with them. None: they are newer.
pub(super) fn open_shared(path: &Path) -> rusqlite::Result<Option<Connection>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    match version(&connection)? {
        // Somebody is about to make the tables: there is nothing to be seen yet.
        0 => return open(Path::new(":memory:")),
        1 => connection.execute_batch(VIEW_OF_1)?,
        VERSION => {}
        _ => return Ok(None),
    }
    Ok(Some(connection))
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

pub(super) fn write_values(
    connection: &Connection,
    feed: &str,
    values: &Values,
) -> rusqlite::Result<()> {
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

pub(super) fn write_status(
    connection: &Connection,
    feed: &str,
    status: &Status,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO status (feed, status) VALUES (?, ?)")?
        .execute(params![feed, to_json(status)?])
        .map(drop)
}

/// Fails if there is a row: a batch that is not delivered is never replaced.
pub(super) fn write_outbox(
    connection: &Connection,
    feed: &str,
    delivery: &Delivery,
) -> rusqlite::Result<()> {
    let checkpoint = delivery.checkpoint.cast_signed();
    let (sink, partition) = (&delivery.sink, &delivery.partition);
    connection
        .prepare_cached(
            "INSERT INTO outbox (feed, checkpoint, sink, events, partition)
             VALUES (?, ?, ?, ?, ?)",
        )?
        .execute(params![
            feed,
            checkpoint,
            sink,
            delivery.events.as_ref(),
            partition
        ])?;
    let (letters_plan, letters) = dead_letters(delivery)?;
    let plan = to_json(&delivery.plan)?;
    connection
        .prepare_cached("INSERT INTO plan VALUES (?, ?, ?, ?, ?)")?
        .execute(params![feed, checkpoint, plan, letters_plan, letters])
        .map(drop)
}

pub(super) fn read_outbox(
    connection: &Connection,
    feed: &str,
) -> rusqlite::Result<Option<Delivery>> {
    connection
        .prepare_cached("SELECT * FROM outbox JOIN plan USING (feed, checkpoint) WHERE feed = ?")?
        .query_row([feed], read_delivery)
        .optional()
}

/// Whether the delivery was there, to get another plan.
pub(super) fn replace_plan(
    connection: &Connection,
    feed: &str,
    delivery: &Delivery,
) -> rusqlite::Result<bool> {
    let (letters_plan, letters) = dead_letters(delivery)?;
    let plan = to_json(&delivery.plan)?;
    let checkpoint = delivery.checkpoint.cast_signed();
    let replaced = connection
        .prepare_cached(
            "UPDATE plan SET plan = ?, dead_letters_plan = ?, dead_letters = ?
             WHERE feed = ? AND checkpoint = ?",
        )?
        .execute(params![plan, letters_plan, letters, feed, checkpoint])?;
    Ok(replaced > 0)
}

pub(super) fn empty_outbox(
    connection: &Connection,
    feed: &str,
    checkpoint: u64,
) -> rusqlite::Result<()> {
    for table in ["outbox", "plan"] {
        connection
            .prepare_cached(&format!(
                "DELETE FROM {table} WHERE feed = ? AND checkpoint = ?"
            ))?
            .execute(params![feed, checkpoint.cast_signed()])?;
    }
    Ok(())
}

/// Copies a feed's values and status into another file, in the place of what is
/// there.
pub(super) fn copy_feed(
    connection: &mut Connection,
    feed: &str,
    path: &str,
) -> rusqlite::Result<()> {
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

/// The plan of the dead letters, and their lines.
fn dead_letters(delivery: &Delivery) -> rusqlite::Result<(Option<String>, Option<&[u8]>)> {
    Ok(match &delivery.dead_letters {
        Some((append, bytes)) => (Some(to_json(append)?), Some(bytes.as_ref())),
        None => (None, None),
    })
}

fn read_delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let dead_letters = match row.get::<_, Option<String>>("dead_letters_plan")? {
        Some(plan) => Some((
            from_json(&plan)?,
            Bytes::from(row.get::<_, Vec<u8>>("dead_letters")?),
        )),
        None => None,
    };
    Ok(Delivery {
        checkpoint: row.get::<_, i64>("checkpoint")?.cast_unsigned(),
        partition: row.get("partition")?,
        sink: row.get("sink")?,
        plan: from_json(&row.get::<_, String>("plan")?)?,
        events: row.get::<_, Vec<u8>>("events")?.into(),
        dead_letters,
    })
}

fn to_json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|e| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, e.into())
    })
}
