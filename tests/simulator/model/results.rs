//! The bodies of `/events`, `/events/count` and `/events/distinct`.

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::behaviour::{Behaviour, ForeignCursor};
use super::organization::Organization;
use super::query::Query;
use super::term::text_at;

/// One page of events, and how many rows it has.
pub(super) fn page(
    organization: &Organization,
    query: &Query,
    behaviour: &Behaviour,
    now_ms: i64,
) -> Result<(Answer, u64), Answer> {
    let foreign = query
        .search_after
        .is_some_and(|cursor| !cursor.belongs_to(query.identity));
    let missed = match (foreign, behaviour.foreign_cursor) {
        (false, _) => 0,
        (true, ForeignCursor::MissesRows) => 3,
        (true, ForeignCursor::Refused) => {
            return Err(Answer::refused(
                400,
                "search_after belongs to another query",
            ));
        }
    };
    let rows = organization
        .range(query, behaviour.end_time)
        .filter(|row| query.takes(row, behaviour, now_ms))
        .skip(query.skip + missed)
        .take(query.limit);

    let mut body = vec![b'['];
    let mut count = 0;
    let always = |body: &mut Vec<u8>, count: &mut u64, last: bool| {
        let here = behaviour
            .always
            .as_ref()
            .filter(|always| always.last == last);
        if let Some(always) = here {
            if *count > 0 {
                body.push(b',');
            }
            body.extend_from_slice(always.raw.as_bytes());
            *count += 1;
        }
    };
    always(&mut body, &mut count, false);
    let mut last = query.search_after;
    for row in rows {
        if count > 0 {
            body.push(b',');
        }
        match &query.fields {
            None => body.extend_from_slice(&row.event.raw),
            Some(fields) => body.extend_from_slice(&projection(&row.event.raw, fields)),
        }
        count += 1;
        last = Some(row.cursor(query.identity));
    }
    always(&mut body, &mut count, true);
    body.push(b']');
    let answer = Answer::json(200, body)
        .with_header("X-Result-Count", count.to_string())
        .with_header("X-Limit", query.limit.to_string())
        .with_header("X-Sort", if query.descending { "DESC" } else { "ASC" })
        .with_header(
            "X-Search_after",
            last.map_or("[]".to_owned(), |cursor| cursor.header()),
        );
    Ok((answer, count))
}

/// How many rows the query has.
pub(super) fn count(
    organization: &Organization,
    query: &Query,
    behaviour: &Behaviour,
    now_ms: i64,
) -> Answer {
    let seen_ms = now_ms - behaviour.count_lag_ms;
    let count = organization
        .range(query, behaviour.end_time)
        .filter(|row| query.takes(row, behaviour, seen_ms))
        .count();
    let always = behaviour
        .always
        .as_ref()
        .is_some_and(|always| always.counted);
    let count = count + usize::from(always);
    Answer::json(200, format!("{{\"count\":{count}}}"))
}

/// The values of one field, the commonest first.
pub(super) fn distinct(
    organization: &Organization,
    query: &Query,
    behaviour: &Behaviour,
    now_ms: i64,
) -> Result<Answer, Answer> {
    let field = query
        .field
        .as_ref()
        .ok_or_else(|| Answer::refused(400, "field is required"))?;
    let mut counts = HashMap::<String, u64>::new();
    for row in organization.range(query, behaviour.end_time) {
        if !query.takes(row, behaviour, now_ms) {
            continue;
        }
        let value = match field.as_str() {
            "event_type" => Some(row.event.event_type.as_ref())
                .filter(|text| !text.is_empty())
                .map(str::to_owned),
            path => serde_json::from_slice(&row.event.raw)
                .ok()
                .and_then(|json: Value| text_at(&json, path)),
        };
        if let Some(value) = value {
            *counts.entry(value).or_default() += 1;
        }
    }
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by(|(one, a), (other, b)| b.cmp(a).then_with(|| one.cmp(other)));
    let rest: u64 = counts
        .iter()
        .skip(behaviour.distinct_limit)
        .map(|(_, count)| count)
        .sum();
    let buckets: Vec<Value> = counts
        .iter()
        .take(behaviour.distinct_limit)
        .map(|(key, count)| json!({"key": key, "doc_count": count}))
        .collect();
    let name = if behaviour.distinct_buckets {
        "buckets"
    } else {
        field
    };
    let body = json!({
        name: buckets,
        "doc_count_error_upper_bound": 0,
        "sum_other_doc_count": rest,
    });
    Ok(Answer::json(200, body.to_string()))
}

/// An event with these members only.
fn projection(raw: &Bytes, fields: &[String]) -> Vec<u8> {
    let event: Map<String, Value> = serde_json::from_slice(raw).unwrap_or_default();
    let kept: Map<String, Value> = event
        .into_iter()
        .filter(|(name, _)| fields.contains(name))
        .collect();
    Value::Object(kept).to_string().into_bytes()
}
