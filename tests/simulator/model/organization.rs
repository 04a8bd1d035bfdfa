//! The events of one organisation, in the order of the API.

use std::sync::Arc;

use super::behaviour::{Behaviour, EndTime};
use super::cursor::Cursor;
use super::query::Query;
use crate::dice::mix;
use crate::event::Event;

/// An organisation (a tenant). Cheap to clone.
#[derive(Clone, Debug)]
pub struct Organization {
    /// Its id: 24 hexadecimal digits.
    pub id: String,
    /// How long its events are kept.
    pub retention_days: u32,
    /// Whether its plan includes Directory Insights; else 402.
    pub entitled: bool,
    /// By time and hidden tie-breaker.
    rows: Arc<Vec<Row>>,
}

#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) event: Event,
    /// The order among events of one millisecond, which no field of the event tells.
    tie: u64,
}

impl Row {
    fn key(&self) -> (i64, u64) {
        (self.event.ms, self.tie)
    }

    pub(super) fn cursor(&self, query: u64) -> Cursor {
        Cursor::new(self.event.ms, self.tie, query)
    }
}

impl Organization {
    /// An organisation with these events; 90 days of retention, entitled.
    pub fn new(id: &str, events: Vec<Event>) -> Organization {
        let mut organization = Organization {
            id: id.to_owned(),
            retention_days: 90,
            entitled: true,
            rows: Arc::default(),
        };
        organization.add(events);
        organization
    }

    /// Adds events, each visible from its own `visible_at` on.
    pub fn add(&mut self, events: impl IntoIterator<Item = Event>) {
        let rows = Arc::make_mut(&mut self.rows);
        for event in events {
            let tie = mix(rows.len() as u64);
            rows.push(Row { event, tie });
        }
        rows.sort_by_key(Row::key);
    }

    /// All its events, also those that aren't visible yet: the ground truth.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.rows.iter().map(|row| &row.event)
    }

    /// The rows between the ends of a query, after its cursor, in its order.
    ///
    /// Whether a row passes the filters is for the caller to ask, one by one.
    pub(super) fn range(&self, query: &Query, end_time: EndTime) -> Range<'_> {
        let from = self
            .rows
            .partition_point(|row| row.event.ms < query.start_ms);
        let to = match (query.end_ms, end_time) {
            (None, _) => self.rows.len(),
            (Some(end), EndTime::Exclusive) => self.rows.partition_point(|row| row.event.ms < end),
            (Some(end), EndTime::Inclusive) => self.rows.partition_point(|row| row.event.ms <= end),
        };
        let (from, to) = match query.search_after {
            None => (from, to),
            Some(Cursor { ms, tie, .. }) if query.descending => (
                from,
                to.min(self.rows.partition_point(|row| row.key() < (ms, tie))),
            ),
            Some(Cursor { ms, tie, .. }) => (
                from.max(self.rows.partition_point(|row| row.key() <= (ms, tie))),
                to,
            ),
        };
        let rows = self.rows.get(from..to).unwrap_or_default().iter();
        Range {
            rows,
            descending: query.descending,
        }
    }
}

/// Rows in the order that a query asked for.
pub(super) struct Range<'a> {
    rows: std::slice::Iter<'a, Row>,
    descending: bool,
}

impl<'a> Iterator for Range<'a> {
    type Item = &'a Row;

    fn next(&mut self) -> Option<&'a Row> {
        match self.descending {
            true => self.rows.next_back(),
            false => self.rows.next(),
        }
    }
}

impl Query {
    /// Whether a row within the ends is among the results, for someone who sees what was visible
    /// at `seen_ms`.
    pub(super) fn takes(&self, row: &Row, behaviour: &Behaviour, seen_ms: i64) -> bool {
        let event = &row.event;
        if event.visible_at > seen_ms || self.services & event.service.bit() == 0 {
            return false;
        }
        let found = |text: &String| {
            String::from_utf8_lossy(&event.raw)
                .to_lowercase()
                .contains(text.as_str())
        };
        if !self.text.as_ref().is_none_or(found) {
            return false;
        }
        self.term.as_ref().is_none_or(|term| {
            serde_json::from_slice(&event.raw)
                .is_ok_and(|json| term.matches(&json, behaviour.search_term_first_only))
        })
    }
}
