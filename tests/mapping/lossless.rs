//! Nothing of the source is lost: any event can be rebuilt from its output, exactly (up to the order
//! of names and white space), by `unmapped` and [`FIELDS`] read backwards.

use jumpcloud::{
    event::{Event, FIELDS},
    mapping::{self, EventTypes},
};
use serde_json::{Map, Value};

use super::ocsf;

/// Maps an event; fails unless its output is valid and holds all of it. None if it isn't selected.
pub fn check(raw: &str) -> Option<String> {
    let event = Event::parse(raw.as_bytes()).ok()?;
    let types = EventTypes {
        login: true,
        admin: true,
    };
    let row = mapping::select(&event, types).ok()??;
    let mut line = Vec::new();
    let index = mapping::write(&event, row, false, &mut line);
    let line = String::from_utf8(line).expect("output is UTF-8");
    assert!(
        line.ends_with("}\n") && line.lines().count() == 1,
        "{raw}\n{line}"
    );

    let faults = ocsf::faults(&line);
    assert!(faults.is_empty(), "{faults:#?}\n{raw}\n{line}");
    let output: Value = serde_json::from_str(&line).expect("output is JSON");
    assert_eq!(output["metadata"]["uid"], index.id, "{raw}");
    assert_eq!(output["class_uid"], index.class_uid, "{raw}");
    assert_eq!(output["activity_id"], index.activity_id, "{raw}");
    assert_eq!(output["time"], index.time, "{raw}");

    let source: Value = serde_json::from_str(raw).expect("source is JSON");
    assert_eq!(rebuilt(&output), source, "{raw}\n{line}");

    // Mapped once more, and beside another line: the same bytes.
    let mut again = b"before\n".to_vec();
    mapping::write(&event, row, false, &mut again);
    assert_eq!(
        again.strip_prefix(b"before\n"),
        Some(line.as_bytes()),
        "{raw}"
    );
    Some(line)
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
