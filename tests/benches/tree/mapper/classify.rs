//! Which class, activity and outcome.

use serde_json::Value;

use super::value::{boolean, text};

pub fn is_login(name: &str) -> bool {
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

pub fn account_activity(name: &str) -> Option<i64> {
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

pub fn caption(class: i64, activity: i64) -> &'static str {
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

pub fn status(event: &Value, name: &str, denied: bool) -> (i64, &'static str) {
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
