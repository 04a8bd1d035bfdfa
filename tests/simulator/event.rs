//! One stored event: its JSON as the API would send it, and what only the simulator knows of it.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use crate::catalogue;

/// The services that the simulated API knows, in the order of its error message.
pub const SERVICES: [&str; 16] = [
    "access_management",
    "alerts",
    "asset_management",
    "directory",
    "ldap",
    "mdm",
    "notifications",
    "object_storage",
    "password_manager",
    "radius",
    "reports",
    "saas_app_management",
    "software",
    "sso",
    "systems",
    "workflows",
];

/// One of [`SERVICES`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Service(u8);

impl Service {
    /// The service of this exact name.
    pub fn named(name: &str) -> Option<Service> {
        let index = SERVICES.iter().position(|known| *known == name)?;
        u8::try_from(index).ok().map(Service)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        SERVICES
            .get(usize::from(self.0))
            .copied()
            .unwrap_or_default()
    }

    /// Its place in a set of services.
    pub(crate) fn bit(self) -> u32 {
        1 << self.0
    }
}

/// What a collector of logins and account changes must do with an event, by the simulator's own
/// reading of the API: the ground truth of tests.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// Someone tried to sign in.
    Login,
    /// An account was changed, or was told to be.
    Admin,
    /// Anything else.
    Other,
    /// It can't be understood: no readable `timestamp` or no `event_type`.
    DeadLetter,
}

impl Kind {
    /// A name for files: `login`, `admin`, `other`, `dead letter`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Login => "login",
            Kind::Admin => "admin",
            Kind::Other => "other",
            Kind::DeadLetter => "dead letter",
        }
    }
}

/// An event with its ground truth. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Event {
    /// The JSON object, byte for byte as it is served.
    pub raw: Bytes,
    /// The value of `id`, as text; none if the event has no `id`.
    pub id: Option<Box<str>>,
    /// The organisation it belongs to.
    pub organization: Arc<str>,
    /// The service under which the API finds it, also where the JSON doesn't say so.
    pub service: Service,
    /// The value of `event_type`; empty if the event has none.
    pub event_type: Cow<'static, str>,
    /// Its time, cut to milliseconds since 1970: the API's sort key.
    pub ms: i64,
    /// From when on the API shows it, in milliseconds since 1970. Later than `ms` for an event
    /// that arrives late, earlier for one dated in the future.
    pub visible_at: i64,
    /// What it is.
    pub kind: Kind,
}

impl Event {
    /// An event of a test's own making, visible at once.
    ///
    /// `raw` must be a JSON object with a readable `timestamp`, as the API promises; the service
    /// is `directory` if it names none that exists. Returns `None` otherwise.
    pub fn from_json(raw: impl Into<Bytes>) -> Option<Event> {
        let raw = raw.into();
        let json: Value = serde_json::from_slice(&raw).ok()?;
        let ms = millis(json.get("timestamp")?.as_str()?)?;
        let text = |name: &str| json.get(name).and_then(Value::as_str);
        let service = text("service").unwrap_or("directory");
        Some(Event {
            id: match json.get("id") {
                Some(Value::String(id)) => Some(id.as_str().into()),
                Some(Value::Number(id)) => Some(id.to_string().into()),
                _ => None,
            },
            organization: text("organization").unwrap_or_default().into(),
            service: Service::named(service).or(Service::named("directory"))?,
            event_type: text("event_type").unwrap_or_default().to_owned().into(),
            ms,
            visible_at: ms,
            kind: catalogue::kind_of(&json),
            raw,
        })
    }
}

/// Milliseconds since 1970 of an RFC 3339 time, its fraction cut.
pub(crate) fn millis(text: &str) -> Option<i64> {
    let time = chrono::DateTime::parse_from_rfc3339(text).ok()?;
    Some(time.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_test_writes() {
        let raw = r#"{"id":"7","organization":"o","service":"sso","event_type":"sso_auth",
            "timestamp":"2026-02-22T01:00:52.9999Z"}"#;
        let event = Event::from_json(raw).unwrap();
        assert_eq!(event.id.as_deref(), Some("7"));
        assert_eq!(event.service.name(), "sso");
        assert_eq!(event.ms % 1000, 999);
        assert_eq!(event.kind, Kind::Login);
        assert!(Event::from_json("{}").is_none());
    }
}
