//! Opening a file to append to: made with its folders, durably, and locked; and
//! trying whether that could be done.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Seek};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::{Error, Result};

/// Opens and locks a file; makes it, and the folders it is in, if need be.
pub(super) fn open_or_create(path: &Path, mode: u32) -> io::Result<File> {
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

pub(super) fn lock(file: &File) -> io::Result<()> {
    file.try_lock().map_err(|e| match e {
        TryLockError::WouldBlock => io::Error::other("another process or feed is writing to it"),
        TryLockError::Error(e) => e,
    })
}
