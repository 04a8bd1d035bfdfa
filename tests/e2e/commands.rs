//! The commands as a person or a script uses them: their output, exit codes,
//! flags, and the signals that end them.

mod check;
mod ending;
mod feeds;
mod gate;
mod running;
mod state;
mod transform;
