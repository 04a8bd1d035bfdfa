//! The stored form of what a feed remembers.
//!
//! One organisation has one `head` (JSON, so that a person can read it), and
//! what is large lies under keys of its own: the ids of each tile, and when
//! they are many, the ids at the position and the table of tiles. Such a key
//! has a number and is never changed. New keys are written first, the head
//! last, old keys deleted after it: whichever write is the last to succeed, the
//! head that is found names keys that are whole. It also names what is
//! obsolete, so that what a tear has left behind goes with the next writes.

mod head;
mod table;
mod upgrade;

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

use self::head::{Blob, FillHead, Head, LedgerHead, Values};
use crate::collect::fill::Fill;
use crate::collect::ledger::{Identity, Known, Ledger};
use crate::collect::memory::Memory;
use crate::collect::tiles::{self, Keys, Tiles};
use crate::error::{Error, Failure};

/// Version of the format that is written. A newer one is refused, older ones
/// are read.
pub const FORMAT: u32 = 3;

/// What is no longer than this is kept in the head itself, where it takes a
/// third more. A head has seven such parts at most (gaps have ids, but no
/// tiles), and 256 KiB are allowed a value.
const INLINE: usize = 24 << 10;

/// So many keys are deleted before a head, and as many after it; others wait
/// for the next one.
const MAX_DELETES: u64 = 4_096;

/// So many runs of obsolete keys are named in the head itself.
const NAMED: usize = 1_024;

/// What is longer is cut into values of so many bytes.
const VALUE: usize = 192 << 10;

/// Bytes of one id: whether it is dated, time, identity.
const ID_LENGTH: usize = 17;

/// One write to the store. They are done in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Make this the key's value.
    Set(String, Vec<u8>),
    /// Remove the key.
    Delete(String),
}

/// Whose the state is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Owner {
    /// Origin of the API, as in `https://api.jumpcloud.com`.
    pub origin: String,
    /// The organisation, once it is known.
    pub organization: Option<String>,
}

/// The head of the credential's own organisation, whichever it is.
const OWN_HEAD: &str = "head";

/// Where the state of one organisation lies, and under which keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// The organisation, if the settings name it.
    organization: Option<String>,
    head: String,
    /// Number of the next key.
    next: u64,
    /// Keys that the next head no longer names.
    outdated: Vec<Keys>,
    /// Keys that the stored head no longer names: perhaps not deleted yet.
    obsolete: Vec<Keys>,
}

/// A head as it was read, and what it names beside it.
#[derive(Debug)]
pub struct Restoring {
    head: Head,
    /// Keys to be read, in order.
    wanted: VecDeque<String>,
    /// Values read, in order.
    values: Values,
}

/// A stored state, whole.
#[derive(Debug, PartialEq)]
pub struct Restored {
    /// Whose it is.
    pub owner: Owner,
    /// Number of the last acked batch.
    pub sequence: u64,
    /// What is remembered.
    pub memory: Memory,
}

impl Slot {
    /// Of the organisation with this id, or of the credential's own.
    pub fn new(organization: Option<&str>) -> Self {
        Self {
            organization: organization.map(str::to_owned),
            head: head_of(organization),
            next: 0,
            outdated: Vec::new(),
            obsolete: Vec::new(),
        }
    }

    /// Key of the head.
    pub fn head_key(&self) -> &str {
        &self.head
    }

    /// There is no such head. True: there may be another one. An organisation
    /// that was the credential's own, and is named by the settings now, goes on
    /// with the state that it has.
    pub fn look_elsewhere(&mut self) -> bool {
        let own = head_of(self.organization.as_deref());
        let found = self.head == own && own != OWN_HEAD;
        self.head = if found { OWN_HEAD.to_owned() } else { own };
        found
    }

    /// Name of a numbered key.
    pub fn key(&self, number: u64) -> String {
        format!("{}.ids.{number}", self.head)
    }

