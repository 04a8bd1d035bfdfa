//! Feeds in one process share its threads and nothing else.

use jumpcloud_tests::{Answer, Server};

use super::Sandbox;

/// While the hostile feed is at it, the others collect at their own pace: the
/// neighbour is done before the hostile one is stopped.
#[test]
fn a_feed_that_spins_or_hangs_starves_nobody() {
    let silent = Server::start(|_| Answer::silence());
    let hang = format!(r#"does = "fetch", url = "{}""#, silent.url());
    for harm in [
        r#"does = "spin""#,
        r#"does = "busy-wait""#,
        r#"does = "sleep""#,
        &hang,
    ] {
        let sandbox = Sandbox::new(harm, r#"compute = "1h", call = "1h", first_byte = "1h""#);
        let mut running = sandbox.feed.command(&["run"]).start();
        let done = || {
            let text = std::fs::read_to_string(sandbox.feed.path("neighbour/number.ndjson"));
            text.unwrap_or_default().lines().count() as u64 == super::NUMBERS
        };
        while !done() && !running.has_ended() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        running.signal("TERM");
        running.wait().expect_code(0);
        sandbox.neighbour_is_done();
    }
}

/// A signal is heard from the first moment on.
#[test]
fn a_start_that_hangs_is_ended_by_a_signal() {
    let silent = Server::start(|_| Answer::silence());
    let hang = format!(r#"does = "fetch", in = "open", url = "{}""#, silent.url());
    for (signal, code) in [("TERM", 0), ("INT", 130)] {
        let sandbox = Sandbox::new(&hang, r#"call = "1h", first_byte = "1h""#);
        let before = silent.seen().len();
        let mut running = sandbox.feed.command(&["run"]).start();
        while silent.seen().len() == before && !running.has_ended() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        running.signal(signal);
        running.wait().expect_code(code);
    }
}
