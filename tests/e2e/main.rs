//! End-to-end tests: the built component in the built host, against the
//! simulator. `make test` builds and runs them; each module says what belongs
//! in it.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails panics"
)]

mod collect;
mod commands;
mod counter;
mod crowd;
mod delivery;
mod histories;
mod interface;
mod kills;
mod messages;
mod sandbox;
mod secrets;
mod sink;
mod tail;
mod watched;
