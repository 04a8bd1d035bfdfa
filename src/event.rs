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
pub(crate) mod scan;
pub(crate) mod timestamp;
pub(crate) mod unmapped;
pub(crate) mod value;

use std::{borrow::Cow, cell::Cell, fmt};

pub use self::fields::{FIELDS, Field, To};
use self::{
    scan::{Fault, MAX_DEPTH, Scanner},
    timestamp::Timestamp,
    value::{Value, unescaped},
};

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
        let mut parser = Parser {
            scanner: Scanner::new(text),
            members: Vec::with_capacity(64),
            places: [0; Field::COUNT],
            undeclared: Vec::new(),
        };
        let start = parser.scanner.offset();
        if parser.scanner.peek() != Some(b'{') {
            parser.scanner.value(MAX_DEPTH)?;
            return Err(Reject::NotAnObject);
        }
        parser.object(None, MAX_DEPTH)?;
        let raw = parser.scanner.since(start);
        parser.scanner.end()?;
        Ok(Self {
            raw,
            members: parser.members,
            places: parser.places,
        })
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
        if value.is_null() || value.0 == "\"\"" {
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
    text: &'a str,
    /// The place in the list behind the last member within this one.
    end: usize,
    /// A later member has the same name, which counts instead.
    superseded: bool,
    moved: Cell<bool>,
}

impl<'e> Member<'e> {
    pub(crate) fn value(&self) -> Value<'e> {
        Value(self.text)
    }

    /// This leaf's value in the output, equal to it in type and value.
    pub(crate) fn moved<T>(&'e self, value: T) -> Moved<'e, T> {
        Moved {
            value,
            leaf: Some(&self.moved),
        }
    }
}

/// A value of the output, and the leaf of the source that it is, if it is one unchanged. Writing it
/// moves that leaf.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moved<'e, T> {
    pub(crate) value: T,
    leaf: Option<&'e Cell<bool>>,
}

/// A text of the output: moved, or derived (by `from`).
pub(crate) type Text<'e> = Moved<'e, Cow<'e, str>>;

impl<T> From<T> for Moved<'_, T> {
    fn from(value: T) -> Self {
        Self { value, leaf: None }
    }
}

impl<T> Moved<'_, T> {
    /// The value, to be written into the output: the leaf has moved.
    pub(crate) fn moving(&self) -> &T {
        if let Some(leaf) = self.leaf {
            leaf.set(true);
        }
        &self.value
    }
}

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

struct Parser<'a> {
    scanner: Scanner<'a>,
    members: Vec<Member<'a>>,
    places: [u32; Field::COUNT],
    /// Names and places of the members that no field declares, of the objects being read.
    undeclared: Vec<(Cow<'a, str>, usize)>,
}

impl<'a> Parser<'a> {
    /// Reads an object's members into the list.
    fn object(&mut self, parent: Option<Field>, depth: usize) -> Result<(), Fault> {
        self.scanner.enter(b'{')?;
        let first_undeclared = self.undeclared.len();
        let mut first = true;
        while let Some(name) = self.scanner.next_name(&mut first)? {
            let place = self.members.len();
            let start = self.scanner.offset();
            self.members.push(Member {
                name,
                text: "",
                end: place + 1,
                superseded: false,
                moved: Cell::new(false),
            });
            // No declared name has an escape in it, so hardly ever is there a need to look for one.
            let field = Field::find(parent, name).or_else(|| Field::find(parent, &unescaped(name)));
            match field {
                Some(field) => self.declare(field, place),
                None => self.undeclared.push((unescaped(name), place)),
            }
            if field.is_some_and(Field::has_members) && self.scanner.peek() == Some(b'{') {
                self.object(field, depth - 1)?;
            } else {
                self.scanner.value(depth - 1)?;
            }
            let end = self.members.len();
            if let Some(member) = self.members.get_mut(place) {
                member.text = self.scanner.since(start);
                member.end = end;
            }
        }
        let undeclared = self
            .undeclared
            .get_mut(first_undeclared..)
            .unwrap_or_default();
        for place in superseded(undeclared) {
            if let Some(member) = self.members.get_mut(place) {
                member.superseded = true;
            }
        }
        self.undeclared.truncate(first_undeclared);
        Ok(())
    }

    /// Notes a field's place; an earlier one, and all within it, no longer counts.
    fn declare(&mut self, field: Field, place: usize) {
        let Some(slot) = self.places.get_mut(field as usize) else {
            return;
        };
        let earlier = std::mem::replace(slot, place as u32 + 1) as usize;
        let Some(member) = earlier
            .checked_sub(1)
            .and_then(|at| self.members.get_mut(at))
        else {
            return;
        };
        member.superseded = true;
        let within = earlier + 1..=member.end;
        for slot in &mut self.places {
            if within.contains(&(*slot as usize)) {
                *slot = 0;
            }
        }
    }
}

/// Of equal names the last counts: the places of the others. Sorts, since an object may have very
/// many names.
fn superseded(names: &mut [(Cow<'_, str>, usize)]) -> impl Iterator<Item = usize> {
    names.sort_unstable();
    names.windows(2).filter_map(|pair| match pair {
        [(one, place), (two, _)] if one == two => Some(*place),
        _ => None,
    })
}
