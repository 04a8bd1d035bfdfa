//! Nothing of the source is lost: any event can be rebuilt from its output, exactly (up to the order
//! of names and white space), by `unmapped` and [`FIELDS`] read backwards.

use jumpcloud::{
    event::{Event, FIELDS},
    mapping::{self, EventTypes},
};
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::{generator, ocsf};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_event_is_valid_and_can_be_rebuilt(raw in generator::event()) {
        check(&raw)?;
    }
}

/// Maps a selected event; its output is valid and holds all of it.
pub fn check(raw: &str) -> Result<String, TestCaseError> {
    let event =
        Event::parse(raw.as_bytes()).map_err(|reject| TestCaseError::fail(reject.to_string()))?;
    let types = EventTypes {
        login: true,
        admin: true,
    };
    let Some(row) = mapping::select(&event, types).expect("time and type are there") else {
        return Err(TestCaseError::reject("not selected"));
    };
    let mut line = Vec::new();
    let index = mapping::write(&event, row, false, &mut line);
    let line = String::from_utf8(line).expect("output is UTF-8");
    prop_assert!(line.ends_with("}\n") && line.lines().count() == 1, "{line}");

    let faults = ocsf::faults(&line);
    prop_assert!(faults.is_empty(), "{faults:#?}\n{raw}\n{line}");
    let output: Value = serde_json::from_str(&line).expect("output is JSON");
    prop_assert_eq!(&output["metadata"]["uid"], &index.id);
    prop_assert_eq!(&output["class_uid"], index.class_uid);
    prop_assert_eq!(&output["activity_id"], index.activity_id);
    prop_assert_eq!(&output["time"], index.time);

    let source: Value = serde_json::from_str(raw).expect("source is JSON");
    prop_assert_eq!(&rebuilt(&output), &source, "{}", line);

    // Mapped once more, and beside another line: the same bytes.
    let mut again = b"before\n".to_vec();
    mapping::write(&event, row, false, &mut again);
    prop_assert_eq!(again.strip_prefix(b"before\n"), Some(line.as_bytes()));
    Ok(line)
}

/// The event, from its output alone.
fn rebuilt(output: &Value) -> Value {
    let login = output["class_uid"] == 3002;
    let systems = output["metadata"]["log_name"] == "systems";
    let mut event = output
        .get("unmapped")
        .cloned()
        .unwrap_or(Value::Object(Map::new()));
    for field in FIELDS {
        let Some(path) = field.to().and_then(|to| to.path(login, systems)) else {
            continue;
        };
        let attribute = path
            .split('.')
            .try_fold(output, |value, name| value.get(name));
        if let Some(attribute) = attribute {
            restore(&mut event, &field.path(), attribute);
        }
    }
    event
}

/// Puts a leaf back; what is in `unmapped` wins.
fn restore(event: &mut Value, path: &str, leaf: &Value) {
    let Value::Object(members) = event else {
        return;
    };
    match path.split_once('.') {
        None => drop(members.entry(path).or_insert_with(|| leaf.clone())),
        Some((name, rest)) => {
            let inner = members
                .entry(name)
                .or_insert_with(|| Value::Object(Map::new()));
            restore(inner, rest, leaf);
        }
    }
}
