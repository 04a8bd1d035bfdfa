//! Raw events of any form: each declared field present or not, with a value that a rule reads or an
//! odd one; unknown fields, superseded members and white space at every place. Whatever is made, its
//! output is valid and holds all of it.

use jumpcloud::{
    event::{FIELDS, Field},
    mapping::{Class, ROWS, Row},
};
use proptest::{option, prelude::*, sample::Index};

use crate::lossless;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_event_is_valid_and_can_be_rebuilt(raw in event()) {
        lossless::check(&raw);
    }
}

/// The text of an event with a time and one of the mapped types.
fn event() -> impl Strategy<Value = String> {
    let picks = proptest::collection::vec(option::weighted(0.75, any::<Index>()), FIELDS.len());
    let extras = proptest::collection::vec((0..FIELDS.len() + 1, any::<[Index; 2]>()), 0..6);
    let superseded = proptest::collection::vec((0..FIELDS.len(), any::<Index>()), 0..3);
    (event_type(), picks, extras, superseded, any::<Index>()).prop_map(
        |(event_type, picks, extras, superseded, space)| {
            let event_type = format!("{event_type:?}");
            Builder {
                event_type,
                picks,
                extras,
                superseded,
                space: SPACES[space.index(SPACES.len())],
            }
            .object(None)
        },
    )
}

/// Each class half of the time.
fn event_type() -> impl Strategy<Value = &'static str> {
    (any::<bool>(), any::<Index>()).prop_map(|(login, row)| {
        let is_chosen = |row: &&Row| (row.class() == Class::Authentication) == login;
        let rows: Vec<&Row> = ROWS.iter().filter(is_chosen).collect();
        row.get(&rows).name
    })
}

struct Builder {
    event_type: String,
    /// For each field, whether it is there, and with which value.
    picks: Vec<Option<Index>>,
    /// Members that no field declares: the place of their object among the fields (or the event),
    /// and which name and value.
    extras: Vec<(usize, [Index; 2])>,
    /// Earlier members of a field's name.
    superseded: Vec<(usize, Index)>,
    space: &'static str,
}

impl Builder {
    fn object(&self, parent: Option<Field>) -> String {
        let mut members = Vec::new();
        for (at, [name, value]) in &self.extras {
            if FIELDS.get(*at).copied() == parent {
                let name = name.get(&["note", "n\\u006fte", "a.b", "", "ключ", "to\\\"day"]);
                members.push((*name, (*value.get(ODD)).to_owned()));
            }
        }
        for (at, field) in FIELDS
            .iter()
            .enumerate()
            .filter(|(_, field)| field.parent() == parent)
        {
            for (_, value) in self
                .superseded
                .iter()
                .filter(|(superseded, _)| *superseded == at)
            {
                if self.picks[at].is_some() || matches!(field, Field::EventType | Field::Timestamp)
                {
                    members.push((field.name(), (*value.get(ODD)).to_owned()));
                }
            }
            if let Some(value) = self.value(*field, self.picks[at]) {
                members.push((field.name(), value));
            }
        }
        let space = self.space;
        let members: Vec<String> = members
            .into_iter()
            .map(|(name, value)| format!("{space}\"{name}\"{space}:{space}{value}{space}"))
            .collect();
        format!("{{{}{space}}}", members.join(","))
    }

    fn value(&self, field: Field, pick: Option<Index>) -> Option<String> {
        if field == Field::EventType {
            return Some(self.event_type.clone());
        }
        if field == Field::Timestamp {
            let at = pick.map_or(0, |pick| pick.index(TIMES.len()));
            return Some(TIMES[at].to_owned());
        }
        let usual = usual(field);
        // One in eight is odd; an object's members are chosen one by one.
        let pick = pick?.index(usual.len().max(1) * 8 * ODD.len());
        if pick % 8 == 7 {
            return Some(ODD[pick / 8 % ODD.len()].to_owned());
        }
        if FIELDS.iter().any(|inner| inner.parent() == Some(field)) {
            return Some(self.object(Some(field)));
        }
        Some(usual[pick / 8 % usual.len()].to_owned())
    }
}

const SPACES: &[&str] = &["", " ", "\n\t"];

const TIMES: &[&str] = &[
    r#""2024-03-04T18:09:26Z""#,
    r#""2024-03-04T18:09:26.123456789Z""#,
    r#""2024-03-04t18:09:26.1z""#,
    r#""2024-03-04T23:39:26+05:30""#,
    r#""2024-03-04T23:39:26.99-23:59""#,
    r#""2024-07-24T08:06:00""#,
];

