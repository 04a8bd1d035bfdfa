//! What the sinks promise, with the guest `counter` as a source: whatever the
//! destination does, it has each event in the end.

mod disk;
mod http;
mod refused;
