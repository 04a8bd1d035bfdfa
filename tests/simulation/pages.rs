//! How pages are read: of every length, with every defect, with rows that can't
//! be understood, in polls of every size.

use jumpcloud_simulator::{Endpoint, Fault, Rule, When, Wire};

use crate::events::{event, events};
use crate::world::{EPOCH, World};

const HOUR: i64 = 3_600_000;

fn lose_nothing_by(fault: &Fault, message: &str) {
    for step in [0, 1000] {
        let mut world = World::of(events(0, 45, EPOCH, step), "");
        // The second page is asked for ahead: what happens to it before its
        // head, happens while nobody polls.
        let at = if matches!(fault, Fault::Wire(Wire::Reset | Wire::Stall)) {
            1
        } else {
            2
        };
        world.model.faults.add(
            Rule::new(fault.clone())
                .on(Endpoint::Events)
                .when(When::Nth(at)),
        );
        let mut errors = Vec::new();
        for _ in 0..100 {
            match world.poll_once() {
                Ok(said) if said.idle => break,
                Ok(_) => {}
                Err(error) => errors.push(error.to_string()),
            }
        }
        assert_eq!(errors.len(), 1, "{fault:?}: {errors:?}");
        assert!(errors[0].contains(message), "{fault:?}: {errors:?}");
        world.check();
    }
}

#[test]
fn pages_of_every_length_are_read_to_their_end() {
    for (count, pages) in [(0, 1), (1, 1), (9, 1), (10, 2), (11, 2), (20, 3)] {
        for step in [0, 1, 1000] {
            let mut world = World::of(events(0, count, EPOCH, step), "");
            let said = world.poll_all().unwrap();
            assert_eq!(said.events, count);
            assert_eq!(
                world.model.stats.events, pages,
                "{count} events, {step} ms apart"
            );
            world.check();
        }
    }
}

#[test]
fn a_defect_is_an_error_and_never_an_end() {
    for (fault, message) in [
        (
            Fault::NoSearchAfter,
            "a full page without a usable `X-Search_after`",
        ),
        (
            Fault::GarbledSearchAfter,
            "a full page without a usable `X-Search_after`",
        ),
        (Fault::UnmovedSearchAfter, "`X-Search_after` did not move"),
        (
            Fault::WrongResultCount(1),
            "`X-Result-Count` is 11, but 10 came",
        ),
        (
            Fault::WrongResultCount(-1),
            "`X-Result-Count` is 9, but 10 came",
        ),
        (
            Fault::NoPagingHeaders,
            "a full page without a usable `X-Search_after`",
        ),
        (Fault::BrokenJson, "JumpCloud's answer does not end"),
        (
            Fault::NotAnArray,
            "no JSON array of events but `{\"events\":[]",
        ),
        (Fault::Html, "this is not the Directory Insights API"),
        (Fault::Wire(Wire::Cut(0)), "JumpCloud's answer was cut off"),
        (
            Fault::Wire(Wire::Cut(500)),
            "JumpCloud's answer was cut off",
        ),
        (Fault::Wire(Wire::Reset), "no connection"),
        (Fault::Wire(Wire::Stall), "no answer in time"),
    ] {
        lose_nothing_by(&fault, message);
    }
}

#[test]
fn the_same_page_again_is_an_error() {
    lose_nothing_by(&Fault::FirstPageAgain, "unexpected answer from JumpCloud");
}

/// Rows of one millisecond have no order that would show it.
#[test]
fn a_page_of_before_counts_for_nothing() {
    for page in [2, 3, 4] {
        let mut world = World::of(events(0, 45, EPOCH, 0), "");
        let again = Rule::new(Fault::FirstPageAgain).on(Endpoint::Events);
        world.model.faults.add(again.when(When::Nth(page)));
        let errors = (0..20).filter(|_| world.poll_once().is_err()).count();
        assert_eq!(errors, 1);
        world.settle();
        world.check();
        assert_eq!(world.reread, 0, "no row was counted twice");
    }
}

/// Nor have rows that tell no time.
#[test]
fn the_same_page_for_ever_is_an_error_whatever_its_cursors_say() {
    let mut undated = events(0, 200, EPOCH, 0);
    for event in &mut undated {
        let raw = String::from_utf8_lossy(&event.raw).replace("timestamp", "time");
        event.raw = raw.into_bytes().into();
    }
    for (all, limit) in [(events(0, 200, EPOCH, 0), 50), (undated, 10)] {
        let mut world = World::of(all, "");
        world.limit_events(limit, 10 << 20);
        let rule = "first-page-with-new-cursor,on=events".parse().unwrap();
        world.model.faults.add(rule);
        for _ in 0..2 {
            let before = world.model.stats.events;
            let told = (0..20).find_map(|_| world.poll_once().err());
            let told = told.expect("an error").to_string();
            assert!(told.contains("the same page again"), "{told}");
            let requests = world.model.stats.events - before;
            assert!(requests < 20, "{requests}");
        }
        world.model.faults.clear();
        world.settle();
        assert_eq!(world.emitted.len() + world.rejected as usize, 200);
    }
}

