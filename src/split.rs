//! Bytes as they arrive → whole JSON records, without copying those that lie
//! within one piece.
//!
//! Splitting only finds where a record ends; whether it is good JSON is for
//! [`crate::event`] to say, so that a bad record costs that record alone. What
//! is too long or nested too deeply is never held whole.

use sha2::{Digest, Sha256};

use crate::event::scan::plain_length;

/// The longest record that is read, in bytes.
pub const MAX_RECORD: usize = 4 << 20;

/// How deep a record may be nested. (serde_json's own limit is 128; a reader
/// further down the pipeline may have a similar one.)
pub const MAX_DEPTH: u32 = 100;

/// How much of a record that is not read is kept, in bytes.
pub const KEPT: usize = 64 << 10;

/// The byte order mark with which some programs start a file in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// A record, or why it is none.
#[derive(Debug, PartialEq)]
pub enum Piece<'a> {
    /// The bytes of one record, nothing around them.
    Record(&'a [u8]),
    /// Longer than [`MAX_RECORD`] or deeper than [`MAX_DEPTH`].
    Refused(Refused),
}

/// A record that is not read.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// Its first [`KEPT`] bytes.
    pub head: Vec<u8>,
    /// Its whole length in bytes.
    pub length: u64,
    /// SHA-256 of all of it.
    pub sha256: [u8; 32],
}

/// Why a record is not read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// Longer than [`MAX_RECORD`].
    TooLong,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
}

/// How records lie in the stream.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Layout {
    /// Nothing but white space came yet.
    Unknown,
    /// Elements of an array.
    Array,
    /// After the array's end.
    Closed,
    /// One after the other, each over one or several lines.
    Stream,
    /// One to a line: so the first one stood, and a broken one costs its own
    /// line alone. How deep a line is nested is for [`crate::event`] to see.
    Lines,
}

/// The stream is not what it should be.
#[derive(Clone, Debug, PartialEq)]
pub enum Broken {
    /// It ended within a record, or before the array's end.
    Cut,
    /// Something else than an array: the first bytes of it.
    Garbage(Vec<u8>),
}

/// Finds records in a stream of bytes: a JSON array, or records one after the
/// other.
///
/// Call [`next`](Self::next) until it returns none, then again with the next
/// bytes, at last [`finish`](Self::finish).
#[derive(Debug)]
pub struct Splitter {
    layout: Layout,
    /// Only an array will do.
    array_only: bool,
    /// So many bytes of a [`MARK`] have come.
    mark: usize,
    /// A record is under way.
    within: bool,
    /// What earlier bytes held of it.
    partial: Vec<u8>,
    /// If it is refused: what is known of it.
    refused: Option<Box<Refusing>>,
    in_string: bool,
    escaped: bool,
    depth: u32,
    /// It has a line break in it.
    multiline: bool,
}

/// A record that is refused while it is still under way.
#[derive(Debug)]
struct Refusing {
    reason: Reason,
    head: Vec<u8>,
    length: u64,
    sha256: Sha256,
}

impl Splitter {
    /// For one JSON array, the body of an answer.
    pub fn array() -> Self {
        Self {
            layout: Layout::Unknown,
            array_only: true,
            mark: 0,
            within: false,
            partial: Vec::new(),
            refused: None,
            in_string: false,
            escaped: false,
            depth: 0,
            multiline: false,
        }
    }

    /// For arrays or records one after the other.
    pub fn stream() -> Self {
        Self {
            array_only: false,
            ..Self::array()
        }
    }

