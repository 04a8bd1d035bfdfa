//! A strict reader of JSON text (RFC 8259) that yields slices, never values.
//!
//! Why not `serde_json`: it gives either a value (its spelling gone) or the raw text of one (its
//! inside unseen, so that a nested object is read again for each level around it). The mapping
//! needs both in one pass: the text of each leaf, and which leaf it is. A property test below holds
//! that the two accept the same texts.

use std::borrow::Cow;

use super::value::{Value, unescaped};

/// Deepest nesting that is read: it bounds the recursion here. Readers of the output stop at 128
/// (`serde_json`) or more, and the output is one level deeper than its event.
pub(crate) const MAX_DEPTH: usize = 100;

/// Why a text isn't JSON that we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An unexpected byte, or the end, at this offset.
    Syntax(usize),
    /// More than [`MAX_DEPTH`] arrays and objects within each other.
    TooDeep,
}

/// How many bytes at the start are plain text inside a JSON string: neither `"` nor `\` nor a control
/// character. Eight at a time, since most of an event is this.
#[inline]
pub(crate) fn plain_length(bytes: &[u8]) -> usize {
    let mut length = 0;
    while let Some(chunk) = bytes.get(length..).and_then(<[u8]>::first_chunk) {
        let plain = plain_of_eight(*chunk);
        if plain < 8 {
            return length + plain;
        }
        length += 8;
    }
    // All bytes before the last eight are plain.
    match bytes.last_chunk() {
        Some(chunk) => bytes.len() - 8 + plain_of_eight(*chunk),
        None => bytes
            .iter()
            .take_while(|byte| !matches!(byte, b'"' | b'\\' | ..0x20))
            .count(),
    }
}

