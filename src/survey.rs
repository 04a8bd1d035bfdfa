//! Which types of events a tenant has that nobody maps: what JumpCloud adds
//! should not go unnoticed. Asked in `check`, and once a day of a feed that
//! keeps running; a failure is nobody's, for nothing depends on the answer.

use serde::Deserialize;

use crate::mapping;

/// The most names that are told.
const MAX_NAMES: usize = 20;

/// The field whose values are asked for.
pub const FIELD: &str = "event_type";

/// The answer of `/events/distinct`, in the documented form or the one seen.
#[derive(Deserialize)]
struct Distinct {
    #[serde(alias = "buckets")]
    event_type: Vec<Bucket>,
    /// Events of values that are not in the list: it is cut.
    #[serde(default)]
    sum_other_doc_count: u64,
}

#[derive(Deserialize)]
struct Bucket {
    key: String,
    doc_count: u64,
}

/// What is to be said of an answer's body. None: everything is mapped, or the
/// answer can't be read.
pub fn unmapped(body: &[u8]) -> Option<String> {
    let distinct: Distinct = serde_json::from_slice(body).ok()?;
    let mut unmapped = distinct.event_type;
    unmapped.retain(|bucket| !mapping::is_known(&bucket.key));
    let told = unmapped.iter().take(MAX_NAMES).map(|bucket| {
        let name = bucket.key.chars().filter(|c| !c.is_control()).take(60);
        format!("{} ({})", name.collect::<String>(), bucket.doc_count)
    });
    let mut names: Vec<String> = told.collect();
    match unmapped.len().saturating_sub(MAX_NAMES) {
        _ if names.is_empty() => return None,
        0 => {}
        more => names.push(format!("{more} more")),
    }
    let at_least = if distinct.sum_other_doc_count > 0 {
        ", and others that JumpCloud does not list"
    } else {
        ""
    };
    Some(format!(
        "not mapped, of the last day: {}{at_least}",
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_what_is_mapped_is_left_out() {
        let rows = r#"[{"key":"sso_auth","doc_count":9},{"key":"odd\u0007_type","doc_count":2}]"#;
        for name in ["event_type", "buckets"] {
            let body = format!(r#"{{"{name}":{rows},"sum_other_doc_count":0}}"#);
            let said = unmapped(body.as_bytes()).unwrap();
            assert_eq!(said, "not mapped, of the last day: odd_type (2)");
        }
        let cut = format!(r#"{{"buckets":{rows},"sum_other_doc_count":5}}"#);
        assert!(unmapped(cut.as_bytes()).unwrap().ends_with("does not list"));
        assert_eq!(
            unmapped(br#"{"buckets":[{"key":"sso_auth","doc_count":9}]}"#),
            None
        );
        assert_eq!(unmapped(b"<html>"), None);
    }
}
