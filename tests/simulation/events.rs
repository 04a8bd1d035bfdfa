//! Events of a test's own making.

use jumpcloud::clock::rfc3339;
use jumpcloud_simulator::{Event, organization_id};

/// An event of an organisation, visible from its own time on (ms since 1970
/// UTC).
pub fn event(organization: usize, event_type: &str, id: &str, ms: i64) -> Event {
    let (organization, time) = (organization_id(organization), rfc3339(ms));
    let service = if event_type == "sso_auth" {
        "sso"
    } else {
        "directory"
    };
    let json = format!(
        r#"{{"id":"{id}","organization":"{organization}","service":"{service}","event_type":"{event_type}","timestamp":"{time}"}}"#
    );
    Event::from_json(json).unwrap()
}

/// `count` account changes of an organisation, `step` ms apart, from `first` on.
pub fn events(organization: usize, count: usize, first: i64, step: i64) -> Vec<Event> {
    let id = |n| format!("{organization}-{n:06}");
    (0..count)
        .map(|n| {
            event(
                organization,
                "user_lockout",
                &id(n),
                first + step * n as i64,
            )
        })
        .collect()
}
