//! Appending lines to a file so that each is there once, whatever happens in
//! between.
//!
//! The plan names the file by its inode, and the offset at which the lines
//! begin. Delivery writes them there: doing it again writes the same bytes over
//! themselves, so a reader that follows the file sees each line once. A file is
//! never shortened, and what somebody else wrote is never overwritten. One that
//! was renamed meanwhile (logrotate's `create`) is found in its folder by the
//! inode and the time at which it was made.

mod open;

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

pub(crate) use self::open::try_out;
use self::open::{lock, open_or_create};
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

/// When a file was made, in ns since 1970, where the file system tells. An
/// inode's number alone is soon used again.
fn born_at(metadata: &Metadata) -> Option<u64> {
    let born = metadata.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(born.as_nanos()).ok()
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
mod tests;
