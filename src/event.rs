//! One raw event of Directory Insights, parsed once and borrowing from its bytes.
//!
//! An [`Event`] is a list of members in the source's order. Objects that hold a declared [`Field`]
//! are opened: their members follow them in the list. Everything else is kept as the text that it is
//! written in, so a number keeps its digits, and what no rule reads costs one copy.
//!
//! A leaf that is copied into the output *moves*: it is then no longer in `unmapped`. Nobody keeps
//! books on that. A rule takes the leaf with its value as a [`Moved`], and writing this into the
//! output is what marks the leaf; so an attribute that isn't written moves nothing.

pub(crate) mod fields;
mod parser;
mod reject;
pub(crate) mod scan;
pub(crate) mod timestamp;
pub(crate) mod unmapped;
pub(crate) mod value;

use std::{borrow::Cow, cell::Cell};

pub use self::{
    fields::{FIELDS, Field, To},
    reject::Reject,
};
use self::{parser::Parser, timestamp::Timestamp, value::Value};

/// One raw event.
#[derive(Debug)]
pub struct Event<'a> {
    /// The JSON object as it was received, nothing around it.
    raw: &'a str,
    members: Vec<Member<'a>>,
    /// For each [`Field`] its place in `members`, counted from 1; 0: it is absent.
    places: [u32; Field::COUNT],
}

impl<'a> Event<'a> {
    /// Parses the bytes of one event: one JSON object and nothing else but white space.
    pub fn parse(raw: &'a [u8]) -> Result<Self, Reject> {
        let text = str::from_utf8(raw).map_err(|error| Reject::NotUtf8(error.valid_up_to()))?;
        Parser::new(text).event()
    }

    /// `id`, if it is a text or an integer; the vendor makes it a text.
    pub fn id(&self) -> Option<Cow<'_, str>> {
        self.get(Field::Id)?.value().id_text()
    }

    /// `organization`: the tenant that the event belongs to.
    pub fn organization(&self) -> Option<Cow<'_, str>> {
        self.text(Field::Organization)
    }

    /// `timestamp` in milliseconds since 1970, what is finer cut.
    pub fn time(&self) -> Result<i64, Reject> {
        self.timestamp().map(|time| time.millis)
    }

    /// `event_type`: what happened, in the vendor's words.
    pub fn event_type(&self) -> Result<Cow<'_, str>, Reject> {
        self.text(Field::EventType).ok_or(Reject::NoEventType)
    }

    /// The event as it was received.
    pub(crate) fn raw(&self) -> &'a str {
        self.raw
    }

    pub(crate) fn timestamp(&self) -> Result<Timestamp, Reject> {
        let value = self
            .get(Field::Timestamp)
            .ok_or(Reject::NoTimestamp)?
            .value();
        if value.is_null() || value.json() == "\"\"" {
            return Err(Reject::NoTimestamp);
        }
        let text = value.text().ok_or(Reject::BadTimestamp)?;
        Timestamp::parse(&text).ok_or(Reject::BadTimestamp)
    }

    pub(crate) fn get<'e>(&'e self, field: Field) -> Option<&'e Member<'e>> {
        let place = *self.places.get(field as usize)?;
        self.members.get((place as usize).checked_sub(1)?)
    }

    pub(crate) fn text(&self, field: Field) -> Option<Cow<'_, str>> {
        self.get(field)?.value().text()
    }

    pub(crate) fn id_text(&self, field: Field) -> Option<Cow<'_, str>> {
        self.get(field)?.value().id_text()
    }

    pub(crate) fn boolean(&self, field: Field) -> Option<bool> {
        self.get(field)?.value().boolean()
    }

    /// A text, with the leaf that moves when it is written.
    pub(crate) fn moved_text(&self, field: Field) -> Option<Text<'_>> {
        let leaf = self.get(field)?;
        Some(leaf.moved(leaf.value().text()?))
    }

    /// As [`moved_text`](Self::moved_text); an integer becomes a text, and its leaf stays.
    pub(crate) fn moved_id_text(&self, field: Field) -> Option<Text<'_>> {
        self.moved_text(field)
            .or_else(|| self.id_text(field).map(Text::from))
    }

    /// A boolean, with the leaf that moves when it is written; a text that says one stays.
    pub(crate) fn moved_boolean(&self, field: Field) -> Option<Moved<'_, bool>> {
        let leaf = self.get(field)?;
        let value = leaf.value().boolean()?;
        Some(if leaf.value().is_boolean() {
            leaf.moved(value)
        } else {
            value.into()
        })
    }

    /// Forgets what was written before.
    pub(crate) fn reset(&self) {
        for member in &self.members {
            member.moved.set(false);
        }
    }
}

