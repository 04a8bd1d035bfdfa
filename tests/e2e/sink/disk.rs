//! The sink `file` on a disk that is full.

use std::os::unix::fs::symlink;

use jumpcloud_tests::Server;

use crate::counter::{counter, delivered, numbers};

#[test]
fn a_full_disk_stops_the_feed_and_nothing_is_lost() {
    let server = Server::numbers(100, 100);
    let feed = counter(&server.url(), "limits = { batch_events = 20 }");
    // Every write to it fails as on a disk without space.
    symlink("/dev/full", feed.path("number.ndjson")).unwrap();
    for _ in 0..2 {
        let ran = feed.once().output().expect_code(5);
        assert!(
            ran.stderr.contains("No space left on device"),
            "{}",
            ran.stderr
        );
    }
    std::fs::remove_file(feed.path("number.ndjson")).unwrap();
    feed.once().output().expect_code(0);
    assert_eq!(delivered(&feed), numbers(100));
}

#[test]
fn a_disk_without_room_for_the_state_stops_the_feed_and_nothing_is_lost() {
    let server = Server::numbers(2_000, 500);
    let feed = counter(&server.url(), "limits = { batch_events = 500 }");
    feed.once().dies_at("acked", 1).output().expect_killed();
    let command = "ulimit -f 64; exec \"$0\" run --once";
    let ran = feed.shell(command).output().expect_code(5);
    assert!(ran.stderr.contains("the state"), "{}", ran.stderr);
    feed.once().output().expect_code(0);
    assert_eq!(delivered(&feed), numbers(2_000));
}
