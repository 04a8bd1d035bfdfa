use std::collections::BTreeMap;

use super::*;
use crate::collect::account::Account;
use crate::collect::audit::Outcome;
use crate::collect::lateness::Lateness;

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
    restore(&mut Slot::new(None), store)
}

fn restore(slot: &mut Slot, store: &BTreeMap<String, Vec<u8>>) -> Result<Restored, Error> {
    let mut restoring = slot.read_head(&store[slot.head_key()])?.unwrap();
    while let Some(key) = restoring.wants() {
        let value = store.get(key).cloned();
        slot.read_key(&mut restoring, value.as_deref())?;
    }
    slot.finish(restoring)
}

/// Half of so many ids go into tiles, and as many come at the position.
fn grow(memory: &mut Memory, ids: u64) {
    let ledger = &mut memory.ledger;
    let first = ledger.position();
    for n in 0..ids / 2 {
        let time = first + 10 * n as i64;
        ledger.note(Some(time), Identity(n));
        ledger.read(time, &[]);
    }
    let position = first + 10 * ids as i64;
    ledger.advance(position);
    (0..ids).for_each(|n| ledger.note(Some(position + n as i64 / 3), Identity(n)));
    ledger.note(None, Identity(7));
    ledger.seal();
}

fn memory(ids: u64) -> Memory {
    let mut memory = Memory::new(1_000);
    grow(&mut memory, ids);
    memory.begin_fill(500);
    memory.notes.selection = Some(7);
    memory
}

/// Keys that a state names beside its head.
fn named(memory: &Memory, head: &[u8]) -> usize {
    let head: Head = serde_json::from_slice(head).unwrap();
    let (open, ..) = memory.ledger.tiles().open();
    let tiles = memory.ledger.tiles().closed().iter().chain([open]);
    let ids = tiles
        .flat_map(|tile| tile.ids.parts().0)
        .flat_map(|keys| keys.numbers());
    ids.count() + head.numbers().count()
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
    let mut memory = memory(10);
    for (sequence, ids) in [
        (1, 10),
        (2, 30_000),
        (3, 1_000),
        (4, 2),
        (5, 30_000),
        (6, 0),
    ] {
        grow(&mut memory, ids);
        if sequence == 5 {
            memory.rewind(memory.ledger.position() - 200_000);
        }
        apply(&mut store, &slot.write(&owner(), sequence, &mut memory));
        let restored = read(&store).unwrap();
        assert_eq!(store.len(), 1 + named(&restored.memory, &store["head"]));
        let memory = memory.clone();
        assert_eq!(
            restored,
            Restored {
                owner: owner(),
                sequence,
                memory
            }
        );
    }
}

/// What is known of each gap.
fn gaps(memory: &Memory) -> Vec<(i64, i64, Option<String>, Vec<Known>)> {
    let fills = std::iter::successors(memory.fill.as_ref(), |fill| fill.before.as_deref());
    let known = |fill: &Fill| {
        let ledger = &fill.ledger;
        (
            ledger.position(),
            fill.end,
            fill.gap.clone(),
            ledger.known().collect(),
        )
    };
    fills.map(known).collect()
}

#[test]
fn gaps_are_stored_with_the_ids_at_their_edges() {
    let (mut store, mut slot) = (BTreeMap::new(), Slot::new(None));
    let mut memory = memory(10);
    for sequence in 1..8 {
        grow(&mut memory, 1_400);
        let to = memory.ledger.position() + 1_000_000;
        let earlier = memory.ledger.split(to);
        memory.begin_later(Some(earlier), "Back(1) within 2");
        apply(&mut store, &slot.write(&owner(), sequence, &mut memory));
        let (now, stored) = (gaps(&memory), gaps(&read(&store).unwrap().memory));
        assert!(now.len() > 1 && now == stored, "after {sequence} gaps");
    }
}

