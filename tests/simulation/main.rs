//! The plugin's core against the simulated API, in virtual time: seeded
//! histories of polls, faults, crashes and torn stores, each of which must end
//! with every event handed out exactly once.
//!
//! A failing history prints its seed; `SEED=n cargo test --test simulation`
//! replays it alone, and `HISTORIES=n` sets how many are run.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod cases;
mod changes;
mod crowds;
mod edges;
mod events;
mod histories;
mod late;
mod organizations;
mod pages;
mod plan;
mod retention;
mod seeds;
mod tokens;
mod undated;
mod world;
