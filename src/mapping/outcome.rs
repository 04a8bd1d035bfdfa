//! How it ended, and how much attention that deserves.

use super::{Row, Rule};
use crate::{
    event::{Event, Field},
    ocsf::{Activity, Severity, Status},
};

/// What was attempted, how it ended, and how severe that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) activity: Activity,
    pub(super) status: Status,
    pub(super) severity: Severity,
}

impl Outcome {
    /// The outcome of what is, or would be, `activity`. `denied`: a policy has refused.
    pub(super) fn of(event: &Event<'_>, row: &Row, activity: Activity, denied: bool) -> Self {
        let has_error = event.text(Field::ErrorMessage).is_some();
        let (activity, status) = match succeeded(event, row) {
            Some(true) => (activity, Status::Success),
            Some(false) if row.rule == Rule::SsoStep && !has_error && !denied => {
                (Activity::Preauth, Status::Challenge)
            }
            None if !has_error => (activity, Status::Unknown),
            _ => (activity, Status::Failure),
        };
        Self {
            activity,
            status,
            severity: severity(row, activity, status),
        }
    }
}

/// What the event says of its outcome: `sso_auth` tells of a token, and mostly has no `success`.
fn succeeded(event: &Event<'_>, row: &Row) -> Option<bool> {
    let token = event
        .get(Field::SsoTokenSuccess)
        .filter(|token| row.rule == Rule::SsoStep && !token.value().is_null());
    match token {
        Some(token) => token.value().boolean(),
        None => event.boolean(Field::Success),
    }
}

/// The source states none: what failed, and what takes away protection or gives rights, deserves a look.
fn severity(row: &Row, activity: Activity, status: Status) -> Severity {
    let notable = matches!(
        activity,
        Activity::AttachPolicy | Activity::Lock | Activity::MfaFactorDisable
    );
    if status == Status::Failure || notable || row.name == "admin_create" {
        Severity::Low
    } else {
        Severity::Informational
    }
}
