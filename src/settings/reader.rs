//! Reads settings one by one, noting all that is wrong with them.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{SETTINGS, value};
use crate::credential::SECRETS;
use crate::error::Problem;

/// The settings that are given, and what is wrong with them.
pub struct Reader {
    given: Map<String, Value>,
    problems: Vec<Problem>,
}

impl Reader {
    /// Of a JSON object; nothing at all is an empty one.
    pub fn new(json: &str) -> Result<Self, Vec<Problem>> {
        let json = if json.trim().is_empty() { "{}" } else { json };
        match serde_json::from_str(json) {
            Ok(Value::Object(given)) => Ok(Self {
                given,
                problems: Vec::new(),
            }),
            Ok(_) => Err(vec![Problem::new("settings", "not a JSON object")]),
            Err(error) => Err(vec![Problem::new("settings", format!("not JSON: {error}"))]),
        }
    }

    /// The value of a declared setting, or its default; of a wrong one the
    /// problem is noted and any value is returned.
    pub fn take<T: Default>(&mut self, name: &str, read: impl Fn(&Value) -> Option<T>) -> T {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
            self.problems
                .push(Problem::new(name, "is read, but not declared"));
            return T::default();
        };
        let value = match self.given.remove(name) {
            None | Some(Value::Null) => serde_json::from_str(setting.default).unwrap_or_default(),
            Some(value) => {
                let before = self.problems.len();
                value::check(setting, &value, &mut self.problems);
                if self.problems.len() > before {
                    return T::default();
                }
                value
            }
        };
        read(&value).unwrap_or_default()
    }

    /// Notes it if a setting is missing that a service account needs.
    pub fn require(&mut self, name: &str, hint: &str) {
        let missing = match self.given.get(name) {
            None | Some(Value::Null) => true,
            Some(Value::Array(items)) => items.is_empty(),
            Some(_) => false,
        };
        if missing {
            let problem = Problem::new(name, "it is missing, and a service account needs it");
            self.problems.push(problem.hint(hint));
        }
    }

    /// All that is wrong, in the order of the table.
    pub fn finish(mut self) -> Result<(), Vec<Problem>> {
        self.problems
            .extend(self.given.keys().map(|name| unknown(name)));
        let order = |problem: &Problem| {
            let name = problem.setting.split('[').next().unwrap_or_default();
            SETTINGS.iter().position(|setting| setting.name == name)
        };
        self.problems
            .sort_by_key(|problem| order(problem).unwrap_or(SETTINGS.len()));
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(self.problems)
        }
    }
}

/// The known name that is most like this one, if any is.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    known
        .into_iter()
        .map(|known| (strsim::jaro_winkler(&name, known), known))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

fn unknown(name: &str) -> Problem {
    if SECRETS.iter().any(|secret| secret.name == name) {
        return Problem::new(name, "it is a secret, not a setting").hint(format!(
            "say under `secrets` where it is: `{name} = \"env:NAME\"` or `{name} = \"file:PATH\"`"
        ));
    }
    let problem = Problem::new(name, "no such setting");
    match nearest(name, SETTINGS.iter().map(|setting| setting.name)) {
        Some(known) => problem.hint(format!("did you mean `{known}`?")),
        None => problem.hint(format!("the settings are {}", names())),
    }
}

fn names() -> String {
    let names: BTreeSet<String> = SETTINGS
        .iter()
        .map(|setting| format!("`{}`", setting.name))
        .collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}
