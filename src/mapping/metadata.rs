//! What every event has, whatever it is about: class, activity, outcome, time and origin.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::{Row, outcome::Outcome};
use crate::{
    event::{Event, Field, timestamp::Timestamp},
    ocsf::{self, Activity},
};

/// An event of this row with all that doesn't depend on its class. `profile`: the one that it uses.
pub(super) fn common<'e>(
    event: &'e Event<'_>,
    row: &'static Row,
    outcome: &Outcome,
    profile: Option<&'static str>,
) -> ocsf::Event<'e> {
    let activity = outcome.activity;
    let class = activity.class();
    let time = event.timestamp().unwrap_or_default();
    ocsf::Event {
        class_uid: class.uid(),
        class_name: class.caption(),
        category_uid: 3,
        category_name: "Identity & Access Management",
        activity_id: activity.id(),
        activity_name: if activity == Activity::Other {
            row.name
        } else {
            activity.caption()
        },
        type_uid: activity.type_uid(),
        type_name: activity.type_name(),
        time: time.millis,
        severity_id: outcome.severity as u32,
        severity: outcome.severity.caption(),
        status_id: outcome.status as u32,
        status: outcome.status.caption(),
        // OCSF allows offsets up to 18 hours.
        timezone_offset: time.offset.filter(|minutes| minutes.abs() <= 1080),
        status_code: event.id_text(Field::ErrorCode),
        message: event.moved_text(Field::Message),
        status_detail: event.moved_text(Field::ErrorMessage),
        metadata: metadata(event, profile),
        ..Default::default()
    }
}

fn metadata<'e>(event: &'e Event<'_>, profile: Option<&'static str>) -> ocsf::Metadata<'e> {
    ocsf::Metadata {
        version: ocsf::VERSION,
        product: ocsf::Product {
            name: "JumpCloud Directory Insights",
            vendor_name: "JumpCloud",
        },
        uid: event.id().unwrap_or_else(|| Cow::Owned(hash(event.raw()))),
        original_event_uid: event.moved_id_text(Field::Id),
        original_time: event.moved_text(Field::Timestamp),
        event_code: event.moved_text(Field::EventType),
        log_name: event.moved_text(Field::Service),
        log_version: event.moved_id_text(Field::Version),
        logged_time: event
            .text(Field::ServerTimestamp)
            .and_then(|text| Timestamp::parse(&text))
            .map(|time| time.millis),
        tenant_uid: event.moved_text(Field::Organization),
        correlation_uid: event.moved_text(Field::CorrelationId),
        profiles: profile.into_iter().collect(),
    }
}

/// Identifies an event without an id.
fn hash(raw: &str) -> String {
    format!("sha256:{:x}", Sha256::digest(raw))
}