/// Before its rows are taken: of those that tell no time nobody could say that
/// they came before.
#[test]
fn a_cursor_of_an_earlier_time_is_an_error() {
    let mut all = events(0, 45, EPOCH, 1);
    for event in all.iter_mut().take(10) {
        let raw = String::from_utf8_lossy(&event.raw).replace("timestamp", "time");
        event.raw = raw.into_bytes().into();
    }
    let mut world = World::of(all, "");
    let again = Rule::new(Fault::FirstPageWithNewCursor).on(Endpoint::Events);
    world.model.faults.add(again.when(When::Nth(3)));
    let told = (0..20).find_map(|_| world.poll_once().err());
    let told = told.expect("an error").to_string();
    assert!(told.contains("`X-Search_after` went back"), "{told}");
    world.settle();
    assert_eq!((world.emitted.len(), world.rejected), (35, 10));
}

/// 25 rows in pages of 10: a count that makes a short page full, or a full one
/// short.
#[test]
fn a_wrong_count_is_an_error_on_any_page() {
    for (page, off) in [(1, -1), (1, 1), (1, -10), (2, -4), (3, -5), (3, 1), (3, 5)] {
        let mut world = World::of(events(0, 25, EPOCH, 1_000), "");
        let rule = Rule::new(Fault::WrongResultCount(off));
        let rule = rule.on(Endpoint::Events).when(When::Nth(page));
        world.model.faults.add(rule);
        let errors: Vec<String> = (0..20)
            .filter_map(|_| world.poll_once().err())
            .map(|error| error.to_string())
            .collect();
        assert_eq!(errors.len(), 1, "{off:+} on page {page}: {errors:?}");
        assert!(errors[0].contains("`X-Result-Count` is"), "{errors:?}");
        world.check();
    }
}

