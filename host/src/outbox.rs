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
use crate::error::{Error, Kind, Result};
use crate::failpoint;
use crate::sink::{
    Append, Delivered, FileSink, Files, Outgoing, Refused, Sink, StdoutSink, try_out,
};
use crate::store::{Delivery, Status, Store};

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

    /// How a batch is to be delivered, after those that `status` tells of; none:
    /// there is nothing in it to deliver.
    pub(crate) async fn plan(
        &self,
        batch: &Batch,
        events: Bytes,
        status: &Status,
    ) -> Result<Option<Delivery>> {
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
                    known: status.destination == Some(self.sink.destination()),
                };
                self.sink.plan(outgoing).await?
            }
        };
        let lines = dead_letter::lines(&self.feed, &batch.partition, &batch.rejected);
        let dead_letters = self.plan_dead_letters(lines.into()).await?;
        let sink = self.sink.kind().to_owned();
        Ok(Some(Delivery {
            checkpoint: batch.checkpoint,
            partition: batch.partition.clone(),
            sink,
            plan,
            events,
            dead_letters,
        }))
    }

    /// Where events go: [`Sink::destination`].
    pub(crate) fn destination(&self) -> String {
        self.sink.destination()
    }

    /// Steps 4 and 5 of a batch: delivers what was committed, and empties the
    /// outbox. Events that the sink refuses are counted in `status`.
    pub(crate) async fn deliver(&self, mut delivery: Delivery, status: &mut Status) -> Result<()> {
        self.deliver_dead_letters(&delivery).await?;
        if !delivery.events.is_empty() {
            let sink = self.sink_of(&delivery.sink)?;
            while let Delivered::Partly { plan, refused } =
                sink.deliver(&delivery.plan, &delivery.events).await?
            {
                delivery.plan = plan;
                // In the place of the ones before, which are written.
                delivery.dead_letters = self.dead_letters_of(&delivery, &refused).await?;
                status.refused += refused.len() as u64;
                self.store.replan(&self.feed, &delivery, status).await?;
                self.deliveries.fetch_add(1, Ordering::Relaxed);
                failpoint::pass("replanned");
                self.deliver_dead_letters(&delivery).await?;
            }
        }
        failpoint::pass("delivered");
        let checkpoint = delivery.checkpoint;
        self.store.delivered(&self.feed, checkpoint).await?;
        self.deliveries.fetch_add(1, Ordering::Relaxed);
        failpoint::pass("deleted");
        Ok(())
    }

    async fn deliver_dead_letters(&self, delivery: &Delivery) -> Result<()> {
        match delivery.dead_letters.clone() {
            Some((append, lines)) => self.dead_letters.1.deliver(append, lines).await,
            None => Ok(()),
        }
    }

    /// Events that a sink refuses for good go where those go that a plugin
    /// can't understand.
    async fn dead_letters_of(
        &self,
        delivery: &Delivery,
        refused: &[Refused],
    ) -> Result<Option<(Append, Bytes)>> {
        let mut lines = Vec::new();
        for event in refused {
            let Refused { start, end, reason } = event;
            let line = delivery.events.get(*start..*end).unwrap_or_default();
            let (partition, line) = (&delivery.partition, line.trim_ascii_end());
            lines.extend(dead_letter::refused(&self.feed, partition, line, reason));
            tracing::warn!(feed = %self.feed, "an event is kept as a dead letter: {reason}");
        }
        self.plan_dead_letters(lines.into()).await
    }

    /// Where lines go that are dead letters; none: there are none.
    async fn plan_dead_letters(&self, lines: Bytes) -> Result<Option<(Append, Bytes)>> {
        if lines.is_empty() {
            return Ok(None);
        }
        let (path, files) = &self.dead_letters;
        let append = files.plan(path.clone(), vec![(0, lines.len())]).await?;
        Ok(Some((append, lines)))
    }

    /// Delivers what was committed by an earlier run, or before a failure.
    pub(crate) async fn redo(&self, status: &mut Status) -> Result<()> {
        let Some(delivery) = self.store.outbox(&self.feed).await? else {
            return Ok(());
        };
        let number = delivery.checkpoint;
        // Not at each attempt, while a sink takes nothing.
        if self.redone.swap(number, Ordering::Relaxed) != number {
            tracing::info!(feed = %self.feed, "delivering batch {number} again, which was interrupted");
        }
        let planned_for = delivery.sink.clone();
        // What http has under way goes to the `url` of now.
        let elsewhere =
            planned_for != "http" && status.destination != Some(self.sink.destination());
        let delivered = self.deliver(delivery, status).await;
        delivered.map_err(|e| match e.kind() {
            Kind::Sink if elsewhere => self.or_give_up(e.hint(format!(
                "batch {number} was under way to the sink `{planned_for}`, and goes there before \
                 anything else, whatever the configuration says now"
            ))),
            _ => e,
        })
    }

    /// The last way out for a batch that can't be delivered.
    fn or_give_up(&self, e: Error) -> Error {
        let feed = &self.feed;
        e.hint(format!(
            "or give it up: `source-host state reset {feed}`, with the `-c` or `--state` of this \
             run, forgets it and how far the feed has come: it begins anew at its `start`, which \
             counts from then if it is relative"
        ))
    }

    /// The sink that made a plan: ours, or one for which a plan is enough.
    fn sink_of(&self, kind: &str) -> Result<Arc<dyn Sink>> {
        if self.sink.kind() == kind {
            return Ok(self.sink.clone());
        }
        match kind {
            "stdout" => Ok(Arc::new(StdoutSink)),
            "file" => Ok(Arc::new(FileSink::for_plans())),
            _ => Err(self.or_give_up(
                Error::sink(format!(
                    "the outbox holds a batch for a sink of type `{kind}`"
                ))
                .hint("put that sink back, run once, and then change it"),
            )),
        }
    }
}
