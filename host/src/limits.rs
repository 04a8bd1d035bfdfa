//! How much one feed may use. Every limit is a setting with a default; the
//! table [`Limits::TABLE`] is the one list of them, for the parser and for the
//! documents.

use std::time::Duration;

use wasmtime::ResourceLimiter;

/// What one feed may use at most.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Memory of the plugin's instance, in bytes; no call hands over more.
    pub memory: u64,
    /// Time that the plugin may compute in one call; waiting is free.
    pub compute: Duration,
    /// Time that one call may take, waiting included.
    pub call: Duration,
    /// Handles that the plugin may hold (requests, bodies, streams, …).
    pub handles: u64,
    /// Elements of all tables of the plugin.
    pub table_elements: u64,
    /// One value in storage, in bytes.
    pub value: u64,
    /// Lines of the plugin's log that are passed on, for each call.
    pub log_lines: u64,
    /// Time to connect, name resolution and TLS included.
    pub connect: Duration,
    /// Time from the request to the head of the response, connecting included.
    pub first_byte: Duration,
    /// Time between two pieces of a body, while the host waits for the server.
    pub between_bytes: Duration,
    /// Time of one body, in which the host waits for the server.
    pub body: Duration,
    /// Body of a request, in bytes.
    pub request: u64,
    /// Head of a response, in bytes.
    pub response_head: u64,
    /// Body of a response, decoded, in bytes.
    pub response: u64,
    /// Time that the plugin is asked to return within, at need with an empty
    /// batch.
    pub batch_wait: Duration,
    /// Events and rejected records of a batch, in bytes.
    pub batch: u64,
    /// Events and rejected records of a batch, in number.
    pub batch_events: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            compute: Duration::from_secs(10),
            call: Duration::from_secs(180),
            handles: 1_000,
            table_elements: 100_000,
            value: 256 << 10,
            log_lines: 100,
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(60),
            between_bytes: Duration::from_secs(30),
            body: Duration::from_secs(300),
            request: 64 << 10,
            response_head: 64 << 10,
            response: 256 << 20,
            batch_wait: Duration::from_secs(5),
            batch: 8 << 20,
            batch_events: 10_000,
        }
    }
}

/// One row of [`Limits::TABLE`]: where a limit is kept, and in what unit.
#[derive(Clone, Copy)]
pub enum Field {
    /// A number of bytes.
    Bytes(fn(&mut Limits) -> &mut u64),
    /// A number of things.
    Count(fn(&mut Limits) -> &mut u64),
    /// A time.
    Time(fn(&mut Limits) -> &mut Duration),
}

impl Limits {
    /// Every limit: the name under which it is set, where it is kept, and what
    /// it bounds.
    #[rustfmt::skip]
    pub const TABLE: &[(&str, Field, &str)] = &[
        ("batch", Field::Bytes(|l| &mut l.batch), "Events and rejected records of one batch."),
        ("batch_events", Field::Count(|l| &mut l.batch_events), "Events and rejected records of one batch, in number; also the length of a page, as a rule."),
        ("batch_wait", Field::Time(|l| &mut l.batch_wait), "The plugin hands out a batch within this time, at need an empty one."),
        ("between_bytes", Field::Time(|l| &mut l.between_bytes), "Between two pieces of a response body, while the host waits for the server."),
        ("body", Field::Time(|l| &mut l.body), "One response body, all waiting for the server together."),
        ("call", Field::Time(|l| &mut l.call), "One call into the plugin, waiting included."),
        ("compute", Field::Time(|l| &mut l.compute), "What the plugin may compute in one call; waiting is free."),
        ("connect", Field::Time(|l| &mut l.connect), "Name resolution, connection and TLS."),
        ("first_byte", Field::Time(|l| &mut l.first_byte), "From the request to the head of the response, connecting included."),
        ("handles", Field::Count(|l| &mut l.handles), "Requests, bodies, streams and the like that the plugin may hold."),
        ("log_lines", Field::Count(|l| &mut l.log_lines), "Lines of the plugin's log that are passed on, for each call."),
        ("memory", Field::Bytes(|l| &mut l.memory), "The plugin's memory, and what it hands over in one call."),
        ("request", Field::Bytes(|l| &mut l.request), "Body of a request."),
        ("response", Field::Bytes(|l| &mut l.response), "Body of a response, decoded."),
        ("response_head", Field::Bytes(|l| &mut l.response_head), "Head of a response."),
        ("table_elements", Field::Count(|l| &mut l.table_elements), "Elements of all tables of the plugin."),
        ("value", Field::Bytes(|l| &mut l.value), "One value in storage."),
    ];
}

/// A limit that a guest ran into: the reason of its trap.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Reached {
    #[error("it wanted more than {} of memory (`limits.memory`)", size(*.0))]
    Memory(u64),
    #[error("it handed over more than {} at once (`limits.memory`)", size(*.0))]
    Transfer(u64),
    #[error("it wanted tables of more than {0} elements (`limits.table_elements`)")]
    Table(u64),
    #[error("it computed for more than {} s in one call (`limits.compute`)", .0.as_secs_f64())]
    Compute(Duration),
    #[error("it held more than {0} handles (`limits.handles`)")]
    Handles(u64),
}