#[test]
fn pages_whose_rows_are_all_the_same_are_read_to_their_end() {
    let mut all = events(0, 5, EPOCH, 1_000);
    let mut same = event(0, "user_lockout", "same", EPOCH + 1_000);
    for (id, timestamp) in [
        (r#""id":"same","#, "timestamp"),
        ("", "timestamp"),
        ("", "time"),
    ] {
        let raw = String::from_utf8_lossy(&same.raw)
            .replace(r#""id":"same","#, id)
            .replace("timestamp", timestamp);
        same.raw = raw.into_bytes().into();
        all.extend([same.clone(), same.clone(), same.clone()]);
    }
    for limit in [1, 2, 3] {
        let mut world = World::of(all.clone(), "");
        world.limit_events(limit, 10 << 20);
        assert_eq!(world.poll_all().unwrap().events, 5 + 2);
        assert_eq!(world.rejected, 1);
    }
}

#[test]
fn a_missing_count_is_made_up_for_by_the_rows() {
    let mut world = World::of(events(0, 45, EPOCH, 1), "");
    world
        .model
        .faults
        .add(Rule::new(Fault::NoHeader("X-Result-Count".to_owned())));
    assert_eq!(world.poll_all().unwrap().events, 45);
    world.check();
}

#[test]
fn what_breaks_off_while_nobody_polls_is_asked_for_again_without_an_error() {
    for buffered in 0..3 {
        let mut world = World::of(events(0, 45, EPOCH, 1), "");
        // The batch is full in the middle of the page.
        world.limit_events(45, 5_000);
        world.piece = 100;
        let first = world.poll_once().unwrap().events;
        assert!((1..10).contains(&first), "{first}");
        world.break_open_requests(buffered);
        assert_eq!(world.poll_all().unwrap().events, 45 - first);
        world.check();
    }
}

/// The transport's patience is longer than a poll: it is an outage all the same,
/// however often polling paused meanwhile.
#[test]
fn an_outage_that_is_slower_than_a_poll_is_told() {
    for rule in ["stall,on=events", "stall-in-body=5,on=events"] {
        let mut world = World::of(events(0, 45, EPOCH, 1), "");
        world.model.faults.add(rule.parse().unwrap());
        world.stall = 60_000;
        for _ in 0..2 {
            let told = (0..20).find_map(|_| world.poll_once().err());
            let told = told.expect("an error").to_string();
            assert!(told.contains("no answer in time"), "{told}");
        }
        world.model.faults.clear();
        assert_eq!(world.poll_all().unwrap().events, 45);
        world.check();
    }
}

/// One that gives up in each pause is out of order; a single time, it may have
/// been because nobody listened.
#[test]
fn a_peer_that_breaks_off_in_every_pause_is_an_error_the_second_time() {
    let mut world = World::of(events(0, 45, EPOCH, 1), "");
    let rule = "stall-in-body=5,on=events".parse().unwrap();
    world.model.faults.add(rule);
    world.stall = 60_000;
    let mut polls = 0;
    let told = loop {
        polls += 1;
        assert!(polls < 100, "never told");
        match world.poll_once() {
            Ok(_) => world.break_open_requests(0),
            Err(error) => break error.to_string(),
        }
    };
    assert!(told.contains("cut off"), "{told}");
}

#[test]
fn a_backfill_takes_as_many_requests_as_it_has_pages() {
    let all = events(0, 20_000, EPOCH - 80 * 24 * HOUR, 345_000);
    let mut world = World::of(all, r#"{"start": "90d"}"#);
    world.limit_events(500, 10 << 20);
    let first = world.poll_once().unwrap();
    assert!(first.backlog.is_some_and(|left| left > 19_000), "{first:?}");
    world.poll_all().unwrap();
    world.check();
    let stats = world.model.stats;
    // The last row is read again when there may be new ones.
    assert!(stats.rows <= 20_002 && stats.events <= 43, "{stats:?}");
    assert_eq!(
        (stats.count, stats.distinct),
        (3, 1),
        "time, all to come, all that was read"
    );
    // Tiles for the horizon only.
    let (counted, read) = world.reconciled.values().flatten().next().unwrap();
    assert!(counted == read && (1_700..1_800).contains(read), "{read}");
}

/// Rows that nobody can understand, among others: kept once each, and the walk
/// goes on.
#[test]
fn what_cannot_be_understood_becomes_a_dead_letter_and_the_walk_goes_on() {
    let long = "x".repeat(5 << 20);
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let rows = [
        (r#"{"id":nought}"#.to_owned(), "not-json"),
        (format!(r#"{{"id":"{long}"}}"#), "too-long"),
        (format!(r#"{{"id":{deep}}}"#), "too-deep"),
        ("\"text\"".to_owned(), "not-an-object"),
        (r#"{"id":"a","timestamp":7}"#.to_owned(), "bad-timestamp"),
    ];
    for (raw, code) in rows {
        let mut all = events(0, 25, EPOCH, 1_000);
        let at = EPOCH + 12_500;
        let mut odd = event(0, "user_lockout", "odd", at);
        odd.raw = raw.into_bytes().into();
        all.push(odd);
        let mut world = World::of(all, "");
        let mut codes = Vec::new();
        while world.emitted.len() < 25 {
            let batch = world.poll().unwrap();
            codes.extend(batch.rejected.iter().map(|rejected| rejected.code));
            world.deliver(batch);
        }
        assert_eq!(codes, [code]);
        // Once, whatever comes after.
        world.reopen();
        world.settle();
        assert_eq!((world.rejected, world.emitted.len()), (1, 25), "{code}");
    }
}

/// A page of new events that makes the guest trap is narrowed: whoever drives it opens it
/// anew with halved limits, and halves the page by that.
#[test]
fn smaller_limits_ask_for_smaller_pages_until_all_is_well() {
    let mut world = World::of(events(0, 400, EPOCH, 1_000), "");
    let mut most = 64;
    let mut pages = Vec::new();
    while most > 1 {
        world.limit_events(most, 2_000 * most);
        // It reads, and is lost before the batch is acked.
        let mut batch = world.poll().unwrap();
        while batch.index.is_empty() {
            world.deliver(batch);
            batch = world.poll().unwrap();
        }
        assert!(batch.index.len() <= most && batch.events.len() <= 2_000 * most);
        pages.push(world.limit_asked);
        world.reopen();
        most /= 2;
    }
    assert_eq!(pages, [64, 32, 16, 8, 4, 2]);
    assert!(world.emitted.is_empty());
    world.limit_events(1, 64);
    assert_eq!(world.poll_once().unwrap().events, 1, "however large it is");
    assert_eq!(world.limit_asked, 1);
    world.limit_events(64, 10 << 20);
    world.reopen();
    world.poll_all().unwrap();
    assert_eq!(world.limit_asked, 64);
    world.check();
}
