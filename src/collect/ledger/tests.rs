use super::undated::{MAX_PASSED, OUT_AFTER};
use super::*;

const A: Identity = Identity(1);
const B: Identity = Identity(2);

#[test]
fn ids_are_known_until_the_position_has_passed_them() {
    let mut ledger = Ledger::new(100);
    ledger.note(Some(100), A);
    ledger.note(Some(105), B);
    ledger.note(None, B);
    assert!(ledger.knows(Some(100), A) && ledger.knows(None, B));
    assert!(!ledger.knows(Some(101), A), "another time, another event");
    ledger.advance(103);
    ledger.read(103, &[B]);
    ledger.advance(104);
    assert!(!ledger.knows(Some(100), A) && ledger.knows(None, B));
    assert!(ledger.knows(Some(105), B));
    ledger.begin(Scope::default());
    ledger.end(&[], None);
    assert!(!ledger.knows(None, B));
    ledger.advance(90);
    assert_eq!(ledger.position(), 104);
}

#[test]
fn the_stored_form_is_the_whole() {
    let mut ledger = Ledger::new(5);
    ledger.note(Some(9), A);
    ledger.note(None, B);
    ledger.advance(7);
    let restored = Ledger::restore(
        5,
        7,
        ledger.known().collect::<Vec<_>>(),
        ledger.tiles().clone(),
    );
    assert_eq!(restored, ledger);
}

#[test]
fn a_rewind_forgets_and_may_widen() {
    let mut ledger = Ledger::new(100);
    ledger.advance(200);
    ledger.note(Some(210), A);
    ledger.note(Some(220), B);
    ledger.rewind(215);
    assert_eq!((ledger.position(), ledger.knows(Some(210), A)), (200, true));
    assert!(!ledger.knows(Some(220), B));
    ledger.rewind(50);
    assert_eq!((ledger.start(), ledger.position()), (50, 50));
}

#[test]
fn an_id_counts_within_its_organisation() {
    let of = |organization, id| Identity::new(organization, id, b"{}");
    assert_ne!(of(Some("a"), Some("1")), of(Some("b"), Some("1")));
    assert_ne!(of(Some("a"), Some("bc")), of(Some("ab"), Some("c")));
    assert_eq!(of(Some("a"), None), of(Some("b"), None));
}

#[test]
fn an_undated_record_is_known_until_it_is_sure_to_lie_behind() {
    let mut ledger = Ledger::new(100);
    ledger.note(None, A);
    ledger.note(None, B);
    ledger.advance(150);
    assert!(ledger.knows(None, A), "nobody knows where it lies");
    ledger.read(150, &[A]);
    ledger.end(&[], None);
    assert!(ledger.knows(None, A) && !ledger.knows(None, B));
    ledger.advance(151);
    ledger.begin(Scope::default());
    ledger.end(&[], None);
    assert!(!ledger.knows(None, A));
}

/// It comes first in each answer, wherever that begins.
#[test]
fn an_undated_record_that_always_comes_first_is_known_and_in_no_tile() {
    let mut ledger = Ledger::new(0);
    ledger.note(None, A);
    let rounds = 10;
    for n in 1..=rounds {
        let time = n * OUT_AFTER;
        ledger.begin(Scope::default());
        assert!(ledger.knows(None, A));
        ledger.read(time, &[A]);
        ledger.end(&[], Some(time + 1_000));
        ledger.seal();
    }
    let closed = ledger.tiles().closed().iter();
    assert!(closed.len() > 1);
    let rows: u64 = closed.map(|tile| tile.rows).sum();
    assert_eq!(rows, rounds as u64);
    // Also when a row shares the position's time, and after a restart.
    let known: Vec<Known> = ledger.known().collect();
    let tiles = ledger.tiles().clone();
    let mut ledger = Ledger::restore(0, ledger.position(), known, tiles);
    ledger.begin(Scope::default());
    ledger.read(ledger.position(), &[A]);
    ledger.advance(ledger.position() + 1_000);
    assert!(ledger.knows(None, A));
    assert_eq!(ledger.tiles().open().0.rows, 1);
}

/// However often rows come after it: then it was placed before one of them, and
/// passed with it.
#[test]
fn an_undated_record_that_comes_again_after_it_was_passed_comes_always() {
    let mut ledger = Ledger::new(0);
    for n in 1..=10 {
        ledger.begin(Scope::default());
        assert_eq!(ledger.knows(None, A), n > 1);
        if n == 1 {
            ledger.note(None, A);
        }
        ledger.advance(n * 1_000);
        ledger.read(n * 1_000, &[A]);
        ledger.end(&[], Some(n * 1_000 + 500));
        let known = ledger.known().collect::<Vec<_>>();
        let (position, tiles) = (ledger.position(), ledger.tiles().clone());
        ledger = Ledger::restore(0, position, known, tiles);
    }
    // Until it came again it was a row; that tile is read again.
    let (open, _) = ledger.tiles().open();
    assert_eq!((open.rows, open.stale), (11, true));
    assert_eq!(ledger.undated.inside(&[A, B]), 1);
}

