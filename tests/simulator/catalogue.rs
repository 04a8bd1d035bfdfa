//! The event types that the simulator makes, how often, and what each is.
//!
//! This is the simulator's own statement, written from the API's documentation. It is deliberately
//! not the plugin's table, so that a mistake in one is seen by the other.

use serde_json::Value;

use crate::event::Kind;

/// One event type of one service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventType {
    pub(crate) name: &'static str,
    pub(crate) service: &'static str,
    pub(crate) kind: Kind,
    /// How often it occurs, relative to the others.
    pub(crate) weight: u32,
    pub(crate) shape: Shape,
}

/// What the JSON of an event type looks like. A text is the JSON of its `changes`; an empty one
/// means that it has none.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    UserPortal,
    AdminPortal,
    Sso,
    Radius,
    LdapBind,
    DeviceLogin,
    UserCreated,
    UserUpdated,
    /// An administrator did something to a user.
    OnUser(&'static str),
    /// A user did it, or an administrator for them.
    SelfService(&'static str),
    /// It happened without anyone.
    ByItself,
    OnDevice(&'static str),
    /// A mail of this type was sent.
    Mail(&'static str),
    Provision,
    OnAdmin(&'static str),
    AdminUpdated,
    AccountBound,
    SystemBound,
    LdapSearch,
    MdmResult,
    OnObject(&'static str),
    Agent,
    PasswordManager,
    Software,
    SaasLogin,
}

/// The kind of an event, read from its JSON alone.
pub(crate) fn kind_of(event: &Value) -> Kind {
    let time = event.get("timestamp").and_then(Value::as_str);
    if !time.is_some_and(is_time) {
        return Kind::DeadLetter;
    }
    let Some(name) = event
        .get("event_type")
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty())
    else {
        return Kind::DeadLetter;
    };
    if name == "association_change" {
        let side = |side| {
            event
                .pointer(side)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let account =
            |kind: &str| matches!(kind, "user" | "systemuser" | "admin" | "administrator");
        let sides = [
            "/association/connection/to/type",
            "/association/connection/from/type",
        ];
        return match sides.iter().any(|path| account(side(path))) {
            true => Kind::Admin,
            false => Kind::Other,
        };
    }
    TYPES
        .iter()
        .find(|known| known.name == name)
        .map_or(Kind::Other, |known| known.kind)
}

/// RFC 3339, also without a zone, which some older events lack.
fn is_time(text: &str) -> bool {
    chrono::DateTime::parse_from_rfc3339(text).is_ok()
        || chrono::DateTime::parse_from_rfc3339(&format!("{text}Z")).is_ok()
}

const fn row(
    kind: Kind,
    weight: u32,
    service: &'static str,
    name: &'static str,
    shape: Shape,
) -> EventType {
    EventType {
        name,
        service,
        kind,
        weight,
        shape,
    }
}

use Kind::{Admin, Login, Other};
use Shape::*;

const TOTP_ON: &str = r#"[{"field":"totp_enabled","from":false,"to":true}]"#;
const TOTP_OFF: &str = r#"[{"field":"totp_enabled","from":true,"to":false}]"#;
const SUSPENDED: &str = r#"[{"field":"suspended","from":false,"to":true}]"#;
const UNSUSPENDED: &str = r#"[{"field":"suspended","from":true,"to":false}]"#;
const UNLOCKED: &str = r#"[{"field":"account_locked","from":true,"to":false}]"#;
const ACTIVATED: &str = r#"[{"field":"activated","from":false,"to":true},{"field":"state","from":"STAGED","to":"ACTIVATED"}]"#;
const PASSWORD: &str = r#"[{"field":"password_date"}]"#;
const PASSWORD_ONLY: &str = r#"[{"field":"password"}]"#;
const NOT_EXCLUDED: &str = r#"[{"field":"mfa.exclusion","from":true,"to":false}]"#;

/// Every event type made, with its share of about 10,000.
#[rustfmt::skip]
pub(crate) const TYPES: &[EventType] = &[
    row(Login, 1100, "directory", "user_login_attempt", UserPortal),
    row(Login, 350, "directory", "admin_login_attempt", AdminPortal),
    row(Login, 1900, "sso", "sso_auth", Sso),
    row(Login, 900, "radius", "radius_auth_attempt", Radius),
    row(Login, 60, "radius", "radius_auth", Radius),
    row(Login, 900, "ldap", "ldap_bind", LdapBind),
    row(Login, 700, "systems", "login_attempt", DeviceLogin),

    row(Admin, 60, "directory", "user_create", UserCreated),
    row(Admin, 25, "directory", "user_delete", OnUser("")),
    row(Admin, 250, "directory", "user_update", UserUpdated),
    row(Admin, 30, "directory", "user_activated", OnUser(ACTIVATED)),
    row(Admin, 20, "directory", "user_suspended", OnUser(SUSPENDED)),
    row(Admin, 10, "directory", "user_unsuspended", OnUser(UNSUSPENDED)),
    row(Admin, 40, "directory", "user_lockout", ByItself),
    row(Admin, 15, "systems", "user_lockout", OnDevice("")),
    row(Admin, 25, "directory", "user_unlocked", OnUser(UNLOCKED)),
    row(Admin, 60, "directory", "user_password_change", SelfService(PASSWORD)),
    row(Admin, 30, "systems", "user_password_change", OnDevice(PASSWORD_ONLY)),
    row(Admin, 25, "directory", "user_password_set", SelfService("")),
    row(Admin, 30, "directory", "user_password_reset_request", SelfService("")),
    row(Admin, 20, "directory", "user_password_expired", ByItself),
    row(Admin, 60, "directory", "user_password_warning_email", Mail("password_warning")),
    row(Admin, 30, "directory", "user_activation_email", Mail("activation")),
    row(Admin, 8, "directory", "user_mfa_exclusion_expired", OnUser(NOT_EXCLUDED)),
    row(Admin, 20, "directory", "totp_start_enrollment", SelfService("")),
    row(Admin, 18, "directory", "totp_finish_enrollment", SelfService(TOTP_ON)),
    row(Admin, 10, "directory", "totp_delete_enrollment", OnUser(TOTP_OFF)),
    row(Admin, 6, "directory", "user_activation_schedule_create", OnUser("")),
    row(Admin, 4, "directory", "user_activation_schedule_delete", OnUser("")),
    row(Admin, 6, "directory", "user_suspension_schedule_create", OnUser("")),
    row(Admin, 4, "directory", "user_suspension_schedule_delete", OnUser("")),
    row(Admin, 25, "directory", "user_create_provision", Provision),
    row(Admin, 40, "directory", "user_update_provision", Provision),
    row(Admin, 12, "directory", "user_delete_provision", Provision),
    row(Admin, 6, "directory", "user_admin_granted", OnUser("")),
    row(Admin, 4, "directory", "user_admin_revoked", OnUser("")),
    row(Admin, 160, "directory", "association_change", AccountBound),
    row(Admin, 6, "directory", "admin_create", OnAdmin("[]")),
    row(Admin, 4, "directory", "admin_delete", OnAdmin("[]")),
    row(Admin, 12, "directory", "admin_update", AdminUpdated),
    row(Admin, 4, "directory", "admin_suspended", OnAdmin("[]")),
    row(Admin, 4, "directory", "admin_unsuspend", OnAdmin("[]")),
    row(Admin, 5, "directory", "admin_lockout", OnAdmin("[]")),
    row(Admin, 6, "directory", "admin_password_change", OnAdmin(PASSWORD)),
    row(Admin, 6, "directory", "admin_password_reset_request", OnAdmin("[]")),
    row(Admin, 4, "directory", "admin_totp_start_enrollment", OnAdmin("[]")),
    row(Admin, 5, "directory", "admin_totp_finish_enrollment", OnAdmin(TOTP_ON)),
    row(Admin, 4, "directory", "admin_totp_disable", OnAdmin(TOTP_OFF)),

    row(Other, 60, "directory", "association_change", SystemBound),
    row(Other, 900, "ldap", "ldap_search", LdapSearch),
    row(Other, 450, "mdm", "mdm_command_result", MdmResult),
    row(Other, 120, "directory", "group_create", OnObject("user_group")),
    row(Other, 90, "directory", "group_update", OnObject("user_group")),
    row(Other, 90, "directory", "system_update", OnObject("system")),
    row(Other, 60, "directory", "policy_update", OnObject("policy")),
    row(Other, 150, "directory", "command_run", OnObject("command")),
    row(Other, 60, "directory", "application_update", OnObject("application")),
    row(Other, 30, "directory", "notification_dismiss", OnObject("notification")),
    row(Other, 250, "systems", "system_agent_update", Agent),
    row(Other, 80, "password_manager", "passwordmanager_item_autofill", PasswordManager),
    row(Other, 250, "software", "software_change", Software),
    row(Other, 300, "saas_app_management", "saas_management_login_event", SaasLogin),
    row(Other, 40, "alerts", "alert_create", OnObject("alert")),
    row(Other, 40, "reports", "report_generate", OnObject("report")),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::event::Service;

    #[test]
    fn names_every_login_and_admin_type_once_a_service() {
        let names = |kind| {
            let names: BTreeSet<_> = TYPES
                .iter()
                .filter(|row| row.kind == kind)
                .map(|row| row.name)
                .collect();
            names.len()
        };
        assert_eq!(names(Login), 7);
        assert_eq!(names(Admin), 39);
        assert!(
            TYPES
                .iter()
                .all(|row| Service::named(row.service).is_some())
        );
    }

    #[test]
    fn an_association_is_an_account_change_if_a_side_is_an_account() {
        let event = |to: &str| {
            json!({"timestamp": "2026-01-01T00:00:00Z", "event_type": "association_change",
                "association": {"connection": {"from": {"type": "system"}, "to": {"type": to}}}})
        };
        assert_eq!(kind_of(&event("user")), Admin);
        assert_eq!(kind_of(&event("system_group")), Other);
    }

    #[test]
    fn what_cannot_be_understood_is_a_dead_letter() {
        let time = "2026-01-01T00:00:00";
        assert_eq!(kind_of(&json!({"timestamp": time})), Kind::DeadLetter);
        assert_eq!(
            kind_of(&json!({"timestamp": 1, "event_type": "sso_auth"})),
            Kind::DeadLetter
        );
        assert_eq!(
            kind_of(&json!({"timestamp": time, "event_type": "sso_auth"})),
            Login
        );
        assert_eq!(
            kind_of(&json!({"timestamp": time, "event_type": "new_thing"})),
            Other
        );
    }
}
