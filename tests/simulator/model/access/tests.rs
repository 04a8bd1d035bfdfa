use serde_json::Value;

use super::*;
use crate::model::{DEFAULT_SERVICE_ACCOUNT, Model};
use crate::{DEFAULT_KEY, Recipe, organization_id};

const NOW: i64 = 1_780_000_000_000;

/// The status of a count with these headers.
fn status(model: &mut Model, headers: &[(&str, &str)], now_ms: i64) -> u16 {
    let body = br#"{"service":["all"],"start_time":"2026-05-28T00:00:00Z"}"#;
    let path = "/insights/directory/v1/events/count";
    model
        .answer(
            Request {
                method: "POST",
                path,
                headers,
                body,
            },
            now_ms,
        )
        .status
}

fn token(model: &mut Model, client_id: &str, secret: &str, form: &str) -> (u16, Value) {
    let basic = format!("Basic {}", STANDARD.encode(format!("{client_id}:{secret}")));
    let headers = [("Authorization", basic.as_str())];
    let body = form.as_bytes();
    let request = Request {
        method: "POST",
        path: "/oauth2/token",
        headers: &headers,
        body,
    };
    let answer = model.answer(request, NOW);
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

fn tenants(organizations: usize) -> Model {
    Model::generated(&Recipe {
        organizations,
        ..Recipe::new(10, NOW)
    })
}

#[test]
fn a_key_is_needed_and_may_be_revoked() {
    let mut model = tenants(1);
    assert_eq!(status(&mut model, &[], NOW), 401);
    assert_eq!(status(&mut model, &[("x-api-key", "wrong")], NOW), 401);
    let own = [("x-api-key", DEFAULT_KEY)];
    assert_eq!(status(&mut model, &own, NOW), 200);
    model.access.set_key_may_read(DEFAULT_KEY, false);
    assert_eq!(status(&mut model, &own, NOW), 403);
    model.access.set_key_may_read(DEFAULT_KEY, true);
    model.access.revoke_key(DEFAULT_KEY);
    assert_eq!(status(&mut model, &own, NOW), 401);
}

#[test]
fn a_key_as_bearer_is_a_switch() {
    let mut model = tenants(1);
    let bearer = format!("Bearer {DEFAULT_KEY}");
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(status(&mut model, &headers, NOW), 401);
    model.access.keys_as_bearer = true;
    assert_eq!(status(&mut model, &headers, NOW), 200);
}

#[test]
fn the_organisation_is_the_keys_own_or_named() {
    let mut model = tenants(2);
    let (one, other) = (organization_id(0), organization_id(1));
    let key = ("x-api-key", DEFAULT_KEY);
    assert_eq!(status(&mut model, &[key], NOW), 403);
    assert_eq!(status(&mut model, &[key, ("X-Org-Id", &other)], NOW), 200);
    assert_eq!(status(&mut model, &[key, ("x-org-id", "0123")], NOW), 403);
    assert_eq!(
        status(
            &mut model,
            &[key, ("x-org-id", &one), ("x-org-id", &other)],
            NOW
        ),
        400
    );
    model.access.add_key("own", &[&one]);
    assert_eq!(status(&mut model, &[("x-api-key", "own")], NOW), 200);
    assert_eq!(
        status(
            &mut model,
            &[("x-api-key", "own"), ("x-org-id", &other)],
            NOW
        ),
        403
    );
}

#[test]
fn a_service_account_gets_a_token_that_ends() {
    let mut model = tenants(1);
    let (id, secret) = DEFAULT_SERVICE_ACCOUNT;
    let form = "grant_type=client_credentials&scope=api";
    let (code, answer) = token(&mut model, id, secret, form);
    assert_eq!(code, 200);
    assert_eq!(answer["expires_in"], 3600);
    assert_eq!(answer["token_type"], "bearer");
    let bearer = format!("Bearer {}", answer["access_token"].as_str().unwrap());
    let organization = organization_id(0);
    let headers = [
        ("Authorization", bearer.as_str()),
        ("x-org-id", organization.as_str()),
    ];
    assert_eq!(status(&mut model, &headers, NOW + 3_599_999), 200);
    assert_eq!(status(&mut model, &headers, NOW + 3_600_000), 401);
    assert_eq!(
        status(&mut model, &headers[..1], NOW),
        403,
        "x-org-id is needed"
    );
    model.access.expire_tokens();
    assert_eq!(status(&mut model, &headers, NOW), 401);
}

#[test]
fn the_token_endpoint_refuses_as_oauth_does() {
    let mut model = tenants(1);
    let (id, secret) = DEFAULT_SERVICE_ACCOUNT;
    let form = "grant_type=client_credentials&scope=api";
    assert_eq!(token(&mut model, id, "wrong", form).0, 401);
    assert_eq!(token(&mut model, id, secret, "grant_type=password").0, 400);
    assert_eq!(
        token(&mut model, id, secret, "grant_type=client_credentials").0,
        400
    );
    model.access.add_service_account(id, "second");
    model.access.revoke_service_secret(id, secret);
    assert_eq!(token(&mut model, id, secret, form).0, 401);
    assert_eq!(token(&mut model, id, "second", form).0, 200);
    model.access.set_service_may_read(id, false);
    assert_eq!(token(&mut model, id, "second", form).0, 403);
    model.access.expires_in = ExpiresIn::Missing;
    model.access.set_service_may_read(id, true);
    assert!(
        token(&mut model, id, "second", form)
            .1
            .get("expires_in")
            .is_none()
    );
}
