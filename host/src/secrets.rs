//! The secrets that a plugin asks for, against those that a feed was given.

use serde_json::Value;

use crate::bindings::types::{Condition, SecretSpec};
use crate::engine::Plugin;
use crate::error::Problem;
use crate::options::FeedOptions;
use crate::vault::{Vault, Wanted};

/// Reads the secrets, and says all that is wrong with them: unknown, missing,
/// unreadable, flawed, or of a shape that the plugin knows to be a mistake.
pub(crate) fn open(plugin: &Plugin, options: &FeedOptions) -> (Vault, Vec<Problem>) {
    let specs = &plugin.descriptor().secrets;
    let known: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    let applies = |when: &Condition| holds(when, plugin, options);
    let wanted = specs.iter().filter_map(|spec| {
        let patterns = spec.patterns.iter();
        let applying = patterns.filter(|pattern| pattern.when.as_ref().is_none_or(applies));
        Some(Wanted {
            key: format!("secrets.{}", spec.name),
            name: spec.name.clone(),
            source: options.secrets.get(&spec.name)?.clone(),
            patterns: applying.cloned().collect(),
        })
    });
    let (vault, mut problems) = Vault::open(wanted);
    for name in options
        .secrets
        .keys()
        .filter(|name| !known.contains(&name.as_str()))
    {
        let problem = Problem::new(format!("secrets.{name}"), "the plugin has no such secret");
        problems.push(problem.hint(format!("it knows {}", listed(&known))));
    }
    for spec in specs {
        let key = format!("secrets.{}", spec.name);
        if options.settings.contains_key(&spec.name) {
            let setting = format!("settings.{}", spec.name);
            let hint = format!("put it under `secrets`, as in `secrets.{}`", spec.name);
            problems.push(
                Problem::new(setting, "this is a secret, and no setting")
                    .hint(hint + ", as `env:NAME` or `file:PATH`"),
            );
        }
        let is_missing = !options.secrets.contains_key(&spec.name);
        if is_missing && spec.when.as_ref().is_none_or(applies) {
            let mut missing = Problem::new(key, "the secret is missing");
            let hint = of_another_setting(specs, options, applies);
            missing.hints.extend(hint);
            let source = format!("env:{}", spec.name.to_ascii_uppercase());
            problems.push(missing.hint(&spec.description).hint(format!(
                "set it to `env:NAME` or `file:PATH`, as in `{source}`"
            )));
        }
    }
    vault.warn(&options.name);
    (vault, problems)
}

/// What the plugin is given when its settings are checked: a placeholder for
/// every secret that it would miss, so that it does not report again what
/// [`open`] did.
pub(crate) fn given(
    plugin: &Plugin,
    options: &FeedOptions,
    vault: &Vault,
) -> Vec<(String, String)> {
    let mut given = vault.placeholders();
    for spec in &plugin.descriptor().secrets {
        let needed = spec
            .when
            .as_ref()
            .is_none_or(|when| holds(when, plugin, options));
        if needed && !given.iter().any(|(name, _)| *name == spec.name) {
            given.push((spec.name.clone(), "missing".to_owned()));
        }
    }
    given
}

/// A secret that was given counts under another setting alone.
fn of_another_setting(
    specs: &[SecretSpec],
    options: &FeedOptions,
    applies: impl Fn(&Condition) -> bool,
) -> Option<String> {
    let given = |spec: &&SecretSpec| options.secrets.contains_key(&spec.name);
    specs.iter().filter(given).find_map(|spec| {
        let when = spec.when.as_ref().filter(|when| !applies(when))?;
        let (name, setting, value) = (&spec.name, &when.setting, when.values.first()?);
        Some(format!(
            "`secrets.{name}`, which is given, goes with `{setting} = \"{value}\"`"
        ))
    })
}

/// Whether a setting, or its default, has one of the condition's values.
fn holds(when: &Condition, plugin: &Plugin, options: &FeedOptions) -> bool {
    let property = plugin
        .settings_schema()
        .get("properties")
        .and_then(|p| p.get(&when.setting));
    let default = property.and_then(|property| property.get("default"));
    let text = match options.settings.get(&when.setting).or(default) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => return false,
    };
    when.values.contains(&text)
}

fn listed(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", "),
    }
}
