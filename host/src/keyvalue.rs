//! The import `wasi:keyvalue/store`: one feed's values in the host's store.
//!
//! Reading works at any time. Writing works only inside `ack` and `rewind`, and
//! goes to a buffer, which the feed commits in one transaction with what it
//! delivers, or drops.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::component::Resource;

use crate::bindings::keyvalue;
use crate::store::Store;

/// A guest's handle on a bucket. There is one bucket, so it holds nothing.
pub struct Bucket;

/// The number of [`Bucket`]'s handle: all handles are alike, so no table keeps
/// them.
const HANDLE: u32 = 0;

/// What one change takes beside its bytes: without it, changes of few bytes
/// would be without end.
const ENTRY: u64 = 128;

/// A feed's changes to its values, by key; none: the key is removed.
pub type Values = BTreeMap<String, Option<Vec<u8>>>;

/// What a feed's guest sees as the bucket `""`. (By default: nothing, and takes
/// nothing.)
#[derive(Default)]
pub(crate) struct FeedBucket {
    store: Option<Arc<dyn Store>>,
    feed: String,
    largest: u64,
    most: u64,
    /// None: writing is refused.
    writes: Option<Values>,
    /// Their bytes, keys included.
    written: u64,
}

impl FeedBucket {
    /// The bucket of `feed`. A value may have `largest` bytes, all that is
    /// written at once `most`.
    pub(crate) fn new(store: Arc<dyn Store>, feed: String, largest: u64, most: u64) -> Self {
        Self {
            store: Some(store),
            feed,
            largest,
            most,
            ..Self::default()
        }
    }

    /// From here on the guest may write.
    pub(crate) fn unlock(&mut self) {
        self.written = 0;
        self.writes = Some(Values::new());
    }

    /// From here on it may not; what it wrote.
    pub(crate) fn lock(&mut self) -> Values {
        self.writes.take().unwrap_or_default()
    }

    fn write(&mut self, key: String, value: Option<Vec<u8>>) -> Result<(), keyvalue::Error> {
        let Some(writes) = &mut self.writes else {
            return Err(keyvalue::Error::AccessDenied);
        };
        let size = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, |v| v.len() as u64);
        if size(&value) > self.largest {
            let message = format!("a value may have {} bytes (`limits.value`)", self.largest);
            return Err(keyvalue::Error::Other(message));
        }
        let all = |value: &Option<Vec<u8>>| ENTRY + key.len() as u64 + size(value);
        let replaced = writes.get(&key).map_or(0, all);
        let written = self.written - replaced + all(&value);
        if written > self.most {
            return Err(keyvalue::Error::Other(format!(
                "all that is written at once may have {} bytes (`limits.memory`)",
                self.most
            )));
        }
        self.written = written;
        writes.insert(key, value);
        Ok(())
    }
}

impl keyvalue::Host for FeedBucket {
    async fn open(
        &mut self,
        identifier: String,
    ) -> wasmtime::Result<Result<Resource<Bucket>, keyvalue::Error>> {
        Ok(match identifier.as_str() {
            "" => Ok(Resource::new_own(HANDLE)),
            _ => Err(keyvalue::Error::NoSuchStore),
        })
    }
}

impl keyvalue::HostBucket for FeedBucket {
    async fn get(
        &mut self,
        _bucket: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, keyvalue::Error>> {
        if let Some(value) = self.writes.as_ref().and_then(|writes| writes.get(&key)) {
            return Ok(Ok(value.clone()));
        }
        let Some(store) = &self.store else {
            return Ok(Ok(None));
        };
        Ok(store
            .get(&self.feed, &key)
            .await
            .map_err(|e| keyvalue::Error::Other(e.to_string())))
    }

    async fn set(
        &mut self,
        _bucket: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), keyvalue::Error>> {
        Ok(self.write(key, Some(value)))
    }

    async fn delete(
        &mut self,
        _bucket: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<(), keyvalue::Error>> {
        Ok(self.write(key, None))
    }

    async fn drop(&mut self, _bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        Ok(())
    }
}
