//! The upstream can't be reached, or answers nonsense: the host tries again,
//! gives up with `--once` if it must, and the next run goes on from where it
//! was.

use std::thread;

use jumpcloud_simulator::{DEFAULT_KEY, Event, Model, Organization, organization_id};
use jumpcloud_tests::{Feed, Ran, Tenant, assert_same_lines, now_ms};
use snapbox::{assert_data_eq, data::Inline, str};

use super::told;

/// A run meets this fault, always; the next one finds all to be well.
fn outage(tenant: &Tenant, rule: &str) -> String {
    tenant.fault(rule);
    let feed = Feed::of(tenant);
    feed.edit(
        "batch_events = 100",
        r#"batch_events = 100, connect = "1s", first_byte = "1s", between_bytes = "1s""#,
    );
    let ran = feed.once().output().expect_code(4);
    tenant.heal();
    feed.once().output().expect_code(0);
    assert_same_lines(&feed.lines(), &tenant.expected());
    message_of(&ran, &feed)
}

/// What is told of a failure, with the attempts counted.
fn message_of(ran: &Ran, feed: &Feed) -> String {
    let told = told(ran, feed);
    let attempts = told
        .lines()
        .filter(|line| line.contains("; trying again in "))
        .count();
    let message = told
        .lines()
        .filter(|line| line.starts_with("error: ") || line.starts_with("hint: "))
        .map(|line| format!("{line}\n"));
    format!(
        "tried again {attempts} times\n{}",
        message.collect::<String>()
    )
}

/// All at the same time: most of it is waiting.
#[test]
fn what_outlasts_a_run() {
    thread::scope(|scope| {
        scope.spawn(nothing_comes);
        scope.spawn(a_port_that_nobody_listens_at);
        scope.spawn(an_address_that_has_served_is_not_wrong);
        scope.spawn(damaged_for_ever);
        scope.spawn(a_page_without_a_cursor);
    });
}

