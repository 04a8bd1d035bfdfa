//! The upstream answers, and says no. One attempt, one message; when the reason
//! is gone, the next run goes on.

use jumpcloud_simulator::{DEFAULT_KEY, organization_id};
use jumpcloud_tests::{Feed, Tenant, assert_same_lines};
use snapbox::{assert_data_eq, data::Inline, str};

use super::{message_of, told};

/// A new feed, and one that has collected two pages, meet what `spoil` does to
/// the tenant; after `mend` both get everything once.
fn refused(spoil: impl Fn(&Tenant), mend: impl Fn(&Tenant), code: i32, message: Inline) {
    let tenant = Tenant::settled(500);
    let new = Feed::of(&tenant);
    let established = Feed::of(&tenant);
    established
        .once()
        .dies_at("deleted", 2)
        .output()
        .expect_killed();
    assert!(!established.lines().is_empty());
    let before = established.lines();

    spoil(&tenant);
    let asked = tenant.api.seen().len();
    let ran = new.once().output().expect_code(code);
    assert_eq!(ran.stdout, "");
    assert_data_eq!(told(&ran, &new), message);
    established.once().output().expect_code(code);
    assert_eq!(established.lines(), before);
    assert_eq!(tenant.api.seen().len(), asked + 2, "nobody asks twice");

    mend(&tenant);
    for feed in [new, established] {
        feed.once().output().expect_code(0);
        assert_same_lines(&feed.lines(), &tenant.expected());
    }
}

