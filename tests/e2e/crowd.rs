//! Very many feeds in one process: each gets all that is its own, whatever its
//! neighbours do, and together they need little memory.

use std::fmt::Write;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use jumpcloud_simulator::{Event, Kind, Model, Organization, Recipe, organization_id};
use jumpcloud_tests::{
    Feed, Run, Running, Tenant, assert_same_lines, component, guest, now_ms, sorted_lines,
};

const FEEDS: usize = 200;
const EVENTS: usize = 2_000;
/// Bytes a feed at the mean: while all of them drain, and when they are idle.
const DRAINING: u64 = 32 << 20;
const IDLE: u64 = 4 << 20;

#[test]
fn two_hundred_feeds_among_bad_neighbours() {
    let tenant = Tenant::with(provider());
    let hanging = Tenant::settled(10);
    hanging.fault("stall");
    let feed = Feed::of(&tenant);
    feed.configure(&configuration(&tenant, &hanging));
    let expected = expected(&tenant);
    let bytes: usize = expected.iter().flatten().map(|line| line.len() + 1).sum();

    let run = feed.command(&["run"]).env("KEY_BAD", "jca_nobody");
    let run = (0..FEEDS).fold(run, |run, n| run.env(&format!("KEY_{n}"), &key(n)));
    let started = Instant::now();
    let mut running = run.start();
    until(&mut running, |_| written(&feed) >= bytes as u64);
    until(&mut running, |running| running.said("caught up") >= FEEDS);
    let took = started.elapsed().as_secs_f64();
    let feeds = FEEDS as u64 + 4;
    let (peak, idle) = (memory(&running, "VmHWM"), memory(&running, "VmRSS"));
    let cpu = cpu_seconds(&running);
    let rested = Instant::now();
    let requests = || tenant.api.model().stats.requests();
    let before = requests();
    until(&mut running, |_| requests() >= before + FEEDS as u64 / 10);
    let resting = (cpu_seconds(&running) - cpu) / rested.elapsed().as_secs_f64();
    println!(
        "{feeds} feeds: {took:.1} s and {cpu:.1} s of CPU; at most {} MiB, {:.2} MiB a feed; \
         idle {} MiB, {:.2} MiB a feed, {:.1} % of a core",
        peak >> 20,
        mib(peak / feeds),
        idle >> 20,
        mib(idle / feeds),
        resting * 100.0
    );
    assert!(peak / feeds <= DRAINING, "{} bytes a feed", peak / feeds);
    until(&mut running, |running| {
        memory(running, "VmRSS") / feeds <= IDLE
    });
    running.signal("TERM");
    let ran = running.wait().expect_code(0);

    for (n, lines) in expected.iter().enumerate() {
        let found = fs::read_to_string(feed.path(&format!("out/tenant-{n}.ndjson"))).unwrap();
        assert_same_lines(&sorted_lines(&found), lines);
    }
    assert!(!feed.path("out/refused.ndjson").exists());
    assert!(!feed.path("out/hanging.ndjson").exists());
    for [feed, reason] in [
        ["refused", "401"],
        ["greedy", "`limits.memory`"],
        ["busy", "`limits.compute`"],
    ] {
        let mut lines = ran.stderr.lines();
        let told = lines.any(|line| line.contains(feed) && line.contains(reason));
        assert!(told, "{feed}: {}", ran.stderr);
    }
}

/// Organisations of equal size, each with a key of its own.
fn provider() -> Model {
    let own = organization_id(0);
    let mut model = Model::new(Vec::new());
    for n in 0..FEEDS {
        let id = organization_id(n);
        let recipe = Recipe {
            seed: n as u64,
            dead_letters: 0.0,
            ..Recipe::new(EVENTS, now_ms())
        };
        let events = recipe.settled().generate().map(|event| Event {
            raw: String::from_utf8_lossy(&event.raw)
                .replace(&own, &id)
                .into_bytes()
                .into(),
            organization: id.as_str().into(),
            ..event
        });
        let organization = Organization::new(&id, events.collect());
        model.organizations.push(organization);
        model.access.add_key(&key(n), &[&id]);
    }
    model
}

fn key(n: usize) -> String {
    format!("jca_crowd{n:04}")
}

fn configuration(tenant: &Tenant, hanging: &Tenant) -> String {
    let (url, hostile) = (tenant.api.base_url(), guest("hostile"));
    let hostile = hostile.display();
    let mut toml = format!(
        r#"state_dir = "state"

[defaults]
sink = {{ type = "file", path = "out/{{feed}}.ndjson" }}

[feeds.greedy]
plugin = "{hostile}"
settings = {{ does = "grow" }}

[feeds.busy]
plugin = "{hostile}"
settings = {{ does = "spin" }}
limits = {{ compute = "1s" }}

[feeds.refused]
plugin = "[PLUGIN]"
settings = {{ api_base_url = "{url}" }}
secrets = {{ token = "env:KEY_BAD" }}

[feeds.hanging]
plugin = "[PLUGIN]"
settings = {{ api_base_url = "{}" }}
secrets = {{ token = "env:JUMPCLOUD_API_KEY" }}
"#,
        hanging.api.base_url()
    );
    for n in 0..FEEDS {
        writeln!(
            toml,
            r#"
[feeds.tenant-{n}]
plugin = "[PLUGIN]"
settings = {{ api_base_url = "{url}", start = "2d" }}
secrets = {{ token = "env:KEY_{n}" }}"#
        )
        .unwrap();
    }
    toml
}

/// The lines that each feed must deliver, sorted.
fn expected(tenant: &Tenant) -> Vec<Vec<String>> {
    let model = tenant.api.model();
    let mut input = Vec::new();
    let mut owners = Vec::new();
    for (n, organization) in model.organizations.iter().enumerate() {
        let selected = |event: &&Event| matches!(event.kind, Kind::Login | Kind::Admin);
        for event in organization.events().filter(selected) {
            input.extend_from_slice(&event.raw);
            input.push(b'\n');
            owners.push(n);
        }
    }
    drop(model);
    let run = Run::new(std::path::Path::new("."))
        .arg("transform")
        .arg(component());
    let ran = run.input(input).output().expect_code(0);
    assert_eq!(ran.stdout.lines().count(), owners.len());
    let mut expected = vec![Vec::new(); FEEDS];
    for (line, owner) in ran.stdout.lines().zip(owners) {
        expected[owner].push(line.to_owned());
    }
    expected.iter_mut().for_each(|lines| lines.sort());
    expected
}

/// Bytes in the files of events.
fn written(feed: &Feed) -> u64 {
    let files = fs::read_dir(feed.path("out")).into_iter().flatten();
    let lengths = files.map(|file| file.and_then(|file| file.metadata()).map_or(0, |m| m.len()));
    lengths.sum()
}

/// Waits until something is so.
fn until(running: &mut Running, is_so: impl Fn(&Running) -> bool) {
    let started = Instant::now();
    while !is_so(running) {
        assert!(!running.has_ended(), "it ended by itself");
        assert!(started.elapsed() < Duration::from_secs(600), "it hangs");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A figure of `/proc/PID/status`, in bytes.
fn memory(running: &Running, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}

/// User and system time so far.
fn cpu_seconds(running: &Running) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", running.id())).unwrap();
    // The name, in parentheses, may have spaces; of what follows it is the 12th and 13th.
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    ticks
        .map(|ticks| ticks.parse::<f64>().unwrap() / 100.0)
        .sum()
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