#[test]
fn a_tear_between_any_two_writes_loses_nothing() {
    let (mut store, mut slot) = (BTreeMap::new(), Slot::new(None));
    let mut memory = memory(20_000);
    apply(&mut store, &slot.write(&owner(), 1, &mut memory));
    grow(&mut memory, 1_000);
    memory.rewind(memory.ledger.position() - 5_000);
    let writes = slot.clone().write(&owner(), 2, &mut memory);
    for done in 0..=writes.len() {
        let mut torn = store.clone();
        apply(&mut torn, &writes[..done]);
        let Restored {
            sequence,
            mut memory,
            ..
        } = read(&torn).unwrap();
        assert!(matches!(sequence, 1 | 2));
        // Whatever was left behind is gone a few writes later.
        let mut slot = Slot::new(None);
        slot.read_head(&torn["head"]).unwrap();
        for sequence in 3..6 {
            grow(&mut memory, 3_000);
            apply(&mut torn, &slot.write(&owner(), sequence, &mut memory));
        }
        assert_eq!(read(&torn).unwrap().sequence, 5);
        assert_eq!(torn.len(), 1 + named(&memory, &torn["head"]));
    }
}

#[test]
fn format_1_is_read_and_its_keys_go() {
    let ids: Vec<Known> = (0..5_000)
        .map(|n| Known {
            time: 2_000 + n as i64,
            dated: true,
            id: Identity(n),
        })
        .collect();
    for keys in [vec![], vec![4, 5]] {
        let (head, last) = ids.split_at(if keys.is_empty() { 3 } else { 4_000 });
        let inline = if keys.is_empty() {
            BASE64.encode(encode(head))
        } else {
            String::new()
        };
        let text = format!(
            r#"{{"format":1,"version":"0.1.0","origin":"https://api.jumpcloud.com","organization":"a","sequence":9,"start":1000,"position":1500,"ids":"{inline}","keys":{keys:?},"obsolete":[2,3]}}"#
        );
        let mut store = BTreeMap::from([("head".to_owned(), text.into_bytes())]);
        for (number, ids) in [(4, head), (5, last)].into_iter().take(keys.len()) {
            store.insert(format!("head.ids.{number}"), encode(ids));
        }
        let Restored {
            owner,
            sequence,
            mut memory,
        } = read(&store).unwrap();
        let known = if keys.is_empty() { 3 } else { 5_000 };
        assert_eq!((sequence, memory.ledger.known().count()), (9, known));
        assert_eq!(
            (memory.ledger.start(), memory.ledger.position()),
            (1_000, 1_500)
        );
        assert_eq!(memory.ledger.tiles(), &Tiles::new(1_500));
        let mut slot = Slot::new(None);
        slot.read_head(&store["head"]).unwrap();
        for sequence in [10, 11] {
            apply(&mut store, &slot.write(&owner, sequence, &mut memory));
        }
        assert_eq!(
            read(&store).unwrap(),
            Restored {
                owner,
                sequence: 11,
                memory: memory.clone()
            }
        );
        assert_eq!(store.len(), 1 + named(&memory, &store["head"]));
    }
}

/// As it was written, but for `ids`: its tables had two layouts.
fn format_2(next: u64, ids: &str, tiles: &[u64]) -> Vec<u8> {
    format!(
        r#"{{"format":2,"version":"0.1.0","origin":"https://api.jumpcloud.com","organization":"a","sequence":9,"start":1000,"position":1500,"ids":{ids},"tiles":{tiles:?},"fill":{{"end":1000,"start":100,"position":300,"ids":"","tiles":"AAEC"}},"selection":7,"start_setting":"Back(86400000)","audit":{{"at":1600,"reconciled_to":1400,"counted":3,"read":3,"doubted":false}},"lateness":{lateness},"surveyed":1600,"next":{next},"obsolete":[[2,3]]}}"#,
        lateness = serde_json::to_string(&Lateness::default()).unwrap(),
    )
    .into_bytes()
}

