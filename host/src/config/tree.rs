//! A configuration as it was written: values, each with its place, so that
//! whatever is found wrong later can be said with file and line. A file and
//! command-line flags make the same tree.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

/// A value and where it was written: `feeds.toml:12`, or a flag.
#[derive(Clone, Debug)]
pub struct Node {
    pub item: Item,
    pub place: String,
}

/// A value.
#[derive(Clone, Debug)]
pub enum Item {
    Table(BTreeMap<String, Node>),
    Array(Vec<Node>),
    Scalar(Value),
    /// From a flag: its type follows from what it is for.
    Untyped(String),
}

impl Node {
    pub fn table(place: impl Into<String>) -> Self {
        Self {
            item: Item::Table(BTreeMap::new()),
            place: place.into(),
        }
    }

    pub fn text(text: &str, place: &str) -> Self {
        Self {
            item: Item::Scalar(text.into()),
            place: place.to_owned(),
        }
    }

    /// The text of a flag, whose type is not known yet.
    pub fn untyped(text: &str, place: &str) -> Self {
        Self {
            item: Item::Untyped(text.to_owned()),
            place: place.to_owned(),
        }
    }

    /// Reads TOML; `name` is the file's. Else says what is wrong, and where.
    pub fn from_toml(text: &str, name: &str) -> Result<Self, Vec<(String, String)>> {
        let place = |start: usize| {
            let before = text.get(..start).unwrap_or(text);
            format!("{name}:{}", before.matches('\n').count() + 1)
        };
        let (table, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok(Self {
                item: from_table(table.get_ref(), &place),
                place: place(0),
            });
        }
        let located = |e: &toml::de::Error| {
            (
                place(e.span().map_or(0, |span| span.start)),
                e.message().to_owned(),
            )
        };
        Err(errors.iter().map(located).collect())
    }

    /// What is under `key` of a table.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.item {
            Item::Table(table) => table.get(key),
            _ => None,
        }
    }

    /// Puts `node` under `key`; does nothing if this is no table.
    pub fn insert(&mut self, key: &str, node: Self) {
        if let Item::Table(table) = &mut self.item {
            table.insert(key.to_owned(), node);
        }
    }

    /// Takes from `defaults` what is missing here, within tables too. The keys
    /// in `whole` are not mixed.
    pub fn merge(&mut self, defaults: &Self, whole: &[&str]) {
        let (Item::Table(own), Item::Table(defaults)) = (&mut self.item, &defaults.item) else {
            return;
        };
        for (key, default) in defaults {
            match own.get_mut(key) {
                None => {
                    own.insert(key.clone(), default.clone());
                }
                Some(node) if !whole.contains(&key.as_str()) => node.merge(default, whole),
                Some(_) => {}
            }
        }
    }

    /// Where `key`, as in `settings.event_types[1]`, was written, or else what
    /// it would be in.
    pub fn place_of(&self, key: &str) -> &str {
        let mut node = self;
        for step in key.split(['.', '[']) {
            match node.step(step) {
                Some(next) => node = next,
                None => break,
            }
        }
        &node.place
    }

    /// What `key`, as in `settings.event_types[1]`, names.
    pub fn find(&self, key: &str) -> Option<&Self> {
        let mut steps = key.split(['.', '[']);
        steps.try_fold(self, Self::step)
    }

    /// One step of a key: a name in a table, or `N]` in a list.
    fn step(&self, step: &str) -> Option<&Self> {
        match &self.item {
            Item::Table(table) => table.get(step),
            Item::Array(items) => items.get(step.strip_suffix(']')?.parse::<usize>().ok()?),
            Item::Scalar(_) | Item::Untyped(_) => None,
        }
    }

    /// The value as JSON; what came from flags is typed by `schema`.
    pub fn to_json(&self, schema: Option<&Value>) -> Value {
        let part = |key: &str| schema.and_then(|schema| schema.get(key));
        match &self.item {
            Item::Table(table) => {
                let properties = part("properties");
                let entries = table.iter().map(|(key, node)| {
                    let schema = properties.and_then(|properties| properties.get(key));
                    (key.clone(), node.to_json(schema))
                });
                Value::Object(entries.collect::<Map<_, _>>())
            }
            Item::Array(items) => items
                .iter()
                .map(|node| node.to_json(part("items")))
                .collect(),
            Item::Scalar(value) => value.clone(),
            Item::Untyped(text) => typed(text, schema),
        }
    }
}

