//! The host, as a program.
fn main() {}
