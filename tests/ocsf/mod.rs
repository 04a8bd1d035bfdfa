//! A validator of OCSF events against the pinned schema beside this file.
//!
//! Independent of the plugin: it knows the schema's document and nothing else, and reports every
//! fault as `path: problem`.

mod strict;
mod types;

use std::{collections::BTreeSet, sync::LazyLock};

use serde_json::{Map, Value};

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("ocsf-1.8.0-iam.json")).expect("schema is JSON")
});

/// Every fault of one line of output.
pub fn faults(line: &str) -> Vec<String> {
    let mut check = Check {
        faults: Vec::new(),
        profiles: BTreeSet::new(),
    };
    match strict::parse(line) {
        Ok(Value::Object(event)) => check.event(&event),
        Ok(_) => check.fault("", "is not an object"),
        Err(error) => check.fault("", &format!("is not strict JSON: {error}")),
    }
    check.faults
}

struct Check {
    faults: Vec<String>,
    /// What `metadata.profiles` names.
    profiles: BTreeSet<String>,
}

impl Check {
    fn event(&mut self, event: &Map<String, Value>) {
        let class = SCHEMA["classes"]
            .as_object()
            .expect("classes")
            .values()
            .find(|class| Some(&class["uid"]) == event.get("class_uid"));
        let Some(class) = class else {
            return self.fault("class_uid", "is not in the schema");
        };
        let metadata = event.get("metadata").unwrap_or(&Value::Null);
        if metadata["version"] != SCHEMA["version"] {
            self.fault("metadata.version", "is not the schema's");
        }
        for profile in metadata["profiles"].as_array().into_iter().flatten() {
            if !class["profiles"]
                .as_array()
                .expect("profiles")
                .contains(profile)
            {
                self.fault(
                    "metadata.profiles",
                    &format!("{profile} is not one of the class"),
                );
            }
            self.profiles.extend(profile.as_str().map(str::to_owned));
        }
        self.object(event, class, "");
        let id = |name: &str| event.get(name).and_then(Value::as_i64).unwrap_or(-1);
        if id("type_uid") != id("class_uid") * 100 + id("activity_id") {
            self.fault("type_uid", "is not class_uid * 100 + activity_id");
        }
        self.observables(event, class);
    }

    fn object(&mut self, object: &Map<String, Value>, definition: &Value, path: &str) {
        let attributes = definition["attributes"].as_object().expect("attributes");
        if attributes.is_empty() {
            return; // `unmapped`
        }
        if object.is_empty() {
            self.fault(path, "is an empty object");
        }
        for (name, attribute) in attributes {
            let is_required = attribute["requirement"] == "required" && self.is_visible(attribute);
            if is_required && !object.contains_key(name) {
                self.fault(&join(path, name), "is required");
            }
        }
        for (name, value) in object {
            let path = join(path, name);
            match attributes.get(name) {
                None => self.fault(&path, "is unknown"),
                Some(attribute) if !self.is_visible(attribute) => {
                    self.fault(
                        &path,
                        "belongs to a profile that metadata.profiles doesn't name",
                    );
                }
                Some(attribute) => self.attribute(value, attribute, &path),
            }
        }
        for (rule, names) in definition["constraints"].as_object().into_iter().flatten() {
            let names = names
                .as_array()
                .expect("names")
                .iter()
                .filter_map(Value::as_str);
            let present = names
                .clone()
                .filter(|name| object.contains_key(*name))
                .count();
            let kept = match rule.as_str() {
                "at_least_one" => present > 0,
                "just_one" => present == 1,
                other => panic!("constraint {other}"),
            };
            if !kept {
                let names: Vec<_> = names.collect();
                self.fault(path, &format!("needs {rule} of {}", names.join(", ")));
            }
        }
        self.captions(object, attributes, path);
    }

    /// The text beside an id is its caption; beside 99 it is the source's own word.
    fn captions(
        &mut self,
        object: &Map<String, Value>,
        attributes: &Map<String, Value>,
        path: &str,
    ) {
        for (name, attribute) in attributes {
            let Some(sibling) = attribute["sibling"].as_str() else {
                continue;
            };
            let Some(caption) = object.get(sibling) else {
                continue;
            };
            let Some(id) = object.get(name) else {
                self.fault(&join(path, sibling), &format!("stands without {name}"));
                continue;
            };
            let entry = &attribute["enum"][id.to_string()];
            if *id != 99 && !entry.is_null() && entry["caption"] != *caption {
                self.fault(
                    &join(path, sibling),
                    &format!("is {caption}, but {name} {id} is {}", entry["caption"]),
                );
            }
        }
    }

    fn attribute(&mut self, value: &Value, attribute: &Value, path: &str) {
        if !attribute["@deprecated"].is_null() {
            self.fault(path, "is deprecated");
        }
        if attribute["is_array"] != true {
            return self.value(value, attribute, path);
        }
        match value.as_array() {
            None => self.fault(path, "is not an array"),
            Some(items) if items.is_empty() => self.fault(path, "is an empty array"),
            Some(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(item, attribute, &format!("{path}[{index}]"));
                }
            }
        }
    }

    fn value(&mut self, value: &Value, attribute: &Value, path: &str) {
        if attribute["type"] == "object_t" {
            let definition = &SCHEMA["objects"][attribute["object_type"].as_str().expect("type")];
            match value.as_object() {
                Some(object) => self.object(object, definition, path),
                None => self.fault(path, "is not an object"),
            }
            return;
        }
        let name = attribute["type"].as_str().expect("type");
        if let Some(problem) = types::problem(value, name, &SCHEMA["types"][name]) {
            self.fault(path, &format!("{value} {problem}"));
        }
        let Some(entries) = attribute["enum"].as_object() else {
            return;
        };
        let key = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        match entries.get(&key) {
            None => self.fault(path, &format!("{value} is not in its enumeration")),
            Some(entry) if !entry["@deprecated"].is_null() => {
                self.fault(path, &format!("{value} is deprecated"));
            }
            Some(_) => {}
        }
    }

    /// Each observable names an attribute of the event, its type and its value.
    fn observables(&mut self, event: &Map<String, Value>, class: &Value) {
        for observable in event
            .get("observables")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let name = observable["name"].as_str().unwrap_or_default();
            let (mut value, mut definition) = (&Value::Object(event.clone()), class);
            let mut attribute = &Value::Null;
            for part in name.split('.') {
                value = &value[part];
                attribute = &definition["attributes"][part];
                definition = &SCHEMA["objects"][attribute["object_type"].as_str().unwrap_or("")];
            }
            let of_type = &SCHEMA["types"][attribute["type"].as_str().unwrap_or("")]["observable"];
            let of_attribute = &attribute["observable"];
            let type_id = if of_attribute.is_null() {
                of_type
            } else {
                of_attribute
            };
            if value.is_null() || observable["value"] != *value || observable["type_id"] != *type_id
            {
                self.fault("observables", &format!("{observable} isn't of the event"));
            }
        }
    }

    fn is_visible(&self, attribute: &Value) -> bool {
        attribute["profiles"].as_array().is_none_or(|names| {
            names
                .iter()
                .any(|n| self.profiles.contains(n.as_str().unwrap_or("")))
        })
    }

    fn fault(&mut self, path: &str, problem: &str) {
        self.faults.push(format!("{path}: {problem}"));
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
