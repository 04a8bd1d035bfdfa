//! The settings as a JSON Schema (2020-12), for forms and for hosts.

use serde_json::{Map, Value, json};

use super::{Kind, SETTINGS, Setting};

/// The schema of the object that a feed is opened with.
pub fn json_schema() -> String {
    let properties: Map<String, Value> = SETTINGS
        .iter()
        .map(|setting| (setting.name.to_owned(), property(setting)))
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "JumpCloud Directory Insights",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
    .to_string()
}

fn property(setting: &Setting) -> Value {
    const DURATION: &str = "^[0-9]+[smhd]$";
    let mut property = match setting.kind {
        Kind::Choice(choices) => json!({"type": "string", "enum": choices}),
        Kind::Choices(choices) => json!({
            "type": "array", "items": {"type": "string", "enum": choices},
            "minItems": 1, "uniqueItems": true,
        }),
        Kind::Date => json!({"type": "string", "format": "date"}),
        Kind::Days(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::Duration(..) => json!({"type": "string", "pattern": DURATION}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Organizations => json!({
            "type": "array", "items": {"type": "string", "pattern": "^[0-9a-fA-F]{24}$"},
            "uniqueItems": true,
        }),
        Kind::Start => json!({
            "type": "string", "anyOf": [{"pattern": DURATION}, {"format": "date-time"}],
        }),
        Kind::Name => json!({"type": "string", "pattern": "^[!-9;-~]+$"}),
        Kind::Url => json!({"type": "string", "format": "uri"}),
    };
    if let Some(property) = property.as_object_mut() {
        property.insert("description".to_owned(), setting.meaning.into());
        match serde_json::from_str(setting.default) {
            Ok(Value::Null) | Err(_) => {}
            Ok(default) => {
                property.insert("default".to_owned(), default);
            }
        }
    }
    property
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_a_described_property() {
        let schema: Value = serde_json::from_str(&json_schema()).unwrap();
        for setting in SETTINGS {
            let property = &schema["properties"][setting.name];
            assert_eq!(property["description"], setting.meaning);
            assert!(property["type"].is_string(), "{}", setting.name);
        }
        assert_eq!(schema["properties"]["api_base_url"]["format"], "uri");
        assert_eq!(
            schema["properties"]["event_types"]["default"],
            json!(["login", "admin"])
        );
    }
}
