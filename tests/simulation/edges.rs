//! What only JumpCloud's answers can tell of settings and credentials.

use jumpcloud::clock::rfc3339;
use jumpcloud::error::{Error, Result};
use jumpcloud::finding::Kind;
use jumpcloud_simulator::{DEFAULT_KEY, Endpoint, Fault, RetryAfter, Rule};

use crate::events::{event, events};
use crate::plan::EPOCH;
use crate::world::World;

const DAY: i64 = 86_400_000;

fn problems<T>(result: Result<T>) -> Vec<String> {
    match result.map(drop) {
        Err(Error::BadSettings(problems)) => problems
            .iter()
            .map(|problem| format!("{}: {}", problem.setting, problem.message))
            .collect(),
        other => panic!("no wrong setting: {other:?}"),
    }
}

#[test]
fn a_start_in_the_future_is_refused_at_the_first_answer_whatever_our_own_clock_says() {
    for skew in [0, -400 * DAY, 400 * DAY] {
        let start = rfc3339(EPOCH + 30 * DAY);
        let mut world = World::of(Vec::new(), &format!(r#"{{"start": "{start}"}}"#));
        world.set_skew(skew);
        let now = world.now();
        let found = problems(world.poll_once());
        assert_eq!(found.len(), 1);
        let said = format!("start: it lies in the future: `{start}`, and now it is `");
        assert!(found[0].starts_with(&said), "{found:?}");
        assert!(
            found[0].contains(&rfc3339(now)[..16]),
            "by JumpCloud's clock: {found:?}"
        );
        assert_eq!(world.model.stats.requests(), 1);
        assert!(world.store().is_empty(), "nothing was begun");
        if skew.abs() < DAY {
            assert_eq!(problems(world.try_out()).len(), 1);
        }
        world.reopen_with(r#"{"start": "1h"}"#);
        assert!(world.poll_all().is_ok());
    }
}

#[test]
fn a_start_at_this_moment_by_a_clock_that_is_ahead_is_taken() {
    let mut world = World::of(Vec::new(), "");
    let start = rfc3339(world.now() + 60_000);
    world.reopen_with(&format!(r#"{{"start": "{start}"}}"#));
    assert!(world.poll_all().is_ok());
    world.settle();
    world.check();
}

/// The failure of an authentication: its message and hints.
fn refused<T: std::fmt::Debug>(result: Result<T>) -> Vec<String> {
    match result {
        Err(Error::Authentication(failure)) => [vec![failure.message], failure.hints].concat(),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn check_names_the_header_in_which_the_token_is_accepted() {
    let both = [("bearer", "api-key"), ("api-key", "bearer")];
    for (set, works) in both {
        let mut world = World::of(Vec::new(), &format!(r#"{{"authorization": "{set}"}}"#));
        if works == "bearer" {
            world.model.access.revoke_key(DEFAULT_KEY);
            world.model.access.add_token(DEFAULT_KEY, i64::MAX);
        }
        let said = refused(world.try_out());
        assert!(said[0].ends_with("(401)"), "{said:?}");
        let hint =
            format!("JumpCloud accepts it in the other header: set `authorization = \"{works}\"`");
        assert_eq!(said[1], hint);
        assert_eq!(world.model.stats.requests(), 2);

        world.model.access.revoke_key(DEFAULT_KEY);
        world.model.access.expire_tokens();
        let said = refused(world.try_out());
        assert!(!said[1].contains("other header"), "{said:?}");
    }
}

#[test]
fn check_meets_what_only_a_page_is_refused_for() {
    for status in [400, 402, 403] {
        let mut world = World::of(events(0, 5, EPOCH, 1), "");
        let fault = Fault::Status {
            status,
            retry_after: RetryAfter::Absent,
        };
        world
            .model
            .faults
            .add(Rule::new(fault).on(Endpoint::Events));
        let tried = world.try_out().unwrap_err();
        assert!(world.store().is_empty());
        let polled = world.poll_all().unwrap_err();
        assert_eq!(tried.to_string(), polled.to_string());
        assert_eq!(tried.code(), polled.code());
    }
    for fault in [Fault::Html, Fault::NotAnArray] {
        let mut world = World::of(events(0, 5, EPOCH, 1), "");
        world
            .model
            .faults
            .add(Rule::new(fault).on(Endpoint::Events));
        assert!(world.try_out().is_err());
    }
}

/// The count is asked for before the first answer tells what time it is.
#[test]
fn check_says_since_when_it_counted_by_whatever_clock() {
    const MINUTE: i64 = 60_000;
    let mut world = World::of(Vec::new(), "");
    let now = world.now();
    let at = |id, ago| event(0, "user_lockout", id, now - ago * MINUTE);
    world
        .model
        .add_events(vec![at("before", 45), at("after", 10)]);
    world.set_skew(30 * MINUTE);
    let found = world.try_out().unwrap();
    let access = found.iter().find(|one| one.kind == Kind::Access).unwrap();
    let since = rfc3339(now - 30 * MINUTE);
    let told = format!(
        ": 1 events in the services asked for since {}",
        &since[..16]
    );
    assert!(access.message.contains(&told), "{}", access.message);
}

#[test]
fn check_tells_of_a_start_that_will_be_moved_and_not_of_one_that_was() {
    let moved = |world: &mut World| {
        let mut found = world.try_out().unwrap().into_iter();
        found
            .find(|one| one.kind == Kind::StartClamped)
            .map(|one| one.message)
    };
    for (start, kept, told) in [
        ("200d", 90, Some("`retention_days` is 90")),
        ("60d", 15, Some("JumpCloud keeps 15 days")),
        ("90d", 90, None),
        ("1m", 90, None),
    ] {
        let settings = format!(r#"{{"start": "{start}"}}"#);
        let mut world = World::of(events(0, 5, EPOCH, 1), &settings);
        world.model.organizations[0].retention_days = kept;
        let said = moved(&mut world);
        match told {
            Some(days) => assert!(said.unwrap().ends_with(days)),
            None => assert_eq!(said, None),
        }
        world.poll_all().unwrap();
        assert_eq!(moved(&mut world), None);
    }
}

#[test]
fn a_key_that_ends_is_warned_of_once_a_day() {
    let mut world = World::of(Vec::new(), r#"{"token_expires": "2026-10-10"}"#);
    let mut told: Vec<(i64, String)> = Vec::new();
    while world.now() < EPOCH + 21 * DAY {
        let said = world.poll_all().unwrap().findings.into_iter();
        let said = said.filter(|finding| finding.starts_with("key-expiry"));
        told.extend(said.map(|finding| (world.now(), finding)));
        world.wait_minutes(61);
        // Also over restarts.
        world.reopen();
    }
    let first =
        "key-expiry: the key expires on 2026-10-10, in 14 days: make a new one under `My API Key`";
    assert!(told[0].1.starts_with(first), "{told:#?}");
    let gaps = told.windows(2).map(|pair| pair[1].0 - pair[0].0);
    assert!(gaps.min() >= Some(DAY) && told.len() >= 16, "{told:#?}");
    let last = &told.last().unwrap().1;
    assert!(
        last.contains("has expired on 2026-10-10, by `token_expires`"),
        "{last}"
    );
    assert!(
        world
            .try_out()
            .unwrap()
            .iter()
            .any(|f| f.kind == Kind::KeyExpiry)
    );
}

#[test]
fn a_key_that_is_refused_after_it_worked_says_how_much_time_there_is() {
    let mut world = World::of(
        events(0, 5, EPOCH, 1_000),
        r#"{"start": "2h", "retention_days": 15}"#,
    );
    world.poll_all().unwrap();
    // Read to two minutes ago, and kept for 15 days less one.
    let until = rfc3339(world.now() - 120_000 + 15 * DAY - 60_000);
    world.model.access.revoke_key(DEFAULT_KEY);
    for _ in 0..2 {
        let said = refused(world.poll_once());
        assert_eq!(
            said[0],
            "JumpCloud refused the API key (401), and this feed worked before"
        );
        assert!(
            said[1].starts_with("it has probably expired (keys made for 90 days stop on day 90)")
        );
        let hint = format!("nothing is lost until {}", &until[..15]);
        assert!(said[3].starts_with(&hint), "{said:?}");
        world.reopen();
    }
}
