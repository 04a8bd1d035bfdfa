//! Attributes as JSON, into one buffer. Writing to memory can't fail, names are written as constants,
//! and most texts need one look and one copy; that is why this isn't `serde`'s serializer, which made
//! up a third of the time of an event.

use std::{borrow::Cow, io::Write};

use crate::event::{Moved, scan::plain_length};

/// A value of the output.
pub(crate) trait Attribute {
    /// Whether it is left out: never null, never empty.
    fn is_absent(&self) -> bool {
        false
    }

    /// Appends it.
    fn write(&self, out: &mut Vec<u8>);
}

impl<T: Attribute> Attribute for Option<T> {
    fn is_absent(&self) -> bool {
        self.is_none()
    }

    fn write(&self, out: &mut Vec<u8>) {
        if let Some(value) = self {
            value.write(out);
        }
    }
}

impl<T: Attribute> Attribute for Vec<T> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut separator = b'[';
        for item in self {
            out.push(separator);
            item.write(out);
            separator = b',';
        }
        out.push(b']');
    }
}

/// Writing it moves its leaf: as the source writes it, which is JSON already.
impl<T: Attribute> Attribute for Moved<'_, T> {
    fn write(&self, out: &mut Vec<u8>) {
        match self.moving() {
            Some(text) => out.extend_from_slice(text.as_bytes()),
            None => self.value.write(out),
        }
    }
}

impl Attribute for Cow<'_, str> {
    fn write(&self, out: &mut Vec<u8>) {
        (&**self).write(out);
    }
}

impl Attribute for &str {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        let mut rest = self.as_bytes();
        while let Some((plain, special)) = rest.split_at_checked(plain_length(rest)) {
            out.extend_from_slice(plain);
            let Some((byte, after)) = special.split_first() else {
                break;
            };
            escape(*byte, out);
            rest = after;
        }
        out.push(b'"');
    }
}

impl Attribute for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
    }
}

macro_rules! integers {
    ($($integer:ty)*) => {$(
        impl Attribute for $integer {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(itoa::Buffer::new().format(*self).as_bytes());
            }
        }
    )*};
}

integers!(i32 i64 u32);

/// Finite numbers only.
impl Attribute for f64 {
    fn write(&self, out: &mut Vec<u8>) {
        // Writing to memory can't fail.
        let _ = write!(out, "{self}");
    }
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            let _ = write!(out, "\\u{byte:04x}");
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn text(value: impl Attribute) -> String {
        let mut out = Vec::new();
        value.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn read(value: impl Attribute) -> Value {
        serde_json::from_str(&text(value)).unwrap()
    }

    proptest! {
        #[test]
        fn texts_read_back(any in r#"[\x00-\x20"\\a-zé😀]{0,40}"#) {
            prop_assert_eq!(read(&*any), any);
        }

        #[test]
        fn numbers_read_back(long: i64, short: i32, real in -180.0..180.0) {
            prop_assert_eq!(read(long), long);
            prop_assert_eq!(read(short), short);
            prop_assert!(read(real).is_number());
            prop_assert_eq!(text(real).parse(), Ok(real));
        }
    }

    #[test]
    fn ends_of_numbers_read_back() {
        for number in [0, 9, 10, -1, i64::MAX, i64::MIN] {
            assert_eq!(read(number), number);
        }
    }
}
