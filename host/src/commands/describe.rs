//! `source-host describe`: what a plugin says of itself.

use std::path::Path;

use serde_json::{Value, json};
use source_host::{Descriptor, Engine, FindingSpec, Plugin, SecretSpec, Severity};

use crate::{exit, report};

/// Prints it.
pub async fn run(path: &Path, json: bool) -> u8 {
    let loaded = match Engine::new() {
        Ok(engine) => engine.load(path).await,
        Err(e) => Err(e),
    };
    match loaded {
        Ok(plugin) if json => report::print(&format!("{:#}\n", as_json(&plugin))),
        Ok(plugin) => report::print(&as_text(&plugin)),
        Err(e) => {
            report::error(None, &e);
            return exit::code(&e);
        }
    }
    exit::OK
}

fn as_json(plugin: &Plugin) -> Value {
    let Descriptor {
        name,
        version,
        mapping_version,
        classes,
        secrets,
        findings,
        ..
    } = plugin.descriptor();
    json!({
        "name": name,
        "version": version,
        "mapping_version": mapping_version,
        "sha256": plugin.sha256(),
        "transform": plugin.can_transform(),
        "classes": classes,
        "settings": plugin.settings_schema(),
        "secrets": secrets.iter().map(secret_json).collect::<Value>(),
        "findings": findings.iter().map(finding_json).collect::<Value>(),
    })
}

fn secret_json(secret: &SecretSpec) -> Value {
    let patterns = secret.patterns.iter().map(|pattern| {
        json!({
            "pattern": pattern.pattern,
            "when": pattern.when,
            "severity": severity(pattern.severity),
            "advice": pattern.advice,
        })
    });
    json!({
        "name": secret.name,
        "description": secret.description,
        "when": secret.when,
        "patterns": patterns.collect::<Value>(),
    })
}

fn finding_json(finding: &FindingSpec) -> Value {
    json!({
        "code": finding.code,
        "severity": severity(finding.severity),
        "meaning": finding.meaning,
        "advice": finding.advice,
    })
}

fn as_text(plugin: &Plugin) -> String {
    let d = plugin.descriptor();
    let mut text = format!(
        "{} {} (mapping {})\nsha256 {}\n",
        d.name,
        d.version,
        d.mapping_version,
        plugin.sha256()
    );
    text += "\nSettings\n";
    let properties = plugin
        .settings_schema()
        .get("properties")
        .and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let default = match property.get("default") {
            Some(default) => format!(" = {default}"),
            None => String::new(),
        };
        text += &format!("  {name}{default}\n");
        if let Some(description) = property.get("description").and_then(Value::as_str) {
            text += &wrapped(description);
        }
    }
    text += "\nSecrets\n";
    for secret in &d.secrets {
        let when = match &secret.when {
            Some(when) => format!(" (with {} = {})", when.setting, when.values.join(" or ")),
            None => String::new(),
        };
        text += &format!("  {}{when}\n{}", secret.name, wrapped(&secret.description));
    }
    text += "\nEvent classes\n";
    for class in &d.classes {
        let activities: Vec<&str> = class
            .activities
            .iter()
            .map(|a| a.caption.as_str())
            .collect();
        text += &format!("  {} {} ({})\n", class.uid, class.caption, class.name);
        text += &wrapped(&activities.join(", "));
    }
    text += "\nFindings\n";
    for finding in &d.findings {
        let severity = severity(finding.severity);
        text += &format!(
            "  {} ({severity})\n{}",
            finding.code,
            wrapped(&finding.meaning)
        );
        text += &wrapped(&finding.advice);
    }
    text
}

/// A severity in one word, that of the interface.
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// `text`, indented, in lines of about 90 characters.
fn wrapped(text: &str) -> String {
    const WIDTH: usize = 90;
    let mut lines = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + word.chars().count() >= WIDTH {
            lines += &format!("      {line}\n");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    if line.is_empty() {
        lines
    } else {
        lines + &format!("      {line}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_wrapped() {
        assert_eq!(wrapped(""), "");
        assert_eq!(wrapped("a b"), "      a b\n");
        let text = wrapped(&"word ".repeat(40));
        assert!(
            text.lines().count() == 3 && text.lines().all(|line| line.len() <= 96),
            "{text}"
        );
    }
}