/// None came after them, so nobody has placed them when the fill is done.
#[test]
fn undated_records_at_the_end_of_a_fill_are_known_at_its_seam() {
    let (mut ledger, mut earlier) = (Ledger::new(1_000), Ledger::new(0));
    ledger.advance(2_000);
    earlier.note(None, A);
    earlier.end(&[A], Some(1_000));
    ledger.prepend(earlier, 1_000);
    let (seam, _) = ledger.tiles().open();
    assert_eq!((seam.from, seam.stale), (0, true));
    assert_eq!(seam.ids.parts().2, [A.at(None)]);
}

/// It lies somewhere after 100, and no later than 150: so there is no edge
/// between, whatever becomes of the walk.
#[test]
fn no_edge_lies_where_an_undated_record_may() {
    let scope = Scope {
        now: 10_000_000_000,
        ..Scope::default()
    };
    for broken in [false, true] {
        let mut ledger = Ledger::new(0);
        ledger.begin(scope);
        for n in 0..500 {
            ledger.advance(n / 5);
            ledger.read(n / 5, &[]);
        }
        ledger.note(None, A);
        ledger.advance(150);
        ledger.read(150, &[A]);
        ledger.seal();
        assert!(ledger.tiles().closed().is_empty());
        if broken {
            ledger.begin(scope);
            ledger.read(150, &[]);
        }
        ledger.advance(160);
        ledger.read(160, &[]);
        ledger.seal();
        let tiles: Vec<_> = ledger.tiles().closed().iter().collect();
        assert_eq!(tiles.len(), 1);
        assert_eq!((tiles[0].to, tiles[0].rows), (158, 502));
        ledger.begin(scope);
        ledger.end(&[], None);
        assert!(!ledger.knows(None, A));
    }
}

/// After so long a time without a row that the open tile begins at the horizon.
#[test]
fn an_undated_record_of_before_the_horizon_is_in_no_tile() {
    let mut ledger = Ledger::new(0);
    ledger.begin(Scope::default());
    ledger.note(None, A);
    ledger.end(&[A], Some(1_000));
    ledger.begin(Scope {
        oldest: 50_000,
        ..Scope::default()
    });
    ledger.end(&[], Some(60_000));
    assert!(!ledger.knows(None, A));
    assert_eq!(ledger.tiles().open().0.rows, 0);
    // The horizon lies before it.
    let mut ledger = Ledger::new(0);
    ledger.begin(Scope::default());
    ledger.note(None, A);
    ledger.end(&[A], Some(1_000));
    ledger.begin(Scope::default());
    ledger.end(&[], Some(60_000));
    assert_eq!(ledger.tiles().open().0.rows, 1);
}

#[test]
fn future_ids_are_counted() {
    let mut ledger = Ledger::new(0);
    (1..=5).for_each(|n| ledger.note(Some(n * 10), Identity(1)));
    assert_eq!(ledger.after(20), 3);
}

#[test]
fn a_row_enters_a_tile_once_when_the_position_passes_it() {
    let mut ledger = Ledger::new(100);
    for _ in 0..3 {
        ledger.begin(Scope::default());
        for time in [100, 110, 110, 120] {
            ledger.advance(time.min(115));
            if time <= 115 {
                ledger.note(Some(time), Identity(time as u64));
            }
            ledger.read(time, &[]);
        }
        ledger.end(&[], None);
        ledger = Ledger::restore(
            100,
            115,
            ledger.known().collect::<Vec<_>>(),
            ledger.tiles().clone(),
        );
        assert_eq!(
            ledger.tiles().open().0.rows,
            3,
            "120 is read again each time"
        );
        assert_eq!(ledger.tiles().open().0.ids.len(), 2);
    }
}

#[test]
fn very_many_records_without_a_time_take_linear_time_and_bounded_memory() {
    let ids: Vec<Identity> = (0..MAX_UNDATED as u64 + 1_000).map(Identity).collect();
    let mut ledger = Ledger::new(100);
    // Quadratic, this would take minutes.
    for walk in 0..3 {
        ledger.begin(Scope::default());
        for id in &ids {
            let known = walk > 0 && (id.0 as usize) < MAX_UNDATED;
            assert_eq!(ledger.knows(None, *id), known);
            ledger.note(None, *id);
        }
        ledger.end(&ids, None);
        assert_eq!(ledger.known().count(), MAX_UNDATED);
        assert!(ledger.is_crowded());
    }
    // An event at last, and a row for each of very many.
    ledger.begin(Scope::default());
    ledger.read(100, &ids);
    for time in 101..50_000 {
        ledger.advance(time);
        ledger.read(time, &[]);
    }
    ledger.end(&[], Some(50_000));
    assert_eq!(ledger.known().count(), MAX_PASSED);
    ledger.begin(Scope::default());
    ledger.end(&[], None);
    assert_eq!(ledger.known().count(), 0);
    assert!(!ledger.is_crowded());
}

#[test]
fn after_a_gap_nothing_is_claimed_of_what_lies_before() {
    let mut ledger = Ledger::new(100);
    ledger.advance(200);
    ledger.skip(500);
    assert_eq!((ledger.start(), ledger.position()), (500, 500));
}
