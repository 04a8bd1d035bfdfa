//! The mapping, case by case and rule by rule.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails panics"
)]

mod ocsf;

#[path = "mapping/cases.rs"]
mod cases;
#[path = "mapping/census.rs"]
mod census;
#[path = "mapping/docs.rs"]
mod docs;
#[path = "mapping/generator.rs"]
mod generator;
#[path = "mapping/lossless.rs"]
mod lossless;
#[path = "mapping/odd_input.rs"]
mod odd_input;
