//! Published events, moved to recent times. Sources and licences: `fixtures/README.md`.

use std::sync::Arc;

use crate::event::{Event, Service, millis};

const REAL: &str = include_str!("fixtures/real.ndjson");
const DOC_DERIVED: &str = include_str!("fixtures/doc-derived.ndjson");

/// The published events as an organisation's own, spread evenly over the `period_ms` before
/// `end_ms` and visible from their own time on.
///
/// Only `timestamp` (with as many fraction digits as before) and `organization` differ from the
/// files.
pub fn published_events(organization: &str, end_ms: i64, period_ms: i64) -> Vec<Event> {
    let lines: Vec<&str> = REAL.lines().chain(DOC_DERIVED.lines()).collect();
    let step = period_ms / (lines.len() as i64 + 1);
    let organization: Arc<str> = organization.into();
    lines
        .iter()
        .enumerate()
        .filter_map(|(index, line)| {
            let ms = end_ms - period_ms + step * (index as i64 + 1);
            moved(line, &organization, ms)
        })
        .collect()
}

fn moved(line: &str, organization: &Arc<str>, ms: i64) -> Option<Event> {
    let event = Event::from_json(line.to_owned())?;
    let old_time = member(line, "timestamp")?;
    let digits = old_time
        .split_once('.')
        .map_or(0, |(_, rest)| rest.trim_end_matches('Z').len());
    let new_time = time_text(ms, digits);
    let json = line.replacen(old_time, &new_time, 1).replacen(
        member(line, "organization")?,
        organization,
        1,
    );
    let ms = millis(&new_time)?;
    // The oldest form doesn't name its service: the API finds these two by another way.
    let service = match json.contains(r#""nas_mfa_state""#) {
        true => Service::named("radius")?,
        false => event.service,
    };
    Some(Event {
        raw: json.into(),
        organization: organization.clone(),
        service,
        ms,
        visible_at: ms,
        ..event
    })
}

/// The text value of the member `name`, which these files have only once.
fn member<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("\"{name}\": \""))?;
    rest.split_once('"').map(|(value, _)| value)
}

/// The time with a fraction of this many digits, the last of which isn't 0.
fn time_text(ms: i64, digits: usize) -> String {
    let time = chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default();
    let seconds = time.format("%Y-%m-%dT%H:%M:%S");
    let fraction = format!("{:03}456781", ms.rem_euclid(1000));
    match fraction.get(..digits).map(|cut| cut.trim_end_matches('0')) {
        None | Some("") => format!("{seconds}Z"),
        Some(cut) => format!("{seconds}.{cut}Z"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Kind;

    #[test]
    fn published_events_are_moved_and_otherwise_kept() {
        let now = 1_780_000_000_000;
        let events = published_events("64f0c1d2a3b4000000000001", now, 86_400_000);
        assert_eq!(events.len(), 41);
        let count = |kind| events.iter().filter(|event| event.kind == kind).count();
        assert_eq!(count(Kind::DeadLetter), 1);
        assert_eq!(count(Kind::Other), 2);
        assert_eq!(count(Kind::Login), 9);
        assert!(
            events
                .iter()
                .all(|event| event.ms < now && event.ms > now - 86_400_000)
        );
        assert!(events.windows(2).all(|pair| pair[0].ms < pair[1].ms));

        let text = String::from_utf8_lossy(&events[0].raw);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["organization"], "64f0c1d2a3b4000000000001");
        assert_eq!(json["initiated_by"]["id"], "5ee8dbcb03231715576d73cc");
        assert_eq!(events[2].service.name(), "radius");
    }
}
