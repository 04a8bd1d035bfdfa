//! The store in one SQLite file: what is durable, what is refused.

use bytes::Bytes;

use super::*;
use crate::keyvalue::Values;

fn delivery(checkpoint: u64) -> Delivery {
    Delivery {
        checkpoint,
        partition: "p".into(),
        sink: "stdout".into(),
        plan: serde_json::json!({"a": [1, 2]}),
        events: Bytes::from_static(b"{}\n"),
        dead_letters: None,
    }
}

fn commit(checkpoint: u64, key: &str, value: Option<&[u8]>, send: bool) -> Commit {
    Commit {
        values: Values::from([(key.to_owned(), value.map(<[u8]>::to_vec))]),
        status: Status {
            checkpoint,
            ..Status::default()
        },
        delivery: send.then(|| delivery(checkpoint)),
    }
}

#[tokio::test]
async fn what_is_committed_is_there_and_a_full_outbox_refuses_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    store.probe().await.unwrap();
    store
        .commit("f", commit(1, "head", Some(b"one"), true))
        .await
        .unwrap();
    assert_eq!(store.get("f", "head").await.unwrap().unwrap(), b"one");
    assert_eq!(store.get("g", "head").await.unwrap(), None);
    assert_eq!(store.outbox("f").await.unwrap(), Some(delivery(1)));

    let refused = store
        .commit("f", commit(2, "head", Some(b"two"), true))
        .await;
    assert_eq!(refused.unwrap_err().kind(), crate::Kind::Storage);
    assert_eq!(
        store.get("f", "head").await.unwrap().unwrap(),
        b"one",
        "nothing of it"
    );
    assert_eq!(store.status("f").await.unwrap().unwrap().checkpoint, 1);

    let mut changed = delivery(1);
    changed.plan = serde_json::json!({"b": 3});
    let status = Status {
        checkpoint: 1,
        refused: 3,
        ..Status::default()
    };
    store.replan("f", &changed, &status).await.unwrap();
    assert_eq!(store.outbox("f").await.unwrap(), Some(changed.clone()));
    assert_eq!(store.status("f").await.unwrap().unwrap().refused, 3);

    // Of another batch: a delivery that was given up may say so late.
    store.delivered("f", 0).await.unwrap();
    let late = Status::default();
    store.replan("f", &delivery(0), &late).await.unwrap();
    assert_eq!(store.outbox("f").await.unwrap(), Some(changed));
    assert_eq!(store.status("f").await.unwrap(), Some(status));
    store.delivered("f", 1).await.unwrap();
    store
        .commit("f", commit(2, "head", None, false))
        .await
        .unwrap();
    assert_eq!(store.get("f", "head").await.unwrap(), None);
    assert_eq!(store.outbox("f").await.unwrap(), None);
    assert_eq!(store.feeds().await.unwrap(), ["f"]);
    store.reset("f").await.unwrap();
    assert_eq!(store.status("f").await.unwrap(), None);
}

#[tokio::test]
async fn one_copy_of_a_feed_for_each_name() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    for (checkpoint, value) in [(1, b"one"), (2, b"two")] {
        let commit = commit(checkpoint, "head", Some(value), false);
        store.commit("f", commit).await.unwrap();
        store
            .commit("g", self::commit(9, "head", Some(b"no"), false))
            .await
            .unwrap();
        let path = store.keep("f", "p/x 1.0").await.unwrap().unwrap();
        assert_eq!(Path::new(&path), dir.path().join("copies/f-p-x-1.0.db"));
        let copy = Connection::open(&path).unwrap();
        let read = |sql: &str| copy.query_row(sql, [], |row| row.get::<_, Vec<u8>>(0));
        assert_eq!(read("SELECT value FROM value").unwrap(), value);
        let count = "SELECT CAST(COUNT(*) AS BLOB) FROM status";
        assert_eq!(read(count).unwrap(), b"1");
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&path).unwrap());
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_eq!(
        std::fs::read_dir(dir.path().join("copies"))
            .unwrap()
            .count(),
        1
    );
    assert_eq!(store.get("f", "head").await.unwrap().unwrap(), b"two");
    let memory = SqliteStore::in_memory().unwrap();
    assert_eq!(memory.keep("f", "p 1").await.unwrap(), None);
}

/// What the documents say brings a copy back.
#[tokio::test]
async fn a_copy_can_be_put_back() {
    let document = include_str!("../../../../docs/CONFIGURATION.md");
    let (_, rest) = document.split_once("sqlite3 state/state.db \"").unwrap();
    let (sql, _) = rest.split_once("\"\n").unwrap();

    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    let old = commit(1, "head", Some(b"old"), false);
    store.commit("acme", old).await.unwrap();
    store.keep("acme", "jumpcloud 0.1.0").await.unwrap();
    for (feed, key) in [("acme", "head"), ("acme", "other"), ("f", "head")] {
        let new = commit(2, key, Some(b"new"), false);
        store.commit(feed, new).await.unwrap();
    }
    drop(store);

    let copies = dir.path().join("copies").display().to_string();
    let connection = Connection::open(dir.path().join("state.db")).unwrap();
    let sql = sql.replace("state/copies", &copies);
    connection.execute_batch(&sql).unwrap();
    drop(connection);

    let store = SqliteStore::open(dir.path()).unwrap();
    assert_eq!(store.get("acme", "head").await.unwrap().unwrap(), b"old");
    assert_eq!(store.get("acme", "other").await.unwrap(), None);
    assert_eq!(store.get("f", "head").await.unwrap().unwrap(), b"new");
    assert_eq!(store.status("acme").await.unwrap().unwrap().checkpoint, 1);
}

