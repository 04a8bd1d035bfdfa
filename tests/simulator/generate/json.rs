//! Writes JSON straight into a buffer: a tree would cost more than all the rest of the generator.

use bytes::{BufMut, BytesMut};

/// An object or array under construction.
///
/// Texts are written as given: they must not need escaping, or be escaped already.
pub(crate) struct Json<'a>(&'a mut BytesMut);

impl<'a> Json<'a> {
    /// Writes one object.
    pub(crate) fn object(out: &'a mut BytesMut, fill: impl FnOnce(&mut Json)) {
        out.put_u8(b'{');
        fill(&mut Json(out));
        out.put_u8(b'}');
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        self.quoted(value);
    }

    /// A member whose value is this JSON.
    pub(crate) fn raw(&mut self, key: &str, value: &str) {
        self.key(key);
        self.0.put_slice(value.as_bytes());
    }

    pub(crate) fn flag(&mut self, key: &str, value: bool) {
        self.raw(key, if value { "true" } else { "false" });
    }

    pub(crate) fn number(&mut self, key: &str, value: i64) {
        self.key(key);
        let mut digits = [0u8; 20];
        let mut rest = value.unsigned_abs();
        let mut length = 0;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
            length += 1;
            if rest == 0 {
                break;
            }
        }
        if value < 0 {
            self.0.put_u8(b'-');
        }
        self.0
            .put_slice(digits.get(20 - length..).unwrap_or_default());
    }

    pub(crate) fn nested(&mut self, key: &str, fill: impl FnOnce(&mut Json)) {
        self.key(key);
        Json::object(self.0, fill);
    }

    /// A member that is an array; `fill` writes its items with [`Json::item`].
    pub(crate) fn array(&mut self, key: &str, fill: impl FnOnce(&mut Json)) {
        self.key(key);
        self.0.put_u8(b'[');
        fill(&mut Json(self.0));
        self.0.put_u8(b']');
    }

    /// An item of an array: an object.
    pub(crate) fn item(&mut self, fill: impl FnOnce(&mut Json)) {
        self.comma();
        Json::object(self.0, fill);
    }

    fn key(&mut self, key: &str) {
        self.comma();
        self.quoted(key);
        self.0.put_u8(b':');
    }

    fn quoted(&mut self, text: &str) {
        self.0.put_u8(b'"');
        self.0.put_slice(text.as_bytes());
        self.0.put_u8(b'"');
    }

    fn comma(&mut self) {
        if !matches!(self.0.last(), None | Some(b'{' | b'[')) {
            self.0.put_u8(b',');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_a_parser_reads() {
        let mut out = BytesMut::new();
        Json::object(&mut out, |json| {
            json.text("a", "b");
            json.number("n", -120);
            json.number("zero", 0);
            json.nested("empty", |_| {});
            json.array("list", |list| {
                list.item(|item| item.flag("x", true));
                list.item(|item| item.raw("y", "null"));
            });
        });
        assert_eq!(
            out,
            r#"{"a":"b","n":-120,"zero":0,"empty":{},"list":[{"x":true},{"y":null}]}"#
        );
    }
}
