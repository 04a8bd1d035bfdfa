//! Runs a test for many seeds, and names the first that fails.
//!
//! `SEED=n` replays one, `HISTORIES=n` sets how many are run, `FIRST=n` the
//! first.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs `default` histories, or as many as the environment says, on so many
/// threads; what came of each.
pub fn each<T: Send>(default: u64, threads: usize, run: impl Fn(u64) -> T + Sync) -> Vec<T> {
    if let Some(seed) = number("SEED") {
        return vec![run(seed)];
    }
    let first = number("FIRST").unwrap_or(0);
    let end = first + number("HISTORIES").unwrap_or(default);
    let next = AtomicU64::new(first);
    let failed = AtomicU64::new(u64::MAX);
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || failed.load(Ordering::Relaxed) < seed {
                        return;
                    }
                    match catch_unwind(AssertUnwindSafe(|| run(seed))) {
                        Ok(outcome) => outcomes.lock().unwrap().push(outcome),
                        Err(_) => drop(failed.fetch_min(seed, Ordering::Relaxed)),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    assert!(
        failed == u64::MAX,
        "history {failed} failed, after {} others; SEED={failed} replays it",
        failed - first
    );
    outcomes.into_inner().unwrap()
}
