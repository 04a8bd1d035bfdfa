use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::faults::{Rule, When};

const NOW: i64 = 1_780_000_000_000;
const HOUR: i64 = 3_600_000;
const EVENTS: &str = "/insights/directory/v1/events";
const COUNT: &str = "/insights/directory/v1/events/count";
const DISTINCT: &str = "/insights/directory/v1/events/distinct";

fn time(ms: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(ms).unwrap();
    time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn ask(model: &mut Model, path: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let headers = [("X-Api-Key", DEFAULT_KEY)];
    model.answer(
        Request {
            method: "POST",
            path,
            headers: &headers,
            body: body.as_bytes(),
        },
        NOW,
    )
}

fn rows(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_slice(&answer.body).unwrap()
}

fn message(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    body["message"].as_str().unwrap().to_owned()
}

/// Everything of the last day.
fn query(limit: usize) -> Value {
    json!({"service": ["all"], "start_time": time(NOW - 24 * HOUR), "limit": limit})
}

/// `count` events of one organisation, `per_ms` of them in each millisecond of the last hour.
fn tenant(count: usize, per_ms: usize) -> Model {
    let id = organization_id(0);
    let events = (0..count).map(|number| {
        let ms = NOW - HOUR + (number / per_ms) as i64;
        let raw = json!({"id": number.to_string(), "organization": id, "service": "sso",
            "event_type": "sso_auth", "timestamp": time(ms)});
        Event::from_json(raw.to_string()).unwrap()
    });
    let mut model = Model::new(vec![Organization::new(&id, events.collect())]);
    model.access.add_key(DEFAULT_KEY, &[&id]);
    model
}

/// Pages through a query as documented; the ids in their order, and the number of pages.
fn walk(model: &mut Model, mut query: Value) -> (Vec<String>, usize) {
    let (mut ids, mut pages) = (Vec::new(), 0);
    loop {
        let answer = ask(model, EVENTS, &query);
        let rows = rows(&answer);
        let number = |name| answer.header(name).unwrap().parse::<usize>().unwrap();
        assert_eq!(number("X-Result-Count"), rows.len());
        ids.extend(rows.iter().map(|row| row["id"].to_string()));
        pages += 1;
        if rows.len() < number("x-limit") {
            return (ids, pages);
        }
        let header = answer.header("X-Search_after").unwrap();
        query["search_after"] = serde_json::from_str(header).unwrap();
    }
}

#[test]
fn pages_hold_every_row_once_whatever_the_edges_cut() {
    for count in [0, 1, 9, 10, 11, 20, 95] {
        for per_ms in [1, 4, 200] {
            let mut model = tenant(count, per_ms);
            let (ids, pages) = walk(&mut model, query(10));
            assert_eq!(ids.len(), count);
            assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), count);
            assert_eq!(
                pages,
                count / 10 + 1,
                "a last page that is full costs one more"
            );
            assert_eq!(model.stats.rows, count as u64);

            let mut descending = query(10);
            descending["sort"] = "DESC".into();
            let (mut reversed, _) = walk(&mut model, descending);
            reversed.reverse();
            assert_eq!(reversed, ids);
        }
    }
}

#[test]
fn equal_stamps_have_an_order_that_no_field_tells() {
    let (ids, _) = walk(&mut tenant(50, 50), query(1000));
    let mut sorted = ids.clone();
    sorted.sort();
    assert_ne!(ids, sorted);
}

