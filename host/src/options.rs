//! How a feed is set up.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::egress::Allow;
use crate::error::Problem;
use crate::limits::Limits;
use crate::secret::SecretSource;

/// The longest name of a feed, in characters.
const NAME: usize = 100;

/// How a feed is set up.
#[derive(Clone, Debug)]
pub struct FeedOptions {
    /// The name of its state: letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// What the plugin takes as settings, by its schema.
    pub settings: Map<String, Value>,
    /// Where each secret comes from.
    pub secrets: BTreeMap<String, SecretSource>,
    /// The file for records that could not be understood.
    pub dead_letters: PathBuf,
    /// Addresses that may be reached though they are not public.
    pub allow: Vec<Allow>,
    /// Further root certificates (PEM).
    pub ca_file: Option<PathBuf>,
    /// How much it may use.
    pub limits: Limits,
}

impl FeedOptions {
    /// A feed without settings and secrets, with the default limits.
    pub fn new(name: impl Into<String>, dead_letters: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            settings: Map::new(),
            secrets: BTreeMap::new(),
            dead_letters: dead_letters.into(),
            allow: Vec::new(),
            ca_file: None,
            limits: Limits::default(),
        }
    }

    /// What is wrong with the name, which becomes a part of file names.
    pub(crate) fn name_problem(&self) -> Option<Problem> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let name = &self.name;
        if (1..=NAME).contains(&name.len()) && !name.starts_with('.') && name.chars().all(fits) {
            return None;
        }
        let message = format!("`{}` is no name for a feed", name.escape_debug());
        Some(Problem::new("name", message).hint("use letters, digits, `_`, `-` and `.` only"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_fit_for_files() {
        let problem = |name: &str| FeedOptions::new(name, "d").name_problem();
        for name in ["a", "Acme_2-x.eu"] {
            assert_eq!(problem(name), None, "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            ".a",
            "a/b",
            "ä",
            "a b",
            "a\n",
            &"a".repeat(101),
        ] {
            assert!(problem(name).is_some(), "{name}");
        }
    }
}
