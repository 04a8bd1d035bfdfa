//! `docs/MAPPING.md` is made from the plugin's tables and the prose beside this file;
//! `UPDATE_DOCS=1` writes it.

use std::{env, fmt::Write, fs};

use jumpcloud::{
    event::{FIELDS, To},
    mapping::{Activity, CLASSES, Class, MAPPING_VERSION, ROWS, Row, Rule, Service},
};

#[test]
fn mapping_document_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/MAPPING.md");
    let document = document();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, &document).unwrap();
    }
    let current = fs::read_to_string(path).unwrap_or_default();
    assert!(
        current == document,
        "{path} is stale: run the tests with UPDATE_DOCS=1"
    );
}

fn document() -> String {
    include_str!("document.md")
        .replace("{mapping_version}", MAPPING_VERSION)
        .replace("{rows of Authentication}", &rows(Class::Authentication))
        .replace("{rows of Account Change}", &rows(Class::AccountChange))
        .replace("{activities}", &activities())
        .replace("{moved}", &moved())
        .replace("{read}", &read())
}

fn rows(class: Class) -> String {
    let mut table = String::from("| event type | services | activity | particular | note |\n");
    table += "| --- | --- | --- | --- | --- |\n";
    for row in ROWS.iter().filter(|row| row.class() == class) {
        let services: Vec<_> = row.services.iter().copied().map(Service::name).collect();
        let (activity, particular) = (activity(row), particular(row.rule));
        let services = services.join(", ");
        let _ = writeln!(
            table,
            "| `{}` | {services} | {activity} | {particular} | {} |",
            row.name, row.note
        );
    }
    table
}

fn activity(row: &Row) -> String {
    let named = |activity: Activity| format!("{} {}", activity.id(), activity.caption());
    match row.rule {
        Rule::Changes => "from `changes[]`".to_owned(),
        Rule::SsoStep => format!("{}, or {}", named(row.activity), named(Activity::Preauth)),
        _ => named(row.activity),
    }
}

fn particular(rule: Rule) -> &'static str {
    match rule {
        Rule::Plain => "",
        Rule::Association => {
            "`user` is the side of `association` that is an account; without one the event isn't selected"
        }
        Rule::Changes => "`user_result`, `auth_factors`",
        Rule::Created => "`user_result`",
        Rule::Provision => "`user.account` is the application",
        Rule::SelfService => "own account, if none is named",
        Rule::Totp => "own account, if none is named; `auth_factors` OTP",
        Rule::AdminPortal => "`service.name` JumpCloud Admin Portal",
        Rule::DeviceLogin => "`dst_endpoint`, `logon_type_id`",
        Rule::LdapBind => "`service.name` JumpCloud LDAP; `is_cleartext`",
        Rule::RadiusAuth => "`service.name` JumpCloud RADIUS",
        Rule::SsoStep => "`service` is the application",
        Rule::UserPortal => "`service.name` JumpCloud User Portal",
    }
}

fn activities() -> String {
    let mut table = String::from("| class | activities |\n| --- | --- |\n");
    for class in CLASSES {
        let activities: Vec<_> = class
            .activities()
            .iter()
            .map(|activity| format!("{} {}", activity.id(), activity.caption()))
            .collect();
        let (caption, uid) = (class.caption(), class.uid());
        let _ = writeln!(table, "| {caption} ({uid}) | {} |", activities.join(" · "));
    }
    table
}

fn moved() -> String {
    let mut table = String::from("| field | Authentication | Account Change | when |\n");
    table += "| --- | --- | --- | --- |\n";
    for field in FIELDS {
        let Some(to) = field.to() else { continue };
        let when = match to {
            To::Client(_) | To::ClientNetwork(_) | To::Remote(_) => "its form fits",
            To::Always(_) | To::Login(_) | To::Device(_) => "always",
        };
        let (login, admin) = (attribute(to, true), attribute(to, false));
        let _ = writeln!(table, "| `{}` | {login} | {admin} | {when} |", field.path());
    }
    table
}

/// Where a leaf moves, by service.
fn attribute(to: To, login: bool) -> String {
    match (to.path(login, false), to.path(login, true)) {
        (Some(path), Some(systems)) if path == systems => format!("`{path}`"),
        (Some(path), Some(systems)) => format!("`{path}`; `systems`: `{systems}`"),
        (Some(path), None) => format!("`{path}`; `systems`: stays"),
        (None, Some(systems)) => format!("`systems`: `{systems}`"),
        (None, None) => "stays".to_owned(),
    }
}

/// Leaves that are read, and stay.
fn read() -> String {
    let is_leaf = |path: &str| {
        !FIELDS
            .iter()
            .any(|f| f.path().starts_with(&format!("{path}.")))
    };
    let stay = FIELDS
        .iter()
        .filter(|field| field.to().is_none())
        .map(|field| field.path());
    let paths: Vec<_> = stay
        .filter(|path| is_leaf(path))
        .map(|path| format!("`{path}`"))
        .collect();
    paths.join(", ")
}
