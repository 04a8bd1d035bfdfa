//! How someone authenticated, and to what.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Object;
use super::value::{boolean, id_text, insert, members, text};

pub fn service(event: &Value, name: &str, has_device: bool) -> Option<Value> {
    Some(match name {
        "user_login_attempt" => json!({"name": "JumpCloud User Portal"}),
        "admin_login_attempt" => json!({"name": "JumpCloud Admin Portal"}),
        "radius_auth" | "radius_auth_attempt" => json!({"name": "JumpCloud RADIUS"}),
        "ldap_bind" => json!({"name": "JumpCloud LDAP"}),
        "sso_auth" => {
            let application = &event["application"];
            let name = text(&application["display_label"]).or_else(|| text(&application["name"]));
            let mut service = members([("name", name.unwrap_or("JumpCloud SSO").into())]);
            insert(&mut service, "uid", id_text(&application["id"]));
            service.into()
        }
        _ if !has_device => json!({"name": "JumpCloud Agent"}),
        _ => return None,
    })
}

pub fn protocol<'a>(event: &'a Value, name: &str) -> Option<(i64, &'a str)> {
    match name {
        "radius_auth" | "radius_auth_attempt" => Some((10, "RADIUS")),
        "ldap_bind" => Some((12, "LDAP")),
        "sso_auth" => {
            let kind = text(&event["application"]["sso_type"])?;
            Some(match &*kind.to_ascii_lowercase() {
                "saml" | "saml2" => (5, "SAML"),
                "oidc" | "openid" => (4, "OpenID"),
                "oauth" | "oauth2" => (6, "OAUTH 2.0"),
                _ => (99, kind),
            })
        }
        _ => None,
    }
}

pub fn logon(event: &Value) -> Option<(i64, String, Option<bool>)> {
    let word = id_text(&event["windows_meta"]["logon_type"])?;
    let is_short = word.len() <= 3 && word.bytes().all(|byte| byte.is_ascii_digit());
    let (id, caption, remote) = match word.parse().ok().filter(|_| is_short) {
        Some(0) => (1, "System", false),
        Some(2) => (2, "Interactive", false),
        Some(3) => (3, "Network", true),
        Some(4) => (4, "Batch", false),
        Some(5) => (5, "OS Service", false),
        Some(7) => (7, "Unlock", false),
        Some(8) => (8, "Network Cleartext", true),
        Some(9) => (9, "New Credentials", false),
        Some(10) => (10, "Remote Interactive", true),
        Some(11) => (11, "Cached Interactive", false),
        Some(12) => (12, "Cached Remote Interactive", true),
        Some(13) => (13, "Cached Unlock", false),
        _ => return Some((99, word, None)),
    };
    Some((id, caption.to_owned(), Some(remote)))
}

pub fn cleartext(event: &Value, name: &str, logon: Option<i64>) -> Option<bool> {
    if name != "ldap_bind" {
        return (logon == Some(8)).then_some(true);
    }
    let method = &event["auth_method"];
    if *method != "simple" && *method != 128 && event["mech"] != "simple" {
        return None;
    }
    Some(!boolean(&event["start_tls"])? & !boolean(&event["tls_established"])?)
}

pub fn factors(event: &Value, status: i64) -> Vec<Value> {
    let methods = [
        &event["auth_context"]["auth_methods"],
        &event["auth_meta"]["auth_methods"],
    ]
    .into_iter()
    .filter_map(Value::as_object)
    .find(|methods| !methods.is_empty());
    // `Map` is sorted by name.
    let used = methods.into_iter().flatten().filter_map(|(name, method)| {
        let counts = status != 1 || boolean(&method["success"]) == Some(true);
        (counts && !name.is_empty()).then_some(name.as_str())
    });
    let meta = text(&event["mfa_meta"]["type"]).filter(|kind| !kind.eq_ignore_ascii_case("none"));
    let mut seen = BTreeSet::new();
    let mut factors = Vec::new();
    for name in used.chain(meta) {
        let (id, caption, provider) = match &*name.to_ascii_lowercase() {
            "password" => (11, "Password", None),
            "totp" => (7, "OTP", None),
            "webauthn" => (10, "WebAuthn", None),
            "push" => (5, "Push Notification", None),
            "jumpcloud_protect" => (5, "Push Notification", Some("JumpCloud Protect")),
            "duo" => (99, name, Some("Duo")),
            _ => (99, name, None),
        };
        if !seen.insert((id, caption.to_lowercase())) {
            continue;
        }
        let mut factor = members([
            ("factor_type_id", id.into()),
            ("factor_type", caption.into()),
        ]);
        if id == 7 {
            factor.insert("is_totp".to_owned(), true.into());
        }
        insert(&mut factor, "provider", provider);
        factors.push(factor.into());
    }
    factors
}

pub fn authorizations(event: &Value) -> Vec<Value> {
    let policies = event["auth_context"]["policies_applied"].as_array();
    let items = policies.into_iter().flatten().filter_map(|item| {
        let mut policy = Object::new();
        insert(&mut policy, "name", text(&item["name"]));
        insert(&mut policy, "uid", text(&item["id"]));
        if policy.is_empty() {
            return None;
        }
        let mut authorization = members([("policy", policy.into())]);
        insert(
            &mut authorization,
            "decision",
            text(&item["metadata"]["action"]),
        );
        Some(authorization.into())
    });
    items.collect()
}
