//! Faults on demand: what goes wrong, at which requests.
//!
//! A fault that can be seen in HTTP changes the [`Answer`](crate::Answer). One of the wire is only marked there
//! ([`Wire`]) and carried out by whoever transports it: the server's stream, or a test in virtual
//! time that makes of it what its own transport would report.

mod effect;
mod spec;

use crate::dice::Dice;
use crate::model::Endpoint;

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
    /// The same with a cursor that never came before.
    FirstPageWithNewCursor,
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
    organization: Option<String>,
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
            organization: None,
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

    /// Only at requests that name this organisation in `x-org-id`; others aren't counted.
    pub fn of(self, organization: &str) -> Rule {
        Rule {
            organization: Some(organization.to_owned()),
            ..self
        }
    }

    /// Only then.
    pub fn when(self, when: When) -> Rule {
        Rule { when, ..self }
    }

    fn is_about(&self, endpoint: Endpoint, organization: Option<&str>) -> bool {
        self.on.is_none_or(|on| on == endpoint)
            && self
                .organization
                .as_deref()
                .is_none_or(|own| organization == Some(own))
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

    /// The fault of a request, if any.
    pub(crate) fn draw(&mut self, endpoint: Endpoint, organization: Option<&str>) -> Option<Fault> {
        let mut drawn = None;
        for rule in &mut self.rules {
            if !rule.is_about(endpoint, organization) || !rule.fires(&mut self.dice) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn fired(when: When) -> Vec<u64> {
        let mut faults = Faults::new(1);
        faults.add(Rule::new(Fault::Html).on(Endpoint::Events).when(when));
        (1..=10)
            .filter(|_| {
                assert_eq!(faults.draw(Endpoint::Count, None), None);
                faults.draw(Endpoint::Events, None).is_some()
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
        let drawn: Vec<_> = (0..3)
            .map(|_| faults.draw(Endpoint::Events, None))
            .collect();
        assert_eq!(drawn, [Some(Fault::Html), Some(Fault::NotAnArray), None]);
    }
    #[test]
    fn a_rule_may_be_about_one_organisation() {
        let mut faults = Faults::new(1);
        faults.add("html,org=b".parse().unwrap());
        let drawn = ["a", "b", "c"].map(|id| faults.draw(Endpoint::Events, Some(id)).is_some());
        assert_eq!(drawn, [false, true, false]);
        assert_eq!(faults.draw(Endpoint::Events, None), None);
    }
}