const ODD: &[&str] = &[
    "null",
    r#""""#,
    "true",
    "0",
    "-12.50e+3",
    "12345678901",
    r#""text""#,
    r#""\"quoted\" \\ \u00e9\ud83d\ude00 \n""#,
    "{}",
    "[]",
    r#"{"a":{"b":[1,{"c":null}]},"id":"x"}"#,
    r#"[{"a":1,"a":2},[ ],{"b":{"c":1,"c":{}}}]"#,
    r#"["x.x.x.x", 1.0, {"name": "y"}]"#,
];

/// Values that a rule reads, and near misses.
fn usual(field: Field) -> &'static [&'static str] {
    match field.name() {
        "success" | "sso_token_success" | "mfa" | "start_tls" | "tls_established" => {
            &["true", "false", r#""TRUE""#, r#""false""#, r#""yes""#, "1"]
        }
        "service" => &[
            r#""directory""#,
            r#""systems""#,
            r#""systems""#,
            r#""Systems""#,
        ],
        "type" => &[
            r#""user""#,
            r#""admin""#,
            r#""SystemUser""#,
            r#""system""#,
            r#""user_group""#,
            r#""none""#,
            r#""totp""#,
            r#""Duo""#,
        ],
        "username" => &[r#""testexample""#, r#""root""#, r#""Testexample""#],
        "email" | "jc_initiated_by_email" => &[
            r#""testexample@example.com""#,
            r#""root@localhost""#,
            r#""a@b@c.d""#,
        ],
        "client_ip" | "src_ip" => &[
            r#""192.0.2.10""#,
            r#""2001:db8::1""#,
            r#""x.x.x.x""#,
            r#""192.0.2.10:80""#,
            r#""0000:0000:0000:0000:0000:ffff:192.168.100.228""#,
        ],
        "latitude" | "longitude" => &[
            "52.370200",
            "-4",
            r#""48.85""#,
            r#""-012.5""#,
            "181",
            "1e1",
            r#""12.""#,
            r#""1e1""#,
        ],
        "country_code" | "country_code2" | "country" => &[r#""NL""#, r#""nl""#, r#""NLD""#],
        "region_code" | "region" => &[r#""NH""#, r#""NL-NH""#, r#""75""#],
        "continent_code" => &[r#""EU""#, r#""XX""#],
        "number" => &["64501", "0", "4294967295", r#""64501""#, "1.0"],
        "id" | "object_id" | "jc_initiated_by_id" | "error_code" | "@version" => {
            &[r#""5c8fcfe0e7eb500001c71063""#, "12", r#""1""#, "1.5"]
        }
        "server_timestamp" => &[
            r#""2024-03-04T18:09:27.5Z""#,
            r#""yesterday""#,
            "1709577000",
        ],
        "useragent" | "user_agent" => &[r#""curl/8.4.0""#],
        "os" | "os_name" | "os_full" => &[
            r#""Windows 11""#,
            r#""Mac OS X""#,
            r#""iOS""#,
            r#""iPadOS 17""#,
            r#""Android""#,
            r#""SUSE""#,
            r#""Other""#,
            r#""Plan 9""#,
            r#""é""#,
        ],
        "auth_methods" => &[
            r#"{"totp":{"success":true},"password":{"success":false}}"#,
            r#"{"Duo":{"success":"true"},"duo":{"success":true},"":{"success":true}}"#,
            r#"{"webauthn":{"success":false,"success":true},"x":1}"#,
        ],
        "policies_applied" => &[
            r#"[{"name":"A","id":"1","metadata":{"action":"ALLOW"}}]"#,
            r#"[{"name":"A","metadata":{"action":"deny"}},{"id":"B"},{"metadata":{"action":"DENY"}}]"#,
            r#"[{"name":"","id":""},{"name":"A","name":"B"},7]"#,
        ],
        "changes" => &[
            r#"[{"field":"suspended","from":false,"to":true}]"#,
            r#"[{"field":"state","to":"ACTIVATED"},{"field":"totp_enabled","from":true,"to":false}]"#,
            r#"[{"field":"account_locked","to":"True"},{"field":"email","to":"new@example.com"}]"#,
            r#"[{"field":"totp_enabled","to":true},{"field":"username","from":"a","to":"b"}]"#,
            r#"[{"field":"password"},{"field":"displayName","to":"New"}]"#,
            r#"[{"field":"account_locked","from":true,"to":false}, 7, {"to":1}]"#,
        ],
        "auth_method" | "mech" => &[r#""simple""#, r#""session""#, "128"],
        "logon_type" => &[r#""10""#, "2", "0", "8", r#""SmartCard""#, "1234", "-1"],
        "process_name" => &[r#""sshd""#, r#""loginwindow""#],
        "sso_type" => &[r#""saml""#, r#""OIDC""#, r#""oauth2""#, r#""ws-fed""#],
        _ => &[r#""some text""#, r#""J\u00fcrgen""#, "7"],
    }
}