    /// The next record that ends in `bytes[*at..]`; moves `at` behind it.
    /// None: all of `bytes` is taken, more is needed.
    pub fn next<'a>(
        &'a mut self,
        bytes: &'a [u8],
        at: &mut usize,
    ) -> Result<Option<Piece<'a>>, Broken> {
        if !self.within {
            // It held the record handed out before.
            self.partial.clear();
            if !self.find_start(bytes, at)? {
                return Ok(None);
            }
        }
        let from = *at;
        let end = self.find_end(bytes, from);
        let part = bytes
            .get(from..end.unwrap_or(bytes.len()))
            .unwrap_or_default();
        *at = from + part.len();
        if end.is_none() {
            self.keep(part);
            return Ok(None);
        }
        let in_one_piece = self.refused.is_none() && self.partial.is_empty();
        if in_one_piece && part.len() <= MAX_RECORD {
            self.reset();
            return Ok(Some(Piece::Record(part.trim_ascii_end())));
        }
        self.keep(part);
        Ok(Some(self.complete()))
    }

    /// The end of the stream. A last record with nothing behind it (a line
    /// without its break) comes out here, a broken one as it is.
    pub fn finish(&mut self) -> Result<Option<Piece<'_>>, Broken> {
        let array = self.layout == Layout::Array;
        (self.layout, self.mark) = (Layout::Unknown, 0);
        if array || self.array_only && self.within {
            self.reset();
            return Err(Broken::Cut);
        }
        Ok(self.within.then(|| self.complete()))
    }

    /// The bytes held of a record that broke off.
    pub fn take_partial(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.partial)
    }

    /// Whether the array has ended.
    pub fn is_closed(&self) -> bool {
        self.layout == Layout::Closed
    }

    /// Moves `at` to the first byte of the next record; false: there is none.
    fn find_start(&mut self, bytes: &[u8], at: &mut usize) -> Result<bool, Broken> {
        while let Some(&byte) = bytes.get(*at) {
            match (self.layout, byte) {
                (Layout::Unknown, _) if MARK.get(self.mark) == Some(&byte) => self.mark += 1,
                (Layout::Stream, b'\n') if !self.multiline => self.layout = Layout::Lines,
                (_, b' ' | b'\t' | b'\r' | b'\n') | (Layout::Array, b',') => {}
                (Layout::Array, b']') => self.layout = Layout::Closed,
                (Layout::Unknown, b'[') => self.layout = Layout::Array,
                (Layout::Closed, b'[') if !self.array_only => self.layout = Layout::Array,
                (Layout::Unknown | Layout::Closed, _) if self.array_only => {
                    let rest = bytes.get(*at..).unwrap_or_default();
                    return Err(Broken::Garbage(rest.iter().take(80).copied().collect()));
                }
                (layout, _) => {
                    if matches!(layout, Layout::Unknown | Layout::Closed) {
                        self.layout = if byte == b'{' {
                            Layout::Stream
                        } else {
                            Layout::Lines
                        };
                    }
                    // What only began like a mark belongs to the record.
                    let begun = std::mem::take(&mut self.mark) % MARK.len();
                    let begun = MARK.get(..begun).unwrap_or_default();
                    self.partial.extend_from_slice(begun);
                    self.within = true;
                    self.multiline = false;
                    return Ok(true);
                }
            }
            *at += 1;
        }
        Ok(false)
    }

    /// Where the record under way ends (behind its last byte), if it does.
    fn find_end(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        if self.layout == Layout::Lines {
            return memchr::memchr(b'\n', bytes.get(from..)?).map(|length| from + length);
        }
        let fresh = self.partial.is_empty() && self.refused.is_none();
        let mut at = from;
        while let Some(&byte) = bytes.get(at) {
            if self.in_string && !self.escaped {
                let plain = plain_length(bytes.get(at..)?);
                if plain > 0 {
                    at += plain;
                    continue;
                }
            }
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => {
                    self.depth += 1;
                    if self.depth > MAX_DEPTH && self.refused.is_none() {
                        self.refuse(Reason::TooDeep);
                    }
                }
                b'}' | b']' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                // A scalar ends where its element does; the first byte always
                // belongs to the record, or there would be no progress.
                b',' | b']' | b'}' | b'\n' if self.depth == 0 && !(fresh && at == from) => {
                    return Some(at);
                }
                b'\n' => self.multiline = true,
                _ => {}
            }
            at += 1;
        }
        None
    }

    /// Adds bytes to the record under way, as far as it is held.
    fn keep(&mut self, bytes: &[u8]) {
        if self.refused.is_none() {
            if self.partial.len() + bytes.len() <= MAX_RECORD {
                self.partial.extend_from_slice(bytes);
                return;
            }
            self.refuse(Reason::TooLong);
        }
        if let Some(refused) = &mut self.refused {
            let room = KEPT.saturating_sub(refused.head.len()).min(bytes.len());
            refused
                .head
                .extend_from_slice(bytes.get(..room).unwrap_or_default());
            refused.length += bytes.len() as u64;
            refused.sha256.update(bytes);
        }
    }

    /// From here on the record under way is counted and hashed, not held.
    fn refuse(&mut self, reason: Reason) {
        let mut head = std::mem::take(&mut self.partial);
        let length = head.len() as u64;
        let sha256 = Sha256::new_with_prefix(&head);
        head.truncate(KEPT);
        self.refused = Some(Box::new(Refusing {
            reason,
            head,
            length,
            sha256,
        }));
    }

    /// The record under way is whole.
    fn complete(&mut self) -> Piece<'_> {
        self.reset();
        match self.refused.take() {
            Some(refused) => Piece::Refused(Refused {
                reason: refused.reason,
                head: refused.head,
                length: refused.length,
                sha256: refused.sha256.finalize().into(),
            }),
            None => Piece::Record(self.partial.trim_ascii_end()),
        }
    }

    /// Forgets where in the record we are.
    fn reset(&mut self) {
        (self.within, self.in_string, self.escaped, self.depth) = (false, false, false, 0);
    }
}

#[cfg(test)]
#[path = "split/tests.rs"]
mod tests;
