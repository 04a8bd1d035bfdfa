//! The event types that we map, one a row. Selection, the services asked for, the report of drift and
//! the documentation all come from this table.

use crate::ocsf::{Activity, Class};
use Activity::*;
use Rule::*;
use Service::*;

/// An event type of Directory Insights, and how it reads in OCSF.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The `event_type`.
    pub name: &'static str,
    /// The services that emit it.
    pub services: &'static [Service],
    /// What it is in OCSF; [`Rule`] says where the event's content decides.
    pub activity: Activity,
    /// What is particular to it.
    pub rule: Rule,
    /// For the documentation; may be empty.
    pub note: &'static str,
}

impl Row {
    /// The class: Authentication is the feed's event type `login`, Account Change is `admin`.
    pub const fn class(&self) -> Class {
        self.activity.class()
    }
}

/// What is particular to an event type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Account Change with no more than all have.
    Plain,
    /// The account is a side of `association`; without one the event isn't selected.
    Association,
    /// `changes` say which activity it is, and what the account is like after it.
    Changes,
    /// `changes` say what the account is like after it.
    Created,
    /// The account is one in another application.
    Provision,
    /// Where no account is named, the initiator changed the own one.
    SelfService,
    /// As `SelfService`; the factor is a time-based one-time password.
    Totp,

    /// Login to the Admin Portal.
    AdminPortal,
    /// Login to a device.
    DeviceLogin,
    /// Bind to the LDAP service.
    LdapBind,
    /// Authentication by the RADIUS service.
    RadiusAuth,
    /// A step of single sign-on to an application: token issued or refused, or a factor asked for.
    SsoStep,
    /// Login to the User Portal.
    UserPortal,
}

/// A service of Directory Insights: the first filter of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// `directory`: the portals, the directory's accounts.
    Directory,
    /// `ldap`.
    Ldap,
    /// `radius`.
    Radius,
    /// `sso`.
    Sso,
    /// `systems`: the agent on a device.
    Systems,
}

impl Service {
    /// All of them, in the order in which they are asked for.
    pub const ALL: [Self; 5] = [
        Self::Directory,
        Self::Ldap,
        Self::Radius,
        Self::Sso,
        Self::Systems,
    ];

    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Ldap => "ldap",
            Self::Radius => "radius",
            Self::Sso => "sso",
            Self::Systems => "systems",
        }
    }
}

const fn row(
    name: &'static str,
    services: &'static [Service],
    activity: Activity,
    rule: Rule,
    note: &'static str,
) -> Row {
    Row {
        name,
        services,
        activity,
        rule,
        note,
    }
}

/// Every event type that we map, by name.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row("admin_create",                    &[Directory],          Create,           Created,     "severity Low: a new administrator deserves a look"),
    row("admin_delete",                    &[Directory],          Delete,           Plain,       ""),
    row("admin_lockout",                   &[Directory],          Lock,             Plain,       ""),
    row("admin_login_attempt",             &[Directory],          Logon,            AdminPortal, "Admin Portal, Multi-Tenant Portal, launch of a child organisation"),
    row("admin_password_change",           &[Directory],          PasswordChange,   SelfService, ""),
    row("admin_password_reset_request",    &[Directory],          PasswordReset,    SelfService, ""),
    row("admin_suspended",                 &[Directory],          Disable,          Plain,       ""),
    row("admin_totp_disable",              &[Directory],          MfaFactorDisable, Totp,        "the requirement falls, and with it the factor"),
    row("admin_totp_finish_enrollment",    &[Directory],          MfaFactorEnable,  Totp,        ""),
    row("admin_totp_start_enrollment",     &[Directory],          Other,            SelfService, "nothing is enabled yet"),
    row("admin_unsuspend",                 &[Directory],          Enable,           Plain,       ""),
    row("admin_update",                    &[Directory],          Other,            Changes,     ""),
    row("association_change",              &[Directory],          Other,            Association, "access of an account changed"),
    row("ldap_bind",                       &[Ldap],               Logon,            LdapBind,    ""),
    row("login_attempt",                   &[Systems],            Logon,            DeviceLogin, "on Linux: SSH only"),
    row("radius_auth",                     &[Radius],             Logon,            RadiusAuth,  "documented name of radius_auth_attempt"),
    row("radius_auth_attempt",             &[Radius],             Logon,            RadiusAuth,  "the name that is emitted"),
    row("sso_auth",                        &[Sso],                Logon,            SsoStep,     "one event a step"),
    row("totp_delete_enrollment",          &[Directory],          MfaFactorDisable, Totp,        ""),
    row("totp_finish_enrollment",          &[Directory],          MfaFactorEnable,  Totp,        ""),
    row("totp_start_enrollment",           &[Directory],          Other,            SelfService, "nothing is enabled yet"),
    row("user_activated",                  &[Directory],          Enable,           Plain,       ""),
    row("user_activation_email",           &[Directory],          Other,            Plain,       "`resource.recipient_email` stays in `unmapped`"),
    row("user_activation_schedule_create", &[Directory],          Other,            Plain,       "the change itself is an event of its own"),
    row("user_activation_schedule_delete", &[Directory],          Other,            Plain,       ""),
    row("user_admin_granted",              &[Directory],          AttachPolicy,     Plain,       ""),
    row("user_admin_revoked",              &[Directory],          DetachPolicy,     Plain,       ""),
    row("user_create",                     &[Directory],          Create,           Created,     ""),
    row("user_create_provision",           &[Directory],          Create,           Provision,   ""),
    row("user_delete",                     &[Directory],          Delete,           Plain,       ""),
    row("user_delete_provision",           &[Directory],          Delete,           Provision,   ""),
    row("user_lockout",                    &[Directory, Systems], Lock,             Plain,       "made by the system: no initiator"),
    row("user_login_attempt",              &[Directory],          Logon,            UserPortal,  ""),
    row("user_mfa_exclusion_expired",      &[Directory],          Other,            Plain,       ""),
    row("user_password_change",            &[Directory, Systems], PasswordChange,   SelfService, ""),
    row("user_password_expired",           &[Directory],          Other,            Plain,       "nobody changed it, and the account isn't disabled"),
    row("user_password_reset_request",     &[Directory],          PasswordReset,    SelfService, ""),
    row("user_password_set",               &[Directory],          PasswordChange,   SelfService, "the first password ends the pending state"),
    row("user_password_warning_email",     &[Directory],          Other,            Plain,       ""),
    row("user_suspended",                  &[Directory],          Disable,          Plain,       ""),
    row("user_suspension_schedule_create", &[Directory],          Other,            Plain,       "the change itself is an event of its own"),
    row("user_suspension_schedule_delete", &[Directory],          Other,            Plain,       ""),
    row("user_unlocked",                   &[Directory],          Unlock,           Plain,       ""),
    row("user_unsuspended",                &[Directory],          Enable,           Plain,       ""),
    row("user_update",                     &[Directory],          Other,            Changes,     ""),
    row("user_update_provision",           &[Directory],          Other,            Provision,   ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_by_name() {
        assert!(ROWS.is_sorted_by(|one, two| one.name < two.name));
    }
}
