//! The stored form of a feed's position.
//!
//! One organisation has one `head` (JSON, so that a person can read it), and
//! when there are many ids, keys of their own for these. New keys are written
//! first, the head last, old keys deleted after it: whichever write is the last
//! to succeed, the head that is found names keys that are whole.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use crate::collect::ledger::{Identity, Known, Ledger};
use crate::error::{Error, Failure};

/// Version of the format that is written. A newer one is refused, older ones
/// are read.
pub const FORMAT: u32 = 1;

/// So many ids are kept in the head itself.
const INLINE_IDS: usize = 4_096;

/// So many ids are kept under one key: 204 KiB, with 256 KiB allowed a value.
const IDS_PER_KEY: usize = 12_288;

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

/// What is stored of one organisation beside its ledger.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Owner {
    /// Origin of the API, as in `https://api.jumpcloud.com`.
    pub origin: String,
    /// The organisation, once it is known.
    pub organization: Option<String>,
}

/// Where the state of one organisation lies, and under which keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    head: String,
    /// Numbers of the keys that the stored head names.
    keys: Vec<u64>,
    /// Numbers that an earlier head named: perhaps not deleted yet.
    obsolete: Vec<u64>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Head {
    format: u32,
    version: String,
    origin: String,
    organization: Option<String>,
    sequence: u64,
    start: i64,
    position: i64,
    ids: String,
    keys: Vec<u64>,
    obsolete: Vec<u64>,
}

/// A head as it was read; its ids may lie in further keys.
#[derive(Debug)]
pub struct Restoring {
    head: Head,
    known: Vec<Known>,
    wanted: Vec<String>,
}

/// A stored state, whole.
#[derive(Debug, PartialEq)]
pub struct Restored {
    /// Whose it is.
    pub owner: Owner,
    /// Number of the last acked batch.
    pub sequence: u64,
    /// Position and ids.
    pub ledger: Ledger,
}

impl Slot {
    /// Of the organisation with this id, or of the credential's own.
    pub fn new(organization: Option<&str>) -> Self {
        let head = organization.map_or("head".to_owned(), |id| format!("head.{id}"));
        Self {
            head,
            keys: Vec::new(),
            obsolete: Vec::new(),
        }
    }

    /// Key of the head.
    pub fn head_key(&self) -> &str {
        &self.head
    }

    /// Reads the head.
    pub fn read_head(&mut self, bytes: &[u8]) -> Result<Restoring, Error> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
            version: String,
        }
        let version: Version = serde_json::from_slice(bytes).map_err(|_| self.corrupt())?;
        if version.format > FORMAT {
            return Err(Error::Storage(
                Failure::new(format!(
                    "the state was written by a newer version of the plugin ({})",
                    version.version
                ))
                .hint("load that version or a later one; this one would lose its place"),
            ));
        }
        let head: Head = serde_json::from_slice(bytes).map_err(|_| self.corrupt())?;
        self.keys.clone_from(&head.keys);
        self.obsolete.clone_from(&head.obsolete);
        let ids = BASE64.decode(&head.ids).map_err(|_| self.corrupt())?;
        let wanted = head
            .keys
            .iter()
            .rev()
            .map(|number| self.key(*number))
            .collect();
        let mut restoring = Restoring {
            head,
            known: Vec::new(),
            wanted,
        };
        restoring.take(&ids).ok_or_else(|| self.corrupt())?;
        Ok(restoring)
    }

    /// Reads the next of the keys that the head names.
    pub fn read_key(&self, restoring: &mut Restoring, bytes: Option<&[u8]>) -> Result<(), Error> {
        restoring.wanted.pop();
        let taken = bytes.and_then(|bytes| restoring.take(bytes));
        taken.ok_or_else(|| self.corrupt())
    }

    /// The writes that make this the stored state.
    pub fn write(&mut self, owner: &Owner, sequence: u64, ledger: &Ledger) -> Vec<Write> {
        let known: Vec<Known> = ledger.known().collect();
        let before = std::mem::take(&mut self.keys);
        let mut number = before
            .iter()
            .chain(&self.obsolete)
            .max()
            .map_or(0, |last| last + 1);
        let mut writes = Vec::new();
        let mut inline = String::new();
        if known.len() <= INLINE_IDS {
            inline = BASE64.encode(encode(&known));
        } else {
            for ids in known.chunks(IDS_PER_KEY) {
                writes.push(Write::Set(self.key(number), encode(ids)));
                self.keys.push(number);
                number += 1;
            }
        }
        let stale = std::mem::replace(&mut self.obsolete, before);
        let head = Head {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            origin: owner.origin.clone(),
            organization: owner.organization.clone(),
            sequence,
            start: ledger.start(),
            position: ledger.position(),
            ids: inline,
            keys: self.keys.clone(),
            obsolete: self.obsolete.clone(),
        };
        // Nothing in it can fail to serialise.
        writes.push(Write::Set(
            self.head.clone(),
            serde_json::to_vec(&head).unwrap_or_default(),
        ));
        let deleted = stale.iter().chain(&self.obsolete);
        writes.extend(deleted.map(|number| Write::Delete(self.key(*number))));
        writes
    }

    fn key(&self, number: u64) -> String {
        format!("{}.ids.{number}", self.head)
    }

    fn corrupt(&self) -> Error {
        Error::Storage(
            Failure::new(format!("the stored state `{}` can't be read", self.head))
                .hint("restore the state from a copy; or reset the feed, after which it begins at `start` and repeats what it collected before"),
        )
    }
}