#[tokio::test]
async fn what_was_delivered_leaves_room_for_what_comes() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    for checkpoint in 1..=100 {
        let mut commit = commit(checkpoint, "head", Some(&[7; 100_000]), true);
        commit.delivery.as_mut().unwrap().events = vec![b'x'; 500_000].into();
        store.commit("f", commit).await.unwrap();
        store.delivered("f", checkpoint).await.unwrap();
    }
    let files = std::fs::read_dir(dir.path()).unwrap();
    let bytes: u64 = files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(
        bytes < 10_000_000,
        "{bytes} bytes for 100 batches of 0.5 MB"
    );
}

/// A batch may take as many plans as it has events.
#[tokio::test]
async fn a_plan_that_changes_does_not_write_the_events_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    let mut commit = commit(1, "head", None, true);
    commit.delivery.as_mut().unwrap().events = vec![b'x'; 500_000].into();
    store.commit("f", commit).await.unwrap();
    let log = dir.path().join("state.db-wal");
    {
        let connection = store.connection.lock().unwrap();
        let off = connection.pragma_update(None, "wal_autocheckpoint", 0);
        off.unwrap();
    }
    let before = std::fs::metadata(&log).unwrap().len();
    let mut changed = store.outbox("f").await.unwrap().unwrap();
    for step in 0..100 {
        changed.plan = serde_json::json!({ "step": step });
        store
            .replan("f", &changed, &Status::default())
            .await
            .unwrap();
    }
    let written = std::fs::metadata(&log).unwrap().len() - before;
    assert!(written < 2_000_000, "{written} bytes for 100 plans");
}

/// Makes a file as version 1 left it, in the middle of a delivery.
fn make_version_1(dir: &Path) {
    let old = Connection::open(dir.join("state.db")).unwrap();
    old.execute_batch(
        r#"CREATE TABLE value (
               feed TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
               PRIMARY KEY (feed, key));
           CREATE TABLE status (
               feed TEXT NOT NULL PRIMARY KEY, status TEXT NOT NULL);
           CREATE TABLE outbox (
               feed TEXT NOT NULL PRIMARY KEY, checkpoint INTEGER NOT NULL,
               sink TEXT NOT NULL, plan TEXT NOT NULL, events BLOB NOT NULL,
               dead_letters_plan TEXT, dead_letters BLOB);
           INSERT INTO value VALUES ('f', 'head', x'6f6e65');
           INSERT INTO outbox
               VALUES ('f', 1, 'stdout', '{"a":[1,2]}', x'7b7d0a', NULL, NULL);
           PRAGMA user_version = 1;"#,
    )
    .unwrap();
}

#[tokio::test]
async fn a_file_of_version_1_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    make_version_1(dir.path());
    let store = SqliteStore::open(dir.path()).unwrap();
    assert_eq!(store.get("f", "head").await.unwrap().unwrap(), b"one");
    let found = store.outbox("f").await.unwrap().unwrap();
    let partition = String::new();
    assert_eq!(
        found,
        Delivery {
            partition,
            ..delivery(1)
        }
    );
    store.delivered("f", 1).await.unwrap();
    assert_eq!(store.outbox("f").await.unwrap(), None);
    store.commit("f", commit(2, "k", None, true)).await.unwrap();
    assert_eq!(store.outbox("f").await.unwrap(), Some(delivery(2)));
    drop(store);
    SqliteStore::open(dir.path()).unwrap();
}

/// A process of version 1 may be working with it.
#[tokio::test]
async fn whoever_looks_leaves_a_file_of_version_1_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    make_version_1(dir.path());
    let path = dir.path().join("state.db");
    let before = std::fs::read(&path).unwrap();
    let shared = SqliteStore::open_shared(dir.path()).unwrap();
    assert_eq!(shared.get("f", "head").await.unwrap().unwrap(), b"one");
    assert_eq!(shared.outbox("f").await.unwrap().unwrap().checkpoint, 1);
    assert!(shared.feeds().await.unwrap().is_empty());
    drop(shared);
    assert!(std::fs::read(&path).unwrap() == before);

    // Made, and without tables yet.
    std::fs::write(&path, b"").unwrap();
    let shared = SqliteStore::open_shared(dir.path()).unwrap();
    assert!(shared.feeds().await.unwrap().is_empty());
    assert!(std::fs::read(&path).unwrap().is_empty());
}

#[test]
fn a_damaged_file_is_told_with_a_way_out() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("state.db"),
        "no database, but some text\n".repeat(99),
    )
    .unwrap();
    let refused = SqliteStore::open(dir.path()).err().unwrap();
    assert!(
        refused.to_string().contains("can't be opened: "),
        "{refused}"
    );
    assert!(refused.hints()[0].contains("copy"), "{:?}", refused.hints());
}

#[tokio::test]
async fn a_second_process_is_refused_by_pid_and_may_look() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    store.commit("f", commit(1, "k", None, true)).await.unwrap();
    let refused = SqliteStore::open(dir.path()).err().unwrap();
    assert!(
        refused
            .to_string()
            .contains(&std::process::id().to_string()),
        "{refused}"
    );
    let shared = SqliteStore::open_shared(dir.path()).unwrap();
    assert_eq!(shared.outbox("f").await.unwrap().unwrap().checkpoint, 1);
    drop(store);
    SqliteStore::open(dir.path()).unwrap();
}

#[test]
fn a_newer_file_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    drop(SqliteStore::open(dir.path()).unwrap());
    let connection = Connection::open(dir.path().join("state.db")).unwrap();
    connection
        .pragma_update(None, "user_version", tables::VERSION + 1)
        .unwrap();
    for open in [SqliteStore::open, SqliteStore::open_shared] {
        let refused = open(dir.path()).err().unwrap();
        assert!(refused.to_string().contains("newer version"), "{refused}");
    }
}
