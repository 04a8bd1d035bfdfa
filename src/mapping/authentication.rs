//! Authentication (3002): someone tried to authenticate, be it user or administrator.

use std::borrow::Cow;

use super::{Row, Rule, agent, authorizations, endpoint, factors, identity, metadata};
use crate::{
    event::{Event, Field},
    mapping::outcome::Outcome,
    ocsf::{self, Labelled, LdapPerson, Service, Session, User, other},
};

/// The event as Authentication.
pub(super) fn map<'e>(event: &'e Event<'_>, row: &'static Row) -> ocsf::Event<'e> {
    let authorizations = authorizations::of(event);
    let outcome = Outcome::of(
        event,
        row,
        row.activity,
        authorizations::denied(&authorizations),
    );
    let profile = (!authorizations.is_empty()).then_some("security_control");
    let (user, initiator) = identity::authenticating(event);
    let src_endpoint = endpoint::source(event);
    let dst_endpoint = endpoint::target(event);
    let logon = logon(event, row);
    let (auth_protocol_id, auth_protocol) = protocol(event, row).unzip();
    let (action_id, action) = authorizations::action(&authorizations, outcome.status).unzip();
    ocsf::Event {
        user: User {
            ldap_person: event
                .moved_text(Field::Dn)
                .map(|ldap_dn| LdapPerson { ldap_dn }),
            ..user
        },
        actor: identity::actor(initiator, event.moved_text(Field::ProcessName)),
        http_request: agent::http_request(event, application(event, row, Field::ApplicationSsoUrl)),
        is_mfa: event.moved_boolean(Field::Mfa),
        auth_factors: factors::used(event, outcome.status),
        session: event
            .moved_text(Field::ConnectionId)
            .map(|uid| Session { uid }),
        service: service(event, row, dst_endpoint.is_some()),
        auth_protocol_id,
        auth_protocol,
        is_cleartext: is_cleartext(event, row, logon.as_ref()),
        is_remote: is_remote(event, row, logon.as_ref(), src_endpoint.as_ref()),
        logon_type_id: logon.as_ref().map(|logon| logon.id),
        logon_type: logon.map(|logon| logon.caption),
        src_endpoint,
        dst_endpoint,
        authorizations,
        action_id,
        action,
        ..metadata::common(event, row, &outcome, profile)
    }
}

/// What was logged on to, where it isn't a device. OCSF requires this or `dst_endpoint`.
fn service<'e>(event: &'e Event<'_>, row: &Row, has_target: bool) -> Option<Service<'e>> {
    let named = |name: &'static str| {
        Some(Service {
            name: name.into(),
            uid: None,
        })
    };
    match row.rule {
        Rule::UserPortal => named("JumpCloud User Portal"),
        Rule::AdminPortal => named("JumpCloud Admin Portal"),
        Rule::RadiusAuth => named("JumpCloud RADIUS"),
        Rule::LdapBind => named("JumpCloud LDAP"),
        Rule::SsoStep => Some(Service {
            name: event
                .text(Field::ApplicationLabel)
                .or_else(|| event.text(Field::ApplicationName))
                .unwrap_or("JumpCloud SSO".into()),
            uid: event.id_text(Field::ApplicationId),
        }),
        _ if !has_target => named("JumpCloud Agent"),
        _ => None,
    }
}

fn protocol<'e>(event: &'e Event<'_>, row: &Row) -> Option<Labelled<'e>> {
    match row.rule {
        Rule::RadiusAuth => Some((10, "RADIUS".into())),
        Rule::LdapBind => Some((12, "LDAP".into())),
        Rule::SsoStep => event.text(Field::ApplicationSsoType).map(|kind| {
            let is = |word: &str| kind.eq_ignore_ascii_case(word);
            if is("saml") || is("saml2") {
                (5, "SAML".into())
            } else if is("oidc") || is("openid") {
                (4, "OpenID".into())
            } else if is("oauth") || is("oauth2") {
                (6, "OAUTH 2.0".into())
            } else {
                other(kind)
            }
        }),
        _ => None,
    }
}

/// How someone logged on to a device.
struct Logon<'e> {
    id: u32,
    caption: Cow<'e, str>,
    /// Unknown for a type that we don't know.
    is_remote: Option<bool>,
}

/// Windows' logon types: OCSF has the same numbers, but for System.
fn logon<'e>(event: &'e Event<'_>, row: &Row) -> Option<Logon<'e>> {
    const SYSTEM: u32 = 1;
    if row.rule != Rule::DeviceLogin {
        return None;
    }
    let word = event.id_text(Field::LogonType)?;
    let is_short = word.len() <= 3 && word.bytes().all(|byte| byte.is_ascii_digit());
    let number = word.parse().ok().filter(|_| is_short);
    let (id, caption, is_remote) = match number {
        Some(0) => (SYSTEM, "System", false),
        Some(2) => (2, "Interactive", false),
        Some(3) => (3, "Network", true),
        Some(4) => (4, "Batch", false),
        Some(5) => (5, "OS Service", false),
        Some(7) => (7, "Unlock", false),
        Some(8) => (CLEARTEXT, "Network Cleartext", true),
        Some(9) => (9, "New Credentials", false),
        Some(10) => (10, "Remote Interactive", true),
        Some(11) => (11, "Cached Interactive", false),
        Some(12) => (12, "Cached Remote Interactive", true),
        Some(13) => (13, "Cached Unlock", false),
        _ => {
            let (id, caption) = other(word);
            return Some(Logon {
                id,
                caption,
                is_remote: None,
            });
        }
    };
    Some(Logon {
        id,
        caption: caption.into(),
        is_remote: Some(is_remote),
    })
}

const CLEARTEXT: u32 = 8;

fn is_remote(
    event: &Event<'_>,
    row: &Row,
    logon: Option<&Logon<'_>>,
    source: Option<&ocsf::Endpoint<'_>>,
) -> Option<bool> {
    if row.rule != Rule::DeviceLogin {
        return Some(true);
    }
    let by_ssh = || {
        event
            .text(Field::ProcessName)
            .is_some_and(|name| name == "sshd")
    };
    let from_address = || source.is_some_and(|source| source.ip.is_some());
    logon
        .and_then(|logon| logon.is_remote)
        .or_else(|| (by_ssh() || from_address()).then_some(true))
}

/// Whether the password crossed the network unencrypted, where the event tells.
fn is_cleartext(event: &Event<'_>, row: &Row, logon: Option<&Logon<'_>>) -> Option<bool> {
    if row.rule != Rule::LdapBind {
        return logon.filter(|logon| logon.id == CLEARTEXT).map(|_| true);
    }
    // 128 is the tag of a simple bind's credentials in LDAP.
    let says = |field, word: &str| event.text(field).is_some_and(|text| text == word);
    let is_tag = event
        .get(Field::AuthMethod)
        .is_some_and(|leaf| leaf.value().integer() == Some("128"));
    if !is_tag && !says(Field::Mech, "simple") && !says(Field::AuthMethod, "simple") {
        return None;
    }
    let start_tls = event.boolean(Field::StartTls)?;
    let tls_established = event.boolean(Field::TlsEstablished)?;
    Some(!start_tls && !tls_established)
}

/// A text of `application`, where that is what was logged on to.
fn application<'e>(event: &'e Event<'_>, row: &Row, field: Field) -> Option<Cow<'e, str>> {
    event.text(field).filter(|_| row.rule == Rule::SsoStep)
}
