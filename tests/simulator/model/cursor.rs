//! `X-Search_after`: where a page ended, good for one query only.
//!
//! On the wire it is `[1576181718000,"DZrPyW8BNsa9iKWoOm7h"]`. The text holds the hidden
//! tie-breaker of the row and a mark of the query, so the model needs no memory of walks.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::answer::Answer;

/// A place between two rows, in the order of the API.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Cursor {
    pub(super) ms: i64,
    pub(super) tie: u64,
    /// The low 56 bits of the identity of the query.
    mark: u64,
}

const MARK: u64 = (1 << 56) - 1;

impl Cursor {
    pub(super) fn new(ms: i64, tie: u64, query: u64) -> Cursor {
        Cursor {
            ms,
            tie,
            mark: query & MARK,
        }
    }

    /// Whether it was given out for this query.
    pub(super) fn belongs_to(self, query: u64) -> bool {
        self.mark == query & MARK
    }

    /// The value of a request's `search_after`; an empty array or null is no cursor.
    pub(super) fn parse(value: &Value) -> Result<Option<Cursor>, Answer> {
        let refused = || Answer::refused(400, "search_after is not a value of X-Search_after");
        let parts = match value {
            Value::Null => return Ok(None),
            Value::Array(parts) => parts,
            _ => return Err(refused()),
        };
        match parts.as_slice() {
            [] => Ok(None),
            [Value::Number(ms), Value::String(text)] => {
                let ms = ms.as_i64().ok_or_else(refused)?;
                let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refused())?;
                let (tie, mark) = bytes.split_first_chunk::<8>().ok_or_else(refused)?;
                let mark: [u8; 7] = mark.try_into().map_err(|_| refused())?;
                let mark = mark
                    .iter()
                    .fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
                Ok(Some(Cursor {
                    ms,
                    tie: u64::from_be_bytes(*tie),
                    mark,
                }))
            }
            _ => Err(refused()),
        }
    }

    /// The value of the header.
    pub(super) fn header(self) -> String {
        let mut bytes = [0; 15];
        bytes
            .iter_mut()
            .zip(
                self.tie
                    .to_be_bytes()
                    .into_iter()
                    .chain(self.mark.to_be_bytes().into_iter().skip(1)),
            )
            .for_each(|(to, from)| *to = from);
        format!("[{},\"{}\"]", self.ms, URL_SAFE_NO_PAD.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_header_and_knows_its_query() {
        let cursor = Cursor::new(1_576_181_718_000, u64::MAX - 5, u64::MAX);
        let header = cursor.header();
        assert_eq!(
            header.len(),
            "[1576181718000,\"DZrPyW8BNsa9iKWoOm7h\"]".len()
        );
        let value = serde_json::from_str(&header).unwrap();
        assert_eq!(Cursor::parse(&value).unwrap(), Some(cursor));
        assert!(cursor.belongs_to(u64::MAX));
        assert!(!cursor.belongs_to(1));
        for garbled in [r#"["x",1]"#, r#"[1,"x"]"#, r#"[1]"#, "1"] {
            let value = serde_json::from_str(garbled).unwrap();
            assert!(Cursor::parse(&value).is_err(), "{garbled}");
        }
    }
}