/// The text of a flag as the type that `schema` asks for; text if it does not
/// fit, which the plugin then reports.
fn typed(text: &str, schema: Option<&Value>) -> Value {
    let kind = schema.and_then(|schema| schema.get("type"));
    let is = |name: &str| match kind {
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == name),
        Some(kind) => kind == name,
        None => false,
    };
    if is("array") {
        // As it would be in a file.
        if let Ok(Value::Array(items)) = serde_json::from_str(text) {
            return Value::Array(items);
        }
        let items = schema.and_then(|schema| schema.get("items"));
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        return parts.map(|part| typed(part, items)).collect();
    }
    if is("string") {
        return text.into();
    }
    if is("boolean") {
        return text
            .parse::<bool>()
            .map_or_else(|_| text.into(), Value::from);
    }
    if is("integer") || is("number") {
        let number = serde_json::from_str::<serde_json::Number>(text);
        return number.map_or_else(|_| text.into(), Value::from);
    }
    text.into()
}

fn from_table(table: &DeTable<'_>, place: &impl Fn(usize) -> String) -> Item {
    let entries = table.iter().map(|(key, value)| {
        let node = Node {
            item: from_value(value.get_ref(), place),
            place: place(key.span().start),
        };
        (key.get_ref().to_string(), node)
    });
    Item::Table(entries.collect())
}

fn from_value(value: &DeValue<'_>, place: &impl Fn(usize) -> String) -> Item {
    match value {
        DeValue::String(text) => Item::Scalar(text.as_ref().into()),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            Item::Scalar(parsed.map_or_else(|_| number.as_str().into(), Value::from))
        }
        DeValue::Float(number) => {
            let parsed = number.as_str().parse::<f64>();
            Item::Scalar(parsed.map_or_else(|_| number.as_str().into(), Value::from))
        }
        DeValue::Boolean(value) => Item::Scalar((*value).into()),
        DeValue::Datetime(time) => Item::Scalar(time.to_string().into()),
        DeValue::Array(items) => Item::Array(
            items
                .iter()
                .map(|item| Node {
                    item: from_value(item.get_ref(), place),
                    place: place(item.span().start),
                })
                .collect(),
        ),
        DeValue::Table(table) => from_table(table, place),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEXT: &str = "a = 1\n[b]\nc = [\"x\",\n  \"y\"]\nd = { e = 2024-01-01 }\n";

    #[test]
    fn values_know_their_line() {
        let root = Node::from_toml(TEXT, "f.toml").unwrap();
        for (key, place) in [
            ("a", "f.toml:1"),
            ("b.c", "f.toml:3"),
            ("b.c[0]", "f.toml:3"),
            ("b.c[1]", "f.toml:4"),
            ("b.d.e", "f.toml:5"),
            ("b.d.missing.too", "f.toml:5"),
            ("b.c[9]", "f.toml:3"),
        ] {
            assert_eq!(root.place_of(key), place, "{key}");
        }
        let value = json!({"a": 1, "b": {"c": ["x", "y"], "d": {"e": "2024-01-01"}}});
        assert_eq!(root.to_json(None), value);
    }

    #[test]
    fn wrong_syntax_is_located() {
        let errors = Node::from_toml("a = 1\nb = = 2\n", "f.toml").unwrap_err();
        assert_eq!(errors[0].0, "f.toml:2");
    }

    #[test]
    fn defaults_fill_what_is_missing() {
        let defaults = Node::from_toml("t = {a = 1, b = 1}\ns = {a = 1}\nu = 1", "d").unwrap();
        let mut own = Node::from_toml("t = {b = 2}\ns = {b = 2}", "o").unwrap();
        own.merge(&defaults, &["s"]);
        assert_eq!(
            own.to_json(None),
            json!({"t": {"a": 1, "b": 2}, "s": {"b": 2}, "u": 1})
        );
        assert_eq!(own.place_of("t.a"), "d:1");
    }

    #[test]
    fn flags_are_typed_by_the_schema() {
        let schema = json!({
            "list": {"type": "array", "items": {"type": "string"}},
            "number": {"type": "integer"}, "flag": {"type": "boolean"},
            "id": {"type": "string"}, "maybe": {"type": ["string", "null"]},
        });
        for (key, text, value) in [
            ("list", "login, admin", json!(["login", "admin"])),
            ("list", "", json!([])),
            ("list", r#"["login", "admin"]"#, json!(["login", "admin"])),
            ("list", "[login]", json!(["[login]"])),
            (
                "list",
                "507f1f77bcf86cd799439011",
                json!(["507f1f77bcf86cd799439011"]),
            ),
            ("number", "90", json!(90)),
            ("number", "many", json!("many")),
            ("flag", "true", json!(true)),
            ("flag", "yes", json!("yes")),
            (
                "id",
                "123456789012345678901234",
                json!("123456789012345678901234"),
            ),
            ("maybe", "7", json!("7")),
            ("unknown", "7", json!("7")),
        ] {
            assert_eq!(typed(text, schema.get(key)), value, "{key}={text}");
        }
    }
}
