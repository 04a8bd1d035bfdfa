//! The factors of an authentication, or those switched on and off.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use crate::{
    event::{Event, Field, value::Value},
    ocsf::{AuthFactor, Status, other},
};

/// The factors that an authentication used, or where it didn't succeed, tried.
pub(super) fn used<'e>(event: &'e Event<'_>, status: Status) -> Vec<AuthFactor<'e>> {
    let methods = [Field::AuthMethods, Field::AuthMetaMethods]
        .into_iter()
        .map(|field| methods(event, field))
        .find(|methods| !methods.is_empty())
        .unwrap_or_default();
    let mut seen = BTreeSet::new();
    methods
        .into_iter()
        // On a success, `false` means that the factor wasn't used.
        .filter(|(_, success)| status != Status::Success || *success == Some(true))
        .map(|(name, _)| name)
        .chain(
            event
                .text(Field::MfaMetaType)
                .filter(|kind| !kind.eq_ignore_ascii_case("none")),
        )
        .filter(|name| !name.is_empty())
        .map(factor)
        .filter(|factor| seen.insert((factor.factor_type_id, factor.factor_type.to_lowercase())))
        .collect()
}

/// A time-based one-time password.
pub(super) fn totp<'e>() -> AuthFactor<'e> {
    AuthFactor {
        factor_type_id: 7,
        factor_type: "OTP".into(),
        is_totp: Some(true),
        provider: None,
    }
}

/// Names and `success` of what is in `auth_methods`, by name.
fn methods<'e>(event: &'e Event<'_>, field: Field) -> BTreeMap<Cow<'e, str>, Option<bool>> {
    let methods = event
        .get(field)
        .into_iter()
        .flat_map(|methods| methods.value().members());
    methods
        .map(|(name, method)| (name, success(method)))
        .collect()
}

fn success(method: Value<'_>) -> Option<bool> {
    method
        .members()
        .filter(|(name, _)| name == "success")
        .last()?
        .1
        .boolean()
}

fn factor(name: Cow<'_, str>) -> AuthFactor<'_> {
    let (known, provider) = match &*name.to_ascii_lowercase() {
        "password" => (Some((11, "Password")), None),
        "totp" => return totp(),
        "webauthn" => (Some((10, "WebAuthn")), None),
        "push" => (Some((5, "Push Notification")), None),
        "jumpcloud_protect" => (Some((5, "Push Notification")), Some("JumpCloud Protect")),
        "duo" => (None, Some("Duo")),
        _ => (None, None),
    };
    let (factor_type_id, factor_type) =
        known.map_or_else(|| other(name), |(id, caption)| (id, caption.into()));
    AuthFactor {
        factor_type_id,
        factor_type,
        is_totp: None,
        provider,
    }
}
