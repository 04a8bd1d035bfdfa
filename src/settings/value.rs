//! The values of settings: checks with a message each, and readers for values
//! that passed.

use chrono::{DateTime, NaiveDate, NaiveTime};
use serde_json::Value;

use super::reader::nearest;
use super::start::Start;
use super::url;
use super::{DAY, Kind, Setting};
use crate::error::Problem;

/// How to come by an organisation's id.
pub const ORGANIZATION_HINT: &str =
    "24 hex digits, as under Settings > Organization Profile in the Admin Portal";

/// Characters of a value that a message repeats: an organisation's id and a
/// moment are shorter, and a credential is longer.
const LONGEST_SHOWN: usize = 30;

/// Notes what is wrong with a value.
pub fn check(setting: &Setting, value: &Value, problems: &mut Vec<Problem>) {
    let name = setting.name;
    let shown = shown(value);
    let problem = match setting.kind {
        Kind::Choice(choices) => check_choice(name, value, choices),
        Kind::Choices(choices) => {
            check_list(name, value, problems, |item| {
                check_choice("", item, choices)
            });
            (value.as_array().is_some_and(Vec::is_empty))
                .then(|| Problem::new(name, "empty").hint(format!("some of {}", list(choices))))
        }
        Kind::Date if date(value).is_none() => {
            Some(Problem::new(name, format!("not a day: {shown}")).hint("like `2027-02-22`"))
        }
        Kind::Days(min, max) if !value.as_i64().is_some_and(|n| (min..=max).contains(&n)) => {
            let message = format!("not a whole number from {min} to {max}: {shown}");
            let problem = Problem::new(name, message);
            let is_quoted = value
                .as_str()
                .is_some_and(|text| text.parse::<i64>().is_ok());
            Some(match is_quoted {
                true => problem.hint("write it without quotes"),
                false => problem,
            })
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
                        .hint(ORGANIZATION_HINT)
                })
            });
            None
        }
        Kind::Start if start(value).is_none() => Some(
            Problem::new(name, format!("neither a duration nor a moment: {shown}"))
                .hint("like `24h`, `90d` or `2026-11-01T00:00:00Z`"),
        ),
        Kind::Name if !value.as_str().is_some_and(is_name) => Some(
            Problem::new(name, format!("not a name: {shown}"))
                .hint("letters, digits and signs, without spaces and colons"),
        ),
        Kind::Url => match value.as_str() {
            None => Some(Problem::new(name, format!("not an address: {shown}"))),
            Some(url) => {
                url::check(url).map(|(message, hint)| Problem::new(name, message).hint(hint))
            }
        },
        _ => None,
    };
    problems.extend(problem);
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b':')
}

fn check_choice(name: &str, value: &Value, choices: &[&'static str]) -> Option<Problem> {
    let text = value.as_str();
    if text.is_some_and(|text| choices.contains(&text)) {
        return None;
    }
    let problem = Problem::new(
        name,
        format!("{} is none of {}", shown(value), list(choices)),
    );
    let Some(text) = text else {
        return Some(problem);
    };
    // The field of a form that has this name is for the whole header.
    let scheme = text.split_whitespace().next().unwrap_or_default();
    if choices.contains(&"bearer") && scheme.eq_ignore_ascii_case("bearer") && scheme != text {
        return Some(problem.hint(
            "write `bearer` here, and where the token is under `secrets`: `token = \"env:NAME\"` \
             or `token = \"file:PATH\"`",
        ));
    }
    Some(match nearest(text, choices.iter().copied()) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem,
    })
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
        let twice = || {
            let is_same = |before: &Value| match (before.as_str(), item.as_str()) {
                (Some(before), Some(item)) => before.eq_ignore_ascii_case(item),
                _ => before == item,
            };
            let before = items.iter().take(n).any(is_same);
            before.then(|| Problem::new("", format!("{} stands there twice", shown(item))))
        };
        problems.extend(check(item).or_else(twice).map(|problem| Problem {
            setting: format!("{name}[{n}]"),
            ..problem
        }));
    }
}

fn is_organization(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A value as a message shows it. One that is long or has spaces may be a secret
/// in the wrong place: of it only the length is told.
pub fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let length = text.chars().count();
    if length > LONGEST_SHOWN || text.contains(char::is_whitespace) {
        return format!("a value of {length} characters");
    }
    // A text that reads like something else shows that it is one.
    let quotes = value.is_string()
        && (matches!(text.as_str(), "yes" | "no" | "true" | "false")
            || text.parse::<i64>().is_ok());
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
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

/// Reads a list of organisation ids, in the case in which JumpCloud gives them.
pub fn organizations(value: &Value) -> Option<Vec<String>> {
    let ids = texts(value)?.into_iter();
    Some(ids.map(|id| id.to_ascii_lowercase()).collect())
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
