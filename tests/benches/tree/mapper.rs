//! The rules of `docs/MAPPING.md` on trees: the straightforward way, written with care for speed where
//! it costs no clarity (names are looked up once, nothing is cloned that needn't be).

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use chrono::{DateTime, NaiveDateTime};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

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

// --- classification ---------------------------------------------------------------------------------

fn is_login(name: &str) -> bool {
    matches!(
        name,
        "user_login_attempt"
            | "admin_login_attempt"
            | "sso_auth"
            | "radius_auth_attempt"
            | "radius_auth"
            | "ldap_bind"
            | "login_attempt"
    )
}

fn account_activity(name: &str) -> Option<i64> {
    Some(match name {
        "user_create" | "admin_create" | "user_create_provision" => 1,
        "user_activated" | "user_unsuspended" | "admin_unsuspend" => 2,
        "user_password_change" | "user_password_set" | "admin_password_change" => 3,
        "user_password_reset_request" | "admin_password_reset_request" => 4,
        "user_suspended" | "admin_suspended" => 5,
        "user_delete" | "admin_delete" | "user_delete_provision" => 6,
        "user_admin_granted" => 7,
        "user_admin_revoked" => 8,
        "user_lockout" | "admin_lockout" => 9,
        "totp_finish_enrollment" | "admin_totp_finish_enrollment" => 10,
        "totp_delete_enrollment" | "admin_totp_disable" => 11,
        "user_unlocked" => 12,
        "user_update"
        | "admin_update"
        | "user_password_expired"
        | "user_password_warning_email"
        | "user_activation_email"
        | "user_mfa_exclusion_expired"
        | "totp_start_enrollment"
        | "user_activation_schedule_create"
        | "user_activation_schedule_delete"
        | "user_suspension_schedule_create"
        | "user_suspension_schedule_delete"
        | "user_update_provision"
        | "association_change"
        | "admin_totp_start_enrollment" => 99,
        _ => return None,
    })
}

fn caption(class: i64, activity: i64) -> &'static str {
    match (class, activity) {
        (3002, 1) => "Logon",
        (3002, _) => "Preauth",
        (_, 1) => "Create",
        (_, 2) => "Enable",
        (_, 3) => "Password Change",
        (_, 4) => "Password Reset",
        (_, 5) => "Disable",
        (_, 6) => "Delete",
        (_, 7) => "Attach Policy",
        (_, 8) => "Detach Policy",
        (_, 9) => "Lock",
        (_, 10) => "MFA Factor Enable",
        (_, 11) => "MFA Factor Disable",
        (_, 12) => "Unlock",
        _ => "Other",
    }
}

fn status(event: &Value, name: &str, denied: bool) -> (i64, &'static str) {
    let token = &event["sso_token_success"];
    let success = match name == "sso_auth" && !token.is_null() {
        true => boolean(token),
        false => boolean(&event["success"]),
    };
    let has_error = text(&event["error_message"]).is_some();
    match success {
        Some(true) => (1, "Success"),
        Some(false) if name == "sso_auth" && !has_error && !denied => (99, "Challenge"),
        None if !has_error => (0, "Unknown"),
        _ => (2, "Failure"),
    }
}

// --- changes ----------------------------------------------------------------------------------------

struct Change<'a> {
    field: &'a str,
    to: Option<&'a Value>,
}

fn changes(event: &Value) -> Vec<Change<'_>> {
    let items = event["changes"].as_array().into_iter().flatten();
    items
        .filter_map(|item| {
            let field = text(&item["field"])?;
            let (from, to) = (item.get("from"), item.get("to"));
            let counts = match (from, to) {
                (Some(from), Some(to)) => from != to,
                (None, Some(_)) => true,
                (_, None) => matches!(field, "password" | "password_date"),
            };
            counts.then_some(Change { field, to })
        })
        .collect()
}

