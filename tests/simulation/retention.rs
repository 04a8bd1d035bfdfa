//! How far back JumpCloud keeps events.

use jumpcloud::clock::rfc3339;
use jumpcloud::error::{Error, Result};
use jumpcloud_simulator::{Endpoint, Event, Fault, RetryAfter, Rule, When};

use crate::events::{event, events};
use crate::world::{EPOCH, Said, World};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

#[test]
fn a_start_beyond_retention_is_moved_with_a_word() {
    let mut world = World::of(events(0, 5, EPOCH, 1), r#"{"start": "400d"}"#);
    let said = world.poll_all().unwrap();
    assert_eq!(said.findings.len(), 1);
    assert!(said.findings[0].starts_with("start-clamped: the start was moved from"));
    assert!(said.findings[0].ends_with("`retention_days` is 90"));
    world.check();
}

#[test]
fn a_start_at_the_edge_of_retention_is_taken_without_a_word() {
    for (start, days) in [("90d", 90), ("15d", 15)] {
        let settings = format!(r#"{{"start": "{start}"}}"#);
        let mut world = World::of(events(0, 5, EPOCH, 1), &settings);
        world.model.organizations[0].retention_days = days;
        let said = world.poll_all().unwrap();
        assert_eq!((said.findings, said.events), (Vec::new(), 5));
        world.check();
    }
}

#[test]
fn a_shorter_retention_is_learnt_from_the_answer() {
    let mut world = World::of(events(0, 5, EPOCH, 1), r#"{"start": "90d"}"#);
    world.model.organizations[0].retention_days = 15;
    let said = world.poll_all().unwrap();
    assert!(
        said.findings
            .last()
            .unwrap()
            .ends_with("JumpCloud keeps 15 days"),
        "{said:?}"
    );
    assert_eq!(said.events, 5);
    world.check();
}

/// What an outage of now is told with.
fn deadline(world: &mut World) -> String {
    let status = Fault::Status {
        status: 503,
        retry_after: RetryAfter::Absent,
    };
    world.wait_minutes(1);
    world.model.faults.add(Rule::new(status));
    let Error::Unavailable(mut failure, _) = world.poll_once().unwrap_err() else {
        panic!("it is an outage");
    };
    world.model.faults.clear();
    failure.hints.remove(0)
}

#[test]
fn an_outage_is_told_by_what_jumpcloud_keeps_in_this_run_and_the_next() {
    let mut world = World::of(events(0, 5, EPOCH, 1), r#"{"start": "60d"}"#);
    world.model.organizations[0].retention_days = 15;
    world.poll_all().unwrap();
    let until = rfc3339(world.now() - 120_000 + 15 * DAY - 60_000);
    let told = deadline(&mut world);
    let want = format!("nothing is lost until {}", &until[..15]);
    assert!(told.starts_with(&want), "{told}");
    assert!(
        told.ends_with(": JumpCloud keeps events for 15 days"),
        "{told}"
    );
    world.reopen();
    assert_eq!(deadline(&mut world), told);

    // Told otherwise, it is to be learnt anew.
    world.model.organizations[0].retention_days = 90;
    world.reopen_with(r#"{"start": "60d", "retention_days": 30}"#);
    world.poll_all().unwrap();
    let told = deadline(&mut world);
    assert!(
        told.ends_with(", if JumpCloud keeps events for 30 days (`retention_days`)"),
        "{told}"
    );
}

/// A feed from the edge of retention on, and how many requests it made so far.
fn from_the_edge(prepare: impl Fn(&mut World)) -> (World, Result<Said>, u64) {
    let mut world = World::of(events(0, 5, EPOCH, 1), r#"{"start": "90d"}"#);
    world.poll_patiently();
    prepare(&mut world);
    let said = world.poll_all();
    let requests = world.model.stats.requests();
    (world, said, requests)
}

/// In the queue of all feeds, or on the network: the longer, the further from
/// the edge it begins.
#[test]
fn a_start_that_grows_too_old_while_its_request_waits_is_moved() {
    for minutes in [0, 1, 2, 10, 120] {
        let (world, said, requests) = from_the_edge(|world| world.hold = minutes * 60_000);
        let said = said.unwrap();
        let moved = |it: &String| it.starts_with("start-clamped: ");
        assert!(said.findings.iter().all(moved), "{:?}", said.findings);
        assert_eq!(said.findings.is_empty(), minutes == 0);
        assert_eq!(said.events, 5);
        assert!(requests < 16, "{requests}");
        world.check();
    }
}

#[test]
fn a_retention_that_is_shorter_than_set_is_no_endless_loop() {
    // By its `Date` the oldest start is so much older than what it accepts.
    let shorter =
        |ms: i64| from_the_edge(|world| world.model.faults.add(Rule::new(Fault::DateOff(-ms))));
    for hours in [1, 20] {
        let (_, said, _) = shorter(hours * HOUR);
        let findings = said.unwrap().findings;
        let moved = |it: &String| it.starts_with("start-clamped: ");
        assert!(findings.iter().any(moved), "{findings:?}");
    }
    let (_, said, requests) = shorter(2 * DAY);
    let error = said.unwrap_err();
    assert_eq!(error.code(), "bad-settings");
    assert!(error.to_string().contains("less than 90 days"), "{error}");
    assert!(requests < 10, "{requests}");
}

#[test]
fn a_position_beyond_retention_is_a_gap_that_is_named() {
    let mut world = World::of(events(0, 5, EPOCH, 1), "");
    world.poll_all().unwrap();
    let read_to = world.now() - 60_000 - 120_000;
    world.wait_minutes(100 * 24 * 60);
    world.reopen();
    let said = world.poll_all().unwrap();
    assert!(
        said.findings[0].starts_with("gap: events from "),
        "{said:?}"
    );
    let day = &rfc3339(read_to)[..10];
    assert!(said.findings[0].contains(day), "{said:?}");
}

/// A backfill over 80 days, of which so many events were read when for some
/// days nobody polls.
fn interrupted(read: usize, days: i64, restart: bool) -> (World, Vec<String>) {
    let first = EPOCH + HOUR - 80 * DAY;
    let mut world = World::of(events(0, 800, first, DAY / 10), r#"{"start": "85d"}"#);
    while world.emitted.len() < read {
        world.poll_once().unwrap();
    }
    world.wait_minutes(days * 24 * 60);
    if restart {
        world.reopen();
    }
    let said = world.poll_all().unwrap();
    (world, said.findings)
}

/// What the walk began with is too old to be asked for, what it has reached is
/// not.
#[test]
fn a_backfill_outlives_its_own_start() {
    for restart in [false, true] {
        let (world, findings) = interrupted(400, 30, restart);
        assert_eq!(findings, [""; 0]);
        world.check();
    }
}

#[test]
fn what_passes_retention_in_the_middle_of_a_backfill_is_named_and_the_rest_is_read() {
    for restart in [false, true] {
        let (world, findings) = interrupted(200, 40, restart);
        assert_eq!(findings.len(), 1, "{findings:?}");
        let period = findings[0].strip_prefix("gap: events from ").unwrap();
        let (from, rest) = period.split_once(" to ").unwrap();
        let (to, _) = rest.split_once(" are gone").unwrap();
        let read = |event: &&Event| world.emitted.contains_key(event.id.as_deref().unwrap());
        let unread: Vec<&Event> = world.model.events().filter(|event| !read(event)).collect();
        assert!((80..105).contains(&unread.len()), "{}", unread.len());
        for event in unread {
            let time = rfc3339(event.ms);
            assert!((from..to).contains(&time.as_str()), "{time}: {findings:?}");
        }
        assert!(world.emitted.values().all(|times| *times == 1));
    }
}

/// From when to when, of each finding of this code.
fn periods(findings: &[String], code: &str) -> Vec<(String, String)> {
    let period = |text: &str| {
        let (from, rest) = text.split_once(" from ")?.1.split_once(" to ")?;
        Some((from.to_owned(), rest.get(..from.len())?.to_owned()))
    };
    let of_code = findings.iter().filter(|it| it.starts_with(code));
    of_code.map(|text| period(text).unwrap()).collect()
}

/// While nothing can be read, what is too old for JumpCloud moves on.
fn outage(world: &mut World) -> Vec<String> {
    let fault = Fault::Status {
        status: 503,
        retry_after: Default::default(),
    };
    let rule = Rule::new(fault).on(Endpoint::Events).when(When::Next(300));
    world.model.faults.add(rule);
    let mut findings = Vec::new();
    for _ in 0..1_000 {
        match world.poll_once() {
            Ok(said) if said.idle => return findings,
            Ok(said) => findings.extend(said.findings),
            Err(_) => world.wait_minutes(1),
        }
    }
    panic!("it never ended");
}

#[test]
fn a_start_that_moves_on_in_an_outage_is_told_to_its_end() {
    let all = events(0, 400, EPOCH - 3 * DAY, DAY / 96);
    let mut world = World::of(all, &settings("3d", 1));
    let findings = outage(&mut world);
    let told = periods(&findings, "start-clamped: ");
    assert!((3..10).contains(&told.len()), "{told:?}");
    let start = world.poll_all().unwrap().start.unwrap();
    assert!(told.iter().all(|(from, _)| *from == told[0].0), "{told:?}");
    assert_eq!(told.last().unwrap().1, rfc3339(start));
}

#[test]
fn a_gap_that_grows_in_an_outage_is_told_to_its_end() {
    let all = events(0, 400, EPOCH - DAY / 2, DAY / 96);
    let mut world = World::of(all, &settings("12h", 1));
    world.poll_all().unwrap();
    world.wait_minutes(2 * 24 * 60);
    let findings = outage(&mut world);
    assert_eq!(periods(&findings, "start-clamped: "), []);
    let told = periods(&findings, "gap: ");
    let start = world.poll_all().unwrap().start.unwrap();
    assert!(told.iter().all(|(from, _)| *from == told[0].0), "{told:?}");
    assert_eq!(told.last().unwrap().1, rfc3339(start));
}

fn settings(start: &str, retention_days: u32) -> String {
    format!(r#"{{"start": "{start}", "retention_days": {retention_days}}}"#)
}

/// How many events of the last `days` days have not been emitted.
fn missing(world: &World, days: i64) -> usize {
    let wanted =
        |event: &&Event| (world.now() - days * DAY..world.now() - HOUR).contains(&event.ms);
    let read = |event: &&Event| world.emitted.contains_key(event.id.as_deref().unwrap());
    world
        .model
        .events()
        .filter(wanted)
        .filter(|event| !read(event))
        .count()
}

/// A feed of ten days, an event each two hours, that stood still for 40 days
/// and was told that 15 days are kept.
fn with_a_gap(retention_days: u32) -> World {
    let mut all = events(0, 600, EPOCH - 10 * DAY, DAY / 12);
    // Not settled yet when the feed stops: emitted, and after its position.
    all.push(event(0, "user_create", "edge", EPOCH + HOUR + 240_000));
    let mut world = World::of(all, &settings("9d", retention_days));
    world.poll_all().unwrap();
    assert_eq!(missing(&world, 8), 0);
    world.wait_minutes(40 * 24 * 60);
    world.reopen();
    let said = world.poll_all().unwrap();
    assert!(
        said.findings.iter().any(|it| it.starts_with("gap: ")),
        "{said:?}"
    );
    let missing = missing(&world, 48);
    assert!((290..310).contains(&missing), "{missing}");
    world
}

/// Nothing of so many days is missing, and nothing came twice.
fn whole(world: &World, days: i64) {
    assert_eq!(missing(world, days), 0);
    assert!(world.emitted.values().all(|times| *times == 1));
}

#[test]
fn a_gap_is_read_without_repeats_when_more_is_kept_after_all() {
    let mut world = with_a_gap(15);
    world.reopen();
    let said = world.poll_all().unwrap();
    assert_eq!((said.findings, said.events), (Vec::new(), 0), "told once");
    world.limit_events(7, 10 << 20);
    world.reopen_with(&settings("9d", 90));
    for _ in 0..10 {
        world.poll_once().unwrap();
        world.reopen();
    }
    assert_eq!(world.poll_all().unwrap().findings, [""; 0]);
    world.settle();
    whole(&world, 48);
    // Complete again from where it began.
    let start = world.poll_all().unwrap().start.unwrap();
    assert!(start < world.now() - 48 * DAY, "{}", rfc3339(start));
}

/// What was read before the gap is not read again, as long as the ids are that
/// were handed out at its edge.
#[test]
fn an_earlier_start_is_read_around_what_lies_before_a_gap() {
    let mut world = with_a_gap(15);
    world.reopen_with(&settings("89d", 90));
    world.poll_all().unwrap();
    whole(&world, 60);
    world.check();
}

/// Of 40 days 30 are within reach then, and the others later.
#[test]
fn a_gap_is_read_as_far_as_it_is_kept() {
    let mut world = with_a_gap(15);
    world.reopen_with(&settings("9d", 30));
    let said = world.poll_all().unwrap();
    assert!(said.findings[0].starts_with("gap: "), "{said:?}");
    assert_eq!(missing(&world, 29), 0);
    assert!((110..130).contains(&missing(&world, 48)));
    world.reopen_with(&settings("9d", 90));
    assert_eq!(world.poll_all().unwrap().findings, [""; 0]);
    whole(&world, 48);
}

/// JumpCloud says how long it keeps events: a gap is not asked for again and
/// again, only when somebody says otherwise.
#[test]
fn a_gap_by_a_retention_that_was_learnt_stays_until_the_settings_change() {
    let mut world = World::of(
        events(0, 600, EPOCH - 10 * DAY, DAY / 12),
        &settings("9d", 90),
    );
    world.poll_all().unwrap();
    world.model.organizations[0].retention_days = 15;
    world.wait_minutes(40 * 24 * 60);
    let said = world.poll_all().unwrap();
    assert!(
        said.findings.iter().any(|it| it.starts_with("gap: ")),
        "{said:?}"
    );
    world.reopen();
    world.poll_all().unwrap();
    for _ in 0..3 {
        assert!(world.requests_of_a_quiet_run() <= 3);
    }
    world.model.organizations[0].retention_days = 90;
    world.reopen_with(&settings("9d", 91));
    world.poll_all().unwrap();
    whole(&world, 48);
}

/// What nobody reads again begins at the horizon, not at the edge, or it would
/// go with that.
#[test]
fn late_events_are_found_after_a_fill_of_nothing_from_the_edge() {
    let mut world = World::of(events(0, 20, EPOCH, 60_000), &settings("2h", 1));
    world.model.organizations[0].retention_days = 1;
    let late_horizon = |start| {
        let settings = settings(start, 1);
        settings.replace('{', r#"{"late_horizon": "3h", "#)
    };
    world.reopen_with(&late_horizon("2h"));
    world.poll_all().unwrap();
    world.reopen_with(&late_horizon("1d"));
    world.poll_all().unwrap();
    world.wait_minutes(10);
    let late = event(0, "user_create", "late", EPOCH + 90_000);
    world.model.add_events(vec![late]);
    world.settle();
    world.check();
}

#[test]
fn a_start_that_was_moved_is_taken_when_more_is_kept_after_all() {
    let all = events(0, 600, EPOCH - 49 * DAY, DAY / 12);
    let mut world = World::of(all, &settings("45d", 15));
    let said = world.poll_all().unwrap();
    assert!(said.findings[0].starts_with("start-clamped: "), "{said:?}");
    world.reopen_with(&settings("45d", 90));
    world.poll_all().unwrap();
    world.poll_all().unwrap();
    whole(&world, 44);
}
