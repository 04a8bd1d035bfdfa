//! Late events.
