//! Account Change (3001): an account was changed, or was told to be.

use super::{Row, Rule, agent, changes, endpoint, factors, identity, metadata, outcome::Outcome};
use crate::{
    event::{Event, Field},
    ocsf::{self, Account, User},
};

/// The event as Account Change.
pub(super) fn map<'e>(event: &'e Event<'_>, row: &'static Row) -> ocsf::Event<'e> {
    let changes = match row.rule {
        Rule::Changes | Rule::Created => changes::of(event),
        _ => Vec::new(),
    };
    let activity = match row.rule {
        Rule::Changes => changes::activity(&changes),
        _ => row.activity,
    };
    let outcome = Outcome::of(event, row, activity, false);
    let user = User {
        account: account(event, row),
        ..identity::changed(event, row)
    };
    let switches_totp = match row.rule {
        Rule::Totp => true,
        Rule::Changes => changes::switch_totp(&changes, activity),
        _ => false,
    };
    let device = endpoint::device(event);
    let profile = device.is_some().then_some("host");
    let app_name = event
        .text(Field::InitiatedBySourceMetadataName)
        .or_else(|| event.text(Field::InitiatedBySource));
    ocsf::Event {
        actor: identity::actor(identity::initiator(event), app_name.map(Into::into)),
        user_result: changes::result(&changes, &user),
        user,
        src_endpoint: endpoint::source(event),
        device,
        http_request: agent::http_request(event, None),
        auth_factors: if switches_totp {
            vec![factors::totp()]
        } else {
            Vec::new()
        },
        ..metadata::common(event, row, &outcome, profile)
    }
}

/// The account in another application.
fn account<'e>(event: &'e Event<'_>, row: &Row) -> Option<Account<'e>> {
    if row.rule != Rule::Provision {
        return None;
    }
    let label = event.text(Field::ApplicationLabel);
    let name = label.or_else(|| event.text(Field::ApplicationName));
    let uid = event.id_text(Field::ApplicationId);
    (name.is_some() || uid.is_some()).then_some(Account {
        name,
        uid,
        type_id: 99,
        r#type: "application",
    })
}