#[test]
fn status_400() {
    refused(
        |tenant| tenant.fault("status=400"),
        Tenant::heal,
        2,
        str![[r#"
error: feeds.toml:3: feed `acme`: JumpCloud refused the request: `Bad Request`

hint: JumpCloud's support can trace request id [ID]


"#]],
    );
}

#[test]
fn status_401_of_a_revoked_key() {
    refused(
        |tenant| tenant.api.model().access.revoke_key(DEFAULT_KEY),
        |tenant| {
            tenant
                .api
                .model()
                .access
                .add_key(DEFAULT_KEY, &[&organization_id(0)])
        },
        3,
        str![[r#"
error: acme: JumpCloud refused the API key (401)

hint: it may have expired (keys made for 90 days stop on day 90), been replaced by a newer one, or been pasted incompletely
hint: make a new key under `My API Key` in the Admin Portal and put it in the place of `token`; the old key stops at once everywhere
hint: a key is known in its own region only: `api_base_url` is http://127.0.0.1:[PORT], and JumpCloud's are `https://api.jumpcloud.com`, `https://api.eu.jumpcloud.com` or `https://api.in.jumpcloud.com`
hint: the secret comes from `env:JUMPCLOUD_API_KEY`


"#]],
    );
}

#[test]
fn status_401_of_a_feed_that_worked() {
    let tenant = Tenant::settled(300);
    let feed = Feed::of(&tenant);
    feed.once().output().expect_code(0);
    tenant.api.model().access.revoke_key(DEFAULT_KEY);
    let ran = feed.once().output().expect_code(3);
    assert_data_eq!(
        message_of(&ran, &feed),
        str![[r#"
error: acme: JumpCloud refused the API key (401), and this feed worked before
hint: it has probably expired (keys made for 90 days stop on day 90), or been replaced by a newer one
hint: make a new key under `My API Key` in the Admin Portal and put it in the place of `token`; the old key stops at once everywhere
hint: nothing is lost until [TIME], if JumpCloud keeps events for 90 days (`retention_days`)
hint: the secret comes from `env:JUMPCLOUD_API_KEY`

"#]]
    );
    feed.edit("start = ", r#"token_expires = "2026-01-31", start = "#);
    let ran = feed.once().output().expect_code(3);
    assert!(
        ran.stderr
            .contains("hint: it has expired on 2026-01-31, by `token_expires`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn status_401_of_a_token_in_the_wrong_header() {
    let tenant = Tenant::settled(10);
    let feed = Feed::of(&tenant);
    feed.edit("start = ", r#"authorization = "bearer", start = "#);
    let ran = feed.command(&["check"]).output().expect_code(3);
    assert_data_eq!(
        message_of(&ran, &feed),
        str![[r#"
error: acme: JumpCloud refused the bearer token (401)
hint: JumpCloud accepts it in the other header: set `authorization = "api-key"`
hint: it may have expired (keys made for 90 days stop on day 90), been replaced by a newer one, or been pasted incompletely
hint: such tokens live for a few hours; with `authorization = "service-account"` they are renewed without you
hint: a key is known in its own region only: `api_base_url` is http://127.0.0.1:[PORT], and JumpCloud's are `https://api.jumpcloud.com`, `https://api.eu.jumpcloud.com` or `https://api.in.jumpcloud.com`
hint: the secret comes from `env:JUMPCLOUD_API_KEY`

"#]]
    );
    assert_eq!(tenant.api.seen().len(), 2);
    feed.edit(
        r#"authorization = "bearer""#,
        r#"authorization = "api-key""#,
    );
    feed.command(&["check"]).output().expect_code(0);
}

#[test]
fn status_402_of_a_plan_without_the_feature() {
    let entitle = |tenant: &Tenant, entitled| {
        tenant.api.model().organizations[0].entitled = entitled;
    };
    refused(
        |tenant| entitle(tenant, false),
        |tenant| entitle(tenant, true),
        3,
        str![[r#"
error: acme: this organisation's plan does not include Directory Insights, or not this far back (402)

hint: ask your JumpCloud account manager, or set a later `start`


"#]],
    );
}

#[test]
fn status_403_of_a_role_that_may_not_read() {
    let allow = |tenant: &Tenant, may_read| {
        tenant
            .api
            .model()
            .access
            .set_key_may_read(DEFAULT_KEY, may_read);
    };
    refused(
        |tenant| allow(tenant, false),
        |tenant| allow(tenant, true),
        3,
        str![[r#"
error: acme: the credential is valid but may not read Directory Insights (403)

hint: command-runner roles have no access; the key's administrator needs a role that has
hint: API access must be enabled for this administrator, by one with the Billing role
hint: with a provider's key set `org_ids`
hint: JumpCloud may have blocked this address for suspected abuse


"#]],
    );
}

#[test]
fn a_redirect_is_not_followed() {
    let spoil = |tenant: &Tenant| tenant.fault("redirect=https://login.example.com/?next=x");
    refused(
        spoil,
        Tenant::heal,
        2,
        str![[r#"
error: feeds.toml:5: feed `acme`: `settings.api_base_url`: 127.0.0.1:[PORT] redirects to `https://login.example.com/?next=x`

hint: redirects are not followed with credentials; name the final address
hint: `api_base_url` is http://127.0.0.1:[PORT], and JumpCloud's are `https://api.jumpcloud.com`, `https://api.eu.jumpcloud.com` or `https://api.in.jumpcloud.com`


"#]],
    );
}

#[test]
fn a_start_in_the_future() {
    let tenant = Tenant::settled(300);
    let feed = Feed::of(&tenant);
    feed.edit(r#"start = "2d""#, r#"start = "2999-01-01T00:00:00Z""#);
    let ran = feed.once().output().expect_code(2);
    assert_data_eq!(
        told(&ran, &feed),
        str![[r#"
error: feeds.toml:5: feed `acme`: `settings.start`: it lies in the future: `[TIME]`, and now it is `[TIME]`

hint: set a moment that has passed, or how far to go back from now, like `24h`


"#]]
    );
    assert_eq!(tenant.api.seen().len(), 1);
    // `check` says the same.
    let check = feed.command(&["check"]).output().expect_code(2);
    assert!(
        check.stderr.contains("it lies in the future"),
        "{}",
        check.stderr
    );

    feed.edit("2999-01-01T00:00:00Z", "2d");
    feed.once().output().expect_code(0);
    assert_same_lines(&feed.lines(), &tenant.expected());
}

/// A wrong address, as long as it never served this feed.
fn wrong_address(rule: &str, message: Inline) {
    let tenant = Tenant::settled(300);
    let feed = Feed::of(&tenant);
    tenant.fault(rule);
    let ran = feed.once().output().expect_code(2);
    assert_data_eq!(told(&ran, &feed), message);
    assert_eq!(tenant.api.seen().len(), 1);
    tenant.heal();
    feed.once().output().expect_code(0);
    assert_same_lines(&feed.lines(), &tenant.expected());
}

#[test]
fn status_404() {
    wrong_address(
        "status=404",
        str![[r#"
error: feeds.toml:5: feed `acme`: `settings.api_base_url`: this is not the Directory Insights API: 127.0.0.1:[PORT] answered 404 Not Found

hint: `api_base_url` is http://127.0.0.1:[PORT], and JumpCloud's are `https://api.jumpcloud.com`, `https://api.eu.jumpcloud.com` or `https://api.in.jumpcloud.com`


"#]],
    );
}

#[test]
fn html_instead_of_json() {
    wrong_address(
        "html",
        str![[r#"
error: feeds.toml:5: feed `acme`: `settings.api_base_url`: this is not the Directory Insights API: 127.0.0.1:[PORT] answered a page in HTML

hint: `api_base_url` is http://127.0.0.1:[PORT], and JumpCloud's are `https://api.jumpcloud.com`, `https://api.eu.jumpcloud.com` or `https://api.in.jumpcloud.com`


"#]],
    );
}
