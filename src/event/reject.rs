//! Events that can't be understood.

use std::fmt;

use super::scan::{Fault, MAX_DEPTH};

/// Why an event can't be understood. It is kept as it came, as a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// `timestamp` isn't a text in the form of RFC 3339.
    BadTimestamp,
    /// `event_type` is absent, empty or no text.
    NoEventType,
    /// `timestamp` is absent or empty.
    NoTimestamp,
    /// JSON, but not an object.
    NotAnObject,
    /// Not JSON: an unexpected byte, or the end, at this offset.
    NotJson(usize),
    /// Not UTF-8: a byte out of place at this offset.
    NotUtf8(usize),
    /// Arrays and objects nested deeper than any reader of the output could follow.
    TooDeep,
}

impl Reject {
    /// The reason for programs: it never changes.
    pub fn code(self) -> &'static str {
        match self {
            Self::BadTimestamp => "bad-timestamp",
            Self::NoEventType => "no-event-type",
            Self::NoTimestamp => "no-timestamp",
            Self::NotAnObject => "not-an-object",
            Self::NotJson(_) => "not-json",
            Self::NotUtf8(_) => "not-utf-8",
            Self::TooDeep => "too-deep",
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadTimestamp => write!(f, "`timestamp` is not a time in the form of RFC 3339"),
            Self::NoEventType => write!(f, "`event_type` is missing or not a text"),
            Self::NoTimestamp => write!(f, "`timestamp` is missing"),
            Self::NotAnObject => write!(f, "the record is JSON, but not an object"),
            Self::NotJson(at) => {
                write!(f, "the record is not JSON: unexpected byte or end at {at}")
            }
            Self::NotUtf8(at) => write!(f, "the record is not UTF-8: unexpected byte at {at}"),
            Self::TooDeep => write!(
                f,
                "arrays and objects are nested more than {MAX_DEPTH} deep"
            ),
        }
    }
}

impl std::error::Error for Reject {}

impl From<Fault> for Reject {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Syntax(at) => Self::NotJson(at),
            Fault::TooDeep => Self::TooDeep,
        }
    }
}
