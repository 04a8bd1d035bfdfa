use serde_json::json;

use super::*;

fn problems(json: &str) -> Vec<String> {
    let problems = Settings::parse(json).map(|_| ()).unwrap_err();
    problems
        .iter()
        .map(|p| {
            let hints: String = p.hints.iter().map(|hint| format!(" | {hint}")).collect();
            format!("{}: {}{hints}", p.setting, p.message)
        })
        .collect()
}

#[test]
fn every_default_is_valid_by_its_own_kind() {
    for setting in SETTINGS {
        let value: Value = serde_json::from_str(setting.default).unwrap();
        let mut problems = Vec::new();
        if !value.is_null() && setting.default != "[]" {
            value::check(setting, &value, &mut problems);
        }
        assert_eq!(problems, [], "{}", setting.name);
    }
}

#[test]
fn the_readme_has_every_setting() {
    const START: &str =
        "<!-- settings: made from src/settings.rs by `UPDATE_DOCS=1 cargo test --lib readme` -->\n";
    let mut table = "| setting | default | meaning |\n| --- | --- | --- |\n".to_owned();
    for Setting {
        name,
        default,
        meaning,
        ..
    } in SETTINGS
    {
        let default = match *default {
            "null" => "–".to_owned(),
            default => format!("`{default}`"),
        };
        table += &format!("| `{name}` | {default} | {meaning} |\n");
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let (before, rest) = readme.split_once(START).unwrap();
    let (found, after) = rest.split_once("<!-- /settings -->").unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let new = format!("{before}{START}{table}<!-- /settings -->{after}");
        return std::fs::write(path, new).unwrap();
    }
    assert_eq!(found, table, "stale: UPDATE_DOCS=1 makes it anew");
}

#[test]
fn without_settings_the_defaults_hold() {
    let settings = Settings::parse("").unwrap();
    assert_eq!(settings.api_base_url.origin(), "https://api.jumpcloud.com");
    assert_eq!(settings.authorization, Authorization::ApiKey);
    assert!(settings.event_types.login && settings.event_types.admin);
    assert_eq!(settings.start, Start::Back(DAY));
    assert_eq!(settings.retention, 90 * DAY);
    assert_eq!(settings.poll_interval, 60_000);
    assert_eq!(settings.token_expires, None);
    assert!(!settings.include_raw);
}

#[test]
fn every_problem_is_reported_at_once_in_the_order_of_the_table() {
    let found = problems(
        r#"{"event_tipes": [], "start": "soon", "retention_days": 0, "event_types": ["login", "logins"],
            "api_base_url": "http://api.jumpcloud.com", "org_ids": ["5a2af2a82cf2b0010053ea41", "x"],
            "include_raw": "yes", "poll_interval": "10", "token_expires": "22.2.2027", "zzz": 1}"#,
    );
    assert_eq!(
        found,
        [
            "api_base_url: plain http would send the credential in clear: `http://api.jumpcloud.com` | use `https://`",
            "event_types[1]: `logins` is none of `login`, `admin` | did you mean `login`?",
            "org_ids[1]: not an organisation id: `x` | 24 hex digits, as under Settings > Organization Profile in the Admin Portal",
            "start: neither a duration nor a moment: `soon` | like `24h`, `90d` or `2026-11-01T00:00:00Z`",
            "retention_days: not a whole number from 1 to 3650: `0`",
            "poll_interval: not a duration: `\"10\"` | a number and `s`, `m`, `h` or `d`, like `60s`",
            "token_expires: not a day: `22.2.2027` | like `2027-02-22`",
            "include_raw: neither true nor false: `\"yes\"`",
            "event_tipes: no such setting | did you mean `event_types`?",
            "zzz: no such setting | the settings are `api_base_url`, `authorization`, `client_id`, `event_types`, `include_raw`, `late_horizon`, `oauth_token_url`, `org_ids`, `poll_interval`, `retention_days`, `start`, `token_expires`",
        ]
    );
}

