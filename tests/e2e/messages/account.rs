//! A service account: it collects like a key, loses tokens without a word, and
//! says what is wrong when it gets none.

use jumpcloud_simulator::DEFAULT_SERVICE_ACCOUNT;
use jumpcloud_tests::{Feed, Run, Tenant, assert_same_lines};
use snapbox::{assert_data_eq, data::Inline, str};

use super::message_of;

/// A feed that collects with the tenant's service account.
fn feed(tenant: &Tenant) -> Feed {
    let feed = Feed::of(tenant);
    let (client_id, _) = DEFAULT_SERVICE_ACCOUNT;
    let (id, url) = (
        jumpcloud_simulator::organization_id(0),
        tenant.api.token_url(),
    );
    feed.edit(
        "settings = {",
        &format!(
            r#"settings = {{ authorization = "service-account", client_id = "{client_id}", oauth_token_url = "{url}", org_ids = ["{id}"],"#
        ),
    );
    feed.edit(
        "token = \"env:JUMPCLOUD_API_KEY\"",
        "client_secret = \"env:SECRET\"",
    );
    feed
}

fn once(feed: &Feed) -> Run {
    let (_, secret) = DEFAULT_SERVICE_ACCOUNT;
    feed.once().env("SECRET", secret)
}

#[test]
fn it_collects_all_with_one_token() {
    let tenant = Tenant::settled(500);
    let feed = feed(&tenant);
    once(&feed).output().expect_code(0);
    assert_same_lines(&feed.lines(), &tenant.expected());
    assert_eq!(tenant.api.model().stats.token, 1);
}

#[test]
fn it_is_recognised_by_its_secret() {
    let feed = feed(&Tenant::settled(1));
    feed.edit("authorization = \"service-account\", ", "");
    let told = once(&feed).output().expect_code(2).stderr;
    let hint = "hint: `secrets.client_secret`, which is given, goes with `authorization = \"service-account\"`";
    assert!(
        told.contains("`secrets.token`: the secret is missing"),
        "{told}"
    );
    assert!(told.contains(hint), "{told}");
}

#[test]
fn a_token_that_ends_in_the_midst_of_a_walk_is_renewed() {
    for rule in [
        "status=401,on=events,nth=1",
        "status=401,on=events,nth=3",
        "status=401,on=count,nth=2",
    ] {
        let tenant = Tenant::settled(500);
        tenant.fault(rule);
        let feed = feed(&tenant);
        let ran = once(&feed).output().expect_code(0);
        assert!(!ran.stderr.contains("401"), "{}", ran.stderr);
        assert_same_lines(&feed.lines(), &tenant.expected());
        assert_eq!(tenant.api.model().stats.token, 2, "{rule}");
    }
}

/// What is told when this goes wrong, always; when it has passed, the next run
/// gets everything.
fn told_of(rule: &str, code: i32, message: Inline) {
    let tenant = Tenant::settled(300);
    let feed = feed(&tenant);
    feed.edit(
        "batch_events = 100",
        r#"batch_events = 100, first_byte = "1s", between_bytes = "1s""#,
    );
    tenant.fault(rule);
    let ran = once(&feed).output().expect_code(code);
    assert_data_eq!(message_of(&ran, &feed), message);
    tenant.heal();
    once(&feed).output().expect_code(0);
    assert_same_lines(&feed.lines(), &tenant.expected());
}

#[test]
fn the_token_address_says_no() {
    std::thread::scope(|scope| {
        for (rule, code, message) in [
            (
                "status=401,on=token",
                3,
                str![[r#"
error: acme: JumpCloud refused the service account's client id or secret (401)
hint: the secret may have expired, been replaced, or been pasted incompletely; up to two can be active
hint: make a new secret for the service account in the Admin Portal and put it in the place of `client_secret`
hint: the token was asked for at `http://127.0.0.1:[PORT]/oauth2/token`; an account of another region needs `oauth_token_url`
hint: the secret comes from `env:SECRET`

"#]],
            ),
            (
                "status=403,on=token",
                3,
                str![[r#"
error: acme: the service account gets no token (403): its id and secret are right, but it may not use the API
hint: give it a role in the Admin Portal that may read Directory Insights

"#]],
            ),
            (
                "html,on=token",
                2,
                str![[r#"
error: feeds.toml:5: feed `acme`: `settings.oauth_token_url`: no tokens are given at this address: 127.0.0.1:[PORT] answered a page in HTML
hint: without this setting it is `https://admin-oauth.id.jumpcloud.com/oauth2/token`

"#]],
            ),
            (
                "status=503,on=token",
                4,
                str![[r#"
error: acme: 127.0.0.1:[PORT] failed (503)
hint: tried 5 times; nothing is lost, and the next run goes on from here

"#]],
            ),
            (
                "stall,on=token",
                4,
                str![[r#"
error: acme: could not reach JumpCloud at 127.0.0.1:[PORT]: no answer in time
hint: the token was asked for at `http://127.0.0.1:[PORT]/oauth2/token`; an account of another region needs `oauth_token_url`
hint: POST http://127.0.0.1:[PORT]/oauth2/token: no answer within [N] ms (`limits.first_byte`)
hint: tried 5 times; nothing is lost, and the next run goes on from here

"#]],
            ),
            (
                "not-an-array,on=token",
                4,
                str![[r#"
error: acme: unexpected answer from JumpCloud: 127.0.0.1:[PORT] gave no token
hint: nothing was skipped, this part will be read again
hint: tried 5 times; nothing is lost, and the next run goes on from here

"#]],
            ),
            (
                "status=401,on=count",
                3,
                str![[r#"
error: acme: JumpCloud refused the service account's token (401), and a new one too
hint: the account may just have lost its access: see its role in the Admin Portal
hint: an account is known in its own region only: `api_base_url` is http://127.0.0.1:[PORT], and JumpCloud's are `https://api.jumpcloud.com`, `https://api.eu.jumpcloud.com` or `https://api.in.jumpcloud.com`
hint: the secret comes from `env:SECRET`

"#]],
            ),
            (
                "status=403,on=count",
                3,
                str![[r#"
error: acme: the service account may not read Directory Insights of organisation `64f0c1d2a3b4000000000001` (403)
hint: `org_ids` names it: is the id right, and does the credential reach that organisation?
hint: give the account a role in the Admin Portal that may read Directory Insights

"#]],
            ),
        ] {
            scope.spawn(move || told_of(rule, code, message));
        }
    });
}

#[test]
fn a_wrong_secret() {
    let tenant = Tenant::settled(100);
    let feed = feed(&tenant);
    let wrong = once(&feed)
        .env("SECRET", "wr0ng-s3cret")
        .output()
        .expect_code(3);
    assert!(
        wrong
            .stderr
            .contains("refused the service account's client id or secret (401)"),
        "{}",
        wrong.stderr
    );
    assert!(
        wrong.stderr.contains("env:SECRET") && !wrong.stderr.contains("wr0ng"),
        "{}",
        wrong.stderr
    );
    let check = feed
        .command(&["check"])
        .env("SECRET", "wr0ng-s3cret")
        .output()
        .expect_code(3);
    assert!(
        check.stderr.contains("client id or secret"),
        "{}",
        check.stderr
    );
    let (_, secret) = DEFAULT_SERVICE_ACCOUNT;
    let check = feed
        .command(&["check"])
        .env("SECRET", secret)
        .output()
        .expect_code(0);
    assert!(check.stdout.contains("[access]"), "{}", check.stdout);
}
