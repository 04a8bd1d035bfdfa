//! Reads typed values out of a tree and notes what is wrong with them.

use std::time::Duration;

use serde_json::Value;
use source_host::Problem;

use super::Located;
use super::tree::{Item, Node};

/// Reads one table. Every problem is noted once, and reading goes on.
pub struct Reader<'a> {
    root: &'a Node,
    feed: Option<&'a str>,
    problems: &'a mut Vec<Located>,
}

impl<'a> Reader<'a> {
    pub fn new(root: &'a Node, feed: Option<&'a str>, problems: &'a mut Vec<Located>) -> Self {
        Self {
            root,
            feed,
            problems,
        }
    }

    /// Notes a problem with `key`.
    pub fn problem(&mut self, key: &str, message: impl Into<String>, hint: Option<&str>) {
        let mut problem = Problem::new(key, message);
        problem.hints.extend(hint.map(str::to_owned));
        let place = self.root.place_of(key).to_owned();
        self.problems.push(Located {
            place,
            feed: self.feed.map(str::to_owned),
            problem,
        });
    }

    /// Notes that `key` is not there, what it is for, and how it may look.
    pub fn missing(&mut self, key: &str, meaning: &str, example: &str) {
        if !self.is_set(key) {
            let hint = format!("as in `{example}`");
            self.problem(key, format!("the key is missing: {meaning}"), Some(&hint));
        }
    }

    /// Notes that `value` is none of `known`.
    pub fn one_of(&mut self, key: &str, value: &str, known: &[&str]) {
        let hint = match nearest(value, known) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("it is one of: {}", known.join(", ")),
        };
        self.problem(key, format!("`{value}` is not known"), Some(&hint));
    }

    /// Notes keys of the root that are not `known`.
    pub fn only(&mut self, known: &[&str]) {
        self.unknown(self.root, "", known);
    }

    /// Notes keys of the table `key` that are not `known`.
    pub fn only_in(&mut self, key: &str, known: &[&str]) {
        self.keys(key);
        if let Some(node) = self.find(key) {
            self.unknown(node, &format!("{key}."), known);
        }
    }

    /// Whether `key` is there and a table.
    pub fn is_table(&self, key: &str) -> bool {
        matches!(
            self.find(key),
            Some(Node {
                item: Item::Table(_),
                ..
            })
        )
    }

    /// Whether `key` is there.
    pub fn is_set(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// The keys of the table `key`; none if it is not there.
    pub fn keys(&mut self, key: &str) -> Vec<String> {
        match self.find(key).map(|node| &node.item) {
            None => Vec::new(),
            Some(Item::Table(table)) => table.keys().cloned().collect(),
            Some(_) => self.expected(key, "a table"),
        }
    }

    /// A text.
    pub fn text(&mut self, key: &str) -> Option<String> {
        match &self.find(key)?.item {
            Item::Scalar(Value::String(text)) => Some(text.clone()),
            _ => self.expected(key, "text"),
        }
    }

    /// The texts of a list, each with its key.
    pub fn texts(&mut self, key: &str) -> Vec<(String, String)> {
        let items = match self.find(key).map(|node| &node.item) {
            None => return Vec::new(),
            Some(Item::Array(items)) => items.len(),
            Some(_) => return self.expected(key, "a list of texts"),
        };
        let keys = (0..items).map(|at| format!("{key}[{at}]"));
        keys.filter_map(|key| self.text(&key).map(|text| (key, text)))
            .collect()
    }

    /// True or false.
    pub fn flag(&mut self, key: &str) -> Option<bool> {
        match &self.find(key)?.item {
            Item::Scalar(Value::Bool(value)) => Some(*value),
            _ => self.expected(key, "`true` or `false`"),
        }
    }

    /// A number of things, at least one.
    pub fn count(&mut self, key: &str) -> Option<u64> {
        match &self.find(key)?.item {
            Item::Scalar(Value::Number(number)) if number.as_u64().is_some_and(|n| n > 0) => {
                number.as_u64()
            }
            _ => self.expected(key, "a number above 0"),
        }
    }

    /// A number of bytes, plain or as in `64 MiB`, at least one.
    pub fn bytes(&mut self, key: &str) -> Option<u64> {
        let bytes = match &self.find(key)?.item {
            Item::Scalar(Value::Number(number)) => number.as_u64(),
            Item::Scalar(Value::String(text)) => parse_bytes(text),
            _ => None,
        };
        match bytes {
            Some(bytes) if bytes > 0 => Some(bytes),
            _ => self.expected(key, "a number of bytes, as in `\"64 MiB\"`"),
        }
    }

    /// A time, as in `10s`, longer than nothing.
    pub fn time(&mut self, key: &str) -> Option<Duration> {
        match &self.find(key)?.item {
            Item::Scalar(Value::String(text)) => match parse_duration(text) {
                Some(time) if !time.is_zero() => Some(time),
                _ => self.expected(key, "a time, as in `\"10s\"`"),
            },
            _ => self.expected(key, "a time, as in `\"10s\"`"),
        }
    }

    fn find(&self, key: &str) -> Option<&'a Node> {
        self.root.find(key)
    }

    fn unknown(&mut self, node: &Node, prefix: &str, known: &[&str]) {
        let Item::Table(table) = &node.item else {
            return;
        };
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            let hint = match nearest(key, known) {
                Some(name) => format!("did you mean `{prefix}{name}`?"),
                None => format!("the keys here are: {}", known.join(", ")),
            };
            self.problem(
                &format!("{prefix}{key}"),
                "there is no such key",
                Some(&hint),
            );
        }
    }

    fn expected<T: Default>(&mut self, key: &str, what: &str) -> T {
        self.problem(key, format!("expected {what}"), None);
        T::default()
    }
}

/// The name that was probably meant.
fn nearest<'a>(text: &str, known: &[&'a str]) -> Option<&'a str> {
    let scored = known
        .iter()
        .map(|name| (strsim::jaro_winkler(text, name), *name));
    scored
        .filter(|(score, _)| *score > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

/// Reads `64 MiB`, `8192` or `10 kB`.
fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let factor: u64 = match unit {
        "" | "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// Reads `10s`, `500ms`, `15m`, `24h` or `7d`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text)?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let at = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    Some((number.parse().ok()?, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        assert_eq!(parse_bytes("64 MiB"), Some(64 << 20));
        assert_eq!(parse_bytes("8192"), Some(8_192));
        assert_eq!(parse_bytes("10kB"), Some(10_000));
        assert_eq!(parse_duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse_duration("7d"), Some(Duration::from_secs(7 * 86_400)));
        for wrong in ["", "10", "s", "-1s", "1.5h", "1w", "99999999999999999999s"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
        assert_eq!(parse_bytes("99999999999 GiB"), None);
    }

    #[test]
    fn the_nearest_name() {
        assert_eq!(nearest("pluign", &["plugin", "sink"]), Some("plugin"));
        assert_eq!(nearest("zzz", &["plugin", "sink"]), None);
    }
}