fn update_activity(changes: &[Change<'_>]) -> i64 {
    let ranks = [5, 9, 2, 12, 11, 10, 3];
    let hit = |activity: &i64| changes.iter().any(|change| hits(change, *activity));
    ranks.into_iter().find(hit).unwrap_or(99)
}

fn hits(change: &Change<'_>, activity: i64) -> bool {
    let to = |wanted| change.to.and_then(boolean) == Some(wanted);
    let state = |wanted: &str| {
        change
            .to
            .and_then(text)
            .is_some_and(|to| to.eq_ignore_ascii_case(wanted))
    };
    match (activity, change.field) {
        (5, "suspended") | (9, "account_locked") | (2, "activated") => to(true),
        (2, "suspended") | (12, "account_locked") => to(false),
        (5, "state") => state("SUSPENDED"),
        (2, "state") => state("ACTIVATED"),
        (11, "totp_enabled" | "enable_user_portal_multifactor") => to(false),
        (10, "totp_enabled" | "enable_user_portal_multifactor") => to(true),
        (3, "password" | "password_date") => true,
        _ => false,
    }
}

fn user_result(changes: &[Change<'_>], user: &Object) -> Option<Object> {
    let last = |fields: &[&str]| {
        let change = changes
            .iter()
            .rfind(|change| fields.contains(&change.field))?;
        text(change.to?)
    };
    let mut result = Object::new();
    insert(&mut result, "name", last(&["username"]));
    insert(
        &mut result,
        "email_addr",
        last(&["email"]).filter(|email| is_email(email)),
    );
    insert(
        &mut result,
        "display_name",
        last(&["displayname", "displayName"]),
    );
    if result.is_empty() {
        return None;
    }
    if let Some(uid) = user.get("uid") {
        result.insert("uid".to_owned(), uid.clone());
    }
    (result.contains_key("name") || result.contains_key("uid")).then_some(result)
}

// --- who --------------------------------------------------------------------------------------------

fn identity(
    id: Option<String>,
    username: Option<&str>,
    email: Option<&str>,
    name: Option<&str>,
    kind: Option<&str>,
) -> Option<Object> {
    let shown = username.or(email);
    if shown.is_none() && id.is_none() {
        return None;
    }
    let mut user = Object::new();
    insert(&mut user, "name", shown);
    insert(&mut user, "uid", id);
    insert(
        &mut user,
        "email_addr",
        email.filter(|email| is_email(email)),
    );
    insert(&mut user, "display_name", name);
    let (id, caption) = account_type(kind);
    user.insert("type_id".to_owned(), id.into());
    user.insert("type".to_owned(), caption.into());
    Some(user)
}

fn account_type(kind: Option<&str>) -> (i64, &str) {
    let is = |word: &str| kind.is_some_and(|kind| kind.eq_ignore_ascii_case(word));
    match kind {
        None => (0, "Unknown"),
        _ if is("user") || is("systemuser") => (1, "User"),
        _ if is("admin") || is("administrator") => (2, "Admin"),
        _ if is("system") => (3, "System"),
        Some(kind) => (99, kind),
    }
}

fn named(name: &str) -> Object {
    identity(None, Some(name), None, None, None).unwrap_or_default()
}

fn initiator(event: &Value) -> Option<Object> {
    let by = &event["initiated_by"];
    identity(
        id_text(&by["id"]).or_else(|| id_text(&event["jc_initiated_by_id"])),
        text(&by["username"]),
        text(&by["email"]).or_else(|| text(&event["jc_initiated_by_email"])),
        text(&by["name"]),
        text(&by["type"]),
    )
}

fn resource(event: &Value) -> Option<Object> {
    let resource = &event["resource"];
    let kind = text(&resource["type"]);
    if kind.is_some() && !matches!(account_type(kind).0, 1 | 2) {
        return None;
    }
    identity(
        id_text(&resource["id"]),
        text(&resource["username"]),
        text(&resource["email"]),
        text(&resource["name"]),
        kind,
    )
}

/// The sides of the association that are accounts; the inner `None`: it names no one.
fn association(event: &Value) -> Option<Option<Object>> {
    let connection = &event["association"]["connection"];
    let mut sides = ["to", "from"].into_iter().filter_map(|side| {
        let side = &connection[side];
        let kind = text(&side["type"]);
        let is_account = matches!(account_type(kind).0, 1 | 2);
        is_account.then(|| {
            identity(
                text(&side["object_id"]).map(str::to_owned),
                text(&side["name"]),
                None,
                None,
                kind,
            )
        })
    });
    let first = sides.next()?;
    Some(first.or_else(|| sides.next().flatten()))
}

fn authenticating(event: &Value, initiator: Option<Object>) -> (Object, Option<Object>) {
    let Some(username) = text(&event["username"]) else {
        let user = initiator
            .or_else(|| resource(event))
            .unwrap_or_else(|| named("unknown"));
        return (user, None);
    };
    match initiator {
        Some(initiator) if event["initiated_by"]["username"] == username => (initiator, None),
        initiator => (named(username), initiator),
    }
}

fn changed(event: &Value, name: &str, initiator: Option<&Object>) -> Object {
    let own = if name.starts_with("admin_") { 2 } else { 1 };
    let self_service = matches!(
        name,
        "totp_start_enrollment"
            | "totp_finish_enrollment"
            | "totp_delete_enrollment"
            | "admin_totp_start_enrollment"
            | "admin_totp_finish_enrollment"
            | "admin_totp_disable"
            | "user_password_change"
            | "admin_password_change"
            | "user_password_set"
            | "user_password_reset_request"
            | "admin_password_reset_request"
    );
    let associated = if name == "association_change" {
        association(event).flatten()
    } else {
        None
    };
    associated
        .or_else(|| resource(event))
        .or_else(|| text(&event["username"]).map(named))
        .or_else(|| {
            initiator
                .filter(|user| self_service && user["type_id"] == own)
                .cloned()
        })
        .unwrap_or_else(|| named("unknown"))
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let Some((host, rest)) = domain.split_once('.') else {
        return false;
    };
    let is_label = |c: char| c.is_ascii_alphanumeric() || c == '-';
    !local.is_empty()
        && local
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+,-./=?^_`{|}~".contains(c))
        && !host.is_empty()
        && host.chars().all(is_label)
        && !rest.is_empty()
        && rest.chars().all(|c| is_label(c) || c == '.')
}

// --- where ------------------------------------------------------------------------------------------

fn endpoint(mut endpoint: Object, system: &Value, os: Option<Object>) -> Option<Object> {
    insert(&mut endpoint, "uid", text(&system["id"]));
    insert(&mut endpoint, "hostname", text(&system["hostname"]));
    insert(&mut endpoint, "name", text(&system["displayName"]));
    if !["ip", "uid", "hostname", "name"]
        .iter()
        .any(|name| endpoint.contains_key(*name))
    {
        return None;
    }
    if let Some(os) = os {
        endpoint.insert("os".to_owned(), os.into());
    }
    Some(endpoint)
}

fn client(event: &Value) -> Object {
    let mut client = Object::new();
    if let Some(ip) = address(&event["client_ip"]) {
        client.insert("ip".to_owned(), ip);
    }
    if let Some(location) = location(&event["geoip"]) {
        client.insert("location".to_owned(), location.into());
    }
    let asn = &event["asn"];
    let mut system = Object::new();
    insert(&mut system, "name", text(&asn["organization"]));
    if let Some(number) = asn["number"]
        .as_i64()
        .filter(|number| (1..1 << 31).contains(number))
    {
        system.insert("number".to_owned(), number.into());
    }
    if !system.is_empty() {
        client.insert("autonomous_system".to_owned(), system.into());
    }
    client
}

fn address(value: &Value) -> Option<Value> {
    let text = text(value).filter(|text| text.len() <= 40)?;
    let is_ip = text.parse::<Ipv4Addr>().is_ok() || text.parse::<Ipv6Addr>().is_ok();
    is_ip.then(|| text.into())
}

fn location(geoip: &Value) -> Option<Object> {
    let is_code =
        |code: &&str| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic());
    let country = ["country_code", "country_code2", "country"]
        .iter()
        .find_map(|name| text(&geoip[*name]).filter(is_code))
        .map(str::to_ascii_uppercase);
    let region = text(&geoip["region_code"])
        .or_else(|| text(&geoip["region"]))
        .map(|code| match &country {
            Some(country) if !code.starts_with(&format!("{country}-")) => {
                format!("{country}-{code}")
            }
            _ => code.to_owned(),
        });
    let mut location = Object::new();
    insert(&mut location, "city", text(&geoip["city"]));
    insert(&mut location, "country", country);
    insert(&mut location, "region", region);
    if location.is_empty() {
        return None;
    }
    let continent = match text(&geoip["continent_code"]) {
        Some("AF") => Some("Africa"),
        Some("AN") => Some("Antarctica"),
        Some("AS") => Some("Asia"),
        Some("EU") => Some("Europe"),
        Some("NA") => Some("North America"),
        Some("OC") => Some("Oceania"),
        Some("SA") => Some("South America"),
        _ => None,
    };
    insert(&mut location, "continent", continent);
    for (name, from, limit) in [("lat", "latitude", 90.0), ("long", "longitude", 180.0)] {
        if let Some(degrees) = degrees(&geoip[from], limit) {
            location.insert(name.to_owned(), degrees);
        }
    }
    Some(location)
}

fn degrees(value: &Value, limit: f64) -> Option<Value> {
    if let Some(degrees) = value.as_f64() {
        return (degrees.abs() <= limit).then(|| value.clone());
    }
    let text = text(value)?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number =
        |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let degrees = text
        .parse::<f64>()
        .ok()
        .filter(|degrees| degrees.abs() <= limit)?;
    (is_number(whole) && whole.len() <= 3 && is_number(fraction)).then(|| degrees.into())
}

/// The first user agent that is a text or an object.
fn agent(event: &Value) -> Option<&Value> {
    [&event["useragent"], &event["user_agent"]]
        .into_iter()
        .find(|agent| agent.is_object() || text(agent).is_some())
}

fn known(value: &Value) -> Option<&str> {
    text(value).filter(|text| *text != "Other")
}

fn user_agent(event: &Value) -> Option<String> {
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

fn operating_system(event: &Value) -> Option<Object> {
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

// --- how --------------------------------------------------------------------------------------------

fn service(event: &Value, name: &str, has_device: bool) -> Option<Value> {
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

fn protocol<'a>(event: &'a Value, name: &str) -> Option<(i64, &'a str)> {
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

fn logon(event: &Value) -> Option<(i64, String, Option<bool>)> {
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

fn cleartext(event: &Value, name: &str, logon: Option<i64>) -> Option<bool> {
    if name != "ldap_bind" {
        return (logon == Some(8)).then_some(true);
    }
    let method = &event["auth_method"];
    if *method != "simple" && *method != 128 && event["mech"] != "simple" {
        return None;
    }
    Some(!boolean(&event["start_tls"])? & !boolean(&event["tls_established"])?)
}

fn factors(event: &Value, status: i64) -> Vec<Value> {
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

fn authorizations(event: &Value) -> Vec<Value> {
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

// --- metadata and the rest --------------------------------------------------------------------------

fn metadata(event: &Value, line: &[u8], profile: Option<&str>) -> Object {
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
fn time(text: &str) -> Option<(i64, Option<i32>)> {
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

fn observables(out: &Object) -> Vec<Value> {
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

/// The value at a path within a value; the value itself for an empty one.
fn find<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let mut names = path.split('.').filter(|name| !name.is_empty());
    names.try_fold(value, |value, name| value.get(name))
}

/// Leaves that move, and the object and attribute they move to; `client` and `device` are endpoints.
const MOVED: [(&str, &str, &str); 26] = [
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
fn unmapped(mut event: Value, out: &Object, login: bool, systems: bool) -> Option<Value> {
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
fn remove(members: &mut Object, path: &str, value: &Value) {
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

// --- values -----------------------------------------------------------------------------------------

fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

fn id_text(value: &Value) -> Option<String> {
    if let Some(text) = text(value) {
        return Some(text.to_owned());
    }
    value.as_i64().map(|number| number.to_string())
}

fn boolean(value: &Value) -> Option<bool> {
    value
        .as_bool()
        .or_else(|| match &*text(value)?.to_ascii_lowercase() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        })
}

fn insert(object: &mut Object, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value.into());
    }
}

fn members<const N: usize>(members: [(&str, Value); N]) -> Object {
    members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
