//! Every event type with every outcome, every form of identity and every odd input: each is valid, and
//! can be rebuilt. In a debug build the odd inputs take turns, unless `CENSUS=full`.
//! `--nocapture` shows the counts, `CENSUS_EVENTS=FILE` keeps the events, as an array.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
};

use jumpcloud::{
    event::{Event, Reject},
    mapping::{self, EventTypes, ROWS, Row, Rule, Service},
};
use serde_json::Value;

use crate::lossless;

type Form = (&'static str, &'static str);

const OUTCOMES: [Form; 7] = [
    ("true", r#","success":true,"sso_token_success":true"#),
    ("false", r#","success":false,"sso_token_success":false"#),
    (
        "false with a message",
        r#","success":false,"sso_token_success":false,"error_message":"no""#,
    ),
    ("text", r#","success":"True","sso_token_success":"FALSE""#),
    ("null", r#","success":null,"sso_token_success":null"#),
    ("message alone", r#","error_message":"no""#),
    ("absent", ""),
];

const IDENTITIES: [Form; 11] = [
    (
        "user",
        r#","initiated_by":{"type":"user","id":"1","username":"a"}"#,
    ),
    (
        "administrator by mail",
        r#","initiated_by":{"type":"admin","email":"a@example.com"}"#,
    ),
    ("id alone", r#","initiated_by":{"id":7}"#),
    (
        "by jc fields",
        r#","initiated_by":{},"jc_initiated_by_id":"1","jc_initiated_by_email":"x""#,
    ),
    (
        "own name",
        r#","initiated_by":{"type":"user","username":"a"},"username":"a""#,
    ),
    (
        "another's name",
        r#","initiated_by":{"type":"admin","id":"1"},"username":"b""#,
    ),
    ("name alone", r#","username":"b""#),
    (
        "resource",
        r#","resource":{"type":"user","id":"2","username":"b"},"initiated_by":{"id":"1"}"#,
    ),
    (
        "resource of no account",
        r#","resource":{"type":"user_group","id":"2"}"#,
    ),
    (
        "of unknown type",
        r#","initiated_by":{"type":"robot","id":"1","name":"a"}"#,
    ),
    ("nobody", ""),
];

const ODD: [Form; 16] = [
    (
        "nothing odd",
        r#","id":"1","client_ip":"192.0.2.1","geoip":{"city":"Delft"}"#,
    ),
    (
        "null",
        r#","id":null,"message":null,"geoip":{"city":null},"auth_context":null"#,
    ),
    (
        "empty text",
        r#","id":"","client_ip":"","system":{"id":""},"auth_context":{"system":{}}"#,
    ),
    (
        "number for text",
        r#","id":1,"organization":2,"message":3,"system":{"hostname":4}"#,
    ),
    (
        "text for number",
        r#","asn":{"number":"1"},"client_ip":"::1","geoip":{"latitude":"x"}"#,
    ),
    (
        "object for text",
        r#","organization":{"a":1},"useragent":[],"mfa":{},"changes":{}"#,
    ),
    (
        "address redacted",
        r#","client_ip":"x.x.x.x","src_ip":"x","geoip":{"country_code":"NL"}"#,
    ),
    (
        "address with port",
        r#","client_ip":"1.2.3.4:80","asn":{"number":1}"#,
    ),
    (
        "text for boolean",
        r#","mfa":"true","start_tls":"FALSE","tls_established":"true""#,
    ),
    (
        "unknown words",
        r#","application":{"sso_type":"x"},"windows_meta":{"logon_type":"y"},"mfa_meta":{"type":"z"},"changes":[{"field":"state","to":"w"}]"#,
    ),
    (
        "unknown fields",
        r#","new":{"a":[1.0,{"b":null}]},"geoip":{"new":true}"#,
    ),
    ("no id", r#","server_timestamp":"2024-03-04T18:09:27Z""#),
    (
        "equal names",
        r#","id":"1","id":"2","new":1,"new":[{"a":1,"a":2}]"#,
    ),
    ("white space", " ,\n\t\"new\" : [ 1 ,\r\n{ } ] "),
    ("time without zone", r#","timestamp":"2024-07-24T08:06:00""#),
    ("large field", r#","message":"LARGE","new":["LARGE"]"#),
];

/// Odd input that makes a dead letter of the event.
const REJECTED: [(Form, Reject); 4] = [
    (("time absent", ""), Reject::NoTimestamp),
    (("time null", r#","timestamp":null"#), Reject::NoTimestamp),
    (
        ("time as number", r#","timestamp":1709576966"#),
        Reject::BadTimestamp,
    ),
    (
        ("time unreadable", r#","timestamp":"4 March 2024""#),
        Reject::BadTimestamp,
    ),
];

#[test]
fn every_combination_is_valid_and_can_be_rebuilt() {
    let full = !cfg!(debug_assertions) || env::var("CENSUS").is_ok_and(|census| census == "full");
    let mut seen = BTreeSet::new();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut events = Vec::new();
    let mut turn = ODD.chunks(1).cycle();
    for (row, service, outcome, identity) in combinations() {
        let odd = if full { &ODD } else { turn.next().unwrap() };
        for odd in odd {
            let raw = event(row, service, &[outcome, identity, *odd]);
            let line = lossless::check(&raw).expect("selected");
            let output: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(output["metadata"]["event_code"], row.name);
            seen.insert((row.name, outcome.0, identity.0, odd.0));
            for what in [
                format!("type    {}", row.name),
                format!("is      {}, {}", output["type_name"], output["status"]),
                format!("outcome {}", outcome.0),
                format!("who     {}", identity.0),
                format!("odd     {}", odd.0),
            ] {
                *counts.entry(what).or_default() += 1;
            }
            events.push(raw);
        }
    }
    for (what, count) in counts {
        println!("{count:6} {what}");
    }
    println!("{:6} combinations in {} events", seen.len(), events.len());
    let combined = ROWS.len() * OUTCOMES.len() * IDENTITIES.len();
    let without_odd: BTreeSet<_> = seen
        .iter()
        .map(|(row, how, who, _)| (row, how, who))
        .collect();
    let of_rows: BTreeSet<_> = seen.iter().map(|(row, _, _, odd)| (row, odd)).collect();
    assert_eq!(without_odd.len(), combined);
    assert_eq!(of_rows.len(), ROWS.len() * ODD.len());
    assert!(!full || seen.len() == combined * ODD.len());
    if let Some(path) = env::var_os("CENSUS_EVENTS") {
        fs::write(path, format!("[{}]", events.join(",\n"))).unwrap();
    }
}

#[test]
fn without_a_time_every_combination_is_rejected() {
    let types = EventTypes {
        login: true,
        admin: true,
    };
    for (row, service, outcome, identity) in combinations() {
        for (odd, reason) in REJECTED {
            let raw = event(row, service, &[outcome, identity, odd]);
            let event = Event::parse(raw.as_bytes()).unwrap();
            assert_eq!(mapping::select(&event, types).err(), Some(reason), "{raw}");
        }
    }
}

fn combinations() -> Vec<(&'static Row, Service, Form, Form)> {
    let mut all = Vec::new();
    for row in ROWS {
        for service in row.services {
            for outcome in OUTCOMES {
                all.extend(IDENTITIES.map(|identity| (row, *service, outcome, identity)));
            }
        }
    }
    all
}

fn event(row: &Row, service: Service, forms: &[Form]) -> String {
    let (name, service) = (row.name, service.name());
    let association = match row.rule {
        Rule::Association => r#","association":{"connection":{"to":{"type":"user","name":"c"}}}"#,
        _ => "",
    };
    let time = match forms.iter().any(|(form, _)| form.starts_with("time ")) {
        true => "",
        false => r#","timestamp":"2024-03-04T18:09:26Z""#,
    };
    let members: String = forms.iter().map(|(_, members)| *members).collect();
    let members = members.replace("LARGE", &"large ".repeat(1_000));
    format!(r#"{{"event_type":"{name}","service":"{service}"{time}{association}{members}}}"#)
}
