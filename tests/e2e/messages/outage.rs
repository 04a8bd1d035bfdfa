//! The upstream can't be reached, or answers nonsense: the host tries again,
//! gives up with `--once` if it must, and the next run goes on from where it
//! was.

use std::thread;

use jumpcloud_simulator::{DEFAULT_KEY, Event, Model, Organization, Recipe, organization_id};
use jumpcloud_tests::{Feed, Ran, Tenant, assert_same_lines, now_ms};
use serde_json::Value;

use super::message_of;

/// What is told at last, the lines after `error: acme: `; how often it was tried
/// again; and by which fault.
type Case = (&'static str, usize, &'static [&'static str]);

const IN_TIME: &str =
    "hint: nothing is lost until [TIME], if JumpCloud keeps events for 90 days (`retention_days`)";
const TRIED: &str = "hint: tried 5 times; nothing is lost, and the next run goes on from here";
const SKIPPED: &str = "hint: nothing was skipped, this part will be read again";

/// A run meets this fault, always; the next one finds all to be well.
fn outage(tenant: &Tenant, (rule, tries, lines): Case) {
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
    assert_told(&ran, &feed, (rule, tries, lines));
}

fn assert_told(ran: &Ran, feed: &Feed, (rule, tries, lines): Case) {
    let told = message_of(ran, feed);
    let told = told.strip_prefix("error: acme: ").unwrap_or(&told);
    assert_eq!(told.lines().collect::<Vec<_>>(), lines, "{rule}");
    let tried = ran.stderr.matches("; trying again in ").count();
    assert_eq!(tried, tries, "{rule}");
}

/// All at the same time: most of it is waiting.
#[test]
fn what_outlasts_a_run() {
    thread::scope(|scope| {
        let all = |cases: &'static [Case], tenant: fn() -> Tenant| {
            for case in cases {
                scope.spawn(move || outage(&tenant(), *case));
            }
        };
        all(NOTHING_COMES, || Tenant::settled(400));
        all(HAS_SERVED, || Tenant::settled(400));
        all(DAMAGED, || Tenant::settled(0));
        all(NO_CURSOR, burst);
        scope.spawn(a_port_that_nobody_listens_at);
    });
}

/// The position moves all the while, as time passes: that is no success.
#[test]
fn what_fails_behind_what_is_not_settled_is_given_up() {
    let recipe = Recipe {
        late: 0.0,
        future: 0.0,
        ..Recipe::new(80, now_ms() - 1_000)
    };
    let tenant = Tenant::of(&recipe);
    tenant.fault("wrong-count=1,on=events");
    let feed = Feed::of(&tenant);
    let ran = feed.once().output().expect_code(4);
    let told = &ran.stderr;
    assert!(told.contains(TRIED), "{told}");
    assert!(told.matches("; trying again in ").count() <= 5, "{told}");
    tenant.heal();
    feed.once().output().expect_code(0);
    assert_same_lines(&feed.lines(), &tenant.expected());
}

/// All the more if a tile can't be read again.
#[test]
fn a_late_record_that_cannot_be_read_is_no_end() {
    let tenant = Tenant::settled(300);
    let feed = Feed::of(&tenant);
    feed.edit(r#"start = "2d""#, r#"start = "2d", poll_interval = "1s""#);
    feed.once().output().expect_code(0);
    let late = tenant.selected()[100].clone();
    let broken = Event {
        raw: br#"{"id":"open"#.to_vec().into(),
        ..late
    };
    tenant.api.model().add_events(vec![broken]);
    let ran = feed.once().output().expect_code(4);
    assert!(ran.stderr.contains(TRIED), "{}", ran.stderr);
    assert!(!ran.stderr.contains("reconciled"), "{}", ran.stderr);
    let shown = feed.command(&["state", "show", "--json"]).output().stdout;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let trouble = &shown[0]["status"]["trouble"];
    assert!(
        trouble["since"].is_number() && trouble["until"].is_null(),
        "{shown}"
    );
}

#[rustfmt::skip]
const NOTHING_COMES: &[Case] = &[
    ("status=503,retry-after=1", 4, &["JumpCloud failed (503), request id [ID]", TRIED]),
    ("status=500", 4, &["JumpCloud failed (500), request id [ID]", TRIED]),
    ("status=429", 4, &["JumpCloud limits our rate (429)", TRIED]),
    ("status=429,retry-after=600", 0, &[
        "JumpCloud limits our rate (429)",
        "hint: it is to be left alone for 600 s; run again then",
    ]),
    ("reset", 4, &[
        "JumpCloud's answer was cut off",
        "hint: POST http://127.0.0.1:[PORT]/insights/directory/v1/events/count: Connection reset by peer (os error 104)",
        TRIED,
    ]),
    ("stall", 4, &[
        "could not reach JumpCloud at 127.0.0.1:[PORT]: no answer in time",
        "hint: POST http://127.0.0.1:[PORT]/insights/directory/v1/events/count: no answer within [N] ms (`limits.first_byte`)",
        TRIED,
    ]),
    ("not-an-array,on=events", 4, &[
        "unexpected answer from JumpCloud: no JSON array of events but `{\"events\":[],\"next\":null}`",
        SKIPPED, TRIED,
    ]),
    ("cut=5,on=events", 4, &[
        "JumpCloud's answer was cut off",
        "hint: POST http://127.0.0.1:[PORT]/insights/directory/v1/events: the connection was closed in the middle of the answer",
        TRIED,
    ]),
    ("stall-in-body=5,on=events", 4, &[
        "could not reach JumpCloud at 127.0.0.1:[PORT]: no answer in time",
        "hint: POST http://127.0.0.1:[PORT]/insights/directory/v1/events: no byte for 1 s in the middle of the answer (`limits.between_bytes`)",
        TRIED,
    ]),
];

/// What is a wrong address at first is an outage of one that has served.
#[rustfmt::skip]
const HAS_SERVED: &[Case] = &[
    ("status=404,from=4", 4, &[
        "this is not the Directory Insights API: 127.0.0.1:[PORT] answered 404 Not Found",
        IN_TIME, TRIED,
    ]),
    ("html,from=4", 4, &[
        "this is not the Directory Insights API: 127.0.0.1:[PORT] answered a page in HTML",
        IN_TIME, TRIED,
    ]),
];

/// Some rows come each time, until those are all that come.
#[rustfmt::skip]
const DAMAGED: &[Case] = &[
    ("wrong-count=1,on=events", 4, &[
        "unexpected answer from JumpCloud: `X-Result-Count` is 2, but 1 came",
        SKIPPED, IN_TIME, TRIED,
    ]),
    ("wrong-count=-1,on=events", 4, &[
        "unexpected answer from JumpCloud: `X-Result-Count` is 0, but 1 came",
        SKIPPED, IN_TIME, TRIED,
    ]),
];

/// A full page of one millisecond that does not say where the next one begins:
/// only with a cursor does anyone get on.
#[rustfmt::skip]
const NO_CURSOR: &[Case] = &[
    ("no-search-after,on=events", 4, UNUSABLE_CURSOR),
    ("garbled-search-after,on=events", 4, UNUSABLE_CURSOR),
    ("no-paging-headers,on=events", 4, UNUSABLE_CURSOR),
];

const UNUSABLE_CURSOR: &[&str] = &[
    "unexpected answer from JumpCloud: a full page without a usable `X-Search_after`",
    SKIPPED,
    IN_TIME,
    TRIED,
];

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
    let lines = &[
        "could not reach JumpCloud at 127.0.0.1:[PORT]: no connection",
        "hint: POST http://127.0.0.1:[PORT]/insights/directory/v1/events/count: Connection refused (os error 111)",
        TRIED,
    ];
    assert_told(&ran, &feed, ("no listener", 4, lines));
}
