//! Who: the accounts that an event names.

use serde_json::Value;

use super::Object;
use super::value::{id_text, insert, text};

pub fn identity(
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

pub fn account_type(kind: Option<&str>) -> (i64, &str) {
    let is = |word: &str| kind.is_some_and(|kind| kind.eq_ignore_ascii_case(word));
    match kind {
        None => (0, "Unknown"),
        _ if is("user") || is("systemuser") => (1, "User"),
        _ if is("admin") || is("administrator") => (2, "Admin"),
        _ if is("system") => (3, "System"),
        Some(kind) => (99, kind),
    }
}

pub fn named(name: &str) -> Object {
    identity(None, Some(name), None, None, None).unwrap_or_default()
}

pub fn initiator(event: &Value) -> Option<Object> {
    let by = &event["initiated_by"];
    identity(
        id_text(&by["id"]).or_else(|| id_text(&event["jc_initiated_by_id"])),
        text(&by["username"]),
        text(&by["email"]).or_else(|| text(&event["jc_initiated_by_email"])),
        text(&by["name"]),
        text(&by["type"]),
    )
}

pub fn resource(event: &Value) -> Option<Object> {
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
pub fn association(event: &Value) -> Option<Option<Object>> {
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

pub fn authenticating(event: &Value, initiator: Option<Object>) -> (Object, Option<Object>) {
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

pub fn changed(event: &Value, name: &str, initiator: Option<&Object>) -> Object {
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

pub fn is_email(text: &str) -> bool {
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
