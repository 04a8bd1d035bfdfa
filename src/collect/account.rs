//! What a walk reads is entered in an account: that of whoever asked for it.
//!
//! | walk | account | why |
//! |---|---|---|
//! | follow | [`Ledger`](super::ledger::Ledger) | from the position to the end, once a cycle |
//! | fill | another `Ledger` | from an earlier start, or after a gap, to where the first began |
//! | repair | [`Repair`](super::repair::Repair) | one tile, whose count has changed |

use super::ledger::Identity;

/// What has been handed out, and what has been read.
pub trait Account {
    /// Whether this event was handed out before: a known id at the same time
    /// (ms since 1970 UTC). A known id at another time is another event.
    fn knows(&self, time: Option<i64>, id: Identity) -> bool;

    /// An event is handed out, or a record that has no readable time.
    fn note(&mut self, time: Option<i64>, id: Identity);

    /// A row of this time has been read, after these records without one.
    fn read(&mut self, time: i64, undated: &[Identity]);

    /// Everything before is settled.
    fn advance(&mut self, to: i64);

    /// The walk has read all that it was for; these records without a time
    /// came after the last row. The ms before which all is settled, if any.
    fn end(&mut self, undated: &[Identity], settled: Option<i64>);
}