/// A member of the event, or of an object in it that was opened.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    /// The text between the name's quotes, escapes and all.
    name: &'a str,
    value: Value<'a>,
    /// The place in the list behind the last member within this one.
    end: usize,
    /// A later member has the same name, which counts instead.
    superseded: bool,
    moved: Cell<bool>,
}

impl<'e> Member<'e> {
    pub(crate) fn value(&self) -> Value<'e> {
        self.value
    }

    /// This leaf's value in the output, equal to it in type and value.
    pub(crate) fn moved<T>(&'e self, value: T) -> Moved<'e, T> {
        Moved {
            value,
            leaf: Some(self),
        }
    }
}

/// A value of the output, and the leaf of the source that it is, if it is one unchanged. Writing it
/// moves that leaf, which is copied as it is written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moved<'e, T> {
    pub(crate) value: T,
    leaf: Option<&'e Member<'e>>,
}

/// A text of the output: moved, or derived (by `from`).
pub(crate) type Text<'e> = Moved<'e, Cow<'e, str>>;

impl<T> From<T> for Moved<'_, T> {
    fn from(value: T) -> Self {
        Self { value, leaf: None }
    }
}

impl<'e, T> Moved<'e, T> {
    /// The leaf's text, to be written into the output: it has moved. None: this is not a leaf.
    pub(crate) fn moving(&self) -> Option<&'e str> {
        let leaf = self.leaf?;
        leaf.moved.set(true);
        Some(leaf.value.json())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_are_found_by_their_path() {
        let raw = br#" {"id":7,"geoip":{"city":"Delft","x":{"city":"no"}},"city":"no"}
"#;
        let event = Event::parse(raw).unwrap();
        assert_eq!(event.id().as_deref(), Some("7"));
        assert_eq!(event.text(Field::GeoipCity).as_deref(), Some("Delft"));
        assert_eq!(event.text(Field::GeoipCountry), None);
        assert!(event.raw().starts_with('{') && event.raw().ends_with('}'));
    }

    #[test]
    fn of_equal_names_the_last_counts_with_all_in_it() {
        let raw = br#"{"geoip":{"city":"Delft","region":"ZH"},"g\u0065oip":{"region":"NH"}}"#;
        let event = Event::parse(raw).unwrap();
        assert_eq!(event.text(Field::GeoipCity), None);
        assert_eq!(event.text(Field::GeoipRegion).as_deref(), Some("NH"));
        let event = Event::parse(br#"{"geoip":{"city":"Delft"},"geoip":null}"#).unwrap();
        assert_eq!(event.text(Field::GeoipCity), None);
    }

    #[test]
    fn only_what_is_written_moves() {
        let event = Event::parse(br#"{"message":"a","dn":"b"}"#).unwrap();
        let message = event.moved_text(Field::Message).unwrap();
        let dn = event.moved_text(Field::Dn).unwrap();
        assert_eq!(message.moving(), Some("\"a\""));
        let mut out = Vec::new();
        unmapped::write(&event, &mut out);
        assert_eq!(out, br#","unmapped":{"dn":"b"}"#);

        dn.moving();
        out.clear();
        unmapped::write(&event, &mut out);
        assert!(out.is_empty());
    }
}
