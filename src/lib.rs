//! A log source as a WebAssembly component: fetches the events of the
//! [JumpCloud Directory Insights API] v1.0 and hands them out in OCSF.
//!
//! Everything here but `component` is plain Rust without clock, network or
//! storage: time, answers and stored state come in as arguments, and what to do
//! next goes out as a value. So all of it runs, and is tested, natively.
//!
//! ```text
//!   settings, credential ─┐
//!                         ▼
//!   Input ──────────►  feed ──► collect ──► collect::walk ──► split ──► event ──► mapping ──► batch
//!   (head, body, end)     │        │  one organisation:  one query,    bytes to    borrowed    to OCSF   one output
//!   ◄────────── Step      │        │  what to read next  page by page  objects     leaves                buffer
//!   (send, read, load,    │        ├── collect::audit: JumpCloud's count against the tiles; repair: one tile read again
//!    drop, done)          │        └── collect::ledger: position, ids, tiles ◄─► state: stored form
//!                         └── refusal: what a status and a body mean
//!                  └─ authorize: each request gets its credential on its way out
//! ```
//!
//! To understand it, read [`feed`] first, then [`collect`] and
//! [`collect::walk`], then [`mapping`].
//!
//! [JumpCloud Directory Insights API]: https://docs.jumpcloud.com/api/insights/directory/1.0

pub mod api;
pub mod authorize;
pub mod batch;
pub mod check;
pub mod clock;
pub mod collect;
pub mod credential;
pub mod error;
pub mod event;
pub mod expiry;
pub mod feed;
pub mod finding;
pub mod mapping;
pub mod ocsf;
pub mod refusal;
pub mod settings;
pub mod split;
pub mod state;
pub mod survey;
pub mod transform;

#[cfg(target_arch = "wasm32")]
mod component;
