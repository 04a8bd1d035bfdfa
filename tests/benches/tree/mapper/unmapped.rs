//! What is left of an event when the moved leaves are gone.

use serde_json::Value;

use super::Object;

/// The value at a path within a value; the value itself for an empty one.
pub fn find<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let mut names = path.split('.').filter(|name| !name.is_empty());
    names.try_fold(value, |value, name| value.get(name))
}

/// Leaves that move, and the object and attribute they move to; `client` and `device` are endpoints.
pub const MOVED: [(&str, &str, &str); 26] = [
    ("id", "metadata", "original_event_uid"),
    ("timestamp", "metadata", "original_time"),
    ("event_type", "metadata", "event_code"),
    ("service", "metadata", "log_name"),
    ("organization", "metadata", "tenant_uid"),
    ("@version", "metadata", "log_version"),
    ("correlation.id", "metadata", "correlation_uid"),
    ("message", "message", ""),
    ("error_message", "status_detail", ""),
    ("client_ip", "client", "ip"),
    ("src_ip", "src_endpoint", "ip"),
    ("geoip.city", "client", "location.city"),
    ("geoip.latitude", "client", "location.lat"),
    ("geoip.longitude", "client", "location.long"),
    ("asn.organization", "client", "autonomous_system.name"),
    ("asn.number", "client", "autonomous_system.number"),
    ("auth_context.system.id", "src_endpoint", "uid"),
    ("auth_context.system.hostname", "src_endpoint", "hostname"),
    ("auth_context.system.displayName", "src_endpoint", "name"),
    ("system.id", "device", "uid"),
    ("system.hostname", "device", "hostname"),
    ("system.displayName", "device", "name"),
    ("mfa", "is_mfa", ""),
    ("connection_id", "session", "uid"),
    ("dn", "user", "ldap_person.ldap_dn"),
    ("process_name", "actor", "app_name"),
];

/// The event without the leaves that are in the output with the same value; none if none is left.
pub fn unmapped(mut event: Value, out: &Object, login: bool, systems: bool) -> Option<Value> {
    let device = if login { "dst_endpoint" } else { "device" };
    let client = if systems { device } else { "src_endpoint" };
    let members = event.as_object_mut()?;
    for (from, object, attribute) in MOVED {
        let object = match object {
            "client" => client,
            "device" => device,
            _ => object,
        };
        let is_other = from == "src_ip" && !systems || from == "process_name" && !login;
        if let Some(value) = out.get(object)
            && let Some(value) = find(value, attribute)
            && !is_other
        {
            remove(members, from, value);
        }
    }
    (!members.is_empty()).then_some(event)
}

/// Removes a leaf with this value, and objects that are emptied by it.
pub fn remove(members: &mut Object, path: &str, value: &Value) {
    match path.split_once('.') {
        None if members.get(path) == Some(value) => drop(members.remove(path)),
        None => {}
        Some((name, rest)) => {
            let Some(Value::Object(inner)) = members.get_mut(name) else {
                return;
            };
            let before = inner.len();
            remove(inner, rest, value);
            if inner.is_empty() && before > 0 {
                members.remove(name);
            }
        }
    }
}