fn side_by_side<const N: usize>(cases: [(&'static str, Inline); N], tenant: fn() -> Tenant) {
    thread::scope(|scope| {
        for (rule, message) in cases {
            scope.spawn(move || assert_data_eq!(outage(&tenant(), rule), message));
        }
    });
}

fn nothing_comes() {
    let cases = [
        (
            "status=503,retry-after=1",
            str![[r#"
tried again 4 times
error: acme: JumpCloud failed (503), request id [ID]
hint: tried 5 times; nothing is lost, and the next run goes on from here

"#]],
        ),
        (
            "status=500",
            str![[r#"
tried again 4 times
error: acme: JumpCloud failed (500), request id [ID]
hint: tried 5 times; nothing is lost, and the next run goes on from here

"#]],
        ),
        (
            "status=429",
            str![[r#"
tried again 4 times
error: acme: JumpCloud limits our rate (429)
hint: tried 5 times; nothing is lost, and the next run goes on from here

"#]],
        ),
        (
            "status=429,retry-after=600",
            str![[r#"
tried again 0 times
error: acme: JumpCloud limits our rate (429)
hint: it is to be left alone for 600 s; run again then

"#]],
        ),
        (
            "reset",
            str![[r#"
tried again 4 times
error: acme: JumpCloud's answer was cut off
hint: POST http://127.0.0.1:[PORT]/insights/directory/v1/events/count: Connection reset by peer (os error 104)
hint: tried 5 times; nothing is lost, and the next run goes on from here

"#]],
        ),
        (
            "stall",
            str![[r#"
tried again 4 times
error: acme: could not reach JumpCloud at 127.0.0.1:[PORT]: no answer in time
hint: POST http://127.0.0.1:[PORT]/insights/directory/v1/events/count: no answer within [N] ms (`limits.first_byte`)
hint: tried 5 times; nothing is lost, and the next run goes on from here

"#]],
        ),
        (
            "not-an-array,on=events",
            str![[r#"
tried again 4 times
error: acme: unexpected answer from JumpCloud: no JSON array of events but `{"events":[],"next":null}`
hint: nothing was skipped, this part will be read again
hint: tried 5 times; nothing is lost, and the next run goes on from here

"#]],
        ),
        (
            "cut=5,on=events",
            str![[r#"
tried again 4 times
error: acme: JumpCloud's answer was cut off
hint: POST http://127.0.0.1:[PORT]/insights/directory/v1/events: the connection was closed in the middle of the answer
hint: tried 5 times; nothing is lost, and the next run goes on from here

"#]],
        ),
        (
            "stall-in-body=5,on=events",
            str![[r#"
tried again 4 times
error: acme: could not reach JumpCloud at 127.0.0.1:[PORT]: no answer in time
hint: POST http://127.0.0.1:[PORT]/insights/directory/v1/events: no byte for 1 s in the middle of the answer (`limits.between_bytes`)
hint: tried 5 times; nothing is lost, and the next run goes on from here

"#]],
        ),
    ];
    side_by_side(cases, || Tenant::settled(400));
}

/// Some rows come each time, until those are all that come.
fn damaged_for_ever() {
    let cases = [
        (
            "wrong-count=1,on=events",
            str![[r#"
tried again 4 times
error: acme: unexpected answer from JumpCloud: `X-Result-Count` is 2, but 1 came
hint: nothing was skipped, this part will be read again
hint: tried 5 times; nothing is lost, and the next run goes on from here

"#]],
        ),
        (
            "wrong-count=-1,on=events",
            str![[r#"
tried again 4 times
error: acme: unexpected answer from JumpCloud: `X-Result-Count` is 0, but 1 came
hint: nothing was skipped, this part will be read again
hint: tried 5 times; nothing is lost, and the next run goes on from here

"#]],
        ),
    ];
    side_by_side(cases, || Tenant::settled(0));
}

/// A full page of one millisecond that does not say where the next one begins:
/// only with a cursor does anyone get on.
fn a_page_without_a_cursor() {
    let cases = [
        (
            "no-search-after,on=events",
            str![[r#"
tried again 4 times
error: acme: unexpected answer from JumpCloud: a full page without a usable `X-Search_after`
hint: nothing was skipped, this part will be read again
hint: tried 5 times; nothing is lost, and the next run goes on from here

"#]],
        ),
        (
            "garbled-search-after,on=events",
            str![[r#"
tried again 4 times
error: acme: unexpected answer from JumpCloud: a full page without a usable `X-Search_after`
hint: nothing was skipped, this part will be read again
hint: tried 5 times; nothing is lost, and the next run goes on from here

"#]],
        ),
        (
            "no-paging-headers,on=events",
            str![[r#"
tried again 4 times
error: acme: unexpected answer from JumpCloud: a full page without a usable `X-Search_after`
hint: nothing was skipped, this part will be read again
hint: tried 5 times; nothing is lost, and the next run goes on from here

"#]],
        ),
    ];
    side_by_side(cases, burst);
}

/// An organisation in which 250 events happened in one millisecond.
fn burst() -> Tenant {
    let organization = organization_id(0);
    let hour_ago = chrono::DateTime::from_timestamp_millis(now_ms() - 3_600_000).unwrap();
    let time = hour_ago.to_rfc3339();
    let events = (0..250).map(|number| {
        let raw = format!(
            r#"{{"id":"{number:024x}","service":"directory","event_type":"user_create","timestamp":"{time}","organization":"{organization}"}}"#
        );
        Event::from_json(raw).unwrap()
    });
    let mut model = Model::new(vec![Organization::new(&organization, events.collect())]);
    model.access.add_key(DEFAULT_KEY, &[&organization]);
    Tenant::with(model)
}

/// What passes is overcome within one run.
#[test]
fn what_passes() {
    thread::scope(|scope| {
        for rule in [
            "cut=700,on=events,nth=2",
            "broken-json,on=events,nth=1",
            "not-an-array,on=events,nth=3",
            "html,on=events,nth=3",
            "no-search-after,on=events,nth=2",
            "garbled-search-after,on=events,nth=1",
            "unmoved-search-after,on=events,nth=2",
            "first-page-again,on=events,nth=2",
            "wrong-count=1,on=events,nth=2",
            "reset,nth=2",
            "status=503,retry-after=1,next=3",
            "status=429,nth=3",
            "upper-case",
            "lower-case",
            "no-header=Date,on=events",
            "slow=5000/1,on=events",
        ] {
            scope.spawn(move || {
                let tenant = Tenant::settled(400);
                tenant.fault(rule);
                let feed = Feed::of(&tenant);
                feed.once().output().expect_code(0);
                assert!(tenant.api.model().stats.faults > 0, "{rule}");
                assert_same_lines(&feed.lines(), &tenant.expected());
            });
        }
    });
}

#[test]
fn anything_that_passes_at_random() {
    let tenant = Tenant::settled(2_000);
    tenant.fault("passing,on=events,chance=0.2");
    let feed = Feed::of(&tenant);
    // One run may have too much of it; then the next goes on.
    while feed.once().output().status.code() != Some(0) {}
    assert_same_lines(&feed.lines(), &tenant.expected());
}

fn a_port_that_nobody_listens_at() {
    let feed = Feed::at("http://127.0.0.1:9");
    let ran = feed.once().output().expect_code(4);
    assert_data_eq!(
        message_of(&ran, &feed),
        str![[r#"
tried again 4 times
error: acme: could not reach JumpCloud at 127.0.0.1:[PORT]: no connection
hint: POST http://127.0.0.1:[PORT]/insights/directory/v1/events/count: Connection refused (os error 111)
hint: tried 5 times; nothing is lost, and the next run goes on from here

"#]]
    );
}

/// What is a wrong address at first is an outage of one that has served.
fn an_address_that_has_served_is_not_wrong() {
    let cases = [
        (
            "status=404,from=4",
            str![[r#"
tried again 4 times
error: acme: this is not the Directory Insights API: 127.0.0.1:[PORT] answered 404 Not Found
hint: tried 5 times; nothing is lost, and the next run goes on from here

"#]],
        ),
        (
            "html,from=4",
            str![[r#"
tried again 4 times
error: acme: this is not the Directory Insights API: 127.0.0.1:[PORT] answered a page in HTML
hint: tried 5 times; nothing is lost, and the next run goes on from here

"#]],
        ),
    ];
    side_by_side(cases, || Tenant::settled(400));
}
