//! What the policies of conditional access said: profile `security_control`.

use crate::{
    event::{Event, Field, value::Value},
    ocsf::{Authorization, Policy, Status},
};

/// The policies applied that have a name or an id, in their order.
pub(super) fn of<'e>(event: &'e Event<'_>) -> Vec<Authorization<'e>> {
    let policies = event
        .get(Field::PoliciesApplied)
        .into_iter()
        .flat_map(|list| list.value().items());
    policies.filter_map(authorization).collect()
}

/// Whether any of them refused.
pub(super) fn denied(authorizations: &[Authorization<'_>]) -> bool {
    decided(authorizations, &["DENY"])
}

/// What came of it: `action_id` and `action`.
pub(super) fn action(
    authorizations: &[Authorization<'_>],
    status: Status,
) -> Option<(u32, &'static str)> {
    if denied(authorizations) {
        return Some((2, "Denied"));
    }
    let allowed = decided(authorizations, &["ALLOW", "ALLOW_WITH_MFA"]);
    (allowed && status == Status::Success).then_some((1, "Allowed"))
}

fn authorization(item: Value<'_>) -> Option<Authorization<'_>> {
    let (mut name, mut uid, mut decision) = (None, None, None);
    for (member, value) in item.members() {
        match &*member {
            "name" => name = value.text(),
            "id" => uid = value.text(),
            "metadata" => {
                decision = None;
                for (member, value) in value.members() {
                    if member == "action" {
                        decision = value.text();
                    }
                }
            }
            _ => {}
        }
    }
    (name.is_some() || uid.is_some()).then_some(Authorization {
        decision,
        policy: Policy { name, uid },
    })
}

fn decided(authorizations: &[Authorization<'_>], words: &[&str]) -> bool {
    authorizations
        .iter()
        .filter_map(|authorization| authorization.decision.as_ref())
        .any(|decision| words.iter().any(|word| decision.eq_ignore_ascii_case(word)))
}
