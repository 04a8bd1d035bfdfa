//! One process at a time works in a state folder.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::{Error, Result};

/// Held while a process works in a state folder. The system lets go of it when
/// the process ends, however it ends, so a lock is never stale; the pid in the
/// file is for people.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(dir: &Path) -> Result<Self> {
        let path = dir.join("lock");
        let failed = |e: std::io::Error| {
            Error::storage(format!("the lock `{}` can't be used: {e}", path.display()))
                .hint("run as the user who owns the state folder, or set another `state_dir`")
        };
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let _ = (&file).take(20).read_to_string(&mut pid);
                let pid = pid.trim();
                let who = if pid.is_empty() {
                    "another process".into()
                } else {
                    format!("process {pid}")
                };
                return Err(Error::storage(format!(
                    "the state in `{}` is in use by {who}",
                    dir.display()
                ))
                .hint("stop that process, or give this one a state folder of its own"));
            }
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        file.rewind().map_err(failed)?;
        file.set_len(0).map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}
