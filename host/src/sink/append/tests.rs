//! Each line is there once, whatever happens to the file in between.

use std::os::fd::AsRawFd;

use bytes::Bytes;

use super::*;

const LINES: Bytes = Bytes::from_static(b"one\ntwo\n");

async fn plan(path: &Path) -> Append {
    Files::new(0o644)
        .plan(path.to_owned(), vec![(0, 8)])
        .await
        .unwrap()
}

async fn deliver(append: &Append) {
    Files::new(0o644)
        .deliver(append.clone(), LINES)
        .await
        .unwrap();
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn delivering_twice_writes_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new/out.ndjson");
    let append = plan(&path).await;
    deliver(&append).await;
    deliver(&append).await;
    assert_eq!(text(&path), "one\ntwo\n");
    let next = plan(&path).await;
    deliver(&next).await;
    deliver(&next).await;
    assert_eq!(text(&path), "one\ntwo\none\ntwo\n");
}

#[tokio::test]
async fn a_half_written_delivery_is_completed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    std::fs::write(&path, "old\n").unwrap();
    let append = plan(&path).await;
    std::fs::write(&path, "old\none\ntw").unwrap();
    deliver(&append).await;
    assert_eq!(text(&path), "old\none\ntwo\n");
}

#[tokio::test]
async fn a_renamed_file_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let append = plan(&path).await;
    std::fs::rename(&path, dir.path().join("out.1")).unwrap();
    std::fs::write(&path, "new\n").unwrap();
    deliver(&append).await;
    assert_eq!(text(&dir.path().join("out.1")), "one\ntwo\n");
    assert_eq!(text(&path), "new\n");
}

#[tokio::test]
async fn what_somebody_else_wrote_there_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let append = plan(&path).await;
    std::fs::write(&path, "theirs\n").unwrap();
    deliver(&append).await;
    assert_eq!(text(&path), "theirs\none\ntwo\n");
}

#[tokio::test]
async fn another_file_with_the_same_inode_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let planned = plan(&path).await;
    // What a file system may do: the number is given again.
    let other = dir.path().join("notes");
    std::fs::rename(&path, &other).unwrap();
    let append = Append {
        born: planned.born.map(|born| born - 1),
        ..planned
    };
    deliver(&append).await;
    assert_eq!(text(&other), "");
    assert_eq!(text(&path), "one\ntwo\n");
}

#[tokio::test]
async fn a_lost_or_shortened_file_gets_the_lines_at_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    std::fs::write(&path, "older\n").unwrap();
    let append = plan(&path).await;
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(2)
        .unwrap();
    deliver(&append).await;
    assert_eq!(text(&path), "olone\ntwo\n");
    std::fs::remove_file(&path).unwrap();
    deliver(&append).await;
    assert_eq!(text(&path), "one\ntwo\n");
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_open_gets_the_lines_at_its_end() {
    let dir = tempfile::tempdir().unwrap();
    for (name, becomes) in [("cut", "ol"), ("grown", "older\ntheirs\n")] {
        let path = dir.path().join(name);
        std::fs::write(&path, "older\n").unwrap();
        let files = Files::new(0o644);
        let append = files.plan(path.clone(), vec![(0, 8)]).await.unwrap();
        // In its place: the inode stays.
        std::fs::write(&path, becomes).unwrap();
        files.deliver(append, LINES).await.unwrap();
        assert_eq!(text(&path), format!("{becomes}one\ntwo\n"));
    }
}

#[tokio::test]
async fn a_device_is_written_and_a_pipe_refused() {
    deliver(&plan(Path::new("/dev/null")).await).await;
    assert!(try_out(Path::new("/dev/null")).is_ok());
    let (_reader, pipe) = io::pipe().unwrap();
    let path = PathBuf::from(format!("/dev/fd/{}", pipe.as_raw_fd()));
    let planned = Files::new(0o644).plan(path.clone(), vec![]).await;
    for refused in [planned.err(), try_out(&path).err()] {
        let refused = refused.unwrap().to_string();
        assert!(refused.contains("the sink `stdout`"), "{refused}");
    }
}

#[tokio::test]
async fn of_many_files_few_stay_open() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files::new(0o644);
    let mut appends = Vec::new();
    for n in 0..3 * MOST_OPEN {
        let path = dir.path().join(n.to_string());
        appends.push(files.plan(path, vec![(0, 8)]).await.unwrap());
    }
    for append in &appends {
        files.deliver(append.clone(), LINES).await.unwrap();
        assert_eq!(text(&append.path), "one\ntwo\n");
    }
    assert!(files.open.lock().unwrap().len() <= MOST_OPEN);
}

#[test]
fn what_can_not_be_written_is_found_without_writing() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |path: &str| {
        let tried = try_out(&dir.path().join(path));
        tried
            .err()
            .map(|e| e.to_string().split_once(": ").unwrap().1.to_owned())
    };
    assert_eq!(refused("new/deep/out"), None);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    std::fs::create_dir(dir.path().join("out")).unwrap();
    assert_eq!(refused("out").unwrap(), "it is a folder");
    std::fs::write(dir.path().join("file"), "a\n").unwrap();
    assert_eq!(refused("file"), None);
    assert!(refused("file/out").is_some(), "a file is no folder");
    assert_eq!(text(&dir.path().join("file")), "a\n");
}

#[tokio::test]
async fn the_plan_follows_a_rotated_path_and_locks_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let files = Files::new(0o644);
    let first = files.plan(path.clone(), vec![(0, 4)]).await.unwrap();
    files.deliver(first, LINES).await.unwrap();
    std::fs::rename(&path, dir.path().join("out.1")).unwrap();
    let second = files.plan(path.clone(), vec![(4, 8)]).await.unwrap();
    files.deliver(second, LINES).await.unwrap();
    assert_eq!(text(&dir.path().join("out.1")), "one\n");
    assert_eq!(text(&path), "two\n");
    let refused = Files::new(0o644).plan(path, vec![]).await.unwrap_err();
    assert!(
        refused.to_string().contains("another process or feed"),
        "{refused}"
    );
}
