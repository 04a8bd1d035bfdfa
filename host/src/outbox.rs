//! A feed's way to its sink: planning a batch's delivery, and delivering what
//! was committed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use serde_json::Value;

use crate::bindings::types::Batch;
use crate::dead_letter;
use crate::engine::Plugin;
use crate::error::{Error, Result};
use crate::failpoint;
use crate::sink::{
    Append, Delivered, FileSink, Files, Outgoing, Refused, Sink, StdoutSink, try_out,
};
use crate::store::{Delivery, Store};

/// Only the owner of a dead letter may read it: it is as received.
const DEAD_LETTERS_MODE: u32 = 0o600;

/// The outbox of one feed, and what is behind it.
pub(crate) struct Outbox {
    feed: String,
    plugin: Plugin,
    store: Arc<dyn Store>,
    sink: Arc<dyn Sink>,
    dead_letters: (PathBuf, Files),
    /// The batch that was last delivered again.
    redone: AtomicU64,
    /// Batches and parts of batches that were delivered.
    deliveries: AtomicU64,
}

impl Outbox {
    pub(crate) fn new(
        feed: String,
        plugin: Plugin,
        store: Arc<dyn Store>,
        sink: Arc<dyn Sink>,
        dead_letters: PathBuf,
    ) -> Self {
        let dead_letters = (dead_letters, Files::new(DEAD_LETTERS_MODE));
        Self {
            feed,
            plugin,
            store,
            sink,
            dead_letters,
            redone: AtomicU64::new(0),
            deliveries: AtomicU64::new(0),
        }
    }

    /// How often the sink took something.
    pub(crate) fn deliveries(&self) -> u64 {
        self.deliveries.load(Ordering::Relaxed)
    }

    /// Tries whether sink and dead letters could be written, without writing.
    pub(crate) async fn check(&self) -> Result<()> {
        let classes = &self.plugin.descriptor().classes;
        self.sink.check(&self.feed, classes).await?;
        try_out(&self.dead_letters.0)
    }

    /// How a batch is to be delivered; none: there is nothing in it to deliver.
    pub(crate) async fn plan(&self, batch: &Batch, events: Bytes) -> Result<Option<Delivery>> {
        if events.is_empty() && batch.rejected.is_empty() {
            return Ok(None);
        }
        let plan = match events.is_empty() {
            true => Value::Null,
            false => {
                let classes = &self.plugin.descriptor().classes;
                let outgoing = Outgoing {
                    feed: &self.feed,
                    classes,
                    batch,
                    events: &events,
                };
                self.sink.plan(outgoing).await?
            }
        };
        let lines = dead_letter::lines(&self.feed, &batch.partition, &batch.rejected);
        let dead_letters = match lines.is_empty() {
            true => None,
            false => Some(self.plan_dead_letters(lines.into()).await?),
        };
        let sink = self.sink.kind().to_owned();
        Ok(Some(Delivery {
            checkpoint: batch.checkpoint,
            sink,
            plan,
            events,
            dead_letters,
        }))
    }

    /// Steps 4 and 5 of a batch: delivers what was committed, and empties the
    /// outbox.
    pub(crate) async fn deliver(&self, mut delivery: Delivery) -> Result<()> {
        if !delivery.events.is_empty() {
            let sink = self.sink_of(&delivery.sink)?;
            while let Delivered::Partly { plan, refused } =
                sink.deliver(&delivery.plan, &delivery.events).await?
            {
                delivery.plan = plan;
                self.add_dead_letters(&mut delivery, &refused).await?;
                self.store.replan(&self.feed, &delivery).await?;
                self.deliveries.fetch_add(1, Ordering::Relaxed);
                failpoint::pass("replanned");
            }
        }
        if let Some((append, bytes)) = delivery.dead_letters {
            self.dead_letters.1.deliver(append, bytes).await?;
        }
        failpoint::pass("delivered");
        let checkpoint = delivery.checkpoint;
        self.store.delivered(&self.feed, checkpoint).await?;
        self.deliveries.fetch_add(1, Ordering::Relaxed);
        failpoint::pass("deleted");
        Ok(())
    }

    /// Events that a sink refuses for good go where those go that a plugin
    /// can't understand.
    async fn add_dead_letters(&self, delivery: &mut Delivery, refused: &[Refused]) -> Result<()> {
        let mut lines = match &delivery.dead_letters {
            Some((_, lines)) => lines.to_vec(),
            None => Vec::new(),
        };
        for event in refused {
            let line = delivery.events.get(event.start..event.end);
            let line = line.unwrap_or_default().trim_ascii_end();
            lines.extend(dead_letter::refused(&self.feed, line, &event.reason));
            tracing::warn!(feed = %self.feed, "an event is kept as a dead letter: {}", event.reason);
        }
        if !refused.is_empty() {
            delivery.dead_letters = Some(self.plan_dead_letters(lines.into()).await?);
        }
        Ok(())
    }

    async fn plan_dead_letters(&self, lines: Bytes) -> Result<(Append, Bytes)> {
        let (path, files) = &self.dead_letters;
        let append = files.plan(path.clone(), vec![(0, lines.len())]).await?;
        Ok((append, lines))
    }

    /// Delivers what was committed by an earlier run, or before a failure.
    pub(crate) async fn redo(&self) -> Result<()> {
        let Some(delivery) = self.store.outbox(&self.feed).await? else {
            return Ok(());
        };
        let number = delivery.checkpoint;
        // Not at each attempt, while a sink takes nothing.
        if self.redone.swap(number, Ordering::Relaxed) != number {
            tracing::info!(feed = %self.feed, "delivering batch {number} again, which was interrupted");
        }
        self.deliver(delivery).await
    }

    /// The sink that made a plan: ours, or one for which a plan is enough.
    fn sink_of(&self, kind: &str) -> Result<Arc<dyn Sink>> {
        if self.sink.kind() == kind {
            return Ok(self.sink.clone());
        }
        match kind {
            "stdout" => Ok(Arc::new(StdoutSink)),
            "file" => Ok(Arc::new(FileSink::for_plans())),
            _ => Err(Error::sink(format!(
                "the outbox holds a batch for a sink of type `{kind}`"
            ))
            .hint("put that sink back and run once more")
            .hint("or give the batch up: `source-host state reset`")),
        }
    }
}