impl Reached {
    /// The limit behind a trap; none: it has another reason.
    pub(crate) fn by(trap: &wasmtime::Error, limits: &Limits) -> Option<String> {
        if let Some(reached) = trap.downcast_ref::<Self>() {
            return Some(reached.to_string());
        }
        // For the limits that wasmtime enforces itself it has words and no types.
        let words = trap.root_cause().to_string();
        let reached = match words.as_str() {
            words if words.contains("fuel allocated for hostcalls") => {
                Self::Transfer(limits.memory)
            }
            words if words.contains("handle limit") || words.contains("resource table") => {
                Self::Handles(limits.handles)
            }
            _ => return None,
        };
        Some(reached.to_string())
    }
}

/// A number of bytes in the unit that suits it.
fn size(bytes: u64) -> String {
    match bytes {
        bytes if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        bytes if bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} bytes"),
    }
}

/// Counts a guest's memory and refuses more than the limit, loudly: a guest
/// that is only told "no" dies of an `unreachable` that explains nothing.
pub(crate) struct Meter {
    /// Of all memories, in bytes.
    pub(crate) memory: u64,
    max_memory: u64,
    /// Elements of all tables.
    tables: u64,
    max_tables: u64,
}

impl Meter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory: 0,
            max_memory: limits.memory,
            tables: 0,
            max_tables: limits.table_elements,
        }
    }
}

/// Each costs the host more than its bytes.
const MOST_MEMORIES: usize = 10;
const MOST_TABLES: usize = 100;
const MOST_INSTANCES: usize = 100;

impl ResourceLimiter for Meter {
    fn memories(&self) -> usize {
        MOST_MEMORIES
    }

    fn tables(&self) -> usize {
        MOST_TABLES
    }

    fn instances(&self) -> usize {
        MOST_INSTANCES
    }

    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current) as u64;
        if self.memory + more > self.max_memory {
            return Err(Reached::Memory(self.max_memory).into());
        }
        self.memory += more;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current) as u64;
        if self.tables + more > self.max_tables {
            return Err(Reached::Table(self.max_tables).into());
        }
        self.tables += more;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_every_limit() {
        let mut table = "| key | default | bounds |\n| --- | --- | --- |\n".to_owned();
        let mut limits = Limits::default();
        for (name, field, meaning) in Limits::TABLE {
            let default = match field {
                Field::Bytes(at) => match *at(&mut limits) {
                    bytes if bytes >= 1 << 20 => format!("\"{} MiB\"", bytes >> 20),
                    bytes => format!("\"{} KiB\"", bytes >> 10),
                },
                Field::Count(at) => at(&mut limits).to_string(),
                Field::Time(at) => format!("\"{}s\"", at(&mut limits).as_secs()),
            };
            table += &format!("| `limits.{name}` | `{default}` | {meaning} |\n");
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/CONFIGURATION.md");
        let document = std::fs::read_to_string(path).unwrap();
        let (before, rest) = document.split_once("<!-- limits -->\n").unwrap();
        let (found, after) = rest.split_once("<!-- /limits -->").unwrap();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            let new = format!("{before}<!-- limits -->\n{table}<!-- /limits -->{after}");
            return std::fs::write(path, new).unwrap();
        }
        assert_eq!(found, table, "stale: UPDATE_DOCS=1 makes it anew");
    }

    /// Of each there is a patch that takes it out, which a test notices.
    #[test]
    fn every_limit_is_tried_without() {
        let patches = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/mutants/sandbox");
        let entries = std::fs::read_dir(patches).unwrap();
        let texts = entries.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
        let texts: Vec<String> = texts.collect();
        for (name, ..) in Limits::TABLE {
            let noticed = format!("noticed by: e2e sandbox::limits::{name}\n");
            let is_tried = texts.iter().any(|text| text.starts_with(&noticed));
            assert!(is_tried, "no patch in `tests/mutants/sandbox` for {name}");
        }
    }

    #[test]
    fn the_table_is_sorted_and_reaches_distinct_fields() {
        assert!(Limits::TABLE.is_sorted_by_key(|(name, ..)| *name));
        let mut limits = Limits::default();
        for (_, field, _) in Limits::TABLE {
            match field {
                Field::Bytes(f) | Field::Count(f) => *f(&mut limits) = 1,
                Field::Time(f) => *f(&mut limits) = Duration::from_secs(1),
            }
        }
        let text = format!("{limits:?}");
        assert_eq!(text.matches(": 1").count(), Limits::TABLE.len(), "{text}");
    }

    #[test]
    fn large_tables_are_refused_with_a_reason() {
        let mut meter = Meter::new(&Limits {
            table_elements: 10,
            ..Limits::default()
        });
        assert!(meter.table_growing(0, 4, None).unwrap());
        assert!(meter.table_growing(4, 8, None).unwrap());
        // Another one.
        assert!(meter.table_growing(0, 2, None).unwrap());
        let refused = meter.table_growing(2, 3, None).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "it wanted tables of more than 10 elements (`limits.table_elements`)"
        );
    }

    #[test]
    fn memory_is_refused_with_a_reason() {
        let mut meter = Meter::new(&Limits {
            memory: 1 << 20,
            ..Limits::default()
        });
        assert!(meter.memory_growing(0, 1 << 20, None).unwrap());
        let refused = meter
            .memory_growing(1 << 20, (1 << 20) + 65536, None)
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "it wanted more than 1 MiB of memory (`limits.memory`)"
        );
    }
}
