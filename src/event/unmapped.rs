//! What is left of an event when the moved leaves are gone.

use std::{borrow::Cow, ops::Range};

use super::{
    Event, Member,
    parser::superseded,
    scan::{Fault, Scanner},
};

/// Appends `,"unmapped":{…}`, or nothing if no member is left. To be called when all else has been
/// written.
pub(crate) fn write(event: &Event<'_>, out: &mut Vec<u8>) {
    let before = out.len();
    out.extend_from_slice(b",\"unmapped\":");
    if !rest(&event.members, 0..event.members.len(), out) {
        out.truncate(before);
    }
}

/// Writes the object of these members without those that moved; `false` and nothing if none is left.
/// Only objects that were opened come here, so the depth is that of the declared fields.
fn rest(members: &[Member<'_>], mut inside: Range<usize>, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let mut separator = b'{';
    while let Some(member) = members.get(inside.start).filter(|_| !inside.is_empty()) {
        let within = inside.start + 1..member.end;
        inside.start = member.end;
        if member.superseded || member.moved.get() {
            continue;
        }
        let before = out.len();
        write_name(separator, member.name, out);
        if within.is_empty() {
            write_value(member.value.json(), out);
        } else if !rest(members, within, out) {
            out.truncate(before);
            continue;
        }
        separator = b',';
    }
    if separator == b'{' {
        out.truncate(start);
        return false;
    }
    out.push(b'}');
    true
}

/// Copies a value: a scalar as it is written, arrays and objects without white space (a line break
/// would end the output's line) and without members that a later one of the same name supersedes.
fn write_value(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    if !text.starts_with(['[', '{']) || tidy(&mut Scanner::new(text), out).is_err() {
        // The text has been found well formed: here it is a scalar.
        out.truncate(start);
        out.extend_from_slice(text.as_bytes());
    }
}

/// One pass, whatever the nesting; its depth was bounded when the event was parsed.
fn tidy(scanner: &mut Scanner<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut first = true;
    match scanner.peek() {
        Some(b'{') => {
            scanner.enter(b'{')?;
            // Each with the place in the output where its member starts.
            let mut names: Vec<(Cow<'_, str>, usize)> = Vec::new();
            let mut separator = b'{';
            while let Some(name) = scanner.next_name(&mut first)? {
                names.push((scanner.unescaped(name), out.len()));
                write_name(separator, name, out);
                tidy(scanner, out)?;
                separator = b',';
            }
            if separator == b'{' {
                out.push(b'{');
            }
            let gone: Vec<usize> = superseded(&mut names).collect();
            if !gone.is_empty() {
                let starts = names.into_iter().map(|(_, start)| start);
                cut(gone, starts.chain([out.len()]).collect(), out);
            }
            out.push(b'}');
        }
        Some(b'[') => {
            scanner.enter(b'[')?;
            out.push(b'[');
            let mut separator: &[u8] = b"";
            while scanner.next_item(&mut first)? {
                out.extend_from_slice(separator);
                tidy(scanner, out)?;
                separator = b",";
            }
            out.push(b']');
        }
        _ => out.extend_from_slice(scanner.value(0)?.json().as_bytes()),
    }
    Ok(())
}

/// Takes members out of the object that was just written. `gone`: where each of them starts with its
/// separator; `starts`: the same of all members, and where the next one would.
fn cut(mut gone: Vec<usize>, mut starts: Vec<usize>, out: &mut Vec<u8>) {
    gone.sort_unstable();
    starts.sort_unstable();
    let first = starts.first().copied().unwrap_or_default();
    let written = out.split_off(first);
    for pair in starts.windows(2) {
        if let [start, end] = pair
            && gone.binary_search(start).is_err()
            && let Some([_, member @ ..]) = written.get(start - first..end - first)
        {
            out.push(if out.len() == first { b'{' } else { b',' });
            out.extend_from_slice(member);
        }
    }
}

fn write_name(before: u8, name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&[before, b'"']);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}
