//! Every event type with every outcome, every form of identity and every odd input: each is valid, and
//! can be rebuilt. By default the odd inputs take turns; `CENSUS=full` combines them with all (minutes).
//! `--nocapture` shows the counts.

use std::{collections::BTreeMap, env};

use jumpcloud::mapping::{ROWS, Rule, Service};
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

const IDENTITIES: [Form; 10] = [
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
    ("nobody", ""),
];

const ODD: [Form; 15] = [
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
        r#","application":{"sso_type":"x"},"windows_meta":{"logon_type":"y"},"mfa_meta":{"type":"z"}"#,
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
];

#[test]
fn every_combination_is_valid_and_can_be_rebuilt() {
    let full = env::var("CENSUS").is_ok_and(|census| census == "full");
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut turn = ODD.iter().cycle();
    for row in ROWS {
        for outcome in OUTCOMES {
            for identity in IDENTITIES {
                let odd = if full {
                    ODD.to_vec()
                } else {
                    turn.next().copied().into_iter().collect()
                };
                for odd in odd {
                    for service in row.services {
                        let raw = event(row.name, *service, &[outcome.1, identity.1, odd.1]);
                        let line = lossless::check(&raw).expect("selected");
                        let output: Value = serde_json::from_str(&line).unwrap();
                        for what in [
                            format!("type    {}", row.name),
                            format!("is      {}, {}", output["type_name"], output["status"]),
                            format!("outcome {}", outcome.0),
                            format!("who     {}", identity.0),
                            format!("odd     {}", odd.0),
                            format!("both    {}, {}", row.name, odd.0),
                        ] {
                            *counts.entry(what).or_default() += 1;
                        }
                    }
                }
            }
        }
        assert!(
            ODD.iter()
                .all(|odd| counts.contains_key(&format!("both    {}, {}", row.name, odd.0)))
        );
    }
    for (what, count) in counts.iter().filter(|(what, _)| !what.starts_with("both")) {
        println!("{count:6} {what}");
    }
}

fn event(name: &str, service: Service, members: &[&str]) -> String {
    let row = ROWS.iter().find(|row| row.name == name).unwrap();
    let association = match row.rule {
        Rule::Association => r#","association":{"connection":{"to":{"type":"user","name":"c"}}}"#,
        _ => "",
    };
    format!(
        r#"{{"timestamp":"2024-03-04T18:09:26Z","event_type":"{name}","service":"{}"{association}{}}}"#,
        service.name(),
        members.concat()
    )
}
