//! The body of a request: what is asked for, or why the API refuses it.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value};

use super::answer::Answer;
use super::cursor::Cursor;
use super::term::Term;
use crate::event::{SERVICES, Service, millis};

/// The most rows of a page.
pub(super) const MAX_LIMIT: usize = 10_000;
/// The rows of a page if nothing is said, or nonsense.
pub(super) const DEFAULT_LIMIT: usize = 1_000;

/// A checked query.
#[derive(Debug)]
pub(super) struct Query {
    /// The set of services asked for, by [`Service::bit`].
    pub(super) services: u32,
    pub(super) start_ms: i64,
    pub(super) end_ms: Option<i64>,
    pub(super) limit: usize,
    pub(super) descending: bool,
    pub(super) skip: usize,
    pub(super) search_after: Option<Cursor>,
    pub(super) fields: Option<Vec<String>>,
    pub(super) term: Option<Term>,
    /// Full text, in lower case.
    pub(super) text: Option<String>,
    /// For `/events/distinct`.
    pub(super) field: Option<String>,
    /// The same for every page of one query, and for no other query.
    pub(super) identity: u64,
}

impl Query {
    /// Reads a body sent to an organisation that keeps `retention_days` of events.
    pub(super) fn parse(
        body: &[u8],
        organization: &str,
        retention_days: u32,
        now_ms: i64,
    ) -> Result<Query, Answer> {
        let Ok(Value::Object(body)) = serde_json::from_slice(body) else {
            return Err(Answer::refused(
                400,
                "the request body is not a JSON object",
            ));
        };
        let services = services(body.get("service"))?;
        let start_ms = time(&body, "start_time")?
            .ok_or_else(|| Answer::refused(400, "start_time is required"))?;
        let end_ms = time(&body, "end_time")?;
        check_window(&body, start_ms, end_ms, retention_days, now_ms)?;

        let limit = match body.get("limit").and_then(Value::as_u64) {
            None | Some(0) => DEFAULT_LIMIT,
            Some(limit) if limit > MAX_LIMIT as u64 => {
                return Err(Answer::refused(
                    400,
                    "limit is greater than the maximum of 10000",
                ));
            }
            Some(limit) => limit as usize,
        };
        let descending = body.get("sort").and_then(Value::as_str) == Some("DESC");
        let text = body
            .get("q")
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty());
        let exact = body
            .get("exact_match")
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty());
        if text.is_some() && exact.is_some() {
            return Err(Answer::refused(
                400,
                "q and exact_match cannot be used together",
            ));
        }
        let identity = identity(
            &body,
            organization,
            (services, start_ms, end_ms, limit, descending),
        );
        Ok(Query {
            services,
            start_ms,
            end_ms,
            limit,
            descending,
            skip: body.get("skip").and_then(Value::as_u64).unwrap_or(0) as usize,
            search_after: body
                .get("search_after")
                .map(Cursor::parse)
                .transpose()?
                .flatten(),
            fields: body.get("fields").map(fields).transpose()?,
            term: body.get("search_term").map(Term::parse).transpose()?,
            text: text.or(exact).map(str::to_lowercase),
            field: body.get("field").and_then(Value::as_str).map(str::to_owned),
            identity,
        })
    }
}

fn services(value: Option<&Value>) -> Result<u32, Answer> {
    let names = match value {
        Some(Value::Array(names)) if !names.is_empty() => names,
        _ => return Err(Answer::refused(400, "service is required")),
    };
    let mut set = 0;
    for name in names {
        let name = name.as_str().unwrap_or_default();
        set |= match Service::named(name) {
            Some(service) => service.bit(),
            None if name == "all" => u32::MAX,
            None => {
                let message = format!(
                    "service \"{name}\" is not valid; valid values are: all, {}",
                    SERVICES.join(", ")
                );
                return Err(Answer::refused(400, &message));
            }
        };
    }
    Ok(set)
}

fn time(body: &Map<String, Value>, name: &str) -> Result<Option<i64>, Answer> {
    let value = match body.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    match value.as_str().and_then(millis) {
        Some(ms) => Ok(Some(ms)),
        None => Err(Answer::refused(
            400,
            &format!("{name} is not an RFC 3339 time: {value}"),
        )),
    }
}

fn check_window(
    body: &Map<String, Value>,
    start_ms: i64,
    end_ms: Option<i64>,
    retention_days: u32,
    now_ms: i64,
) -> Result<(), Answer> {
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    if end_ms.is_some_and(|end_ms| start_ms >= end_ms) {
        let message = format!(
            "Start Time not after End Time {} > {}",
            text("start_time"),
            text("end_time")
        );
        return Err(Answer::refused(400, &message));
    }
    if start_ms > now_ms {
        let now = chrono::DateTime::from_timestamp_millis(now_ms).unwrap_or_default();
        let now = now.format("%Y-%m-%dT%H:%M:%SZ");
        let message = format!(
            "Start Time not after End Time {} > {now}",
            text("start_time")
        );
        return Err(Answer::refused(400, &message));
    }
    if start_ms < now_ms - i64::from(retention_days) * 86_400_000 {
        let message = format!(
            "start_time is greater than Directory Insights' {retention_days} day retention period"
        );
        return Err(Answer::refused(400, &message));
    }
    Ok(())
}

fn fields(value: &Value) -> Result<Vec<String>, Answer> {
    let names: Vec<String> = value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter(|name| FIELDS.contains(name))
        .map(str::to_owned)
        .collect();
    match names.is_empty() {
        true => Err(Answer::refused(400, "fields names no known field")),
        false => Ok(names),
    }
}

/// The fields that a projection may name: the commonest members of an event.
const FIELDS: [&str; 24] = [
    "@version",
    "application",
    "association",
    "auth_context",
    "auth_method",
    "changes",
    "client_ip",
    "error_message",
    "event_type",
    "geoip",
    "id",
    "initiated_by",
    "message",
    "mfa",
    "organization",
    "provider",
    "resource",
    "service",
    "sso_token_success",
    "success",
    "system",
    "timestamp",
    "useragent",
    "username",
];

fn identity(body: &Map<String, Value>, organization: &str, checked: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    organization.hash(&mut hasher);
    checked.hash(&mut hasher);
    for name in ["fields", "search_term", "q", "exact_match"] {
        body.get(name).map(Value::to_string).hash(&mut hasher);
    }
    hasher.finish()
}
