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

#[path = "simulation/cases.rs"]
mod cases;
#[path = "simulation/changes.rs"]
mod changes;
#[path = "simulation/edges.rs"]
mod edges;
#[path = "simulation/histories.rs"]
mod histories;
#[path = "simulation/late.rs"]
mod late;
#[path = "simulation/plan.rs"]
mod plan;
#[path = "simulation/seeds.rs"]
mod seeds;
#[path = "simulation/world.rs"]
mod world;
