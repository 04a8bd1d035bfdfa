use super::aging::MAX_TILES;
use super::*;

const DAY: i64 = YOUNG;
const NOW: i64 = 100 * DAY;

/// Rows every `step` ms from `first` on, each handed out.
fn fill(tiles: &mut Tiles, first: i64, step: i64, rows: i64) {
    for n in 0..rows {
        let time = first + n * step;
        tiles.take(time, 1, false);
        tiles.note(time, Identity(n as u64));
    }
}

fn tiles(from: i64) -> Tiles {
    let mut tiles = Tiles::new(from);
    tiles.set_scope(Scope {
        now: NOW,
        oldest: NOW - 7 * DAY,
        kept: NOW - 90 * DAY,
    });
    tiles
}

fn store_ids(tiles: &mut Tiles) {
    let mut number = 0;
    for ids in tiles.unstored() {
        ids.store(|_| {
            number += 1;
            number - 1
        });
    }
}

fn rows(tiles: &Tiles) -> Vec<u64> {
    tiles.closed().iter().map(|tile| tile.rows).collect()
}

#[test]
fn a_young_tile_has_forty_rows_and_an_old_one_four_hundred() {
    let mut young = tiles(NOW - 10_000_000);
    fill(&mut young, NOW - 9_000_000, 1_000, 100);
    assert_eq!(rows(&young), [40, 40]);
    assert_eq!(young.open().0.rows, 20);
    let mut old = tiles(NOW - 3 * DAY);
    fill(&mut old, NOW - 3 * DAY, 1_000, 1_000);
    assert_eq!(rows(&old), [400, 400]);
}

#[test]
fn an_edge_has_nothing_within_a_millisecond() {
    let mut tiles = tiles(NOW - 1_000_000);
    fill(&mut tiles, NOW - 900_000, 3, 100);
    assert_eq!(rows(&tiles), [0; 0], "no room for an edge");
    let last = NOW - 900_000 + 297;
    tiles.take(last + 3, 1, false);
    tiles.take(last + 7, 1, true);
    assert_eq!(
        rows(&tiles),
        [0; 0],
        "an undated record may lie anywhere between"
    );
    tiles.take(last + 11, 1, false);
    assert_eq!(rows(&tiles), [102]);
    assert_eq!(tiles.closed()[0].to, last + 9);
    assert_eq!(tiles.open().0.from, last + 9);
    let position = last + 1_000;
    tiles.seal(last + 14);
    assert_eq!(rows(&tiles), [102], "too near to the last row");
    tiles.take_undated(Identity(1), last + 13);
    tiles.seal(last + 16);
    assert_eq!(
        rows(&tiles),
        [102],
        "too near to where an undated record may lie"
    );
    tiles.seal(position);
    assert_eq!(tiles.closed().back().unwrap().to, position - 2);
}

#[test]
fn small_tiles_are_joined_as_they_are_sealed() {
    let mut tiles = tiles(NOW - 10 * 3_600_000);
    for minute in 1..=480 {
        let position = NOW - 10 * 3_600_000 + minute * 60_000;
        tiles.take(position - 30_000, 1, false);
        tiles.seal(position);
    }
    assert_eq!(rows(&tiles).iter().sum::<u64>(), 480);
    assert_eq!(rows(&tiles), [40; 12]);
    assert!(tiles.closed().iter().is_sorted_by(|a, b| a.to == b.from));
}

#[test]
fn nothing_is_kept_beyond_the_horizon() {
    let mut tiles = tiles(NOW - 30 * DAY);
    fill(&mut tiles, NOW - 30 * DAY, DAY / 1_000, 30_000);
    assert!(tiles.start() > NOW - 7 * DAY - DAY / 1_000);
    let kept: u64 = rows(&tiles).iter().sum::<u64>() + tiles.open().0.rows;
    assert!((6_990..=7_000).contains(&kept), "{kept}");
    store_ids(&mut tiles);
    tiles.set_scope(Scope {
        now: NOW + DAY,
        oldest: NOW - 6 * DAY,
        kept: NOW - 89 * DAY,
    });
    tiles.age();
    let now: u64 = rows(&tiles).iter().sum::<u64>() + tiles.open().0.rows;
    assert!((6_000..=6_400).contains(&now), "{now}");
    let dropped = tiles.take_dropped();
    assert!(!dropped.is_empty() && tiles.take_dropped().is_empty());
}

#[test]
fn a_start_long_before_the_first_event_reaches_back_to_the_horizon() {
    let mut tiles = tiles(NOW - 90 * DAY);
    fill(&mut tiles, NOW - 3_600_000, 10_000, 100);
    tiles.set_scope(Scope {
        now: NOW + DAY,
        oldest: NOW - 6 * DAY,
        kept: NOW - 89 * DAY,
    });
    tiles.age();
    assert_eq!(tiles.start(), NOW - 7 * DAY);
    let kept: u64 = rows(&tiles).iter().sum::<u64>() + tiles.open().0.rows;
    assert_eq!(kept, 100);
}

