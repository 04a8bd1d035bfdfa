//! A plugin's mapping alone, for records that were collected elsewhere.

use serde_json::{Map, Value};

use crate::bindings::types::Batch;
use crate::engine::Plugin;
use crate::error::Result;
use crate::instance::{Instance, Surroundings};
use crate::limits::Limits;

/// Maps one stream of raw records.
pub struct Transformer(Instance);

impl Transformer {
    /// Starts a plugin that has a mapping ([`Plugin::can_transform`]). It needs
    /// no secret, and reaches neither network nor storage.
    pub async fn open(plugin: &Plugin, settings: Map<String, Value>) -> Result<Self> {
        let around = Surroundings::nothing("transform", &Limits::default());
        let mut instance = Instance::start(plugin.linked(), around).await?;
        instance
            .open_transformer(&Value::Object(settings).to_string())
            .await?;
        Ok(Self(instance))
    }

    /// The events that are complete with these bytes. Pieces of 64 KiB keep
    /// batches small.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<Batch> {
        self.0.transform(Some(bytes)).await
    }

    /// The end of the stream: the rest of the events. A new stream may follow.
    pub async fn finish(&mut self) -> Result<Batch> {
        self.0.transform(None).await
    }
}