    /// Reads the head; none: it is another organisation's.
    pub fn read_head(&mut self, bytes: &[u8]) -> Result<Option<Restoring>, Error> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
            version: String,
        }
        let version: Version = serde_json::from_slice(bytes).map_err(|_| self.corrupt())?;
        let Some(head) = upgrade::read(version.format, bytes) else {
            return Err(Error::Storage(
                Failure::new(format!(
                    "the state was written by a newer version of the plugin ({})",
                    version.version
                ))
                .hint("load that version or a later one; this one would lose its place"),
            ));
        };
        let head = head.map_err(|_| self.corrupt())?;
        if self.organization.is_some() && self.organization != head.organization {
            self.head = head_of(self.organization.as_deref());
            return Ok(None);
        }
        let keys = |&(first, last)| Keys { first, last };
        self.next = head.next;
        self.obsolete = head.obsolete.iter().map(keys).collect();
        // A head always names all of its blobs: the next one has others.
        self.outdated = head.numbers().map(Keys::one).collect();
        let wanted = head.numbers().map(|number| self.key(number)).collect();
        let values = Default::default();
        Ok(Some(Restoring {
            head,
            wanted,
            values,
        }))
    }

    /// Reads the next of the keys that the head names.
    pub fn read_key(&self, restoring: &mut Restoring, bytes: Option<&[u8]>) -> Result<(), Error> {
        restoring.wanted.pop_front();
        let bytes = bytes.ok_or_else(|| self.corrupt())?;
        restoring.values.push_back(bytes.to_vec());
        Ok(())
    }

    /// The whole state.
    pub fn finish(&mut self, restoring: Restoring) -> Result<Restored, Error> {
        let (restored, obsolete) = restoring.finish().ok_or_else(|| self.corrupt())?;
        self.obsolete.extend(obsolete);
        Ok(restored)
    }

    /// The writes that make this the stored state.
    pub fn write(&mut self, owner: &Owner, sequence: u64, memory: &mut Memory) -> Vec<Write> {
        let mut writes = Vec::new();
        let (stale, waiting) = tiles::split(std::mem::take(&mut self.obsolete), MAX_DELETES);
        self.delete(&stale, &mut writes);
        self.obsolete = std::mem::take(&mut self.outdated);
        let ledger = self.write_ledger(&mut memory.ledger, &mut writes);
        let fill = memory.fill.as_mut();
        let fill = fill.map(|fill| self.write_fill(fill, &mut writes));
        let (gone, _) = tiles::split(self.obsolete.clone(), MAX_DELETES);
        self.obsolete.extend(waiting);
        self.obsolete = tiles::merge(std::mem::take(&mut self.obsolete));
        let (named, more) = self.obsolete.split_at(NAMED.min(self.obsolete.len()));
        let obsolete = named.iter().map(|keys| (keys.first, keys.last)).collect();
        let more_obsolete = table::encode_keys(more);
        let head = Head {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            origin: owner.origin.clone(),
            organization: owner.organization.clone(),
            sequence,
            ledger,
            fill,
            notes: memory.notes.clone(),
            obsolete,
            more_obsolete: match more_obsolete.is_empty() {
                true => Blob::None,
                false => self.write_values(&more_obsolete, &mut writes),
            },
            next: self.next,
        };
        self.outdated = head.numbers().map(Keys::one).collect();
        // Nothing in it can fail to serialise.
        writes.push(Write::Set(
            self.head.clone(),
            serde_json::to_vec(&head).unwrap_or_default(),
        ));
        self.delete(&gone, &mut writes);
        writes
    }

    /// A key that the state names isn't there, or can't be read.
    pub fn corrupt(&self) -> Error {
        Error::Storage(
            Failure::new(format!("the stored state `{}` can't be read", self.head))
                .hint("restore the state from a copy; or reset the feed, after which it begins at `start` and repeats what it collected before"),
        )
    }

    fn write_ledger(&mut self, ledger: &mut Ledger, writes: &mut Vec<Write>) -> LedgerHead {
        for ids in ledger.tiles_mut().unstored() {
            ids.store(|value| self.write_key(value, writes));
        }
        self.obsolete.extend(ledger.tiles_mut().take_dropped());
        let known: Vec<Known> = ledger.known().collect();
        LedgerHead {
            start: ledger.start(),
            position: ledger.position(),
            ids: self.write_blob(encode(&known), writes),
            tiles: self.write_blob(table::encode(ledger.tiles()), writes),
        }
    }

    fn write_fill(&mut self, fill: &mut Fill, writes: &mut Vec<Write>) -> FillHead {
        let before = fill.before.as_mut();
        FillHead {
            end: fill.end,
            ledger: self.write_ledger(&mut fill.ledger, writes),
            gap: fill.gap.clone(),
            before: before.map(|before| Box::new(self.write_fill(before, writes))),
        }
    }

    fn write_blob(&mut self, bytes: Vec<u8>, writes: &mut Vec<Write>) -> Blob {
        if bytes.len() <= INLINE {
            return Blob::Inline(BASE64.encode(bytes));
        }
        self.write_values(&bytes, writes)
    }

    fn write_values(&mut self, bytes: &[u8], writes: &mut Vec<Write>) -> Blob {
        let values = bytes.chunks(VALUE);
        Blob::Keys(
            values
                .map(|value| self.write_key(value.to_vec(), writes))
                .collect(),
        )
    }

    fn write_key(&mut self, value: Vec<u8>, writes: &mut Vec<Write>) -> u64 {
        let number = self.next;
        self.next += 1;
        writes.push(Write::Set(self.key(number), value));
        number
    }

    fn delete(&self, keys: &[Keys], writes: &mut Vec<Write>) {
        let numbers = keys.iter().flat_map(|keys| keys.numbers());
        writes.extend(numbers.map(|number| Write::Delete(self.key(number))));
    }
}

