//! The client as it describes itself, and its operating system.

use serde_json::Value;

use super::Object;
use super::value::{insert, members, text};

/// The first user agent that is a text or an object.
pub fn agent(event: &Value) -> Option<&Value> {
    [&event["useragent"], &event["user_agent"]]
        .into_iter()
        .find(|agent| agent.is_object() || text(agent).is_some())
}

pub fn known(value: &Value) -> Option<&str> {
    text(value).filter(|text| *text != "Other")
}

pub fn user_agent(event: &Value) -> Option<String> {
    let agent = agent(event)?;
    if let Some(header) = text(agent) {
        return Some(header.to_owned());
    }
    let mut header = known(&agent["name"])?.to_owned();
    let numbers = || {
        let parts = ["major", "minor", "patch"]
            .iter()
            .map_while(|name| text(&agent[*name]));
        parts.collect::<Vec<_>>().join(".")
    };
    let version = text(&agent["version"]).map_or_else(numbers, str::to_owned);
    if !version.is_empty() {
        header = format!("{header}/{version}");
    }
    let os = ["os_full", "os_name", "os"]
        .iter()
        .find_map(|name| text(&agent[*name]));
    if let Some(os) = os.filter(|os| *os != "Other") {
        header = format!("{header} ({os})");
    }
    Some(header)
}

pub fn operating_system(event: &Value) -> Option<Object> {
    let system = &event["auth_context"]["system"];
    let (name, version) = match known(&system["os"]) {
        Some(name) => (name, text(&system["version"])),
        None => {
            let agent = agent(event)?;
            let name = known(&agent["os_name"]).or_else(|| known(&agent["os"]))?;
            (name, text(&agent["os_version"]))
        }
    };
    let lower = name.to_ascii_lowercase();
    let is = |prefixes: &[&str]| prefixes.iter().any(|prefix| lower.starts_with(prefix));
    let (id, caption) = if is(&["windows", "microsoft windows"]) {
        (100, "Windows")
    } else if is(&["mac os", "macos"]) {
        (300, "macOS")
    } else if is(&["ios"]) {
        (301, "iOS")
    } else if is(&["ipados"]) {
        (302, "iPadOS")
    } else if is(&["android"]) {
        (201, "Android")
    } else if is(&[
        "linux", "ubuntu", "fedora", "debian", "centos", "red hat", "rhel", "suse",
    ]) {
        (200, "Linux")
    } else {
        (99, name)
    };
    let mut os = members([
        ("name", name.into()),
        ("type_id", id.into()),
        ("type", caption.into()),
    ]);
    insert(&mut os, "version", version);
    Some(os)
}
