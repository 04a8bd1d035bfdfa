//! What `changes` say.

use serde_json::Value;

use super::Object;
use super::value::{boolean, insert, text};
use super::who::is_email;

pub struct Change<'a> {
    pub field: &'a str,
    pub to: Option<&'a Value>,
}

pub fn changes(event: &Value) -> Vec<Change<'_>> {
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

pub fn update_activity(changes: &[Change<'_>]) -> i64 {
    let ranks = [5, 9, 2, 12, 11, 10, 3];
    let hit = |activity: &i64| changes.iter().any(|change| hits(change, *activity));
    ranks.into_iter().find(hit).unwrap_or(99)
}

pub fn hits(change: &Change<'_>, activity: i64) -> bool {
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

pub fn user_result(changes: &[Change<'_>], user: &Object) -> Option<Object> {
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
