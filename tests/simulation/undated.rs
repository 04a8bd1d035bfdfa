//! Records without a time that are in every answer, whatever is asked for.

use jumpcloud_simulator::Always;

use crate::events::{event, events};
use crate::world::{EPOCH, World};

const MINUTE: i64 = 60_000;

/// Each of them is one dead letter, and hides nothing: what turns up late is
/// found, and counts agree.
#[test]
fn what_is_in_every_answer_comes_once_and_hides_nothing() {
    for (last, counted, rows) in [
        (false, true, 1_000),
        (true, true, 1_000),
        (true, false, 1_000),
        (false, false, 100),
        (true, true, 100),
    ] {
        let name = format!("last: {last}, counted: {counted}, pages of {rows}");
        let mut world = World::of(events(0, 500, EPOCH, 2 * MINUTE), r#"{"start": "20h"}"#);
        world.model.behaviour.always = Some(Always {
            raw: r#"{"event_type":"user_lockout"}"#,
            last,
            counted,
        });
        world.limit_events(rows, 10 << 20);
        world.wait_minutes(16 * 60);
        for n in 0..6 {
            let now = world.now();
            let new = event(0, "user_lockout", &format!("new-{n}"), now - 10 * MINUTE);
            world.model.add_events(vec![new]);
            world.poll_all().unwrap();
            world.wait_minutes(22);
            world.reopen();
        }
        for n in 0..5 {
            let late = event(
                0,
                "user_lockout",
                &format!("late-{n}"),
                EPOCH + n * 190 * MINUTE + 7,
            );
            world.model.add_events(vec![late]);
            for _ in 0..3 {
                world.wait_minutes(7);
                world.reopen();
                world.poll_all().unwrap();
            }
        }
        assert_eq!(world.rejected, 1, "{name}");
        assert_eq!(world.emitted.len(), 511, "{name}");
        world.settle();
        let reconciled = world.reconciled.values().flatten().next();
        assert_eq!(reconciled, Some(&(511, 511)), "{name}");
    }
}
