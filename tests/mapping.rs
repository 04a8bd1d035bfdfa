//! The mapping, case by case and rule by rule.

mod ocsf;

#[path = "mapping/cases.rs"]
mod cases;
#[path = "mapping/generator.rs"]
mod generator;
#[path = "mapping/lossless.rs"]
mod lossless;
#[path = "mapping/odd_input.rs"]
mod odd_input;