impl Restoring {
    /// The next key to be read; none: all is here.
    pub fn wants(&self) -> Option<&str> {
        self.wanted.front().map(String::as_str)
    }

    /// The state, and the obsolete keys that the head itself does not name.
    fn finish(mut self) -> Option<(Restored, Vec<Keys>)> {
        let ledger = read_ledger(&self.head.ledger, &mut self.values)?;
        let fill = match &self.head.fill {
            Some(fill) => Some(read_fill(fill, &mut self.values)?),
            None => None,
        };
        let head = self.head;
        let obsolete = table::decode_keys(&head.more_obsolete.read(&mut self.values)?)?;
        let restored = Restored {
            owner: Owner {
                origin: head.origin,
                organization: head.organization,
            },
            sequence: head.sequence,
            memory: Memory {
                ledger,
                fill,
                notes: head.notes,
            },
        };
        Some((restored, obsolete))
    }
}

fn head_of(organization: Option<&str>) -> String {
    organization.map_or(OWN_HEAD.to_owned(), |id| format!("{OWN_HEAD}.{id}"))
}

fn read_ledger(head: &LedgerHead, values: &mut Values) -> Option<Ledger> {
    let known = decode(&head.ids.read(values)?)?;
    let tiles = match &head.tiles {
        // Before there were tiles: they begin at the position.
        Blob::None => Tiles::new(head.position),
        blob => table::decode(&blob.read(values)?)?,
    };
    Some(Ledger::restore(head.start, head.position, known, tiles))
}

fn read_fill(head: &FillHead, values: &mut Values) -> Option<Fill> {
    Some(Fill {
        end: head.end,
        ledger: read_ledger(&head.ledger, values)?,
        gap: head.gap.clone(),
        before: match &head.before {
            Some(before) => Some(Box::new(read_fill(before, values)?)),
            None => None,
        },
    })
}

fn encode(known: &[Known]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(known.len() * ID_LENGTH);
    for Known { time, dated, id } in known {
        bytes.push(u8::from(*dated));
        bytes.extend_from_slice(&time.to_be_bytes());
        bytes.extend_from_slice(&id.0.to_be_bytes());
    }
    bytes
}

fn decode(bytes: &[u8]) -> Option<Vec<Known>> {
    let chunks = bytes.chunks_exact(ID_LENGTH);
    if !chunks.remainder().is_empty() {
        return None;
    }
    let known = |id: &[u8]| {
        let (dated, rest) = id.split_first()?;
        let (time, id) = rest.split_first_chunk()?;
        Some(Known {
            time: i64::from_be_bytes(*time),
            dated: *dated == 1,
            id: Identity(u64::from_be_bytes(id.try_into().ok()?)),
        })
    };
    chunks.map(known).collect()
}

#[cfg(test)]
#[path = "state/tests.rs"]
mod tests;
