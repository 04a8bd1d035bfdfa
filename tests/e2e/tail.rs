//! A reader that tails a file while others write to it, as a log shipper does.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Follows one file from when it appears.
pub struct Tail {
    shared: Arc<Shared>,
    reader: JoinHandle<String>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    lines: AtomicUsize,
}

impl Tail {
    /// Starts to read.
    pub fn of(path: PathBuf) -> Self {
        let shared = Arc::new(Shared::default());
        Self {
            shared: shared.clone(),
            reader: thread::spawn(move || follow(&path, &shared)),
        }
    }

    /// How many whole lines it has seen by now.
    pub fn lines(&self) -> usize {
        self.shared.lines.load(Ordering::SeqCst)
    }

    /// All that was read, with what is there by now.
    pub fn finish(self) -> String {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.reader.join().unwrap()
    }
}

fn follow(path: &PathBuf, shared: &Shared) -> String {
    let mut file: Option<File> = None;
    let mut seen = Vec::new();
    loop {
        // Asked first: what was written before the stop is read after it.
        let last = shared.stop.load(Ordering::SeqCst);
        if file.is_none() {
            file = File::open(path).ok();
        }
        if let Some(open) = &mut file {
            let before = seen.len();
            open.read_to_end(&mut seen).unwrap();
            let lines = seen[before..].iter().filter(|byte| **byte == b'\n');
            shared.lines.fetch_add(lines.count(), Ordering::SeqCst);
            let here = std::fs::metadata(path).expect("the file stays where it is");
            assert_eq!(
                here.ino(),
                open.metadata().unwrap().ino(),
                "it is never replaced"
            );
            assert!(here.len() >= seen.len() as u64, "it never shrinks");
        }
        if last {
            return String::from_utf8(seen).unwrap();
        }
        thread::sleep(Duration::from_millis(1));
    }
}
