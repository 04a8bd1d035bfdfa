//! `kill -9` of the real process, again and again, whatever it is doing: in the
//! end the files have each event once, and whoever reads along has seen it once.

use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::Duration;

use jumpcloud_simulator::{Endpoint, Fault, Recipe, RetryAfter, Rule, When, Wire};
use jumpcloud_tests::{Tenant, now_ms};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::watched::Watched;

#[test]
fn kill_at_any_moment() {
    let tenant = Tenant::settled(10_000);
    let watched = Watched::new(&tenant);
    watched.feed.edit("batch_events = 100", "batch_events = 40");
    kill(&watched, &tenant, 15, 400);
    watched.finish(&tenant);
}

/// Every kind of fault, and some of them again, while it is killed all along.
#[test]
fn two_hundred_thousand_events_with_fifty_faults_and_twenty_kills() {
    let recipe = Recipe {
        bursts: 0.5,
        ..Recipe::new(200_000, now_ms())
    };
    let tenant = Tenant::of(&recipe.settled());
    let mut faults = every_fault();
    let kinds = faults.len();
    faults.extend(every_fault().into_iter().take(50 - kinds));
    // Pages are never fewer than 200. A fault never meets the first of all
    // requests, where a refusal means a wrong address.
    for (n, fault) in (1..).zip(faults) {
        let rule = Rule::new(fault).on(Endpoint::Events).when(When::Nth(4 * n));
        tenant.api.model().faults.add(rule);
    }
    let watched = Watched::new(&tenant);
    watched.feed.edit(
        "batch_events = 100",
        r#"batch_events = 1000, first_byte = "3s", between_bytes = "3s""#,
    );
    kill(&watched, &tenant, 20, tenant.selected().len() / 11);
    watched.finish(&tenant);
    assert!(tenant.api.model().stats.faults >= 50);
}

/// All that passes by trying again; waiting times are short.
fn every_fault() -> Vec<Fault> {
    let mut faults = Fault::passing();
    for fault in &mut faults {
        if let Fault::Status {
            retry_after: RetryAfter::Seconds(seconds) | RetryAfter::Date(seconds),
            ..
        } = fault
        {
            *seconds = 1;
        }
    }
    let slow = Wire::Slow {
        bytes: 10_000,
        pause_ms: 1,
    };
    for wire in [Wire::Stall, Wire::StallInBody(50_000), slow] {
        faults.push(Fault::Wire(wire));
    }
    faults
}

/// Starts the feed and kills it, until `kills` of them have hit it at work: after
/// up to `lines` further lines, and a moment more.
fn kill(watched: &Watched, tenant: &Tenant, kills: u64, lines: usize) {
    let mut random = ChaCha8Rng::seed_from_u64(kills);
    let mut hits = 0;
    while hits < kills {
        let more = random.random_range(0..lines);
        let enough = watched.lines_seen() + more;
        let mut run = watched.feed.once().start();
        while watched.lines_seen() < enough && !run.has_ended() {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_micros(random.random_range(0..100_000)));
        let ran = run.kill();
        match (ran.status.signal(), ran.status.code()) {
            (Some(_), _) => hits += 1,
            // It got to the end: give it more to do.
            (_, Some(0)) => {
                let recipe = Recipe {
                    seed: random.random(),
                    period_ms: 60_000,
                    ..Recipe::new(1_000, tenant.api.now_ms())
                };
                let events = recipe.settled().generate().collect();
                tenant.api.model().add_events(events);
            }
            // Too many faults in a row for one run.
            (_, Some(4)) => {}
            _ => panic!("{}\n{}", ran.status, ran.stderr),
        }
    }
}
