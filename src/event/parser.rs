//! From the text of an event to its members.

use std::{borrow::Cow, cell::Cell};

use super::{
    Event, Field, Member, Reject,
    scan::{Fault, MAX_DEPTH, Scanner},
    value::Value,
};

/// Reads one event.
pub(super) struct Parser<'a> {
    scanner: Scanner<'a>,
    members: Vec<Member<'a>>,
    places: [u32; Field::COUNT],
    /// Names and places of the members that no field declares, of the objects being read.
    undeclared: Vec<(Cow<'a, str>, usize)>,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            scanner: Scanner::new(text),
            members: Vec::with_capacity(64),
            places: [0; Field::COUNT],
            undeclared: Vec::with_capacity(32),
        }
    }

    /// One JSON object, and nothing after it but white space.
    pub(super) fn event(mut self) -> Result<Event<'a>, Reject> {
        let start = self.scanner.offset();
        if self.scanner.peek() != Some(b'{') {
            self.scanner.skip(MAX_DEPTH)?;
            self.scanner.end()?;
            return Err(Reject::NotAnObject);
        }
        self.object(None, MAX_DEPTH)?;
        let raw = self.scanner.since(start);
        self.scanner.end()?;
        Ok(Event {
            raw,
            members: self.members,
            places: self.places,
        })
    }

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
                value: Value::default(),
                end: place + 1,
                superseded: false,
                moved: Cell::new(false),
            });
            let name = self.scanner.unescaped(name);
            let field = Field::find(parent, &name);
            match field {
                Some(field) => self.declare(field, place),
                None => self.undeclared.push((name, place)),
            }
            if field.is_some_and(Field::has_members) && self.scanner.peek() == Some(b'{') {
                self.object(field, depth - 1)?;
            } else {
                self.scanner.skip(depth - 1)?;
            }
            let end = self.members.len();
            if let Some(member) = self.members.get_mut(place) {
                member.value = self.scanner.value_since(start);
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
        let member = earlier
            .checked_sub(1)
            .and_then(|at| self.members.get_mut(at));
        let Some(member) = member else { return };
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
pub(super) fn superseded(names: &mut [(Cow<'_, str>, usize)]) -> impl Iterator<Item = usize> {
    names.sort_unstable();
    names.windows(2).filter_map(|pair| match pair {
        [(one, place), (two, _)] if one == two => Some(*place),
        _ => None,
    })
}
