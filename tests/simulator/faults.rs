//! Faults on demand: what goes wrong, at which requests.
//!
//! A fault that can be seen in HTTP changes the [`Answer`]. One of the wire is only marked there
//! ([`Wire`]) and carried out by whoever transports it: the server's stream, or a test in virtual
//! time that makes of it what its own transport would report.

mod spec;

use crate::dice::Dice;
use crate::model::{Answer, Endpoint, http_date};

/// What goes wrong with one answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Another status, with an error body.
    Status {
        /// The status code.
        status: u16,
        /// Whether and how a waiting time is given.
        retry_after: RetryAfter,
    },
    /// A redirect (302) to this address.
    Redirect(String),
    /// A page of HTML, with status 200: a proxy's or a portal's sign-in page.
    Html,
    /// Status 200 and a JSON object where an array belongs.
    NotAnArray,
    /// Status 200 and half a body, complete by its stated length.
    BrokenJson,
    /// So many bytes of white space within the body.
    Oversized(usize),
    /// No `X-Search_after`.
    NoSearchAfter,
    /// An `X-Search_after` that isn't JSON.
    GarbledSearchAfter,
    /// The `X-Search_after` of the page before. The first page of a walk is untouched.
    UnmovedSearchAfter,
    /// The first page again, whatever `search_after` says.
    FirstPageAgain,
    /// `X-Result-Count` off by this.
    WrongResultCount(i64),
    /// This header is missing.
    NoHeader(String),
    /// Every header whose name starts with `X-` is missing.
    NoPagingHeaders,
    /// `Date` is off by this many milliseconds.
    DateOff(i64),
    /// Something happens on the wire.
    Wire(Wire),
}

/// How a status tells when to come again.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RetryAfter {
    /// Not at all.
    #[default]
    Absent,
    /// In so many seconds.
    Seconds(u32),
    /// At the date in so many seconds.
    Date(u32),
}

/// What happens to an answer on its way.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Wire {
    /// It arrives.
    #[default]
    Whole,
    /// The names of the headers arrive in upper case.
    UpperCase,
    /// The names of the headers arrive in lower case.
    LowerCase,
    /// The connection is closed after so many bytes of the body.
    Cut(usize),
    /// The connection is reset before anything arrives.
    Reset,
    /// Nothing arrives, and the connection stays open.
    Stall,
    /// Nothing arrives after so many bytes of the body, and the connection stays open.
    StallInBody(usize),
    /// It arrives in pieces of so many bytes with pauses between them.
    Slow {
        /// Bytes in a piece.
        bytes: usize,
        /// Milliseconds between two.
        pause_ms: u64,
    },
}

/// At which of the requests that a rule is about its fault occurs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum When {
    /// At all.
    #[default]
    Always,
    /// At the first so many, from when the rule was added.
    Next(u64),
    /// At this one, counted from 1.
    Nth(u64),
    /// At each so-manieth.
    Every(u64),
    /// At this one and all later ones.
    From(u64),
    /// At random, with this probability.
    Chance(f64),
}

/// A fault, or one drawn from several, with its occasion.
///
/// As text (`"status=429,retry-after=5,on=events,every=10"`) see [`Rule::from_str`].
///
/// [`Rule::from_str`]: std::str::FromStr::from_str
#[derive(Clone, Debug)]
pub struct Rule {
    faults: Vec<Fault>,
    on: Option<Endpoint>,
    when: When,
    seen: u64,
}

impl Rule {
    /// This fault at every request.
    pub fn new(fault: Fault) -> Rule {
        Rule::any_of(vec![fault])
    }

    /// One of these faults, drawn anew each time, at every request.
    pub fn any_of(faults: Vec<Fault>) -> Rule {
        Rule {
            faults,
            on: None,
            when: When::Always,
            seen: 0,
        }
    }

    /// Only at requests to this endpoint; others aren't counted.
    pub fn on(self, endpoint: Endpoint) -> Rule {
        Rule {
            on: Some(endpoint),
            ..self
        }
    }

    /// Only then.
    pub fn when(self, when: When) -> Rule {
        Rule { when, ..self }
    }

    fn fires(&mut self, dice: &mut Dice) -> bool {
        self.seen += 1;
        match self.when {
            When::Always => true,
            When::Next(count) => self.seen <= count,
            When::Nth(number) => self.seen == number,
            When::Every(number) => number > 0 && self.seen.is_multiple_of(number),
            When::From(number) => self.seen >= number,
            When::Chance(probability) => dice.chance(probability),
        }
    }
}

/// The plan of faults of a simulator. Of several rules that fire at once the first counts.
#[derive(Clone, Debug)]
pub struct Faults {
    rules: Vec<Rule>,
    dice: Dice,
}

impl Faults {
    /// No faults; those added later draw from this seed.
    pub fn new(seed: u64) -> Faults {
        Faults {
            rules: Vec::new(),
            dice: Dice::new(seed),
        }
    }