#[test]
fn format_2_is_read_without_its_tiles() {
    let known = Known {
        time: 2_000,
        dated: true,
        id: Identity(5),
    };
    let ids = format!("{:?}", BASE64.encode(encode(&[known])));
    let store = BTreeMap::from([("head".to_owned(), format_2(6, &ids, &[4, 5]))]);
    let Restored {
        owner,
        sequence,
        memory,
    } = read(&store).unwrap();
    assert_eq!((sequence, owner.organization.as_deref()), (9, Some("a")));
    let ledger = &memory.ledger;
    assert_eq!((ledger.start(), ledger.position()), (1_000, 1_500));
    assert!(ledger.knows(Some(2_000), Identity(5)));
    assert_eq!(ledger.tiles(), &Tiles::new(1_500));
    let fill = memory.fill.as_ref().unwrap();
    assert_eq!((fill.end, fill.ledger.position()), (1_000, 300));
    assert_eq!(fill.ledger.tiles(), &Tiles::new(300));
    assert_eq!(
        (memory.notes.selection, &memory.notes.audit),
        (Some(7), &Outcome::default())
    );
}

#[test]
fn nothing_of_format_2_stays_behind() {
    // Its tiles may have named any of these.
    let mut store: BTreeMap<_, _> = (0..10_000)
        .map(|number| (format!("head.ids.{number}"), Vec::new()))
        .collect();
    let head = format_2(10_000, "[5000,7]", &[9_998, 9_999]);
    store.insert("head".to_owned(), head);
    for sequence in 10..14 {
        let mut slot = Slot::new(None);
        let Restored {
            owner, mut memory, ..
        } = restore(&mut slot, &store).unwrap();
        let writes = slot.write(&owner, sequence, &mut memory);
        assert!(writes.len() < 10_000, "a few at a time");
        apply(&mut store, &writes);
    }
    let memory = read(&store).unwrap().memory;
    assert_eq!(store.len(), 1 + named(&memory, &store["head"]));
}

/// As when a shorter horizon, or a rewind, takes most tiles at once: other keys
/// lay between theirs.
#[test]
fn very_many_obsolete_keys_go_a_few_at_a_time() {
    let keys = |number: &u64| format!("head.ids.{number}");
    let mut slot = Slot::new(None);
    slot.next = 200_000;
    let mut store: BTreeMap<_, _> = (0..100_000).map(|n| (keys(&(2 * n)), Vec::new())).collect();
    let mut memory = memory(10);
    let dropped = (0..100_000).map(|n| Keys::one(2 * n)).collect();
    memory.ledger.tiles_mut().drop_keys(dropped);
    let mut writes = slot.write(&owner(), 1, &mut memory);
    for sequence in 2..40 {
        assert!(writes.len() < 10_000, "a few at a time");
        apply(&mut store, &writes);
        // Each time after a restart.
        slot = Slot::new(None);
        let mut restored = restore(&mut slot, &store).unwrap();
        writes = slot.write(&owner(), sequence, &mut restored.memory);
    }
    apply(&mut store, &writes);
    let memory = read(&store).unwrap().memory;
    assert_eq!(store.len(), 1 + named(&memory, &store["head"]));
}

fn includes(all: &serde_json::Value, some: &serde_json::Value) -> bool {
    match (all.as_object(), some.as_object()) {
        (Some(all), Some(some)) => some
            .iter()
            .all(|(name, value)| all.get(name).is_some_and(|one| includes(one, value))),
        _ => all == some,
    }
}

#[test]
fn what_format_3_has_stored_is_read() {
    let stored = include_bytes!("format-3.json");
    let store = BTreeMap::from([("head".to_owned(), stored.to_vec())]);
    let mut memory = memory(10);
    memory.notes.audit.at = Some(1_600);
    memory.notes.lateness.note(70_000);
    memory.notes.surveyed = Some(1_600);
    let writes = Slot::new(None).write(&owner(), 9, &mut memory);
    // What is added may be absent; anything else is another `FORMAT`.
    let Some(Write::Set(_, written)) = writes.last() else {
        panic!("{writes:?}");
    };
    let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
    let (written, mut stored) = (json(written), json(stored));
    stored["version"] = written["version"].clone();
    assert!(includes(&written, &stored), "{written}");
    assert_eq!(read(&store).unwrap().memory, memory);
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
    apply(&mut store, &slot.write(&owner(), 1, &mut memory(20_000)));
    let key = slot.key(slot.next - 1);
    let mut cut = store.clone();
    cut.get_mut(&key).unwrap().pop();
    assert!(read(&cut).is_err());
    store.remove(&key);
    assert!(read(&store).is_err());
}
