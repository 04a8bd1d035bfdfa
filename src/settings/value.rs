//! The values of settings: checks with a message each, and readers for values
//! that passed.

use chrono::{DateTime, NaiveDate, NaiveTime};
use serde_json::Value;

use super::{DAY, Kind, Setting};
use crate::error::Problem;

/// Path of the API below its host.
const BASE_PATH: &str = "/insights/directory/v1";

/// The three addresses that JumpCloud documents.
const KNOWN_HOSTS: [&str; 3] = [
    "api.jumpcloud.com",
    "api.eu.jumpcloud.com",
    "api.in.jumpcloud.com",
];

/// Where a new feed begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start {
    /// So many ms before the first run.
    Back(i64),
    /// At this moment: ms since 1970 UTC.
    At(i64),
}

impl Default for Start {
    fn default() -> Self {
        Self::Back(DAY)
    }
}

/// The address of the API, in its normal form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApiUrl {
    origin: String,
    prefix: String,
}

impl ApiUrl {
    /// From a checked address, with or without the base path and a slash.
    pub fn new(url: &str) -> Self {
        let (origin, path) = split_origin(url);
        let path = path.trim_end_matches('/');
        let prefix = path.strip_suffix(BASE_PATH).unwrap_or(path);
        Self {
            origin: origin.to_ascii_lowercase(),
            prefix: prefix.to_owned(),
        }
    }

    /// Scheme, host and port: `https://api.jumpcloud.com`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The host, with its port if it is given.
    pub fn host(&self) -> &str {
        self.origin.split_once("://").map_or("", |(_, host)| host)
    }

    /// Whether it is one of JumpCloud's documented addresses.
    pub fn is_known(&self) -> bool {
        KNOWN_HOSTS.contains(&self.host())
    }

    /// The whole address of an endpoint: `endpoint("/events")`.
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{}{BASE_PATH}{path}", self.origin, self.prefix)
    }
}

/// Notes what is wrong with a value.
pub fn check(setting: &Setting, value: &Value, problems: &mut Vec<Problem>) {
    let name = setting.name;
    let shown = shown(value);
    let problem = match setting.kind {
        Kind::Choice(choices) if !is_one_of(value, choices) => Some(Problem::new(
            name,
            format!("{shown} is none of {}", list(choices)),
        )),
        Kind::Choices(choices) => {
            check_list(name, value, problems, |item| {
                let shown = self::shown(item);
                (!is_one_of(item, choices))
                    .then(|| Problem::new("", format!("{shown} is none of {}", list(choices))))
            });
            (value.as_array().is_some_and(Vec::is_empty))
                .then(|| Problem::new(name, "empty").hint(format!("some of {}", list(choices))))
        }
        Kind::Date if date(value).is_none() => {
            Some(Problem::new(name, format!("not a day: {shown}")).hint("like `2027-02-22`"))
        }
        Kind::Days(min, max) if !value.as_i64().is_some_and(|n| (min..=max).contains(&n)) => {
            Some(Problem::new(
                name,
                format!("not a whole number from {min} to {max}: {shown}"),
            ))
        }
        Kind::Duration(min, max) => match duration(value) {
            None => Some(
                Problem::new(name, format!("not a duration: {shown}"))
                    .hint("a number and `s`, `m`, `h` or `d`, like `60s`"),
            ),
            Some(ms) if !(min..=max).contains(&ms) => Some(Problem::new(
                name,
                format!("{shown} is not from {} to {}", spell(min), spell(max)),
            )),
            Some(_) => None,
        },
        Kind::Flag if !value.is_boolean() => Some(Problem::new(
            name,
            format!("neither true nor false: {shown}"),
        )),
        Kind::Organizations => {
            check_list(name, value, problems, |item| {
                (!item.as_str().is_some_and(is_organization)).then(|| {
                    Problem::new("", format!("not an organisation id: {}", self::shown(item)))
                        .hint("24 hex digits, as under Settings > Organization Profile in the Admin Portal")
                })
            });
            None
        }
        Kind::Start if start(value).is_none() => Some(
            Problem::new(name, format!("neither a duration nor a moment: {shown}"))
                .hint("like `24h`, `90d` or `2026-11-01T00:00:00Z`"),
        ),
        Kind::Text if text(value).is_none_or(|text| text.is_empty()) => {
            Some(Problem::new(name, format!("not a text: {shown}")))
        }
        Kind::Url => match value.as_str() {
            None => Some(Problem::new(name, format!("not an address: {shown}"))),
            Some(url) => {
                check_url(url).map(|(message, hint)| Problem::new(name, message).hint(hint))
            }
        },
        _ => None,
    };
    problems.extend(problem);
}

fn check_list(
    name: &str,
    value: &Value,
    problems: &mut Vec<Problem>,
    check: impl Fn(&Value) -> Option<Problem>,
) {
    let Some(items) = value.as_array() else {
        problems.push(Problem::new(name, format!("not a list: {}", shown(value))));
        return;
    };
    for (n, item) in items.iter().enumerate() {
        let place = format!("{name}[{n}]");
        if items.iter().take(n).any(|before| before == item) {
            problems.push(Problem::new(
                place,
                format!("{} stands there twice", shown(item)),
            ));
        } else if let Some(problem) = check(item) {
            problems.push(Problem {
                setting: place,
                ..problem
            });
        }
    }
}

