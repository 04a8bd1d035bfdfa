//! The component as an artifact: what it needs of a host, what it offers, how
//! large it is, and what it says of itself.

use jumpcloud_tests::{Run, component};
use serde_json::Value;
use snapbox::{assert_data_eq, file};
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

/// The most bytes that the component may have.
const MOST: u64 = 1 << 20;

/// One line for each item of each interface, sorted.
fn listed<'a>(engine: &Engine, items: impl Iterator<Item = (&'a str, ComponentItem)>) -> String {
    let mut lines = Vec::new();
    for (interface, item) in items {
        let ComponentItem::ComponentInstance(instance) = item else {
            lines.push(interface.to_owned());
            continue;
        };
        lines.push(interface.to_owned());
        lines.extend(
            instance
                .exports(engine)
                .map(|(name, _)| format!("{interface} {name}")),
        );
    }
    lines.sort();
    lines.join("\n") + "\n"
}

#[test]
fn imports_and_exports_are_those_that_are_documented() {
    let engine = Engine::default();
    let component = Component::from_file(&engine, component()).unwrap();
    let kind = component.component_type();
    assert_data_eq!(
        listed(
            &engine,
            kind.imports(&engine).map(|(name, item)| (name, item.ty))
        ),
        file!["interface/imports.txt"]
    );
    assert_data_eq!(
        listed(
            &engine,
            kind.exports(&engine).map(|(name, item)| (name, item.ty))
        ),
        file!["interface/exports.txt"]
    );
}

#[test]
fn it_is_small() {
    let size = std::fs::metadata(component()).unwrap().len();
    println!("the component has {size} bytes");
    assert!(size <= MOST, "{size} bytes are too many");
}

fn described(arguments: &[&str]) -> String {
    let run = Run::new(std::path::Path::new("."));
    let run = arguments
        .iter()
        .fold(run.arg("describe").arg(component()), Run::arg);
    run.output().expect_code(0).stdout
}

#[test]
fn describe_says_it_for_people() {
    let text = described(&[]);
    // The hash is that of one build.
    let stable: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("sha256 "))
        .collect();
    assert_data_eq!(stable.join("\n") + "\n", file!["interface/describe.txt"]);
}

#[test]
fn the_settings_have_a_schema() {
    let described: Value = serde_json::from_str(&described(&["--json"])).unwrap();
    let schema = &described["settings"];
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    assert_eq!(schema["type"], "object");
    assert_eq!(schema["additionalProperties"], false);
    for (name, property) in schema["properties"].as_object().unwrap() {
        assert!(
            property["description"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{name}"
        );
        let Some(default) = property.get("default") else {
            continue;
        };
        let fits = match property["type"].as_str().unwrap() {
            "string" => default.is_string(),
            "array" => default.is_array(),
            "integer" => default.is_i64(),
            "boolean" => default.is_boolean(),
            other => panic!("{name} is a {other}"),
        };
        assert!(fits, "the default of {name} is {default}");
    }
}
