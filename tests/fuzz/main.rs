//! The targets of the fuzzers (`targets.rs`), driven by `cargo test`: each with good input in which a
//! few bytes were changed. `make fuzz` goes on for as long as you like.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails panics"
)]

#[path = "targets.rs"]
mod targets;

use std::{fmt, fs, sync::LazyLock};

use jumpcloud::event::FIELDS;
use proptest::{collection::vec, prelude::*, sample::Index};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn events(input in mutated(&CASES)) {
        targets::event(&input.0);
    }

    #[test]
    fn timestamps(input in mutated(&TIMES)) {
        targets::timestamp(&input.0);
    }

    #[test]
    fn pages(input in mutated(&PAGES)) {
        targets::page(&input.0);
    }

    #[test]
    fn settings(input in mutated(&SETTINGS)) {
        targets::settings(&input.0);
    }

    #[test]
    fn noise(input in vec(any::<u8>(), 0..64).prop_map(Input)) {
        targets::event(&input.0);
        targets::timestamp(&input.0);
        targets::page(&input.0);
        targets::settings(&input.0);
    }
}

/// Bytes, shown as text as far as they are.
struct Input(Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

type Inputs = LazyLock<Vec<Vec<u8>>>;

/// The raw events of `tests/cases`.
static CASES: Inputs = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases");
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut raw: Vec<_> = paths
        .filter(|path| path.to_string_lossy().ends_with(".raw.json"))
        .collect();
    raw.sort();
    raw.into_iter()
        .map(|path| fs::read(path).unwrap())
        .collect()
});

/// Arrays and lines of three cases each, behind the length of the pieces.
static PAGES: Inputs = LazyLock::new(|| {
    let page = |(at, cases): (usize, &[Vec<u8>])| {
        let (open, between, close): (&[u8], &[u8], &[u8]) = match at % 3 {
            0 => (b"[", b" , ", b"]\n"),
            1 => (b"", b"", b"{\"a\":1}{\"b\": [2]}"),
            _ => (b"\n", b"\r\n\n", b"17"),
        };
        [&[at as u8 + 1], open, &cases.join(between), close].concat()
    };
    CASES.chunks(3).enumerate().map(page).collect()
});

static TIMES: Inputs = LazyLock::new(|| {
    [
        "2024-03-04T18:09:26Z",
        "2024-02-29t23:59:59.999999999z",
        "1969-12-31T23:59:59.9999+05:30",
        "2016-12-31T23:59:60-23:59",
        "0000-01-01T00:00:00",
        "9999-12-31T23:59:59.1Z",
    ]
    .map(|time| time.as_bytes().to_vec())
    .into()
});

static SETTINGS: Inputs = LazyLock::new(|| {
    [
        "",
        r#"{"api_base_url":"https://api.eu.jumpcloud.com/insights/directory/v1","authorization":"bearer"}"#,
        r#"{"api_base_url":"http://127.0.0.1:8080","event_types":["login"],"start":"90d","include_raw":true}"#,
        r#"{"org_ids":["5a2af2a82cf2b0010053ea41"],"start":"2026-11-01T00:00:00Z","retention_days":15}"#,
        r#"{"late_horizon":"36h","poll_interval":"5m","token_expires":"2027-02-22","client_id":"x"}"#,
    ]
    .map(|settings| settings.as_bytes().to_vec())
    .into()
});

/// One of the inputs, changed in up to four places.
fn mutated(inputs: &'static Inputs) -> impl Strategy<Value = Input> {
    (any::<Index>(), vec(mutation(), 0..=4)).prop_map(|(input, mutations)| {
        let mut bytes = input.get(inputs).clone();
        for mutation in mutations {
            mutation.apply(&mut bytes);
        }
        Input(bytes)
    })
}

/// A change of some bytes, at places given as shares of the length.
#[derive(Clone, Debug)]
enum Mutation {
    Cut(Index, Index),
    Insert(Index, String),
    /// A part once more, at another place.
    Repeat(Index, Index, Index),
    Set(Index, u8),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let place = any::<Index>;
    let names = FIELDS.iter().map(|field| format!("\"{}\":", field.name()));
    let tokens: Vec<String> = TOKENS
        .iter()
        .map(|token| (*token).to_owned())
        .chain(names)
        .collect();
    prop_oneof![
        (place(), place()).prop_map(|(from, to)| Mutation::Cut(from, to)),
        (place(), prop::sample::select(tokens)).prop_map(|(at, token)| Mutation::Insert(at, token)),
        (place(), place(), place()).prop_map(|(from, to, at)| Mutation::Repeat(from, to, at)),
        (place(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (place(), 0x20..0x7f_u8).prop_map(|(at, byte)| Mutation::Set(at, byte)),
    ]
}

const TOKENS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\n",
    " ",
    "null",
    "true",
    "false",
    "{}",
    "[]",
    "\"\"",
    "0",
    "-1",
    "1e9",
    "1.50",
    "\\u0000",
    "\\ud800",
    "\u{0}",
    "\u{feff}",
    "é",
    "😀",
    "\"user\"",
    "\"admin\"",
    "99d",
    "+00:00",
];

impl Mutation {
    fn apply(self, bytes: &mut Vec<u8>) {
        let place = |index: &Index| index.index(bytes.len() + 1);
        match self {
            Self::Cut(from, to) => {
                // Mostly short: most of a case is to stay.
                let (from, length) = (place(&from), to.index(9));
                bytes.drain(from..(from + length).min(bytes.len()));
            }
            Self::Insert(at, token) => {
                let at = place(&at);
                bytes.splice(at..at, token.into_bytes());
            }
            Self::Repeat(from, to, at) => {
                let (from, to, at) = (place(&from), place(&to), place(&at));
                let part = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.splice(at..at, part);
            }
            Self::Set(at, value) => {
                let at = at.index(bytes.len().max(1));
                bytes.splice(at..(at + 1).min(bytes.len()), [value]);
            }
        }
    }
}
