//! The host keeps any plugin within its bounds: what a hostile one does is told
//! in one clear line, nothing is lost by it, and its neighbours in the same
//! process notice nothing. `tests/guests` has the plugins.

mod egress;
mod limits;
mod neighbour;
mod proxy;
mod spy;
mod traps;

use jumpcloud_tests::{Feed, Server, guest, sorted_lines};

/// A folder with a feed of the guest `hostile`, with these settings and limits
/// (TOML tables' insides), beside a feed of the honest guest `counter`.
pub struct Sandbox {
    pub feed: Feed,
    numbers: Server,
}

/// What a run wrote to standard error.
pub struct Said(pub String);

impl Said {
    /// The lines with this text.
    pub fn lines(&self, text: &str) -> Vec<&str> {
        self.0.lines().filter(|line| line.contains(text)).collect()
    }

    /// Fails unless the hostile feed ended with this message.
    #[track_caller]
    pub fn expect_error(&self, message: &str) {
        let wanted = format!("error: hostile: {message}");
        assert_eq!(self.lines("error: hostile: "), [wanted], "{}", self.0);
    }
}

/// How many numbers the neighbour collects.
const NUMBERS: u64 = 50;

impl Sandbox {
    pub fn new(settings: &str, limits: &str) -> Self {
        let numbers = Server::numbers(NUMBERS, 20);
        let feed = Feed::at("http://127.0.0.1:9");
        feed.configure(&format!(
            r#"
[feeds.hostile]
plugin = "{}"
settings = {{ {settings} }}
limits = {{ {limits} }}
sink = {{ type = "file", path = "hostile.ndjson" }}

[feeds.neighbour]
plugin = "{}"
settings = {{ url = "{}" }}
sink = {{ type = "file", path = "neighbour/{{class}}.ndjson" }}
"#,
            guest("hostile").display(),
            guest("counter").display(),
            numbers.url(),
        ));
        Self { feed, numbers }
    }

    /// One run: the hostile feed ends with this code, and the other one is done
    /// as if it were alone. What was said.
    #[track_caller]
    pub fn run(&self, code: i32) -> Said {
        let ran = self.feed.once().output().expect_code(code);
        self.neighbour_is_done();
        assert!(
            !ran.stderr.contains(['\u{1b}', '\u{7}', '\r']),
            "{}",
            ran.stderr
        );
        Said(ran.stderr)
    }

    #[track_caller]
    pub fn neighbour_is_done(&self) {
        let delivered = std::fs::read_to_string(self.feed.path("neighbour/number.ndjson")).unwrap();
        let expected: String = (1..=NUMBERS)
            .map(|n| format!("{{\"number\":{n}}}\n"))
            .collect();
        assert_eq!(delivered, expected);
        assert!(!self.numbers.seen().is_empty());
    }

    /// What the hostile feed delivered.
    pub fn delivered(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.feed.path("hostile.ndjson"));
        sorted_lines(&text.unwrap_or_default())
    }

    /// The batches that arrived, when each has one event.
    #[track_caller]
    pub fn expect_batches(&self, batches: u64) {
        let expected: Vec<String> = (1..=batches)
            .map(|n| format!("{{\"batch\":{n}}}"))
            .collect();
        assert_eq!(self.delivered(), expected);
    }
}