impl Restoring {
    /// The next key to be read; none: all is here.
    pub fn wants(&self) -> Option<&str> {
        self.wanted.last().map(String::as_str)
    }

    /// The whole state.
    pub fn finish(self) -> Restored {
        let Head {
            origin,
            organization,
            sequence,
            start,
            position,
            ..
        } = self.head;
        Restored {
            owner: Owner {
                origin,
                organization,
            },
            sequence,
            ledger: Ledger::restore(start, position, self.known),
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Option<()> {
        let chunks = bytes.chunks_exact(ID_LENGTH);
        let whole = chunks.remainder().is_empty();
        for id in chunks {
            let (dated, rest) = id.split_first()?;
            let (time, id) = rest.split_first_chunk()?;
            self.known.push(Known {
                time: i64::from_be_bytes(*time),
                dated: *dated == 1,
                id: Identity(u64::from_be_bytes(id.try_into().ok()?)),
            });
        }
        whole.then_some(())
    }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn apply(store: &mut BTreeMap<String, Vec<u8>>, writes: &[Write]) {
        for write in writes {
            match write {
                Write::Set(key, value) => {
                    assert!(value.len() <= 256 << 10, "a value of {} bytes", value.len());
                    store.insert(key.clone(), value.clone());
                }
                Write::Delete(key) => {
                    store.remove(key);
                }
            }
        }
    }

    fn read(store: &BTreeMap<String, Vec<u8>>) -> Result<Restored, Error> {
        let mut slot = Slot::new(None);
        let mut restoring = slot.read_head(&store[slot.head_key()])?;
        while let Some(key) = restoring.wants() {
            let value = store.get(key).cloned();
            slot.read_key(&mut restoring, value.as_deref())?;
        }
        Ok(restoring.finish())
    }

    fn ledger(ids: u64) -> Ledger {
        let mut ledger = Ledger::new(1_000);
        (0..ids).for_each(|n| ledger.note(2_000 + n as i64 / 3, Identity(n)));
        ledger.note_undated(Identity(7));
        ledger.advance(1_500);
        ledger
    }

    fn owner() -> Owner {
        Owner {
            origin: "https://api.jumpcloud.com".to_owned(),
            organization: Some("a".to_owned()),
        }
    }

    #[test]
    fn few_ids_and_many_are_stored_whole_and_old_keys_go() {
        let (mut store, mut slot) = (BTreeMap::new(), Slot::new(None));
        for (sequence, ids) in [
            (1, 10),
            (2, 30_000),
            (3, 40_000),
            (4, 30_000),
            (5, 10),
            (6, 10),
        ] {
            apply(&mut store, &slot.write(&owner(), sequence, &ledger(ids)));
            let restored = read(&store).unwrap();
            assert_eq!(
                restored,
                Restored {
                    owner: owner(),
                    sequence,
                    ledger: ledger(ids)
                }
            );
        }
        assert_eq!(store.keys().collect::<Vec<_>>(), ["head"]);
    }

    #[test]
    fn a_tear_between_any_two_writes_loses_nothing() {
        let (mut store, mut slot) = (BTreeMap::new(), Slot::new(None));
        apply(&mut store, &slot.write(&owner(), 1, &ledger(20_000)));
        let writes = slot.clone().write(&owner(), 2, &ledger(30_000));
        for done in 0..=writes.len() {
            let mut torn = store.clone();
            apply(&mut torn, &writes[..done]);
            let restored = read(&torn).unwrap();
            assert!(matches!(restored.sequence, 1 | 2));
            // Whatever was left behind is gone two writes later.
            let mut slot = Slot::new(None);
            slot.read_head(&torn["head"]).unwrap();
            for sequence in [3, 4, 5] {
                apply(&mut torn, &slot.write(&owner(), sequence, &ledger(20_000)));
            }
            assert_eq!(read(&torn).unwrap().sequence, 5);
            assert!(torn.len() <= 4, "{:?}", torn.keys());
        }
    }

    #[test]
    fn a_newer_format_and_a_corrupt_one_are_refused_with_advice() {
        let mut slot = Slot::new(None);
        let newer = br#"{"format":99,"version":"9.0.0","anything":true}"#;
        let error = slot.read_head(newer).unwrap_err().to_string();
        assert_eq!(
            error,
            "the state was written by a newer version of the plugin (9.0.0)"
        );
        for corrupt in [&b""[..], b"{}", br#"{"format":1,"version":"0.1.0"}"#] {
            let error = slot.read_head(corrupt).unwrap_err().to_string();
            assert_eq!(error, "the stored state `head` can't be read");
        }
    }

    #[test]
    fn a_missing_or_cut_key_is_corrupt() {
        let (mut store, mut slot) = (BTreeMap::new(), Slot::new(None));
        apply(&mut store, &slot.write(&owner(), 1, &ledger(20_000)));
        let key = store
            .keys()
            .find(|key| key.contains("ids"))
            .unwrap()
            .clone();
        let mut cut = store.clone();
        cut.get_mut(&key).unwrap().pop();
        assert!(read(&cut).is_err());
        store.remove(&key);
        assert!(read(&store).is_err());
    }
}
