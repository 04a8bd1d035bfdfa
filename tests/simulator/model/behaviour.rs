//! The readings of the documentation that a test can choose from.

/// How `end_time` is read; unknown of the real API.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EndTime {
    /// An event at that very millisecond isn't in.
    Exclusive,
    /// It is.
    Inclusive,
}

/// What becomes of a `search_after` that was given out for another query.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ForeignCursor {
    /// The page starts at the wrong place: some rows are missed.
    MissesRows,
    /// A 400.
    Refused,
}

/// A record that is in every answer, whatever time is asked for.
#[derive(Clone, Debug)]
pub struct Always {
    /// Its JSON.
    pub raw: &'static str,
    /// It comes after all others, else before them.
    pub last: bool,
    /// Counts include it.
    pub counted: bool,
}

/// What the documentation leaves open.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// Whether an event at `end_time` is in.
    pub end_time: EndTime,
    /// What becomes of a cursor of another query.
    pub foreign_cursor: ForeignCursor,
    /// By how many milliseconds `/events/count` lags: it doesn't count what became visible since.
    pub count_lag_ms: i64,
    /// How many values `/events/distinct` lists; the rest is only summed up.
    pub distinct_limit: usize,
    /// Whether `distinct` answers with `buckets`, as documented, or with the field's name, as seen.
    pub distinct_buckets: bool,
    /// Whether of a list of values in `search_term` only the first is honoured.
    pub search_term_first_only: bool,
    /// A record that is in every answer.
    pub always: Option<Always>,
}

impl Default for Behaviour {
    fn default() -> Behaviour {
        Behaviour {
            end_time: EndTime::Exclusive,
            foreign_cursor: ForeignCursor::Refused,
            count_lag_ms: 0,
            distinct_limit: 1000,
            distinct_buckets: false,
            search_term_first_only: false,
            always: None,
        }
    }
}