/// What is wrong with an address, and what to do.
fn check_url(url: &str) -> Option<(String, &'static str)> {
    const EXAMPLE: &str = "like `https://api.jumpcloud.com`";
    let (origin, _) = split_origin(url);
    let Some((scheme, host)) = origin.split_once("://") else {
        return Some((format!("not an address: `{url}`"), EXAMPLE));
    };
    let secure = scheme.eq_ignore_ascii_case("https");
    if !secure && !scheme.eq_ignore_ascii_case("http") {
        return Some((format!("not an https address: `{url}`"), EXAMPLE));
    }
    if host.contains('@') {
        return Some(("an address with a user name in it".to_owned(), EXAMPLE));
    }
    let odd =
        |c: char| c.is_whitespace() || c.is_control() || !c.is_ascii() || "\"<>\\^`{|}".contains(c);
    if host.is_empty() || url.contains(odd) || url.contains(['?', '#']) {
        return Some((
            format!("not an address of a server and a path: `{url}`"),
            EXAMPLE,
        ));
    }
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    if name.is_empty() || port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Some((format!("no such port: `{url}`"), EXAMPLE));
    }
    let loopback = name.eq_ignore_ascii_case("localhost")
        || name == "[::1]"
        || name
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback());
    if !secure && !loopback {
        return Some((
            format!("plain http would send the credential in clear: `{url}`"),
            "use `https://`",
        ));
    }
    None
}

/// Cuts an address before its path: `("https://host:1", "/path")`.
fn split_origin(url: &str) -> (&str, &str) {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url
        .get(start..)
        .and_then(|rest| rest.find('/'))
        .map_or(url.len(), |at| start + at);
    url.split_at_checked(end).unwrap_or((url, ""))
}

fn is_organization(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_one_of(value: &Value, choices: &[&str]) -> bool {
    value.as_str().is_some_and(|text| choices.contains(&text))
}

/// A value as a message shows it, cut at 80 characters.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let quotes = matches!(value, Value::String(_))
        && matches!(text.as_str(), "yes" | "no" | "true" | "false");
    let text: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
    if quotes {
        format!("`\"{text}\"`")
    } else {
        format!("`{text}`")
    }
}

fn list(choices: &[&str]) -> String {
    choices
        .iter()
        .map(|choice| format!("`{choice}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn spell(ms: i64) -> String {
    match ms {
        ms if ms % DAY == 0 => format!("{}d", ms / DAY),
        ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms => format!("{}s", ms / 1_000),
    }
}

/// Reads a text.
pub fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// Reads a list of texts.
pub fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(text).collect()
}

/// Reads an address.
pub fn url(value: &Value) -> Option<String> {
    text(value)
}

/// Reads a whole number.
pub fn integer(value: &Value) -> Option<i64> {
    value.as_i64()
}

/// Reads true or false.
pub fn flag(value: &Value) -> Option<bool> {
    value.as_bool()
}

/// Reads a duration, in ms.
pub fn duration(value: &Value) -> Option<i64> {
    let text = value.as_str()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => DAY,
        _ => return None,
    };
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    number
        .parse::<i64>()
        .ok()
        .filter(|_| digits)?
        .checked_mul(unit)
}

/// Reads a day: its first ms, UTC.
pub fn date(value: &Value) -> Option<i64> {
    let day = NaiveDate::parse_from_str(value.as_str()?, "%Y-%m-%d").ok()?;
    Some(day.and_time(NaiveTime::MIN).and_utc().timestamp_millis())
}

/// Reads a start.
pub fn start(value: &Value) -> Option<Start> {
    if let Some(back) = duration(value) {
        return Some(Start::Back(back));
    }
    let moment = DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
    Some(Start::At(moment.timestamp_millis()))
}

/// A reader for a setting that may be absent.
pub fn optional<T>(read: impl Fn(&Value) -> Option<T>) -> impl Fn(&Value) -> Option<Option<T>> {
    move |value| {
        if value.is_null() {
            Some(None)
        } else {
            read(value).map(Some)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_path_and_a_slash_are_optional() {
        for url in [
            "https://API.eu.jumpcloud.com",
            "https://api.eu.jumpcloud.com/",
            "https://api.eu.jumpcloud.com/insights/directory/v1",
            "https://api.eu.jumpcloud.com/insights/directory/v1/",
        ] {
            let url = ApiUrl::new(url);
            assert!(url.is_known());
            assert_eq!(
                url.endpoint("/events"),
                "https://api.eu.jumpcloud.com/insights/directory/v1/events"
            );
        }
        let proxy = ApiUrl::new("http://127.0.0.1:8080/jc/");
        assert!(!proxy.is_known());
        assert_eq!(proxy.origin(), "http://127.0.0.1:8080");
        assert_eq!(
            proxy.endpoint("/events"),
            "http://127.0.0.1:8080/jc/insights/directory/v1/events"
        );
    }

    #[test]
    fn addresses_are_checked() {
        for good in [
            "https://api.jumpcloud.com",
            "http://localhost:1/x",
            "http://[::1]:80",
            "https://[::1]",
        ] {
            assert_eq!(check_url(good), None, "{good}");
        }
        for bad in [
            "",
            "api.jumpcloud.com",
            "ftp://a",
            "https://",
            "https:///x",
            "https://u:p@a",
            "https://a b",
            "https://a?x",
            "https://a#x",
            "https://a:99999",
            "https://:1",
            "http://10.0.0.1",
            "https://ä",
        ] {
            assert!(check_url(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn durations_starts_and_days_are_read() {
        let read = |text: &str| duration(&Value::from(text));
        assert_eq!(read("90d"), Some(90 * DAY));
        assert_eq!(read("15m"), Some(900_000));
        for bad in [
            "",
            "d",
            "+1d",
            "-1d",
            "1.5h",
            "1 d",
            "1w",
            "99999999999999999d",
            "1é",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(
            start(&Value::from("2026-11-01T00:00:00+01:00")),
            Some(Start::At(1_793_487_600_000))
        );
        assert_eq!(date(&Value::from("1970-01-02")), Some(DAY));
        assert_eq!(date(&Value::from("1970-02-30")), None);
    }
}
