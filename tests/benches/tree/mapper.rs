//! The rules of `docs/MAPPING.md` on trees: the straightforward way, written with care for speed where
//! it costs no clarity (names are looked up once, nothing is cloned that needn't be).

mod agent;
mod changes;
mod classify;
mod login;
mod metadata;
mod place;
mod unmapped;
mod value;
mod who;

use serde_json::{Map, Value, json};

use self::agent::{operating_system, user_agent};
use self::changes::{Change, changes, hits, update_activity, user_result};
use self::classify::{account_activity, caption, is_login, status};
use self::login::{authorizations, cleartext, factors, logon, protocol, service};
use self::metadata::{metadata, observables, time};
use self::place::{address, client, endpoint};
use self::unmapped::unmapped;
use self::value::{boolean, id_text, insert, members, text};
use self::who::{association, authenticating, changed, initiator};

type Object = Map<String, Value>;

/// The event in OCSF; none if it isn't selected or can't be understood.
pub fn map(line: &[u8]) -> Option<Value> {
    let event: Value = serde_json::from_slice(line).ok()?;
    let name = text(&event["event_type"])?;
    let login = is_login(name);
    let mut activity = if login { 1 } else { account_activity(name)? };
    if name == "association_change" && association(&event).is_none() {
        return None;
    }
    let (time, offset) = time(text(&event["timestamp"])?)?;
    let systems = event["service"] == "systems";
    let changes = match name {
        "user_create" | "user_update" | "admin_create" | "admin_update" => changes(&event),
        _ => Vec::new(),
    };
    let update = matches!(name, "user_update" | "admin_update");
    if update {
        activity = update_activity(&changes);
    }
    let authorizations = if login {
        authorizations(&event)
    } else {
        Vec::new()
    };
    let decided = |words: &[&str]| {
        let decisions = authorizations
            .iter()
            .filter_map(|item| item["decision"].as_str());
        decisions
            .into_iter()
            .any(|decision| words.iter().any(|word| decision.eq_ignore_ascii_case(word)))
    };
    let denied = decided(&["DENY"]);
    let (status_id, status) = status(&event, name, denied);
    if status_id == 99 {
        activity = 6;
    }
    let low = status_id == 2 || name == "admin_create" || !login && matches!(activity, 7 | 9 | 11);
    let (class_uid, class_name) = match login {
        true => (3002, "Authentication"),
        false => (3001, "Account Change"),
    };
    let caption = caption(class_uid, activity);

    let mut out = Object::new();
    let mut put = |name: &str, value: Value| drop(out.insert(name.to_owned(), value));
    put("class_uid", class_uid.into());
    put("class_name", class_name.into());
    put("category_uid", 3.into());
    put("category_name", "Identity & Access Management".into());
    put("activity_id", activity.into());
    put(
        "activity_name",
        if activity == 99 { name } else { caption }.into(),
    );
    put("type_uid", (class_uid * 100 + activity).into());
    put("type_name", format!("{class_name}: {caption}").into());
    put("time", time.into());
    put("severity_id", if low { 2 } else { 1 }.into());
    put("severity", if low { "Low" } else { "Informational" }.into());
    put("status_id", status_id.into());
    put("status", status.into());
    if let Some(offset) = offset.filter(|offset| offset.abs() <= 1080) {
        put("timezone_offset", offset.into());
    }
    if let Some(code) = id_text(&event["error_code"]) {
        put("status_code", code.into());
    }
    for (name, from) in [("message", "message"), ("status_detail", "error_message")] {
        if let Some(text) = text(&event[from]) {
            put(name, text.into());
        }
    }

    let source = endpoint(
        match systems {
            true => address(&event["src_ip"]).map_or_else(Object::new, |ip| members([("ip", ip)])),
            false => client(&event),
        },
        &event["auth_context"]["system"],
        operating_system(&event),
    );
    let device = endpoint(
        if systems {
            client(&event)
        } else {
            Object::new()
        },
        &event["system"],
        None,
    );
    let is_remote_address = source
        .as_ref()
        .is_some_and(|source| source.contains_key("ip"));
    let mut profile = None;

    let initiator = initiator(&event);
    let (user, actor, app) = if login {
        let (mut user, actor) = authenticating(&event, initiator);
        if let Some(dn) = text(&event["dn"]) {
            user.insert("ldap_person".to_owned(), json!({"ldap_dn": dn}));
        }
        (user, actor, text(&event["process_name"]))
    } else {
        let mut user = changed(&event, name, initiator.as_ref());
        if name.ends_with("_provision") {
            let application = &event["application"];
            let name = text(&application["display_label"]).or_else(|| text(&application["name"]));
            let mut account = Object::new();
            insert(&mut account, "name", name);
            insert(&mut account, "uid", id_text(&application["id"]));
            if !account.is_empty() {
                account.insert("type_id".to_owned(), 99.into());
                account.insert("type".to_owned(), "application".into());
                user.insert("account".to_owned(), account.into());
            }
        }
        let by = &event["initiated_by"];
        let app = text(&by["source_metadata"]["name"]).or_else(|| text(&by["source"]));
        (user, initiator, app)
    };
    let mut actor = actor.map_or_else(Object::new, |user| members([("user", user.into())]));
    insert(&mut actor, "app_name", app);

    if login {
        let logon = if name == "login_attempt" {
            logon(&event)
        } else {
            None
        };
        if let Some(mfa) = boolean(&event["mfa"]) {
            put("is_mfa", mfa.into());
        }
        let factors = factors(&event, status_id);
        if !factors.is_empty() {
            put("auth_factors", factors.into());
        }
        if let Some(uid) = text(&event["connection_id"]) {
            put("session", json!({"uid": uid}));
        }
        if let Some(service) = service(&event, name, device.is_some()) {
            put("service", service);
        }
        if let Some((id, protocol)) = protocol(&event, name) {
            put("auth_protocol_id", id.into());
            put("auth_protocol", protocol.into());
        }
        if let Some(cleartext) = cleartext(&event, name, logon.as_ref().map(|logon| logon.0)) {
            put("is_cleartext", cleartext.into());
        }
        let is_remote = match &logon {
            _ if name != "login_attempt" => Some(true),
            Some((_, _, Some(remote))) => Some(*remote),
            _ => (event["process_name"] == "sshd" || is_remote_address).then_some(true),
        };
        if let Some(remote) = is_remote {
            put("is_remote", remote.into());
        }
        if let Some((id, caption, _)) = logon {
            put("logon_type_id", id.into());
            put("logon_type", caption.into());
        }
        if !authorizations.is_empty() {
            profile = Some("security_control");
            let allowed = status_id == 1 && decided(&["ALLOW", "ALLOW_WITH_MFA"]);
            if denied || allowed {
                put("action_id", if denied { 2 } else { 1 }.into());
                put("action", if denied { "Denied" } else { "Allowed" }.into());
            }
            put("authorizations", authorizations.into());
        }
        if let Some(device) = device {
            put("dst_endpoint", device.into());
        }
    } else {
        if let Some(mut device) = device {
            profile = Some("host");
            device.remove("autonomous_system");
            device.insert("type_id".to_owned(), 0.into());
            device.insert("type".to_owned(), "Unknown".into());
            put("device", device.into());
        }
        let enrolled = matches!(
            name,
            "totp_finish_enrollment"
                | "totp_delete_enrollment"
                | "admin_totp_finish_enrollment"
                | "admin_totp_disable"
        );
        let is_switch = |change: &Change| change.field == "totp_enabled" && hits(change, activity);
        if enrolled || update && changes.iter().any(is_switch) {
            put(
                "auth_factors",
                json!([{"factor_type_id": 7, "factor_type": "OTP", "is_totp": true}]),
            );
        }
        if let Some(result) = user_result(&changes, &user) {
            put("user_result", result.into());
        }
    }
    let mut request = Object::new();
    insert(&mut request, "user_agent", user_agent(&event));
    if name == "sso_auth"
        && let Some(url) = text(&event["application"]["sso_url"])
    {
        request.insert("url".to_owned(), json!({"url_string": url}));
    }
    if !request.is_empty() {
        put("http_request", request.into());
    }
    put("user", user.into());
    if !actor.is_empty() {
        put("actor", actor.into());
    }
    if let Some(source) = source {
        put("src_endpoint", source.into());
    }
    put("metadata", metadata(&event, line, profile).into());
    let observables = observables(&out);
    if !observables.is_empty() {
        out.insert("observables".to_owned(), observables.into());
    }
    if let Some(rest) = unmapped(event, &out, login, systems) {
        out.insert("unmapped".to_owned(), rest);
    }
    Some(out.into())
}
