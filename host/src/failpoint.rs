//! Places at which a test may have the process die.
//!
//! `SOURCE_HOST_FAILPOINT=NAME:N` aborts the process, without any cleaning up,
//! when it passes the place NAME for the N-th time. The names follow the steps
//! of delivery (see `feed.rs`): `polled`, `acked`, `committing` (inside the
//! transaction), `committed`, `delivering` (half of the bytes are written, or
//! the receiver answered), `replanned`, `delivered`, `deleted`. Without the
//! variable a passage costs one load.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

struct Failpoint {
    name: String,
    passages_left: AtomicU32,
}

static FAILPOINT: LazyLock<Option<Failpoint>> = LazyLock::new(|| {
    let text = std::env::var("SOURCE_HOST_FAILPOINT").ok()?;
    let (name, passage) = text.split_once(':')?;
    Some(Failpoint {
        name: name.to_owned(),
        passages_left: passage.parse::<u32>().ok()?.into(),
    })
});

/// Dies here if the environment says so.
pub(crate) fn pass(name: &str) {
    if let Some(point) = &*FAILPOINT
        && point.name == name
        && point.passages_left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        std::process::abort();
    }
}

/// Whether `pass("delivering")` may die: only then is a delivery cut in two.
pub(crate) fn is_set(name: &str) -> bool {
    FAILPOINT.as_ref().is_some_and(|point| point.name == name)
}
