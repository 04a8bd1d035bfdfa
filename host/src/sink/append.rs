//! Appending lines to a file so that each is there once, whatever happens in
//! between.
//!
//! The plan names the file by its inode, and the offset at which the lines
//! begin. Delivery writes them there: doing it again writes the same bytes over
//! themselves, so a reader that follows the file sees each line once. A file is
//! never shortened, and what somebody else wrote is never overwritten. One that
//! was renamed meanwhile (logrotate's `create`) is found in its folder by the
//! inode and the time at which it was made.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, Metadata, TryLockError};
use std::io::{self, Seek};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::failpoint;

/// The place of some lines in one file.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Append {
    path: PathBuf,
    device: u64,
    inode: u64,
    /// When the file was made, in ns since 1970; none where the file system
    /// does not tell.
    #[serde(default)]
    born: Option<u64>,
    offset: u64,
    /// Which bytes of the delivery: [start, end).
    spans: Vec<(usize, usize)>,
}

/// So many files stay open: a batch may go to hundreds, and the process has to
/// get by with some 1,000.
const MOST_OPEN: usize = 16;

/// Files that are being written: open, as far as they are not too many, and
/// locked against other processes. Clones share them.
#[derive(Clone)]
pub(crate) struct Files {
    open: Arc<Mutex<HashMap<PathBuf, File>>>,
    mode: u32,
}

impl Files {
    /// New files get the permissions `mode`, less the process's umask.
    pub(crate) fn new(mode: u32) -> Self {
        Self {
            open: Arc::default(),
            mode,
        }
    }

    /// Plans to append the `spans` of a delivery to the file at `path`, at
    /// whose end they will begin. Makes an empty file if there is none.
    pub(crate) async fn plan(&self, path: PathBuf, spans: Vec<(usize, usize)>) -> Result<Append> {
        let files = self.clone();
        blocking(path.clone(), move || {
            let mut open = files.open.lock().unwrap_or_else(PoisonError::into_inner);
            let current = std::fs::metadata(&path)
                .ok()
                .map(|now| (now.dev(), now.ino()));
            let kept = open.get(&path).and_then(|file| file.metadata().ok());
            if kept.as_ref().map(|kept| (kept.dev(), kept.ino())) != current || kept.is_none() {
                make_room(&mut open);
                open.insert(path.clone(), open_or_create(&path, files.mode)?);
            }
            let file = open
                .get(&path)
                .ok_or_else(|| io::Error::other("not open"))?;
            let now = file.metadata()?;
            Ok(Append {
                path,
                device: now.dev(),
                inode: now.ino(),
                born: born_at(&now),
                offset: now.len(),
                spans,
            })
        })
        .await
    }

    /// Writes what `append` says, and makes it durable.
    pub(crate) async fn deliver(&self, append: Append, bytes: bytes::Bytes) -> Result<()> {
        let files = self.clone();
        blocking(append.path.clone(), move || {
            let mut open = files.open.lock().unwrap_or_else(PoisonError::into_inner);
            let kept = open
                .get(&append.path)
                .filter(|file| append.is_planned_for(file));
            let found = match kept {
                Some(file) => Some(file.try_clone()?),
                None => append.find()?,
            };
            let found = match found {
                Some(file) => append.is_free(&file, &bytes)?.then_some(file),
                None => None,
            };
            let (file, offset) = match found {
                Some(file) => (file, append.offset),
                None => {
                    // Ours may be the same file, and hold its lock.
                    open.remove(&append.path);
                    let file = open_or_create(&append.path, files.mode)?;
                    let end = file.metadata()?.len();
                    tracing::warn!(
                        "`{}` was replaced or shortened during a delivery: the batch is appended \
                         again, and a reader may see some of it twice",
                        append.path.display()
                    );
                    make_room(&mut open);
                    open.insert(append.path.clone(), file.try_clone()?);
                    (file, end)
                }
            };
            append.write(&file, offset, &bytes)?;
            match file.sync_all() {
                // A device as /dev/null keeps nothing.
                Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(()),
                synced => synced,
            }
        })
        .await
    }

    /// Closes every file but these.
    pub(crate) fn keep_only<'a>(&self, appends: impl Iterator<Item = &'a Append>) {
        let paths: Vec<&PathBuf> = appends.map(|append| &append.path).collect();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|path, _| paths.contains(&path));
    }
}