#[test]
fn tiles_stay_few_and_their_keys_run_on() {
    let mut tiles = tiles(NOW - 7 * DAY);
    fill(&mut tiles, NOW - 6 * DAY, 1, 10);
    for n in 0..12_000 {
        fill(&mut tiles, NOW - DAY / 2 + n * 3_000, 10, 40);
    }
    // In a long walk, too.
    assert!(tiles.closed().len() <= 2 * MAX_TILES);
    store_ids(&mut tiles);
    tiles.age();
    assert_eq!(tiles.closed().len(), MAX_TILES);
    assert!(
        tiles
            .closed()
            .iter()
            .all(|tile| tile.ids.parts().0.len() == 1)
    );
    let oldest = rows(&tiles).into_iter().max();
    assert!(oldest <= Some(1_000), "{oldest:?}");
}

/// Between them is time that was never asked for.
#[test]
fn an_event_at_the_edge_of_a_gap_joins_nothing() {
    let tile = |from, to| Tile {
        from,
        to,
        rows: 40,
        ..Tile::default()
    };
    let closed = vec![tile(0, 100), tile(500, 600), tile(600, 700)];
    let mut tiles = Tiles::restore(closed, tile(900, 900), 900);
    tiles.unedge(0);
    tiles.unedge(600);
    let closed = tiles.closed().iter();
    let closed: Vec<_> = closed
        .map(|tile| (tile.from, tile.to, tile.stale))
        .collect();
    assert_eq!(
        closed,
        [(0, 102, true), (500, 600, false), (600, 702, true)]
    );
    assert_eq!(tiles.open().0.from, 900);
}

#[test]
fn a_rewind_reopens_the_tile_of_that_moment() {
    let start = NOW - 1_000_000;
    let mut tiles = tiles(start);
    fill(&mut tiles, start, 1_000, 200);
    store_ids(&mut tiles);
    tiles.rewind(start + 100_500);
    let (open, ..) = tiles.open();
    assert_eq!(
        (open.from, open.rows, open.stale),
        (start + 79_002, 40, true)
    );
    assert_eq!(tiles.closed().len(), 2);
    assert_eq!(tiles.take_dropped().len(), 1);
    tiles.rewind(start - 5);
    assert_eq!((tiles.closed().len(), tiles.start()), (0, start - 5));
}

#[test]
fn an_edge_with_an_event_on_it_goes() {
    let start = NOW - 1_000_000;
    let mut tiles = tiles(start);
    fill(&mut tiles, start, 1_000, 100);
    tiles.unedge(start);
    assert_eq!(rows(&tiles), [80]);
    assert!(tiles.closed()[0].stale);
    tiles.unedge(start);
    let (open, ..) = tiles.open();
    assert_eq!((open.from, open.rows, open.stale), (start, 100, true));
}

#[test]
fn what_lay_before_is_joined_at_the_seam() {
    let seam = NOW - 1_000_000;
    let mut later = tiles(seam);
    fill(&mut later, seam, 1_000, 100);
    let mut earlier = tiles(seam - 100_000);
    fill(&mut earlier, seam - 100_000, 1_000, 100);
    later.prepend(earlier, seam);
    assert_eq!(rows(&later), [40, 40, 60, 40]);
    let stale: Vec<bool> = later.closed().iter().map(|tile| tile.stale).collect();
    assert_eq!(stale, [false, false, true, false]);
    assert_eq!(later.runs(), [(seam - 100_000, later.open().0.from)]);
}

#[test]
fn a_new_selection_makes_all_stale_and_reads_in_large_parts() {
    let start = NOW - 1_000_000;
    let mut tiles = tiles(start);
    fill(&mut tiles, start, 100, 4_001);
    tiles.make_stale();
    assert_eq!(rows(&tiles), [1_000; 4]);
    assert!(tiles.closed().iter().all(|tile| tile.stale));
}

#[test]
fn what_is_put_before_an_open_tile_without_rows_stays() {
    let (start, seam) = (NOW - 10_000, NOW - 9_000);
    let (mut earlier, mut later) = (tiles(start), tiles(seam));
    // An event right after the other: there is no edge among them.
    fill(&mut earlier, start, 1, 100);
    later.prepend(earlier, seam);
    fill(&mut later, seam + 100, 100, 50);
    later.seal(NOW - 1_000);
    assert_eq!(later.runs(), [(start, NOW - 1_002)]);
    assert!(later.closed().iter().all(|tile| tile.from < tile.to));
}
