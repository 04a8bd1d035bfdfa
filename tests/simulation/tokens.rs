//! Service accounts: tokens are got, renewed and lost, and nobody notices;
//! what the token address answers else is told in its own words.

use jumpcloud::error::{Error, Failure};
use jumpcloud_simulator::{
    DEFAULT_SERVICE_ACCOUNT, Endpoint, Event, ExpiresIn, Fault, Model, Recipe, RetryAfter, Rule,
    When, Wire, organization_id,
};

use crate::events::events;
use crate::plan::EPOCH;
use crate::world::{History, World};

/// Settings of a service account, with these others.
fn settings(organizations: usize, others: &str) -> String {
    let (client_id, _) = DEFAULT_SERVICE_ACCOUNT;
    let ids: Vec<String> = (0..organizations).map(organization_id).collect();
    format!(
        r#"{{"authorization": "service-account", "client_id": "{client_id}", "org_ids": {ids:?}{others}}}"#
    )
}

fn world(events: Vec<Event>) -> World {
    World::of(events, &settings(1, ""))
}

fn text(error: &Error) -> String {
    let hints = match error {
        Error::Authentication(Failure { hints, .. }) => hints.join("\n"),
        _ => String::new(),
    };
    format!("{}: {error}\n{hints}", error.code())
}

#[test]
fn one_token_serves_every_request_of_every_organisation() {
    let both = [events(0, 45, EPOCH, 1_000), events(1, 45, EPOCH, 1_000)].concat();
    let mut world = World::of(both, &settings(2, ""));
    world.settle();
    world.check();
    assert_eq!(world.model.stats.token, 1);
    assert!(world.model.stats.events >= 10);
}

#[test]
fn a_token_that_is_lost_in_the_midst_of_a_walk_is_replaced_without_an_error() {
    let mut world = world(events(0, 95, EPOCH, 1_000));
    for _ in 0..8 {
        world.poll_once().unwrap();
        world.model.access.expire_tokens();
    }
    world.settle();
    world.check();
    assert!(
        world.model.stats.token >= 4,
        "most pages were asked for twice"
    );
}

#[test]
fn a_token_is_renewed_half_a_minute_before_its_end() {
    let mut world = world(Vec::new());
    world.poll_all().unwrap();
    for (minutes, tokens) in [(50, 1), (6, 1), (4, 2), (50, 2), (10, 3)] {
        world.wait_minutes(minutes);
        let before = world.model.stats;
        world.poll_all().unwrap();
        assert_eq!(world.model.stats.token, tokens);
        let asked = world.model.stats.requests() - before.requests();
        let walks = world.model.stats.events - before.events;
        assert!(
            walks == 1 && asked <= 4,
            "none is refused: {asked} requests"
        );
    }
}

#[test]
fn how_long_a_token_lives_need_not_be_said() {
    for (says, tokens) in [
        (ExpiresIn::Missing, 1),
        (ExpiresIn::Says("0"), 1),
        (ExpiresIn::Says("-5"), 1),
        (ExpiresIn::Says("null"), 1),
        (ExpiresIn::Says("{}"), 1),
        (ExpiresIn::Says("\"3600\""), 1),
        (ExpiresIn::Says("18446744073709551615"), 1),
        // Until it is half over.
        (ExpiresIn::Says("2"), 6),
    ] {
        let mut world = world(events(0, 45, EPOCH, 1_000));
        world.model.access.expires_in = says;
        for _ in 0..6 {
            world.poll_all().unwrap();
            world.wait_minutes(1);
        }
        world.check();
        assert_eq!(world.model.stats.token.min(6), tokens, "{says:?}");
    }
}

#[test]
fn a_token_that_never_works_is_tried_twice() {
    let mut world = world(events(0, 5, EPOCH, 1_000));
    let refused = Fault::Status {
        status: 401,
        retry_after: RetryAfter::Absent,
    };
    world
        .model
        .faults
        .add(Rule::new(refused).on(Endpoint::Count));
    let error = text(&world.poll_once().unwrap_err());
    assert!(
        error.starts_with(
            "authentication: JumpCloud refused the service account's token (401), and a new one too"
        ),
        "{error}"
    );
    assert_eq!((world.model.stats.token, world.model.stats.count), (2, 2));
    world.model.faults.clear();
    world.settle();
    world.check();
}