impl Append {
    /// The file that was planned for: at its path, or renamed in its folder.
    fn find(&self) -> io::Result<Option<File>> {
        if let Some(file) = self.open_planned(&self.path)? {
            return Ok(Some(file));
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let others = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        for other in others {
            let other = other?;
            let is_it = |m: Metadata| (m.dev(), m.ino()) == (self.device, self.inode);
            if other.metadata().is_ok_and(is_it)
                && let Some(file) = self.open_planned(&other.path())?
            {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    /// Opens and locks the file at `path` if it is the one planned for.
    fn open_planned(&self, path: &Path) -> io::Result<Option<File>> {
        match File::options().read(true).write(true).open(path) {
            Ok(file) if self.is_planned_for(&file) => lock(&file).map(|()| Some(file)),
            _ => Ok(None),
        }
    }

    /// Whether `file` is the one planned for, and still long enough.
    fn is_planned_for(&self, file: &File) -> bool {
        file.metadata().is_ok_and(|now| {
            (now.dev(), now.ino()) == (self.device, self.inode)
                && now.len() >= self.offset
                && self.born.is_none_or(|born| born_at(&now) == Some(born))
        })
    }

    /// Whether behind the offset there is nothing but what an interrupted
    /// delivery left: what somebody else wrote there is never overwritten.
    fn is_free(&self, file: &File, bytes: &[u8]) -> io::Result<bool> {
        let mut at = self.offset;
        let end = file.metadata()?.len();
        for (start, stop) in &self.spans {
            let lines = bytes.get(*start..*stop).unwrap_or_default();
            let there = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
            let mut found = vec![0; lines.len().min(there)];
            file.read_exact_at(&mut found, at)?;
            if !lines.starts_with(&found) {
                return Ok(false);
            }
            at += lines.len() as u64;
        }
        Ok(true)
    }

    fn write(&self, file: &File, mut offset: u64, bytes: &[u8]) -> io::Result<()> {
        for (start, end) in &self.spans {
            let lines = bytes
                .get(*start..*end)
                .ok_or_else(|| io::Error::other("the plan does not fit its batch"))?;
            let (half, rest) = lines.split_at(lines.len() / 2);
            if failpoint::is_set("delivering") {
                file.write_all_at(half, offset)?;
                failpoint::pass("delivering");
                file.write_all_at(rest, offset + half.len() as u64)?;
            } else {
                file.write_all_at(lines, offset)?;
            }
            offset += lines.len() as u64;
        }
        Ok(())
    }
}

/// Closes a file if no more may be open. A plan finds it again.
fn make_room(open: &mut HashMap<PathBuf, File>) {
    if open.len() >= MOST_OPEN
        && let Some(any) = open.keys().next().cloned()
    {
        open.remove(&any);
    }
}

/// Opens and locks a file; makes it, and the folders it is in, if need be.
fn open_or_create(path: &Path, mode: u32) -> io::Result<File> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        make_folders(folder)?;
    }
    let existing = File::options().read(true).write(true).open(path);
    let file = match existing {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(mode)
                .open(path)?;
            // The file's name is durable only when its folder is.
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
            file
        }
        other => other?,
    };
    has_places(&file)?;
    lock(&file)?;
    Ok(file)
}

/// Fails for a pipe or a terminal: lines can't be put at a place there.
fn has_places(mut file: &File) -> io::Result<()> {
    file.stream_position().map(drop).map_err(|_| {
        io::Error::other("it is a pipe or a terminal, to which the sink `stdout` can write")
    })
}

/// Tries whether the file could be written: it is a file and writable; or it is
/// not there, and its folder, or the nearest one that is there, is writable.
pub(crate) fn try_out(path: &Path) -> Result<()> {
    let wrong = |what: &str| {
        let message = format!("`{}` can't be written: {what}", path.display());
        Err(Error::sink(message))
    };
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => return wrong("it is a folder"),
        Ok(_) => {
            let opened = File::options().read(true).write(true).open(path);
            let tried = opened.and_then(|file| has_places(&file));
            return tried.or_else(|e| wrong(&e.to_string()));
        }
        Err(_) => {}
    }
    let folders = path.ancestors().skip(1);
    let folder = folders
        .map(|folder| {
            if folder.as_os_str().is_empty() {
                Path::new(".")
            } else {
                folder
            }
        })
        .find(|folder| folder.exists());
    let Some(folder) = folder else {
        return wrong("none of its folders is there");
    };
    let probe = folder.join(format!(".source-host-{}", std::process::id()));
    let tried = File::create_new(&probe).and_then(|_| std::fs::remove_file(&probe));
    match tried {
        Ok(()) => Ok(()),
        Err(e) => wrong(&format!("in `{}`: {e}", folder.display())),
    }
}

/// Makes a folder and those it is in, each of them durably.
fn make_folders(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder
        .ancestors()
        .filter(|ancestor| !ancestor.as_os_str().is_empty())
        .take_while(|ancestor| !ancestor.exists())
        .collect();
    DirBuilder::new().recursive(true).create(folder)?;
    for made in missing.iter().rev() {
        let parent = made
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// When a file was made, in ns since 1970, where the file system tells. An
/// inode's number alone is soon used again.
fn born_at(metadata: &Metadata) -> Option<u64> {
    let born = metadata.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(born.as_nanos()).ok()
}

fn lock(file: &File) -> io::Result<()> {
    file.try_lock().map_err(|e| match e {
        TryLockError::WouldBlock => io::Error::other("another process or feed is writing to it"),
        TryLockError::Error(e) => e,
    })
}

async fn blocking<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|e| Err(io::Error::other(e)))
        .map_err(|e| Error::sink(format!("`{}` can't be written: {e}", path.display())))
}

#[cfg(test)]
mod tests {
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
}
