//! What changes between runs.