#[test]
fn what_the_token_address_answers_is_told_in_its_own_words() {
    let status = |status| Fault::Status {
        status,
        retry_after: RetryAfter::Seconds(9),
    };
    let wire = Fault::Wire;
    let host = "admin-oauth.id.jumpcloud.com";
    for (fault, new, established) in [
        (
            status(401),
            "authentication: JumpCloud refused the service account's client id or secret (401)",
            None,
        ),
        (
            status(403),
            "permission: the service account gets no token (403)",
            None,
        ),
        (
            status(404),
            "bad-settings: oauth_token_url: no tokens are given at this address",
            Some("unavailable: no tokens"),
        ),
        (
            Fault::Redirect("https://x".to_owned()),
            "bad-settings: oauth_token_url: no tokens are given at this address: admin-oauth.id.jumpcloud.com answered with a redirect to `https://x`",
            Some("unavailable: no tokens"),
        ),
        (
            Fault::Html,
            "bad-settings: oauth_token_url: no tokens are given at this address: admin-oauth.id.jumpcloud.com answered a page in HTML",
            Some("unavailable: no tokens"),
        ),
        (
            status(429),
            "unavailable: admin-oauth.id.jumpcloud.com limits our rate (429)",
            None,
        ),
        (
            status(503),
            "unavailable: admin-oauth.id.jumpcloud.com failed (503)",
            None,
        ),
        (
            Fault::NotAnArray,
            "protocol: unexpected answer from JumpCloud: admin-oauth.id.jumpcloud.com gave no token",
            None,
        ),
        (
            Fault::BrokenJson,
            "protocol: unexpected answer from JumpCloud: admin-oauth.id.jumpcloud.com gave no token",
            None,
        ),
        (
            wire(Wire::Reset),
            "unavailable: could not reach JumpCloud at admin-oauth.id.jumpcloud.com: no connection",
            None,
        ),
        (
            wire(Wire::Stall),
            "unavailable: could not reach JumpCloud at admin-oauth.id.jumpcloud.com: no answer in time",
            None,
        ),
        (
            wire(Wire::Cut(5)),
            "unavailable: JumpCloud's answer was cut off",
            None,
        ),
    ] {
        let mut world = world(events(0, 25, EPOCH, 1_000));
        world
            .model
            .faults
            .add(Rule::new(fault.clone()).on(Endpoint::Token));
        let error = world.poll_once().unwrap_err();
        assert!(
            text(&error).starts_with(new),
            "{fault:?} at {host}: {error}"
        );
        if let Error::Unavailable(_, after) = &error {
            assert_eq!(
                after.is_some(),
                matches!(
                    fault,
                    Fault::Status {
                        status: 429 | 503,
                        ..
                    }
                )
            );
        }
        assert_eq!(
            world.model.stats.count, 0,
            "nothing goes out without a token"
        );

        world.model.faults.clear();
        world.poll_once().unwrap();
        world.reopen();
        world
            .model
            .faults
            .add(Rule::new(fault.clone()).on(Endpoint::Token));
        let error = text(&world.poll_once().unwrap_err());
        assert!(
            error.starts_with(established.unwrap_or(new)),
            "{fault:?}: {error}"
        );

        world.model.faults.clear();
        world.settle();
        world.check();
    }
}

#[test]
fn a_region_for_which_no_token_address_is_documented_is_named() {
    let europe = settings(1, r#", "api_base_url": "https://api.eu.jumpcloud.com""#);
    for status in [401, 404] {
        let mut world = World::of(Vec::new(), &europe);
        let fault = Fault::Status {
            status,
            retry_after: RetryAfter::Absent,
        };
        world.model.faults.add(Rule::new(fault).on(Endpoint::Token));
        let error = text(&world.poll_once().unwrap_err());
        assert!(error.starts_with("authentication: "), "{error}");
        assert!(
            error.contains("the token address for this region is not documented"),
            "{error}"
        );
    }
}

#[test]
fn a_slow_token_address_holds_nobody_up_for_longer_than_a_poll() {
    let mut world = world(events(0, 45, EPOCH, 1_000));
    world.poll_in_haste();
    while world.emitted.len() < 45 {
        world.poll_once().unwrap();
    }
    world.check();
    assert_eq!(world.model.stats.token, 1);
}

#[test]
fn the_token_is_nowhere_to_be_seen() {
    let mut world = world(events(0, 45, EPOCH, 1_000));
    world.poll_all().unwrap();
    // The simulator's tokens look like those of JumpCloud.
    assert!(!format!("{:?}", world.feed()).contains("eyJ"));
    let mut stored = world.store().values();
    assert!(!stored.any(|value| String::from_utf8_lossy(value).contains("eyJ")));
}

#[test]
fn histories_with_tokens_that_come_and_go() {
    for seed in 0..40 {
        let recipe = Recipe {
            organizations: 2,
            period_ms: 3_600_000,
            ..Recipe::new(60, EPOCH + 3_600_000)
        };
        let mut model = Model::generated(&recipe);
        // It says an hour, and it is five seconds.
        (model.access.token_lifetime_s, model.access.expires_in) = (5, ExpiresIn::Says("3600"));
        let faults = vec![
            Fault::Status {
                status: 503,
                retry_after: RetryAfter::Seconds(2),
            },
            Fault::BrokenJson,
            Fault::Wire(Wire::Reset),
            Fault::Wire(Wire::Stall),
            Fault::Wire(Wire::Cut(9)),
        ];
        let rule = Rule::any_of(faults).on(Endpoint::Token);
        model.faults.add(rule.when(When::Chance(0.3)));
        let history = History {
            crashes: 0.01,
            tears: 0.05,
        };
        let settings = settings(2, r#", "start": "2h""#);
        let mut world = World::with(seed, model, &settings, history);
        world.run_to_the_end();
        world.check();
        assert!(world.model.stats.token > 10);
    }
}
