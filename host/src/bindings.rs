//! The interface `log-pipeline:source`, generated from `wit/`.
//!
//! The data types are the library's own types as well (`lib.rs` re-exports
//! them): one definition, documented once, in the WIT files. Texts in them come
//! from a guest, so `instance.rs`, the only caller, cleans them before it hands
//! them on.

#![allow(
    missing_docs,
    reason = "documented in wit/, not every item of which carries a comment"
)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "plugin",
    imports: { default: async | trappable },
    exports: { default: async },
    additional_derives: [PartialEq, serde::Deserialize, serde::Serialize],
    with: { "wasi:keyvalue/store.bucket": crate::keyvalue::Bucket },
});

pub(crate) use exports::log_pipeline::source::{source, transform};
pub use log_pipeline::source::types;
pub(crate) use wasi::keyvalue::store as keyvalue;
