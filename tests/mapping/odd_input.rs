//! Input that is wrong, or meant to do harm: nothing is lost, nothing takes long.

use jumpcloud::{
    event::{Event, Reject},
    mapping::{self, EventTypes},
};
use serde_json::Value;

use crate::ocsf;

const ALL: EventTypes = EventTypes {
    login: true,
    admin: true,
};
const LOGIN: &str =
    r#""id":"1","timestamp":"2024-03-04T18:09:26Z","event_type":"user_login_attempt""#;

fn reject(raw: &[u8]) -> Reject {
    match Event::parse(raw) {
        Err(reject) => reject,
        Ok(event) => mapping::select(&event, ALL)
            .map(|row| row.map(|row| row.name))
            .unwrap_err(),
    }
}

fn mapped(raw: &str, include_raw: bool) -> (String, Value) {
    let event = Event::parse(raw.as_bytes()).unwrap();
    let row = mapping::select(&event, ALL).unwrap().unwrap();
    let mut line = Vec::new();
    mapping::write(&event, row, include_raw, &mut line);
    let line = String::from_utf8(line).unwrap();
    let value = serde_json::from_str(&line).unwrap();
    (line, value)
}

#[test]
fn what_is_no_event_is_rejected_with_its_reason() {
    for (raw, reason) in [
        (&b"\xff"[..], Reject::NotUtf8(0)),
        (b"{\"a\":\"\xc3\"}", Reject::NotUtf8(6)),
        (b"", Reject::NotJson(0)),
        (b"{\"a\":1}{}", Reject::NotJson(7)),
        (b"{\"a\":1", Reject::NotJson(6)),
        (b"{\"a\":1,}", Reject::NotJson(7)),
        (b"[{}]", Reject::NotAnObject),
        (b"null", Reject::NotAnObject),
        (b"{}", Reject::NoEventType),
        (
            br#"{"event_type":null,"timestamp":"2024-03-04T18:09:26Z"}"#,
            Reject::NoEventType,
        ),
        (br#"{"event_type":["user_create"]}"#, Reject::NoEventType),
        (br#"{"event_type":"user_create"}"#, Reject::NoTimestamp),
        (
            br#"{"event_type":"user_create","timestamp":""}"#,
            Reject::NoTimestamp,
        ),
        (
            br#"{"event_type":"user_create","timestamp":1709576966}"#,
            Reject::BadTimestamp,
        ),
        (
            br#"{"event_type":"user_create","timestamp":"2024-03-04"}"#,
            Reject::BadTimestamp,
        ),
    ] {
        assert_eq!(reject(raw), reason, "{}", String::from_utf8_lossy(raw));
    }
}

#[test]
fn reasons_have_a_code_and_a_sentence() {
    assert_eq!(Reject::NotJson(7).code(), "not-json");
    assert_eq!(
        Reject::NotJson(7).to_string(),
        "the record is not JSON: unexpected byte or end at 7"
    );
    assert_eq!(Reject::NoTimestamp.to_string(), "`timestamp` is missing");
}

#[test]
fn only_chosen_and_mapped_types_are_selected() {
    let selected = |raw: &str, login, admin| {
        let event = Event::parse(raw.as_bytes()).unwrap();
        mapping::select(&event, EventTypes { login, admin })
            .unwrap()
            .map(|row| row.name)
    };
    let login = format!("{{{LOGIN}}}");
    assert_eq!(selected(&login, true, false), Some("user_login_attempt"));
    assert_eq!(selected(&login, false, true), None);
    let admin = r#"{"timestamp":"2024-03-04T18:09:26Z","event_type":"user_create"}"#;
    assert_eq!(selected(admin, true, false), None);
    assert_eq!(selected(admin, false, true), Some("user_create"));

    for name in [
        "group_create",
        "User_create",
        "user_create ",
        "ldap_search",
        "access_management_x",
    ] {
        let raw = format!(r#"{{"event_type":"{name}"}}"#);
        assert_eq!(selected(&raw, true, true), None, "{name}");
        assert!(!mapping::is_known(name));
    }
    let association = |to: &str, from: &str| {
        format!(
            r#"{{"timestamp":"2024-03-04T18:09:26Z","event_type":"association_change",
                "association":{{"connection":{{"to":{{"type":"{to}"}},"from":{{"type":"{from}"}}}}}}}}"#
        )
    };
    assert!(selected(&association("system", "USER"), true, true).is_some());
    assert!(selected(&association("administrator", ""), true, true).is_some());
    assert!(selected(&association("system", "user_group"), true, true).is_none());
    assert!(mapping::is_known("association_change"));
}

#[test]
fn services_are_the_union_of_the_chosen_types() {
    let services = |login, admin| mapping::services(EventTypes { login, admin });
    assert_eq!(
        services(true, true),
        ["directory", "ldap", "radius", "sso", "systems"]
    );
    assert_eq!(
        services(true, false),
        ["directory", "ldap", "radius", "sso", "systems"]
    );
    assert_eq!(services(false, true), ["directory", "systems"]);
    assert!(services(false, false).is_empty());
}

#[test]
fn raw_data_is_the_event_as_received() {
    let raw = format!("{{ {LOGIN},\n\t\"id\":\"2\", \"x\":\"\\u00e9é\" }}");
    let (line, output) = mapped(&format!(" {raw}\n"), true);
    assert_eq!(output["raw_data"], raw);
    assert_eq!(output["metadata"]["uid"], "2");
    assert_eq!(ocsf::faults(&line), [""; 0]);
    assert_eq!(mapped(&raw, false).1.get("raw_data"), None);
}

#[test]
fn a_missing_id_is_replaced_by_a_hash_of_the_event() {
    let raw = r#"{"timestamp":"2024-03-04T18:09:26Z","event_type":"user_create"}"#;
    let (_, output) = mapped(&format!("\n{raw} "), false);
    // printf '%s' "$raw" | sha256sum
    assert_eq!(
        output["metadata"]["uid"],
        "sha256:1a0b05472434f777d52b3e4eae0c1ede39199737625835f43c614c05c1dcca5b"
    );
    assert_eq!(output["metadata"].get("original_event_uid"), None);
}

#[test]
fn a_lone_surrogate_is_no_text_and_stays() {
    let event = format!(r#"{{{LOGIN},"username":"\ud800","error_message":"\udfff"}}"#);
    let event = Event::parse(event.as_bytes()).unwrap();
    let row = mapping::select(&event, ALL).unwrap().unwrap();
    let mut line = Vec::new();
    mapping::write(&event, row, false, &mut line);
    let line = String::from_utf8(line).unwrap();
    assert!(
        line.contains(r#""unmapped":{"username":"\ud800","error_message":"\udfff"}"#),
        "{line}"
    );
    assert!(line.contains(r#""user":{"name":"unknown""#));
}

#[test]
fn deep_nesting_is_rejected() {
    for open in ["[", r#"{"a":"#] {
        let raw = format!(r#"{{{LOGIN},"x":{}"#, open.repeat(100_000));
        assert_eq!(reject(raw.as_bytes()), Reject::TooDeep);
    }
    let nested = format!("{}{}", "[".repeat(99), "]".repeat(99));
    let (line, _) = mapped(&format!(r#"{{{LOGIN},"x":{nested}}}"#), false);
    assert!(line.contains(&nested));
    assert_eq!(
        Reject::TooDeep.to_string(),
        "arrays and objects are nested more than 100 deep"
    );
}

/// Each of these took minutes if any step were quadratic.
#[test]
fn size_costs_no_more_than_its_share() {
    let names = |name: &dyn Fn(usize) -> String| -> String {
        let members: Vec<String> = (0..100_000).map(|n| format!("{:?}:{n}", name(n))).collect();
        members.join(",")
    };
    let distinct = names(&|n| format!("name-{n}"));
    let equal = names(&|_| "name".to_owned());
    let (_, output) = mapped(&format!("{{{LOGIN},{distinct}}}"), false);
    assert_eq!(output["unmapped"].as_object().unwrap().len(), 100_000);
    let (_, output) = mapped(&format!("{{{LOGIN},{equal}}}"), false);
    assert_eq!(output["unmapped"]["name"], 99_999);
    let (_, output) = mapped(
        &format!(r#"{{{LOGIN},"x":[{{{distinct}}},{{{equal}}}]}}"#),
        false,
    );
    assert_eq!(output["unmapped"]["x"][1]["name"], 99_999);
    let (_, output) = mapped(&format!(r#"{{{LOGIN},"geoip":{{{distinct}}}}}"#), false);
    assert_eq!(
        output["unmapped"]["geoip"].as_object().unwrap().len(),
        100_000
    );
    let again = r#""geoip":{"city":"Delft","country_code":"NL"},"#.repeat(100_000);
    let (_, output) = mapped(
        &format!(r#"{{{again}{LOGIN},"client_ip":"192.0.2.10"}}"#),
        false,
    );
    assert_eq!(output["src_endpoint"]["location"]["city"], "Delft");

    let methods = names(&|n| format!("method-{n}"));
    let (_, output) = mapped(
        &format!(r#"{{{LOGIN},"auth_context":{{"auth_methods":{{{methods}}}}}}}"#),
        false,
    );
    assert_eq!(output["auth_factors"].as_array().unwrap().len(), 100_000);

    let long = "x".repeat(10_000_000);
    let (_, output) = mapped(&format!(r#"{{{LOGIN},"message":"{long}"}}"#), false);
    assert_eq!(output["message"], long);
    let many = "[1,2],".repeat(300_000);
    let (line, _) = mapped(&format!(r#"{{{LOGIN},"x":[{many}0]}}"#), false);
    assert!(line.len() > many.len());
    // Superseded members at each level of the deepest nesting, around much text.
    let (open, close) = (r#"{"a":1,"a":"#.repeat(90), "}".repeat(90));
    let deep = format!(
        r#"{{{LOGIN},"x":[{open}"{}"{close}]}}"#,
        "x".repeat(1_000_000)
    );
    let (line, _) = mapped(&deep, false);
    assert_eq!(line.matches(r#""a":1"#).count(), 0);
}