#[test]
fn the_start_is_in_and_the_end_by_choice() {
    let mut model = tenant(10, 1);
    let body = |from: i64, to: i64| {
        let start = NOW - HOUR;
        json!({"service": ["sso"], "start_time": time(start + from), "end_time": time(start + to)})
    };
    assert_eq!(rows(&ask(&mut model, EVENTS, &body(2, 5))).len(), 3);
    assert_eq!(ask(&mut model, COUNT, &body(2, 5)).body, r#"{"count":3}"#);
    model.behaviour.end_time = EndTime::Inclusive;
    assert_eq!(rows(&ask(&mut model, EVENTS, &body(2, 5))).len(), 4);
    assert_eq!(ask(&mut model, COUNT, &body(2, 5)).body, r#"{"count":4}"#);
}

#[test]
fn headers_are_as_documented_on_every_page() {
    let mut model = tenant(3, 1);
    let answer = ask(&mut model, EVENTS, &query(10));
    assert_eq!(answer.header("x-sort"), Some("ASC"));
    assert_eq!(answer.header("X-Limit"), Some("10"));
    assert_eq!(answer.header("Date"), Some("Thu, 28 May 2026 20:26:40 GMT"));
    assert_eq!(answer.header("X-Request-Id").map(str::len), Some(36));
    assert!(
        answer
            .header("X-Search_after")
            .unwrap()
            .starts_with(&format!("[{},", NOW - HOUR + 2))
    );
    let empty = ask(&mut tenant(0, 1), EVENTS, &query(10));
    assert_eq!(empty.header("X-Search_after"), Some("[]"));
    assert_eq!(empty.body, "[]");
}

#[test]
fn a_cursor_is_good_for_its_query_only() {
    let mut model = tenant(30, 1);
    let answer = ask(&mut model, EVENTS, &query(10));
    let cursor: Value = serde_json::from_str(answer.header("X-Search_after").unwrap()).unwrap();
    let mut same = query(10);
    same["search_after"] = cursor.clone();
    same["unknown"] = "is ignored".into();
    assert_eq!(rows(&ask(&mut model, EVENTS, &same)).len(), 10);
    let mut other = query(11);
    other["search_after"] = cursor;
    assert_eq!(ask(&mut model, EVENTS, &other).status, 400);
    model.behaviour.foreign_cursor = ForeignCursor::MissesRows;
    let first = &rows(&ask(&mut model, EVENTS, &other))[0]["id"];
    assert_ne!(*first, rows(&ask(&mut model, EVENTS, &same))[0]["id"]);
}

#[test]
fn validations_have_the_documented_texts() {
    let mut model = tenant(5, 1);
    let mut refused = |change: Value| {
        let mut body = query(10);
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = ask(&mut model, EVENTS, &body);
        assert_eq!(answer.status, 400, "{change}");
        message(&answer)
    };
    assert!(refused(json!({"service": ["nope"]})).contains("valid values are: all, access_"));
    assert_eq!(refused(json!({"service": []})), "service is required");
    assert_eq!(refused(json!({"service": "sso"})), "service is required");
    assert_eq!(
        refused(json!({"start_time": null})),
        "start_time is required"
    );
    let text = "start_time is greater than Directory Insights' 90 day retention period";
    assert_eq!(
        refused(json!({"start_time": time(NOW - 90 * 24 * HOUR - 1)})),
        text
    );
    let (start, end) = (time(NOW - HOUR), time(NOW - 2 * HOUR));
    let text = format!("Start Time not after End Time {start} > {end}");
    assert_eq!(refused(json!({"start_time": start, "end_time": end})), text);
    assert!(refused(json!({"start_time": start, "end_time": start})).starts_with("Start Time not"));
    assert!(refused(json!({"start_time": time(NOW + 1)})).starts_with("Start Time not after"));
    refused(json!({"start_time": "yesterday"}));
    refused(json!({"limit": 10_001}));
    refused(json!({"fields": []}));
    refused(json!({"fields": ["nothing"]}));
    refused(json!({"q": "a", "exact_match": "b"}));
    refused(json!({"search_after": ["x"]}));
    let text = ask(&mut model, EVENTS, &json!({"service": ["a>b"]}));
    assert!(String::from_utf8_lossy(&text.body).contains(r#"a\u003eb"#));
}

#[test]
fn retention_is_the_organisations_own() {
    let mut model = tenant(1, 1);
    model.organizations[0].retention_days = 15;
    let mut body = query(10);
    body["start_time"] = time(NOW - 16 * 24 * HOUR).into();
    assert!(message(&ask(&mut model, EVENTS, &body)).contains("15 day retention period"));
    model.organizations[0].entitled = false;
    assert_eq!(ask(&mut model, EVENTS, &body).status, 402);
}

#[test]
fn nonsense_in_limit_and_sort_falls_back() {
    let mut model = tenant(5, 1);
    for nonsense in [json!(0), json!(-1), json!("ten"), json!(null)] {
        let mut body = query(10);
        body["limit"] = nonsense;
        body["sort"] = "sideways".into();
        let answer = ask(&mut model, EVENTS, &body);
        assert_eq!(answer.header("X-Limit"), Some("1000"));
        assert_eq!(answer.header("X-Sort"), Some("ASC"));
    }
}

#[test]
fn filters_and_projections() {
    let mut model = Model::generated(&Recipe::new(2000, NOW).settled());
    let mut body = query(10_000);
    body["service"] = json!(["radius", "ldap"]);
    let found = rows(&ask(&mut model, EVENTS, &body));
    assert!(
        found
            .iter()
            .all(|row| row["service"] == "radius" || row["service"] == "ldap")
    );
    let stored = model
        .events()
        .filter(|event| ["radius", "ldap"].contains(&event.service.name()));
    assert_eq!(found.len(), stored.count());

    body["service"] = json!(["all"]);
    body["search_term"] = json!({"and": [{"event_type": ["sso_auth", "ldap_bind"]}]});
    let both = rows(&ask(&mut model, EVENTS, &body)).len();
    model.behaviour.search_term_first_only = true;
    let one = rows(&ask(&mut model, EVENTS, &body));
    assert!(one.len() < both && one.iter().all(|row| row["event_type"] == "sso_auth"));

    body["fields"] = json!(["id", "unknown"]);
    assert!(
        rows(&ask(&mut model, EVENTS, &body))
            .iter()
            .all(|row| row.as_object().unwrap().len() <= 1)
    );
    body["q"] = "no event has this".into();
    assert!(rows(&ask(&mut model, EVENTS, &body)).is_empty());
}

#[test]
fn distinct_lists_values_and_may_be_cut() {
    let mut model = Model::generated(&Recipe::new(2000, NOW).settled());
    let mut body = query(1);
    assert_eq!(ask(&mut model, DISTINCT, &body).status, 400);
    body["field"] = "event_type".into();
    model.behaviour.distinct_limit = 3;
    let answer: Value = serde_json::from_slice(&ask(&mut model, DISTINCT, &body).body).unwrap();
    let list = answer["event_type"].as_array().unwrap();
    assert_eq!((list.len(), &list[0]["key"]), (3, &json!("sso_auth")));
    let sum: u64 = list
        .iter()
        .map(|bucket| bucket["doc_count"].as_u64().unwrap())
        .sum();
    let typed = model
        .events()
        .filter(|event| !event.event_type.is_empty())
        .count() as u64;
    assert_eq!(sum + answer["sum_other_doc_count"].as_u64().unwrap(), typed);
    model.behaviour.distinct_buckets = true;
    let answer: Value = serde_json::from_slice(&ask(&mut model, DISTINCT, &body).body).unwrap();
    assert_eq!(answer["buckets"].as_array().unwrap().len(), 3);
}

#[test]
fn late_events_appear_in_their_time_and_a_count_may_lag() {
    let mut model = tenant(3, 1);
    let mut late: Event = model.events().next().unwrap().clone();
    late.visible_at = NOW + 10;
    model.add_events(vec![late]);
    let count = |model: &mut Model, at: i64| {
        let body = query(1).to_string();
        let headers = [("x-api-key", DEFAULT_KEY)];
        let request = Request {
            method: "POST",
            path: COUNT,
            headers: &headers,
            body: body.as_bytes(),
        };
        String::from_utf8_lossy(&model.answer(request, at).body).into_owned()
    };
    assert_eq!(count(&mut model, NOW + 9), r#"{"count":3}"#);
    assert_eq!(count(&mut model, NOW + 10), r#"{"count":4}"#);
    model.behaviour.count_lag_ms = 5;
    assert_eq!(count(&mut model, NOW + 14), r#"{"count":3}"#);
    assert_eq!(count(&mut model, NOW + 15), r#"{"count":4}"#);
}

#[test]
fn clones_share_events_until_one_adds() {
    let model = tenant(3, 1);
    let mut other = model.clone();
    other.add_events(vec![model.events().next().unwrap().clone()]);
    assert_eq!((model.events().count(), other.events().count()), (3, 4));
}

#[test]
fn the_default_tenant_has_the_published_events() {
    let mut model = Model::tenant(&Recipe::new(100, NOW).settled());
    assert_eq!(rows(&ask(&mut model, EVENTS, &query(10_000))).len(), 141);
}

#[test]
fn a_large_tenant_is_walked_in_pages_of_the_maximum() {
    let mut model = Model::generated(&Recipe::new(25_000, NOW).settled());
    let (ids, pages) = walk(&mut model, query(10_000));
    assert_eq!((ids.len(), pages), (25_000, 3));
}

#[test]
fn faults_that_replace_an_answer() {
    for (spec, status) in [
        ("status=400", 400),
        ("status=401", 401),
        ("status=402", 402),
        ("status=403", 403),
        ("status=404", 404),
        ("status=429", 429),
        ("status=500", 500),
        ("status=503", 503),
        ("html", 200),
        ("not-an-array", 200),
        ("redirect=https://elsewhere.example/", 302),
    ] {
        let mut model = tenant(3, 1);
        model
            .faults
            .add(spec.parse::<Rule>().unwrap().when(When::Next(1)));
        let answer = ask(&mut model, EVENTS, &query(10));
        assert_eq!(answer.status, status, "{spec}");
        assert!(answer.header("Date").is_some() && answer.header("X-Request-Id").is_some());
        assert!(answer.header("X-Result-Count").is_none(), "{spec}");
        assert_eq!(rows(&ask(&mut model, EVENTS, &query(10))).len(), 3);
        assert_eq!(model.stats.faults, 1);
    }
    let mut model = tenant(3, 1);
    model
        .faults
        .add("status=429,retry-after=7,next=1".parse().unwrap());
    model
        .faults
        .add("status=503,retry-date=60".parse().unwrap());
    assert_eq!(
        ask(&mut model, EVENTS, &query(10)).header("retry-after"),
        Some("7")
    );
    let date = ask(&mut model, EVENTS, &query(10))
        .header("retry-after")
        .unwrap()
        .to_owned();
    assert_eq!(date, "Thu, 28 May 2026 20:27:40 GMT");
}

#[test]
fn faults_that_alter_an_answer() {
    let fault = |spec: &str, body: &Value| {
        let mut model = tenant(30, 1);
        let honest = ask(&mut model, EVENTS, body);
        model.faults.add(spec.parse().unwrap());
        (honest, ask(&mut model, EVENTS, body))
    };
    let first = query(10);
    let mut second = query(10);
    let honest = ask(&mut tenant(30, 1), EVENTS, &first);
    let cursor = honest.header("X-Search_after").unwrap();
    second["search_after"] = serde_json::from_str(cursor).unwrap();

    assert!(
        fault("no-search-after", &first)
            .1
            .header("X-Search_after")
            .is_none()
    );
    let garbled = fault("garbled-search-after", &first).1;
    assert!(serde_json::from_str::<Value>(garbled.header("X-Search_after").unwrap()).is_err());
    assert_eq!(
        fault("unmoved-search-after", &second)
            .1
            .header("X-Search_after"),
        Some(cursor)
    );
    assert_eq!(fault("first-page-again", &second).1.body, honest.body);
    assert_eq!(
        fault("wrong-count=-2", &first).1.header("X-Result-Count"),
        Some("8")
    );
    assert!(
        fault("no-header=x-limit", &first)
            .1
            .header("X-Limit")
            .is_none()
    );
    let bare = fault("no-paging-headers", &first).1;
    assert_eq!(bare.headers.len(), 2, "{bare:?}");
    assert!(fault("no-header=date", &first).1.header("date").is_none());
    let skewed = fault("date-off=-3600000", &first).1;
    assert_eq!(skewed.header("Date"), Some("Thu, 28 May 2026 19:26:40 GMT"));
    let (whole, broken) = fault("broken-json", &first);
    assert_eq!(broken.body.len(), whole.body.len() / 2);
    let (whole, large) = fault("oversized=100000", &first);
    assert_eq!(large.body.len(), whole.body.len() + 100_000);
    assert_eq!(rows(&large), rows(&whole));
    assert_eq!(fault("cut=10", &first).1.wire, crate::Wire::Cut(10));
}
