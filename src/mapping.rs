//! From a raw event to a line of OCSF: select, map, write.
//!
//! [`table`] says which event types are mapped and as what. [`authentication`] and [`account_change`]
//! fill an [`ocsf::Event`](crate::ocsf::Event) from an [`Event`], with the help of what the classes share: who
//! ([`identity`]), where ([`endpoint`]), how it ended ([`outcome`]), and the [`metadata`]. Nothing here
//! knows the time or anything but the event, so equal events give equal bytes.

mod account_change;
mod agent;
mod authentication;
mod authorizations;
mod changes;
mod endpoint;
mod factors;
mod identity;
mod location;
mod metadata;
mod observables;
mod outcome;
mod table;

pub use self::table::{ROWS, Row, Rule, Service};
pub use crate::ocsf::{Activity, Class};
use crate::{
    event::{Event, Reject, unmapped},
    ocsf::Attribute,
};

/// Changes when the same event may read differently in the output.
pub const MAPPING_VERSION: &str = "1";

/// The classes of events that we emit.
pub const CLASSES: [Class; 2] = [Class::Authentication, Class::AccountChange];

/// Which of the two event types of a feed are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventTypes {
    /// Who tried to authenticate: Authentication.
    pub login: bool,
    /// What was done to accounts: Account Change.
    pub admin: bool,
}

impl EventTypes {
    /// Their names in the settings.
    pub fn names(self) -> Vec<&'static str> {
        let names = [(self.login, "login"), (self.admin, "admin")];
        let chosen = names.into_iter().filter(|(chosen, _)| *chosen);
        chosen.map(|(_, name)| name).collect()
    }

    /// Whether events of this class are chosen.
    pub fn contains(self, class: Class) -> bool {
        match class {
            Class::Authentication => self.login,
            Class::AccountChange => self.admin,
        }
    }
}

/// What a written line is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// `metadata.uid`: the event's `id`, or a hash of its bytes.
    pub id: String,
    /// The class.
    pub class_uid: u32,
    /// The activity within the class.
    pub activity_id: u32,
    /// Milliseconds since 1970.
    pub time: i64,
}

/// The row that maps this event; none if it isn't of the chosen types. An event that is selected has
/// all that [`write()`] needs.
pub fn select(event: &Event<'_>, types: EventTypes) -> Result<Option<&'static Row>, Reject> {
    let name = event.event_type()?;
    let row = find(&name).filter(|row| types.contains(row.class()));
    let is_ours =
        |row: &&Row| row.rule != Rule::Association || identity::has_associated_account(event);
    let Some(row) = row.filter(is_ours) else {
        return Ok(None);
    };
    event.time()?;
    Ok(Some(row))
}

/// Appends the event as a line of OCSF with its line break. `row` is what [`select`] gave for it;
/// `include_raw` adds the event as it was received.
pub fn write(event: &Event<'_>, row: &'static Row, include_raw: bool, out: &mut Vec<u8>) -> Line {
    event.reset();
    let mut line = match row.class() {
        Class::Authentication => authentication::map(event, row),
        Class::AccountChange => account_change::map(event, row),
    };
    line.raw_data = include_raw.then(|| event.raw());
    line.write(out);
    out.pop();
    unmapped::write(event, out);
    let observables = observables::of(&line);
    if !observables.is_absent() {
        out.extend_from_slice(b",\"observables\":");
        observables.write(out);
    }
    out.extend_from_slice(b"}\n");
    Line {
        id: line.metadata.uid.into_owned(),
        class_uid: line.class_uid,
        activity_id: line.activity_id,
        time: line.time,
    }
}

/// The services to ask for events of these types, in a fixed order. No selected name lives in another.
pub fn services(types: EventTypes) -> Vec<&'static str> {
    let rows = || ROWS.iter().filter(|row| types.contains(row.class()));
    Service::ALL
        .into_iter()
        .filter(|service| rows().any(|row| row.services.contains(service)))
        .map(Service::name)
        .collect()
}

/// Whether events of this name are mapped, whatever types a feed has chosen.
pub fn is_known(event_type: &str) -> bool {
    find(event_type).is_some()
}

fn find(event_type: &str) -> Option<&'static Row> {
    let at = ROWS.binary_search_by(|row| row.name.cmp(event_type)).ok()?;
    ROWS.get(at)
}
