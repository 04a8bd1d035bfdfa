//! The data types of the schema, as far as our events use them.

use std::net::IpAddr;

use serde_json::Value;

/// What is wrong with a value of this type, if anything. `rules`: the type in the schema.
pub fn problem(value: &Value, name: &str, rules: &Value) -> Option<String> {
    let primitive = rules["type"].as_str().unwrap_or(name);
    let is_right = match primitive {
        "boolean_t" => value.is_boolean(),
        "float_t" => value.is_number(),
        "integer_t" => value
            .as_i64()
            .is_some_and(|number| i32::try_from(number).is_ok()),
        "json_t" => true,
        "long_t" => value.is_i64(),
        "string_t" => value.is_string(),
        other => panic!("type {other}"),
    };
    if !is_right {
        return Some(format!("is no {name}"));
    }
    if value == "" {
        return Some("is empty".to_owned());
    }
    if let (Some(text), Some(most)) = (value.as_str(), rules["max_len"].as_u64())
        && text.chars().count() as u64 > most
    {
        return Some(format!("is longer than {most}"));
    }
    if let (Some(number), [Some(least), Some(most)]) = (
        value.as_i64(),
        [0, 1].map(|end| rules["range"][end].as_i64()),
    ) && !(least..=most).contains(&number)
    {
        return Some(format!("is not in {least}..={most}"));
    }
    let fits = match name {
        "email_t" => is_email(value.as_str()?),
        "ip_t" => value.as_str()?.parse::<IpAddr>().is_ok(),
        _ => {
            assert!(
                rules["regex"].is_null(),
                "the expression of {name} is not checked here"
            );
            true
        }
    };
    (!fits).then(|| format!("is no {name}"))
}

/// `^[a-zA-Z0-9!#$%&'*+-/=?^_`{|}~.]+@[a-zA-Z0-9-]+\.[a-zA-Z0-9-.]+$`, where `+-/` is a range.
fn is_email(text: &str) -> bool {
    let parts: Vec<&str> = text.split('@').collect();
    let [local, domain] = parts[..] else {
        return false;
    };
    let local_fits = local.bytes().all(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'+'..=b'/' | b'{'..=b'~' => true,
        other => b"!#$%&'*=?^_`".contains(&other),
    });
    let domain_fits = domain
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
    let dot = domain.find('.').unwrap_or(0);
    !local.is_empty() && local_fits && domain_fits && dot > 0 && dot + 1 < domain.len()
}