#[inline]
fn plain_of_eight(bytes: [u8; 8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let word = u64::from_le_bytes(bytes);
    // To subtract borrows the high bit of a byte that is too small, if it had none. Above the first
    // such byte others may seem so too, which doesn't matter here.
    let quote = (word ^ (ONES * u64::from(b'"'))).wrapping_sub(ONES);
    let escape = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
    let control = word.wrapping_sub(ONES * 0x20);
    let stop = (quote | escape | control) & !word & HIGH;
    // Of none, 64 bits are zero.
    stop.trailing_zeros() as usize / 8
}

/// A place in a JSON text.
///
/// An object is read by [`enter`](Self::enter) and then, until it gives `None`,
/// [`next_name`](Self::next_name) followed by the member's value; an array likewise by
/// [`next_item`](Self::next_item).
///
/// What is called for every name and string is always inlined: a call costs more in WebAssembly, where
/// each function first looks whether it is to be interrupted. It made a twentieth of the time of an event.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// The string read last has escapes in it.
    escaped: bool,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            escaped: false,
        }
    }

    /// The first byte of the next token.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        // Mostly there is no white space: no loop then.
        match self.byte() {
            Some(b' ' | b'\t' | b'\n' | b'\r') => self.skip_white_space(),
            other => other,
        }
    }

    /// The offset of the next token.
    pub(crate) fn offset(&mut self) -> usize {
        self.peek();
        self.at
    }

    /// The text from an offset to here.
    #[inline]
    pub(crate) fn since(&self, start: usize) -> &'a str {
        // Both ends lie beside ASCII bytes, so never inside a character.
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Steps over `{`, `[` or `:`.
    #[inline(always)]
    pub(crate) fn enter(&mut self, bracket: u8) -> Result<(), Fault> {
        match self.peek() {
            Some(byte) if byte == bracket => self.at += 1,
            _ => return Err(self.fault()),
        }
        Ok(())
    }

    /// The next member's name (the text between its quotes, escapes and all), or `None` behind the
    /// object's end. `first` is true before the first call.
    #[inline(always)]
    pub(crate) fn next_name(&mut self, first: &mut bool) -> Result<Option<&'a str>, Fault> {
        if !self.step(b'}', first)? {
            return Ok(None);
        }
        if self.peek() != Some(b'"') {
            return Err(self.fault());
        }
        let start = self.at + 1;
        self.string()?;
        let name = self.text.get(start..self.at - 1).unwrap_or_default();
        self.enter(b':')?;
        Ok(Some(name))
    }

    /// The name just read, without its escapes; as it is written where they say no text.
    #[inline]
    pub(crate) fn unescaped(&self, name: &'a str) -> Cow<'a, str> {
        if self.escaped {
            unescaped(name)
        } else {
            Cow::Borrowed(name)
        }
    }

    /// Whether another item follows, or the array has ended. `first` is true before the first call.
    pub(crate) fn next_item(&mut self, first: &mut bool) -> Result<bool, Fault> {
        self.step(b']', first)
    }

    /// The next value. `depth`: how deep arrays and objects may be nested in it.
    pub(crate) fn value(&mut self, depth: usize) -> Result<Value<'a>, Fault> {
        let start = self.offset();
        self.skip(depth)?;
        Ok(self.value_since(start))
    }

    /// The value from an offset to here.
    pub(crate) fn value_since(&self, start: usize) -> Value<'a> {
        Value::new(self.since(start), self.escaped)
    }

    /// Steps over a value, as [`value`](Self::value).
    pub(crate) fn skip(&mut self, depth: usize) -> Result<(), Fault> {
        match self.peek() {
            Some(b'"') => self.string()?,
            Some(b'{') => {
                let depth = depth.checked_sub(1).ok_or(Fault::TooDeep)?;
                self.at += 1;
                let mut first = true;
                while self.next_name(&mut first)?.is_some() {
                    self.skip(depth)?;
                }
            }
            Some(b'[') => {
                let depth = depth.checked_sub(1).ok_or(Fault::TooDeep)?;
                self.at += 1;
                let mut first = true;
                while self.next_item(&mut first)? {
                    self.skip(depth)?;
                }
            }
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.literal("true")?,
            Some(b'f') => self.literal("false")?,
            Some(b'n') => self.literal("null")?,
            _ => return Err(self.fault()),
        }
        Ok(())
    }

    /// Nothing but white space may follow.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        if self.peek().is_some() {
            Err(self.fault())
        } else {
            Ok(())
        }
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[cold]
    fn skip_white_space(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    fn fault(&self) -> Fault {
        Fault::Syntax(self.at)
    }

    /// Steps to the next item or member, over a comma if it isn't the first, or behind the end.
    #[inline(always)]
    fn step(&mut self, close: u8, first: &mut bool) -> Result<bool, Fault> {
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                return Ok(false);
            }
            Some(b',') if !*first => self.at += 1,
            Some(_) if *first => *first = false,
            _ => return Err(self.fault()),
        }
        Ok(true)
    }

    /// Steps over a string.
    #[inline(always)]
    fn string(&mut self) -> Result<(), Fault> {
        self.at += 1;
        self.escaped = false;
        loop {
            self.at += plain_length(self.text.as_bytes().get(self.at..).unwrap_or_default());
            match self.byte() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                _ => return Err(self.fault()),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Fault> {
        self.escaped = true;
        self.at += 1;
        match self.byte() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.byte().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(self.fault());
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.fault()),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        match self.byte() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.byte(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            Err(self.fault())
        } else {
            Ok(())
        }
    }

    fn literal(&mut self, word: &str) -> Result<(), Fault> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(self.fault());
        }
        self.at += word.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    fn read(text: &str) -> Result<&str, Fault> {
        let mut scanner = Scanner::new(text);
        let value = scanner.value(MAX_DEPTH)?;
        scanner.end()?;
        Ok(value.json())
    }

    #[test]
    fn value_is_given_as_it_is_spelt() {
        for text in [
            "null",
            "true",
            "false",
            "0",
            "-0",
            "10",
            "-1.50e+07",
            "1E9",
            r#""""#,
            r#""a\"b\\""#,
            r#""\ud800\u00e9é😀""#,
            "[]",
            "[ ]",
            "{}",
            "{ }",
            r#"[1,[2,{"a":[]}],{}]"#,
            r#"{"a" : 1 , "a":{"b":null}}"#,
            r#""0123456789abcdef""#,
        ] {
            assert_eq!(read(&format!(" \t\r\n{text}\n")), Ok(text));
        }
    }

    #[test]
    fn fault_names_the_place() {
        for (text, at) in [
            ("", 0),
            (" ", 1),
            ("nul", 0),
            ("01", 1),
            ("-", 1),
            ("1.", 2),
            ("1e", 2),
            ("+1", 0),
            (".5", 0),
            ("[1,]", 3),
            ("[,1]", 1),
            ("[1 2]", 3),
            ("[", 1),
            ("[1", 2),
            ("{", 1),
            (r#"{"a"}"#, 4),
            (r#"{"a":}"#, 5),
            (r#"{"a":1,}"#, 7),
            ("{a:1}", 1),
            ("{1:1}", 1),
            (r#""a"#, 2),
            ("\"a\nb\"", 2),
            (r#""\x""#, 2),
            (r#""\u00g0""#, 5),
            ("1 2", 2),
            ("NaN", 0),
            ("\u{feff}1", 0),
            ("\"0123456789\u{1}\"", 11),
        ] {
            assert_eq!(read(text), Err(Fault::Syntax(at)), "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(read(&nested(MAX_DEPTH + 1)), Err(Fault::TooDeep));
        assert_eq!(read(&"[".repeat(1_000_000)), Err(Fault::TooDeep));
        assert_eq!(read(&r#"{"a":"#.repeat(1_000_000)), Err(Fault::TooDeep));
    }

    proptest! {
        #[test]
        fn accepts_what_serde_json_accepts(tokens in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", " ", "\n", "\"a\"", "\"", "\\", "\\u00e9", "é", "null",
            "true", "false", "0", "-", "1", ".", "e", "E+", "1.5e3", "\u{1}", "{\"k\":", "plain text, long",
        ]), 0..12)) {
            let text = tokens.concat();
            prop_assert_eq!(
                read(&text).ok(),
                serde_json::from_str::<&RawValue>(&text).ok().map(RawValue::get)
            );
        }
    }
}