#[test]
fn a_number_in_quotes_is_shown_with_them() {
    assert_eq!(
        problems(r#"{"retention_days": "90"}"#),
        ["retention_days: not a whole number from 1 to 3650: `\"90\"` | write it without quotes"]
    );
}

#[test]
fn near_misses_are_recognised_in_any_case() {
    assert_eq!(
        problems(r#"{"event_types": ["Login", "ADMIN", "sso", 1], "authorization": "Bearer"}"#),
        [
            "authorization: `Bearer` is none of `api-key`, `bearer`, `service-account` | did you mean `bearer`?",
            "event_types[0]: `Login` is none of `login`, `admin` | did you mean `login`?",
            "event_types[1]: `ADMIN` is none of `login`, `admin` | did you mean `admin`?",
            "event_types[2]: `sso` is none of `login`, `admin`",
            "event_types[3]: `1` is none of `login`, `admin`",
        ]
    );
}

#[test]
fn a_secret_among_the_settings_is_sent_to_its_place_and_not_shown() {
    assert_eq!(
        problems(r#"{"token": "jca_s3cret"}"#),
        [
            "token: it is a secret, not a setting | say under `secrets` where it is: `token = \"env:NAME\"` or `token = \"file:PATH\"`"
        ]
    );
}

#[test]
fn a_secret_in_the_place_of_a_value_is_not_repeated() {
    let secret = "0123456789abcdef0123456789abcdef01234567";
    for name in SETTINGS.iter().map(|setting| setting.name) {
        for value in [
            format!("Bearer {secret}"),
            format!(" {secret}"),
            secret.to_owned(),
            "Bearer jca_S3".to_owned(),
        ] {
            let found = [json!(value), json!([value])]
                .map(|value| Settings::parse(&json!({ name: value }).to_string()))
                .map(|parsed| format!("{:?}", parsed.err()));
            let found = found.concat();
            assert!(
                !found.contains(secret) && !found.contains("jca_S3"),
                "{found}"
            );
        }
    }
    assert_eq!(
        problems(r#"{"authorization": "Bearer jca_SECRET"}"#),
        [
            "authorization: a value of 17 characters is none of `api-key`, `bearer`, `service-account` | write `bearer` here, and where the token is under `secrets`: `token = \"env:NAME\"` or `token = \"file:PATH\"`"
        ]
    );
}

#[test]
fn a_service_account_needs_an_id_and_organisations() {
    assert_eq!(
        problems(r#"{"authorization": "service-account", "org_ids": []}"#),
        [
            "client_id: it is missing, and a service account needs it | it is shown with the service account in the Admin Portal",
            "org_ids: it is missing, and a service account needs it | 24 hex digits, as under Settings > Organization Profile in the Admin Portal",
        ]
    );
    assert_eq!(
        problems(r#"{"authorization": "service-account", "client_id": "a:b", "org_ids": ["x"]}"#)
            .len(),
        2
    );
    let guess = |url: &str| {
        let json = format!(
            r#"{{"authorization": "service-account", "client_id": "abc", "org_ids": ["5a2af2a82cf2b0010053ea41"], "api_base_url": "https://{url}"}}"#
        );
        Settings::parse(&json).unwrap().token_address_is_a_guess()
    };
    assert!(guess("api.eu.jumpcloud.com"));
    assert!(!guess("api.jumpcloud.com") && !guess("proxy.example"));
}

#[test]
fn what_is_no_object_is_a_problem_of_all_settings() {
    assert_eq!(problems("[]"), ["settings: not a JSON object"]);
    assert!(problems("{").concat().starts_with("settings: not JSON"));
}

#[test]
fn an_organisation_is_the_same_in_capitals() {
    let settings = Settings::parse(r#"{"org_ids": ["5A2AF2A82CF2B0010053EA41"]}"#).unwrap();
    assert_eq!(settings.org_ids, ["5a2af2a82cf2b0010053ea41"]);
    assert_eq!(
        problems(r#"{"org_ids": ["5a2af2a82cf2b0010053ea41", "5A2AF2A82CF2B0010053EA41"]}"#),
        ["org_ids[1]: `5A2AF2A82CF2B0010053EA41` stands there twice"]
    );
}
