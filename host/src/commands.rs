//! One module for each command. A command returns its exit code.

pub mod check;
pub mod describe;
pub mod run;
pub mod state;
pub mod transform;
