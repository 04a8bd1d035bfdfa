//! The histories of the simulation ([tests/simulation/plan.rs]) with the built
//! component in the real host: faults of the API, late and future-dated events,
//! crashes, a store and a sink that fail. Hours pass in seconds, since the API's
//! clock is moved on whenever the feed is idle.
//!
//! `SEED=n` replays one, `HISTORIES=n` sets how many are run. Its plan is the
//! same each time; which step meets which mishap depends on the network too.

mod mishaps;
#[path = "../simulation/plan.rs"]
mod plan;
#[path = "../simulation/seeds.rs"]
mod seeds;
mod world;

use self::plan::Plan;
use self::world::World;

/// Histories that are run by default, and at once: most of their time they wait.
const HISTORIES: u64 = 50;
const AT_ONCE: usize = 25;

#[test]
fn every_event_comes_once_in_the_real_host_too() {
    let happened = seeds::each(HISTORIES, AT_ONCE, |seed| {
        let mut world = World::new(seed, Plan::new(seed));
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        runtime.block_on(world.run_to_the_end());
        runtime.block_on(world.check());
        world.happened()
    });
    let count = happened.len() as u64;
    let mean = |of: fn(&world::Happened) -> u64| {
        let sum: u64 = happened.iter().map(of).sum();
        sum as f64 / count as f64
    };
    let [events, faults, crashes, failures] = [
        mean(|happened| happened.events),
        mean(|happened| happened.faults),
        mean(|happened| happened.crashes),
        mean(|happened| happened.failures),
    ];
    println!(
        "{count} histories, on average: {events:.0} events, {faults:.1} faults of the API, \
         {crashes:.1} crashes, {failures:.1} failures of store or sink; {:.0} batches, {:.0} requests",
        mean(|happened| happened.batches),
        mean(|happened| happened.requests),
    );
    if count >= HISTORIES {
        assert!(events >= 200.0 && faults >= 5.0 && crashes >= 2.0 && failures >= 2.0);
    }
}
