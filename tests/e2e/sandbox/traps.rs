//! What follows a failure of the plugin: the feed is opened anew, is asked for
//! half as much, and in the end stops.

use super::Sandbox;

#[test]
fn a_plugin_that_fails_on_much_goes_on_with_less() {
    let sandbox = Sandbox::new(
        r#"does = "trap", above = 60, batches = 5"#,
        "batch_events = 100",
    );
    let said = sandbox.run(0);
    sandbox.expect_batches(5);
    assert!(!said.lines("the plugin failed").is_empty(), "{}", said.0);
}

#[test]
fn a_plugin_that_always_fails_stops_and_names_the_last_batch_that_went_well() {
    let sandbox = Sandbox::new(r#"does = "trap", after = 2"#, "batch_events = 100");
    let said = sandbox.run(1);
    sandbox.expect_batches(2);
    said.expect_error("the plugin failed: wasm trap: wasm `unreachable` instruction executed");
    assert_eq!(said.lines("trying again").len(), 4, "{}", said.0);

    // The next run goes on from there, and fails as the first did.
    let ran = sandbox.feed.once().output().expect_code(1);
    assert!(
        ran.stderr
            .contains("hint: the last batch that went well was number 2; nothing is lost"),
        "{}",
        ran.stderr
    );
    sandbox.feed.edit("after = 2", "after = 1000");
    sandbox.run(0);
    sandbox.expect_batches(3);
}

#[test]
fn a_failure_while_a_batch_is_acked_repeats_the_batch_and_no_event() {
    let sandbox = Sandbox::new(
        r#"does = "trap", in = "ack", after = 1"#,
        "batch_events = 100",
    );
    sandbox.run(1);
    sandbox.expect_batches(1);
    sandbox.feed.edit("after = 1", "after = 1000");
    sandbox.run(0);
    sandbox.expect_batches(3);
}

#[test]
fn a_failure_when_it_is_opened_or_checked() {
    let sandbox = Sandbox::new(r#"does = "trap", in = "open""#, "memory = \"32 MiB\"");
    let said = sandbox.run(1);
    said.expect_error("the plugin failed: wasm trap: wasm `unreachable` instruction executed");
    sandbox.feed.edit(r#"in = "open""#, r#"in = "check""#);
    let ran = sandbox.feed.command(&["check"]).output().expect_code(1);
    assert!(
        ran.stderr.contains("error: hostile: the plugin failed"),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.contains("neighbour: counter"), "{}", ran.stdout);
}