    /// Adds a rule, which counts requests from now on.
    pub fn add(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// Ends all faults.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// The fault of the next request, if any.
    pub(crate) fn draw(&mut self, endpoint: Endpoint) -> Option<Fault> {
        let mut drawn = None;
        for rule in &mut self.rules {
            if rule.on.is_some_and(|on| on != endpoint) || !rule.fires(&mut self.dice) {
                continue;
            }
            if drawn.is_none() {
                let index = self.dice.below(rule.faults.len() as u64) as usize;
                drawn = rule.faults.get(index).cloned();
            }
        }
        drawn
    }
}

impl Fault {
    /// Faults from which a collector recovers by trying again, each a few times in this list by
    /// how common it is: for a seeded mix.
    pub fn passing() -> Vec<Fault> {
        let status = |status, retry_after| Fault::Status {
            status,
            retry_after,
        };
        vec![
            status(429, RetryAfter::Absent),
            status(429, RetryAfter::Seconds(2)),
            status(429, RetryAfter::Date(3)),
            status(500, RetryAfter::Absent),
            status(503, RetryAfter::Absent),
            status(503, RetryAfter::Seconds(1)),
            Fault::Html,
            Fault::NotAnArray,
            Fault::BrokenJson,
            Fault::NoSearchAfter,
            Fault::GarbledSearchAfter,
            Fault::UnmovedSearchAfter,
            Fault::FirstPageAgain,
            Fault::WrongResultCount(1),
            Fault::WrongResultCount(-1),
            Fault::NoPagingHeaders,
            Fault::NoHeader("X-Result-Count".to_owned()),
            Fault::NoHeader("Date".to_owned()),
            Fault::Wire(Wire::UpperCase),
            Fault::Wire(Wire::LowerCase),
            Fault::Wire(Wire::Reset),
            Fault::Wire(Wire::Cut(0)),
            Fault::Wire(Wire::Cut(700)),
            Fault::Wire(Wire::Cut(5000)),
        ]
    }

    /// The answer that this fault gives in place of the API's.
    pub(crate) fn instead(&self, now_ms: i64) -> Option<Answer> {
        match self {
            Fault::Status {
                status,
                retry_after,
            } => {
                let answer = Answer::refused(*status, message(*status));
                Some(match retry_after {
                    RetryAfter::Absent => answer,
                    RetryAfter::Seconds(seconds) => {
                        answer.with_header("Retry-After", seconds.to_string())
                    }
                    RetryAfter::Date(seconds) => answer.with_header(
                        "Retry-After",
                        http_date(now_ms + i64::from(*seconds) * 1000),
                    ),
                })
            }
            Fault::Redirect(location) => {
                let answer = Answer::new(302, "text/html; charset=utf-8", "");
                Some(answer.with_header("Location", location.clone()))
            }
            Fault::Html => Some(Answer::new(
                200,
                "text/html; charset=utf-8",
                "<!DOCTYPE html><html><head><title>Sign in</title></head><body></body></html>\n",
            )),
            Fault::NotAnArray => Some(Answer::json(200, r#"{"events":[],"next":null}"#)),
            _ => None,
        }
    }

    /// Alters an answer of the API. `search_after` is the one of the request.
    pub(crate) fn alter(&self, answer: &mut Answer, search_after: Option<String>, now_ms: i64) {
        match self {
            Fault::BrokenJson => answer.body.truncate(answer.body.len() / 2),
            Fault::Oversized(bytes) => oversize(answer, *bytes),
            Fault::NoSearchAfter => answer.drop_header("X-Search_after"),
            Fault::GarbledSearchAfter => {
                answer.set_header("X-Search_after", "[1576181718000,\"DZr")
            }
            Fault::UnmovedSearchAfter => {
                if let Some(search_after) = search_after {
                    answer.set_header("X-Search_after", search_after);
                }
            }
            Fault::WrongResultCount(off) => {
                let count = answer
                    .header("X-Result-Count")
                    .and_then(|text| text.parse::<i64>().ok());
                if let Some(count) = count {
                    answer.set_header("X-Result-Count", (count + off).to_string());
                }
            }
            Fault::NoHeader(name) => answer.drop_header(name),
            Fault::NoPagingHeaders => answer.headers.retain(|(name, _)| !name.starts_with("X-")),
            Fault::DateOff(ms) => answer.set_header("Date", http_date(now_ms + ms)),
            Fault::Wire(wire) => answer.wire = *wire,
            Fault::Status { .. }
            | Fault::Redirect(_)
            | Fault::Html
            | Fault::NotAnArray
            | Fault::FirstPageAgain => {}
        }
    }
}

fn oversize(answer: &mut Answer, bytes: usize) {
    let mut body = Vec::with_capacity(answer.body.len() + bytes);
    let (first, rest) = answer.body.split_at(answer.body.len().min(1));
    body.extend_from_slice(first);
    body.resize(first.len() + bytes, b' ');
    body.extend_from_slice(rest);
    answer.body = body.into();
}

fn message(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "the simulator was told to answer so",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fired(when: When) -> Vec<u64> {
        let mut faults = Faults::new(1);
        faults.add(Rule::new(Fault::Html).on(Endpoint::Events).when(when));
        (1..=10)
            .filter(|_| {
                assert_eq!(faults.draw(Endpoint::Count), None);
                faults.draw(Endpoint::Events).is_some()
            })
            .collect()
    }

    #[test]
    fn a_rule_fires_on_its_occasion_only() {
        assert_eq!(fired(When::Always).len(), 10);
        assert_eq!(fired(When::Next(2)), [1, 2]);
        assert_eq!(fired(When::Nth(3)), [3]);
        assert_eq!(fired(When::Every(4)), [4, 8]);
        assert_eq!(fired(When::From(9)), [9, 10]);
        assert!((2..9).contains(&fired(When::Chance(0.5)).len()));
    }

    #[test]
    fn the_first_rule_counts_and_the_others_go_on_counting() {
        let mut faults = Faults::new(1);
        faults.add(Rule::new(Fault::Html).when(When::Nth(1)));
        faults.add(Rule::new(Fault::NotAnArray).when(When::Nth(2)));
        let drawn: Vec<_> = (0..3).map(|_| faults.draw(Endpoint::Events)).collect();
        assert_eq!(drawn, [Some(Fault::Html), Some(Fault::NotAnArray), None]);
    }
}
