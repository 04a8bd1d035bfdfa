//! `changes`: what was altered of an account, and so which activity an update is.

use std::borrow::Cow;

use super::identity;
use crate::{
    event::{Event, Field, value::Value},
    ocsf::{Activity, User, UserResult},
};

/// An item of `changes` that says that something has changed.
pub(super) struct Change<'e> {
    field: Cow<'e, str>,
    to: Option<Value<'e>>,
}

/// The account's state outranks its factors, and those its password.
const RANKS: [Activity; 7] = [
    Activity::Disable,
    Activity::Lock,
    Activity::Enable,
    Activity::Unlock,
    Activity::MfaFactorDisable,
    Activity::MfaFactorEnable,
    Activity::PasswordChange,
];

/// The changes of an event, without items whose `to` is what was before.
pub(super) fn of<'e>(event: &'e Event<'_>) -> Vec<Change<'e>> {
    let items = event
        .get(Field::Changes)
        .into_iter()
        .flat_map(|list| list.value().items());
    items.filter_map(Change::read).collect()
}

/// Which activity an update with these changes is.
pub(super) fn activity(changes: &[Change<'_>]) -> Activity {
    let hits = |activity: &Activity| changes.iter().any(|change| change.is(*activity));
    RANKS.into_iter().find(hits).unwrap_or(Activity::Other)
}

/// Whether the one-time password is the factor that this activity switches.
pub(super) fn switch_totp(changes: &[Change<'_>], activity: Activity) -> bool {
    changes
        .iter()
        .any(|change| change.field == "totp_enabled" && change.is(activity))
}

/// What the account is like after them, as far as they tell.
pub(super) fn result<'e>(changes: &[Change<'e>], user: &User<'e>) -> Option<UserResult<'e>> {
    let text = |fields: &[&str]| {
        let mut changes = changes
            .iter()
            .filter(|change| fields.contains(&&*change.field));
        changes.next_back()?.to?.text()
    };
    let name = text(&["username"]);
    let email_addr = text(&["email"]).filter(|email| identity::is_email(email));
    let display_name = text(&["displayname", "displayName"]);
    let tells = name.is_some() || email_addr.is_some() || display_name.is_some();
    let uid = user.uid.clone();
    (tells && (name.is_some() || uid.is_some())).then_some(UserResult {
        name,
        uid,
        email_addr,
        display_name,
    })
}

impl<'e> Change<'e> {
    fn read(item: Value<'e>) -> Option<Self> {
        let (mut field, mut from, mut to) = (None, None, None);
        for (name, value) in item.members() {
            match &*name {
                "field" => field = value.text(),
                "from" => from = Some(value),
                "to" => to = Some(value),
                _ => {}
            }
        }
        let field = field?;
        let counts = match (to, from) {
            (Some(to), Some(from)) => !to.equals(from),
            (Some(_), None) => true,
            (None, _) => is_password(&field),
        };
        counts.then_some(Self { field, to })
    }

    /// Whether this is what such an activity changes.
    fn is(&self, activity: Activity) -> bool {
        let to = |wanted| self.to.and_then(Value::boolean) == Some(wanted);
        let state = |wanted| {
            self.to
                .and_then(Value::text)
                .is_some_and(|text| text.eq_ignore_ascii_case(wanted))
        };
        match (activity, &*self.field) {
            (Activity::Disable, "suspended") => to(true),
            (Activity::Disable, "state") => state("SUSPENDED"),
            (Activity::Lock, "account_locked") => to(true),
            (Activity::Enable, "suspended") => to(false),
            (Activity::Enable, "state") => state("ACTIVATED"),
            (Activity::Enable, "activated") => to(true),
            (Activity::Unlock, "account_locked") => to(false),
            (Activity::MfaFactorDisable, field) => is_factor(field) && to(false),
            (Activity::MfaFactorEnable, field) => is_factor(field) && to(true),
            (Activity::PasswordChange, field) => is_password(field),
            _ => false,
        }
    }
}

/// The values of passwords are withheld: their items have no `to`.
fn is_password(field: &str) -> bool {
    matches!(field, "password" | "password_date")
}

fn is_factor(field: &str) -> bool {
    matches!(field, "totp_enabled" | "enable_user_portal_multifactor")
}
