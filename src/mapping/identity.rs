//! Who: the accounts that an event names, and the parts that they play in it.

use std::borrow::Cow;

use super::{Row, Rule};
use crate::{
    event::{Event, Field, Text},
    ocsf::{Actor, Labelled, User, other},
};

const USER: u32 = 1;
const ADMIN: u32 = 2;

/// The account that authenticated (Authentication's `user`), and, if the event names another one
/// beside it, the initiator: two accounts are never mixed into one.
pub(super) fn authenticating<'e>(event: &'e Event<'_>) -> (User<'e>, Option<User<'e>>) {
    let initiator = initiator(event);
    let Some(username) = event.text(Field::Username) else {
        return (
            initiator
                .or_else(|| resource(event))
                .unwrap_or_else(unknown),
            None,
        );
    };
    if event.text(Field::InitiatedByUsername).as_ref() == Some(&username)
        && let Some(initiator) = initiator
    {
        return (initiator, None);
    }
    (named(username), initiator)
}

/// The account that was changed (Account Change's `user`).
pub(super) fn changed<'e>(event: &'e Event<'_>, row: &Row) -> User<'e> {
    association(event, row)
        .or_else(|| resource(event))
        .or_else(|| event.text(Field::Username).map(named))
        .or_else(|| themselves(event, row))
        .unwrap_or_else(unknown)
}

/// Who did it; none if the event names no one.
pub(super) fn initiator<'e>(event: &'e Event<'_>) -> Option<User<'e>> {
    let email = event.text(Field::InitiatedByEmail);
    Identity {
        id: event
            .id_text(Field::InitiatedById)
            .or_else(|| event.id_text(Field::JcInitiatedById)),
        username: event.text(Field::InitiatedByUsername),
        email: email.or_else(|| event.text(Field::JcInitiatedByEmail)),
        name: event.text(Field::InitiatedByName),
        kind: event.text(Field::InitiatedByType),
    }
    .user()
}

/// `actor`: who did it, by means of which program.
pub(super) fn actor<'e>(user: Option<User<'e>>, app_name: Option<Text<'e>>) -> Option<Actor<'e>> {
    (user.is_some() || app_name.is_some()).then_some(Actor { user, app_name })
}

/// Whether a side of `association` is an account.
pub(super) fn has_associated_account(event: &Event<'_>) -> bool {
    [Field::AssociationToType, Field::AssociationFromType]
        .into_iter()
        .any(|kind| event.text(kind).is_some_and(|kind| is_account(&kind)))
}

/// Whether OCSF takes this as a mail address (its `email_t`).
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let Some((host, rest)) = domain.split_once('.') else {
        return false;
    };
    let is_label = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_local = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+,-./=?^_`{|}~".contains(c);
    let full = |part: &str, fits: &dyn Fn(char) -> bool| !part.is_empty() && part.chars().all(fits);
    full(local, &is_local) && full(host, &is_label) && full(rest, &|c| is_label(c) || c == '.')
}

/// What the source tells of an account.
#[derive(Default)]
struct Identity<'e> {
    id: Option<Cow<'e, str>>,
    username: Option<Cow<'e, str>>,
    email: Option<Cow<'e, str>>,
    name: Option<Cow<'e, str>>,
    kind: Option<Cow<'e, str>>,
}

impl<'e> Identity<'e> {
    /// None without a name and an id: it names no one. Administrators sign in by mail.
    fn user(self) -> Option<User<'e>> {
        let email_addr = self.email.clone().filter(|email| is_email(email));
        let name = self.username.or(self.email);
        if name.is_none() && self.id.is_none() {
            return None;
        }
        let (type_id, r#type) = account_type(self.kind);
        Some(User {
            name,
            uid: self.id,
            email_addr,
            display_name: self.name,
            type_id,
            r#type,
            ..User::default()
        })
    }
}

/// `resource`, if it is an account; in 2020 the type was left out.
fn resource<'e>(event: &'e Event<'_>) -> Option<User<'e>> {
    let kind = event.text(Field::ResourceType);
    if kind.as_ref().is_some_and(|kind| !is_account(kind)) {
        return None;
    }
    Identity {
        id: event.id_text(Field::ResourceId),
        username: event.text(Field::ResourceUsername),
        email: event.text(Field::ResourceEmail),
        name: event.text(Field::ResourceName),
        kind,
    }
    .user()
}

/// The side of `association` that is an account.
fn association<'e>(event: &'e Event<'_>, row: &Row) -> Option<User<'e>> {
    if row.rule != Rule::Association {
        return None;
    }
    [
        (
            Field::AssociationToId,
            Field::AssociationToName,
            Field::AssociationToType,
        ),
        (
            Field::AssociationFromId,
            Field::AssociationFromName,
            Field::AssociationFromType,
        ),
    ]
    .into_iter()
    .find_map(|(id, name, kind)| {
        let kind = event.text(kind).filter(|kind| is_account(kind));
        kind.as_ref()?;
        Identity {
            id: event.text(id),
            username: event.text(name),
            kind,
            ..Identity::default()
        }
        .user()
    })
}

/// The initiator, where the change is one that people make to their own account.
fn themselves<'e>(event: &'e Event<'_>, row: &Row) -> Option<User<'e>> {
    let own = if row.name.starts_with("admin_") {
        ADMIN
    } else {
        USER
    };
    let self_service = matches!(row.rule, Rule::SelfService | Rule::Totp);
    initiator(event).filter(|user| self_service && user.type_id == own)
}

/// An account of which only the name is known.
fn named(name: Cow<'_, str>) -> User<'_> {
    let (type_id, r#type) = account_type(None);
    User {
        name: Some(name),
        type_id,
        r#type,
        ..User::default()
    }
}

/// OCSF requires a user; an event that names none isn't dropped.
fn unknown<'e>() -> User<'e> {
    named(Cow::Borrowed("unknown"))
}

fn is_account(kind: &str) -> bool {
    matches!(account_type(Some(Cow::Borrowed(kind))).0, USER | ADMIN)
}

fn account_type(kind: Option<Cow<'_, str>>) -> Labelled<'_> {
    let Some(kind) = kind else {
        return (0, "Unknown".into());
    };
    let is = |word: &str| kind.eq_ignore_ascii_case(word);
    if is("user") || is("systemuser") {
        (USER, "User".into())
    } else if is("admin") || is("administrator") {
        (ADMIN, "Admin".into())
    } else if is("system") {
        (3, "System".into())
    } else {
        other(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_addresses_are_those_of_the_schema() {
        for text in [
            "a@b.c",
            "a.b+c@d-e.f.g",
            "x_{|}~!#$%&'*,/=?^`@1.2",
            "a@b..c",
            "a@b.-",
        ] {
            assert!(is_email(text), "{text}");
        }
        for text in [
            "", "a", "a@b", "@b.c", "a@.c", "a@b.", "a b@c.d", "a@b@c.d", "ä@b.c", "a@b.c ",
        ] {
            assert!(!is_email(text), "{text}");
        }
    }
}
