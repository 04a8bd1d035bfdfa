//! One JSON value of the source, as its text; read only in the forms that a rule names.

use std::borrow::Cow;

use super::scan::{MAX_DEPTH, Scanner};

/// A JSON value that has been found well formed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Value<'e> {
    text: &'e str,
    /// If it is a string: whether there are escapes in it.
    escaped: bool,
}

impl<'e> Value<'e> {
    pub(super) fn new(text: &'e str, escaped: bool) -> Self {
        Self { text, escaped }
    }

    /// As it is written.
    pub(crate) fn json(self) -> &'e str {
        self.text
    }

    /// A string that isn't empty. A lone surrogate (`"\ud800"`) is no text.
    pub(crate) fn text(self) -> Option<Cow<'e, str>> {
        self.string().filter(|text| !text.is_empty())
    }

    /// A text, or an integer as it is written.
    pub(crate) fn id_text(self) -> Option<Cow<'e, str>> {
        self.text().or_else(|| self.integer().map(Cow::Borrowed))
    }

    /// `true` or `false`, or one of these words as a string, in any case.
    pub(crate) fn boolean(self) -> Option<bool> {
        match self.text {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                let text = self.text()?;
                let is = |word| text.eq_ignore_ascii_case(word);
                if is("true") {
                    Some(true)
                } else {
                    is("false").then_some(false)
                }
            }
        }
    }

    /// `true` or `false` itself.
    pub(crate) fn is_boolean(self) -> bool {
        matches!(self.text, "true" | "false")
    }

    /// A number without fraction or exponent.
    pub(crate) fn integer(self) -> Option<&'e str> {
        let digits = self.text.strip_prefix('-').unwrap_or(self.text);
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then_some(self.text)
    }

    pub(crate) fn is_number(self) -> bool {
        self.text
            .starts_with(|first: char| first == '-' || first.is_ascii_digit())
    }

    pub(crate) fn is_null(self) -> bool {
        self.text == "null"
    }

    pub(crate) fn is_object(self) -> bool {
        self.text.starts_with('{')
    }

    /// The same JSON value: strings by what they say, all else by how it is written.
    pub(crate) fn equals(self, other: Self) -> bool {
        match (self.string(), other.string()) {
            (Some(one), Some(two)) => one == two,
            _ => self.text == other.text,
        }
    }

    /// The members of an object, in the source's order; none of anything else. Of equal names the
    /// last counts: let it overwrite.
    pub(crate) fn members(self) -> impl Iterator<Item = (Cow<'e, str>, Value<'e>)> {
        let mut scanner = Scanner::new(self.text);
        let mut open = scanner.enter(b'{').is_ok();
        let mut first = true;
        std::iter::from_fn(move || {
            if !open {
                return None;
            }
            open = false;
            let name = scanner.next_name(&mut first).ok()??;
            let name = scanner.unescaped(name);
            let value = scanner.value(MAX_DEPTH).ok()?;
            open = true;
            Some((name, value))
        })
    }

    /// The items of an array; none of anything else.
    pub(crate) fn items(self) -> impl Iterator<Item = Value<'e>> {
        let mut scanner = Scanner::new(self.text);
        let mut open = scanner.enter(b'[').is_ok();
        let mut first = true;
        std::iter::from_fn(move || {
            open = open && scanner.next_item(&mut first).ok()?;
            if !open {
                return None;
            }
            scanner.value(MAX_DEPTH).ok()
        })
    }

    fn string(self) -> Option<Cow<'e, str>> {
        let inside = self.text.strip_prefix('"')?.strip_suffix('"')?;
        if self.escaped {
            serde_json::from_str(self.text).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(inside))
        }
    }
}

/// A member's name with escapes, without them; as it is written where they say no text.
pub(crate) fn unescaped(name: &str) -> Cow<'_, str> {
    serde_json::from_str(&format!("\"{name}\"")).map_or(Cow::Borrowed(name), Cow::Owned)
}
