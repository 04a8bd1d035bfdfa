//! One page of a query: its bytes as they arrive, and what it says of itself.
//! Every answer is hostile input; a defect is an error, never an end.

use serde_json::value::RawValue;

use super::RequestId;
use crate::api::{Head, PageHead};
use crate::error::{Error, Result};
use crate::split::{Broken, Piece, Splitter};

/// A page that was asked for.
#[derive(Debug)]
pub struct Page {
    request: RequestId,
    after: Option<Box<RawValue>>,
    /// What its headers say, and JumpCloud's time at them, if that is known.
    head: Option<(PageHead, Option<i64>)>,
    splitter: Splitter,
    /// Bytes received, and how far they are read.
    bytes: Vec<u8>,
    at: usize,
    rows: u64,
    ended: bool,
    paused: bool,
}

impl Page {
    /// Asked for by this request, after this cursor.
    pub fn new(request: RequestId, after: Option<Box<RawValue>>) -> Self {
        Self {
            request,
            after,
            head: None,
            splitter: Splitter::array(),
            bytes: Vec::new(),
            at: 0,
            rows: 0,
            ended: false,
            paused: false,
        }
    }

    /// The request that asked for it.
    pub fn request(&self) -> RequestId {
        self.request
    }

    /// JumpCloud's time when it answered, if that is known: ms since 1970 UTC.
    pub fn date(&self) -> Option<i64> {
        self.head.as_ref().and_then(|(_, date)| *date)
    }

    /// Whether its body is complete.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether there was a [`pause`](Self::pause) since the answer has begun: the
    /// peer may have given up while nobody listened, which is nobody's fault. (What
    /// has come since may have lain in the transport's buffer.)
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Polling pauses here.
    pub fn pause(&mut self) {
        self.paused |= self.head.is_some();
    }

    /// The head of an answer with status 200.
    pub fn head(&mut self, head: &Head, date: Option<i64>) -> Result<()> {
        self.head = Some((PageHead::read(head).map_err(Error::protocol)?, date));
        Ok(())
    }

    /// The next bytes of the body; all before were read.
    pub fn body(&mut self, bytes: Vec<u8>) {
        (self.bytes, self.at) = (bytes, 0);
    }

    /// The end of the body.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// The next record that has come whole.
    pub fn next_piece(&mut self) -> std::result::Result<Option<Piece<'_>>, Broken> {
        let piece = self.splitter.next(&self.bytes, &mut self.at)?;
        self.rows += u64::from(piece.is_some());
        Ok(piece)
    }

    /// Whether another page follows, as far as is known yet: by the count in
    /// the headers, or without one by the rows that came.
    pub fn is_full(&self, asked: u32) -> bool {
        let Some((head, _)) = &self.head else {
            return false;
        };
        let asked = u64::from(asked);
        let length = head.limit.map_or(asked, |limit| limit.clamp(1, asked));
        head.count.unwrap_or(self.rows) >= length
    }

    /// Whether it ends where it began: it is another page than the one asked for.
    pub fn is_unmoved(&self) -> bool {
        let head = self.head.as_ref().map(|(head, _)| head);
        let cursor = head.and_then(|head| head.search_after.as_ref());
        let after = self.after.as_ref();
        after
            .zip(cursor)
            .is_some_and(|(after, cursor)| after.get() == cursor.get())
    }

    /// Where the next page begins; the error says why that can't be told.
    pub fn cursor(&self) -> Result<Box<RawValue>> {
        let cursor = self
            .head
            .as_ref()
            .and_then(|(head, _)| head.search_after.as_ref());
        let Some(cursor) = cursor else {
            return Err(Error::protocol(
                "a full page without a usable `X-Search_after`",
            ));
        };
        if self.is_unmoved() {
            return Err(Error::protocol(
                "`X-Search_after` did not move from one page to the next",
            ));
        }
        Ok(cursor.clone())
    }

    /// Whether the array of an ended page ends, too.
    pub fn is_closed(&self) -> bool {
        self.splitter.is_closed()
    }

    /// Checks an ended page against what it said of itself.
    pub fn check(&self) -> Result<()> {
        match self.head.as_ref().and_then(|(head, _)| head.count) {
            Some(count) if count != self.rows => Err(Error::protocol(format!(
                "`X-Result-Count` is {count}, but {} came",
                self.rows
            ))),
            _ => Ok(()),
        }
    }
}
