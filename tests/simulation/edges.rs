//! What only JumpCloud's answers can tell of settings and credentials.

use jumpcloud::check::Check;
use jumpcloud::clock::rfc3339;
use jumpcloud::error::{Error, Result};
use jumpcloud::finding::Finding;

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

fn check(world: &mut World) -> Result<Vec<Finding>> {
    let mut check = Check::new(world.feed());
    world.drive(&mut check);
    check.finish(world.reading())
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
            assert_eq!(problems(check(&mut world)).len(), 1);
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
