//! Seeded histories: everything that can go wrong, at once.

use std::io::Write as _;

use crate::plan::Plan;
use crate::seeds;
use crate::world::{Happened, History, Upheavals, World};

/// Runs histories on all cores, and says what happened in them on average.
fn histories(name: &str, default: u64, run: impl Fn(u64) -> Happened + Sync) {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let each = seeds::each(default, cores, run);
    let count = each.len() as u64;
    let mut sum = Happened::default();
    each.into_iter().for_each(|happened| sum.add(happened));
    // Not by a macro: what those print is shown of a failed test only.
    let text = format!("{count} {name}, on average: {}\n", sum.mean(count));
    std::io::stderr().write_all(text.as_bytes()).unwrap();
    if count >= 100 {
        assert!(sum.events >= 200 * count, "events");
        assert!(sum.faults >= 5 * count, "faults");
        assert!(sum.crashes + sum.tears >= 2 * count, "crashes");
    }
}

/// The world in which a plan happens, and what else befalls it.
fn world(seed: u64, plan: Plan) -> (World, Upheavals) {
    let settings = format!(
        r#"{{"start": "2h", "late_horizon": "{}s", "poll_interval": "{}s", "org_ids": {:?}}}"#,
        plan.horizon / 1_000,
        plan.interval / 1_000,
        plan.organizations
    );
    let horizon = plan.latest();
    let last = plan.model.events().map(|event| event.ms).max().unwrap();
    let count = plan.model.organizations.len();
    let upheavals = Upheavals::new(seed, &plan.organizations, count, last);
    let history = History {
        crashes: plan.crashes,
        tears: plan.tears,
    };
    let mut world = World::with(seed, plan.model, &settings, history);
    world.horizon = horizon;
    world.limit_events(plan.max_events, plan.max_bytes);
    (world, upheavals)
}

#[test]
fn every_event_comes_once_whatever_goes_wrong() {
    let count = if cfg!(debug_assertions) { 200 } else { 10_000 };
    histories("histories", count, |seed| {
        let plan = Plan::new(seed);
        let (rows, interval) = (plan.max_events as u64, plan.interval);
        let (mut world, upheavals) = world(seed, plan);
        world.expect(upheavals);
        world.run_to_the_end();
        world.check();
        let organizations = world.model.organizations.len() as u64;
        let happened = world.happened();
        let cycles = (world.awake() / interval) as u64 * organizations;
        let begun = cycles + happened.faults + happened.crashes + happened.tears;
        let most = 40 * (begun + happened.events / rows);
        let requests = happened.requests;
        assert!(requests <= most, "{requests} requests, {most} at most");
        let pages = world.held_pages();
        let requests = world.requests_of_a_quiet_run();
        world.check();
        let most = 3 * organizations + pages;
        assert!(requests <= most, "{requests} requests, {most} would do");
        for (organization, reconciled) in world.reconciled.iter().filter(|(id, _)| !id.is_empty()) {
            let equal = reconciled.is_some_and(|(counted, read)| counted == read);
            assert!(equal, "{organization}: {reconciled:?}");
        }
        world.happened()
    });
}

/// Nothing is later than what walks read twice anyway: then every row enters a
/// tile exactly once, over whatever crash, and no count ever differs.
#[test]
fn without_late_events_nothing_is_read_again() {
    let count = if cfg!(debug_assertions) { 50 } else { 1_000 };
    histories("histories without late events", count, |seed| {
        let mut plan = Plan::with(seed, |recipe| {
            recipe.late = 0.2;
            recipe.late_ms = 1_000..100_000;
        });
        plan.model.behaviour.count_lag_ms = 0;
        let (mut world, upheavals) = world(seed, plan);
        world.expect(upheavals.of_one_run());
        world.run_to_the_end();
        world.check();
        assert_eq!(world.reread, 0, "tiles read again");
        world.happened()
    });
}
