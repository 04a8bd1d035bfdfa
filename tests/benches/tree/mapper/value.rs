//! Values of the source in the forms that a rule reads, and objects of the output.

use serde_json::Value;

use super::Object;

pub fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

pub fn id_text(value: &Value) -> Option<String> {
    if let Some(text) = text(value) {
        return Some(text.to_owned());
    }
    value.as_i64().map(|number| number.to_string())
}

pub fn boolean(value: &Value) -> Option<bool> {
    value
        .as_bool()
        .or_else(|| match &*text(value)?.to_ascii_lowercase() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        })
}

pub fn insert(object: &mut Object, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value.into());
    }
}

pub fn members<const N: usize>(members: [(&str, Value); N]) -> Object {
    members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
