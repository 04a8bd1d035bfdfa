//! Origin and time; the values that people search for.

use chrono::{DateTime, NaiveDateTime};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Object;
use super::unmapped::find;
use super::value::{id_text, insert, members, text};

pub fn metadata(event: &Value, line: &[u8], profile: Option<&str>) -> Object {
    let id = id_text(&event["id"]);
    let hash = || {
        let hex: String = Sha256::digest(line.trim_ascii())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("sha256:{hex}")
    };
    let mut metadata = members([
        ("version", "1.8.0".into()),
        (
            "product",
            json!({"name": "JumpCloud Directory Insights", "vendor_name": "JumpCloud"}),
        ),
        ("uid", id.clone().unwrap_or_else(hash).into()),
    ]);
    insert(&mut metadata, "original_event_uid", id);
    insert(&mut metadata, "original_time", text(&event["timestamp"]));
    insert(&mut metadata, "event_code", text(&event["event_type"]));
    insert(&mut metadata, "log_name", text(&event["service"]));
    insert(&mut metadata, "log_version", id_text(&event["@version"]));
    insert(&mut metadata, "tenant_uid", text(&event["organization"]));
    insert(
        &mut metadata,
        "correlation_uid",
        text(&event["correlation"]["id"]),
    );
    if let Some((logged, _)) = text(&event["server_timestamp"]).and_then(time) {
        metadata.insert("logged_time".to_owned(), logged.into());
    }
    if let Some(profile) = profile {
        metadata.insert("profiles".to_owned(), json!([profile]));
    }
    metadata
}

/// Milliseconds since 1970, and the offset in minutes as written.
pub fn time(text: &str) -> Option<(i64, Option<i32>)> {
    if text.as_bytes().get(10) == Some(&b' ') {
        return None;
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some((
            time.timestamp_millis(),
            Some(time.offset().local_minus_utc() / 60),
        ));
    }
    let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
    Some((time.and_utc().timestamp_millis(), None))
}

pub fn observables(out: &Object) -> Vec<Value> {
    const PATHS: [(&str, &str, i64, &str); 10] = [
        ("user", "name", 4, "User Name"),
        ("user", "email_addr", 5, "Email Address"),
        ("actor", "user.name", 4, "User Name"),
        ("actor", "user.email_addr", 5, "Email Address"),
        ("src_endpoint", "ip", 2, "IP Address"),
        ("src_endpoint", "hostname", 1, "Hostname"),
        ("dst_endpoint", "ip", 2, "IP Address"),
        ("dst_endpoint", "hostname", 1, "Hostname"),
        ("device", "ip", 2, "IP Address"),
        ("device", "hostname", 1, "Hostname"),
    ];
    let found = PATHS
        .iter()
        .filter_map(|(object, attribute, type_id, kind)| {
            let value = find(out.get(*object)?, attribute)?;
            let name = format!("{object}.{attribute}");
            Some(json!({"name": name, "type_id": type_id, "type": kind, "value": value}))
        });
    found.collect()
}
