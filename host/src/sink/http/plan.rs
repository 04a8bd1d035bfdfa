//! Which parts of a batch are still to be sent, and what follows from an answer.
//!
//! A batch is sent whole. When the receiver says that it is too large (413), or
//! that something is wrong with it (400), it is sent in halves, and so on, down
//! to the one line that it does not take: that becomes a dead letter. But a
//! receiver that takes nothing at all is set up wrongly: no line of its batch is
//! given up. Only of a few lines that can't be told: when they are all there is,
//! one line, or a short batch for a receiver that took some before, so many are
//! given up in a row.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::sink::Refused;

/// So many lines may be refused while none was taken.
const PATIENCE: usize = 20;

/// What is still to be sent. It is a value of its own before each request, and
/// kept in the outbox.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Plan {
    /// Identifies the batch.
    pub(super) batch: String,
    /// Next first.
    parts: VecDeque<Part>,
    /// Whether the receiver took anything of this batch.
    taken: bool,
    /// Whether it was sent a batch before.
    #[serde(default)]
    known: bool,
    /// Lines that were given up since the receiver took anything: of batches of
    /// which it took nothing.
    #[serde(default)]
    pub(super) given_up: usize,
}

/// Some lines of the batch: bytes from `start` to `end`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Part {
    start: usize,
    end: usize,
    /// It is one line, and was refused before anything was taken.
    refused: bool,
}

/// What a receiver said of a part.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    /// It is durable there.
    Taken,
    /// Something in it is wrong, or it is too large; in the receiver's words.
    Refused(String),
}

impl Plan {
    /// The plan for all `length` bytes of a batch, to a receiver that is `known`
    /// from a batch before, and since it took anything has refused the lines
    /// that were `given_up`.
    pub(super) fn new(batch: String, length: usize, known: bool, given_up: usize) -> Self {
        let whole = Part {
            start: 0,
            end: length,
            refused: false,
        };
        Self {
            batch,
            parts: VecDeque::from([whole]),
            taken: false,
            known,
            given_up,
        }
    }

    /// The lines to be sent next; none: all is done.
    pub(super) fn next<'a>(&self, events: &'a [u8]) -> Option<&'a [u8]> {
        let part = self.parts.front()?;
        events.get(part.start..part.end)
    }

    /// The plan after the receiver's verdict on the next part, and the line
    /// that it will never take, if that is certain. The error: it takes
    /// nothing, and this plan stays.
    pub(super) fn after(
        mut self,
        verdict: Verdict,
        events: &[u8],
    ) -> Result<(Self, Option<Refused>), String> {
        let Some(mut part) = self.parts.pop_front() else {
            return Ok((self, None));
        };
        let reason = match verdict {
            Verdict::Taken => {
                self.taken = true;
                self.given_up = 0;
                return Ok((self, None));
            }
            Verdict::Refused(reason) => reason,
        };
        if let Some(middle) = middle(events, &part) {
            let half = |start, end| Part {
                start,
                end,
                refused: false,
            };
            self.parts.push_front(half(middle, part.end));
            self.parts.push_front(half(part.start, middle));
            return Ok((self, None));
        }
        let is_all = part.start == 0 && part.end == events.len();
        // A part that was refused comes again when there is no other left.
        let tried_all = is_all || (part.refused && self.known);
        if self.taken || (tried_all && self.given_up < PATIENCE) {
            self.given_up += usize::from(!self.taken);
            let refused = Refused {
                start: part.start,
                end: part.end,
                reason,
            };
            return Ok((self, Some(refused)));
        }
        let refused = self.parts.iter().filter(|part| part.refused).count();
        if is_all || part.refused || refused >= PATIENCE {
            return Err(reason);
        }
        // Perhaps it takes another: then this one is tried again.
        part.refused = true;
        self.parts.push_back(part);
        if refused >= PATIENCE / 2 {
            self.look_elsewhere();
        }
        Ok((self, None))
    }

    /// Goes on in the longest part: the first lines may be wrong and the rest not.
    fn look_elsewhere(&mut self) {
        let untried = self.parts.iter().enumerate();
        let untried = untried.filter(|(_, part)| !part.refused);
        let longest = untried.max_by_key(|(_, part)| part.end - part.start);
        if let Some((at, _)) = longest
            && let Some(longest) = self.parts.remove(at)
        {
            self.parts.push_front(longest);
        }
    }
}

/// Where a part is best cut in two, between two lines; none: it is one line.
fn middle(events: &[u8], part: &Part) -> Option<usize> {
    let lines = events.get(part.start..part.end)?;
    let ends = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte == b'\n');
    let (before, after) = lines.split_at(lines.len() / 2);
    let cut = match ends(before) {
        Some(end) => end + 1,
        None => before.len() + after.iter().position(|byte| *byte == b'\n')? + 1,
    };
    (cut < lines.len()).then_some(part.start + cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends `events` to a receiver that takes a part if `takes` says so: what
    /// it got, what it refused for good, and how often it was asked.
    fn deliver(events: &str, takes: impl Fn(&str) -> bool) -> Result<(String, String, u32), u32> {
        deliver_to(false, events, takes)
    }

    /// The same, to a receiver that may be known.
    fn deliver_to(
        known: bool,
        events: &str,
        takes: impl Fn(&str) -> bool,
    ) -> Result<(String, String, u32), u32> {
        let mut plan = Plan::new("b".to_owned(), events.len(), known, 0);
        let (mut got, mut dead, mut asked) = (String::new(), String::new(), 0);
        while let Some(part) = plan.next(events.as_bytes()) {
            let part = std::str::from_utf8(part).unwrap();
            asked += 1;
            let verdict = match takes(part) {
                true => {
                    got += part;
                    Verdict::Taken
                }
                false => Verdict::Refused("no".to_owned()),
            };
            let (next, refused) = plan.after(verdict, events.as_bytes()).map_err(|_| asked)?;
            plan = next;
            dead.extend(refused.map(|refused| &events[refused.start..refused.end]));
        }
        Ok((got, dead, asked))
    }

    #[test]
    fn a_batch_goes_whole() {
        let done = deliver("a\nbb\n", |_| true);
        assert_eq!(done, Ok(("a\nbb\n".to_owned(), String::new(), 1)));
    }

    #[test]
    fn what_is_too_large_goes_in_parts_in_order() {
        let (got, dead, asked) =
            deliver("1\n22\n3\n4\n55555\n6\n", |part| part.len() <= 6).unwrap();
        assert_eq!(
            (got.as_str(), dead.as_str()),
            ("1\n22\n3\n4\n55555\n6\n", "")
        );
        assert!(asked <= 9, "{asked}");
    }

    #[test]
    fn the_lines_that_are_wrong_are_found_wherever_they_are() {
        let lines: Vec<String> = (0..40).map(|n| format!("line {n}\n")).collect();
        for wrong in [[0, 1], [0, 39], [17, 18], [5, 30]] {
            let wrong = wrong.map(|n| lines[n].as_str());
            let is_good = |part: &str| wrong.iter().all(|line| !part.contains(line));
            let (got, dead, _) = deliver(&lines.concat(), is_good).unwrap();
            let mut sent: Vec<&str> = got.lines().collect();
            sent.sort_unstable();
            sent.dedup();
            assert_eq!(sent.len(), 38, "each once, the wrong ones not: {got}");
            let mut dead: Vec<&str> = dead.split_inclusive('\n').collect();
            dead.sort_unstable();
            let mut wrong = wrong.to_vec();
            wrong.sort_unstable();
            assert_eq!(dead, wrong);
        }
        // The only line there is.
        let alone = deliver("x\n", |_| false).unwrap();
        assert_eq!(alone, (String::new(), "x\n".to_owned(), 1));
    }

    #[test]
    fn a_receiver_that_takes_nothing_makes_no_dead_letters() {
        assert_eq!(deliver("a\nb\n", |_| false), Err(4));
        let many = "x\n".repeat(10_000);
        let asked = deliver(&many, |_| false).unwrap_err();
        assert!(asked < 200, "{asked}");
    }

    #[test]
    fn a_few_wrong_lines_are_no_reason_to_suspect_a_known_receiver() {
        for lines in [2, 3, PATIENCE] {
            let events = "x\n".repeat(lines);
            let (got, dead, _) = deliver_to(true, &events, |_| false).unwrap();
            assert_eq!((got.as_str(), dead), ("", events));
        }
        let many = "x\n".repeat(PATIENCE + 1);
        assert!(deliver_to(true, &many, |_| false).is_err());

        // As good as any, if it takes some.
        let mixed = "wrong\n".repeat(30) + &"good\n".repeat(80) + "wrong\n";
        let takes = |part: &str| !part.contains("wrong");
        let sent = deliver_to(true, &mixed, takes);
        assert_eq!(sent, deliver(&mixed, takes));
        assert_eq!(sent.unwrap().0.lines().count(), 80);
    }

    #[test]
    fn of_short_batches_so_many_lines_in_a_row_are_given_up() {
        let events = b"a\nb\n";
        let (mut given_up, mut dead) = (0, 0);
        let stopped = (0..PATIENCE).find(|_| {
            let mut plan = Plan::new("b".to_owned(), events.len(), true, given_up);
            while plan.next(events).is_some() {
                let verdict = Verdict::Refused("no".to_owned());
                let Ok((next, refused)) = plan.after(verdict, events) else {
                    return true;
                };
                dead += usize::from(refused.is_some());
                plan = next;
            }
            given_up = plan.given_up;
            false
        });
        assert_eq!((stopped, dead), (Some(PATIENCE / 2), PATIENCE));
    }

    #[test]
    fn of_lone_lines_so_many_in_a_row_are_given_up() {
        let refuse = || Verdict::Refused("no".to_owned());
        let lone = |given_up| Plan::new("b".to_owned(), 2, false, given_up);
        let mut given_up = 0;
        for _ in 0..PATIENCE {
            let (plan, refused) = lone(given_up).after(refuse(), b"x\n").unwrap();
            assert!(refused.is_some());
            given_up = plan.given_up;
        }
        assert!(lone(given_up).after(refuse(), b"x\n").is_err());
        let (plan, _) = lone(given_up).after(Verdict::Taken, b"x\n").unwrap();
        assert_eq!(plan.given_up, 0, "it takes something");
    }

    #[test]
    fn many_wrong_lines_at_an_end_hide_no_good_ones() {
        let lines = |wrong: usize| "wrong\n".repeat(wrong);
        for (before, after) in [(30, 0), (0, 30), (30, 30), (500, 300)] {
            let good = (0..80).map(|n| format!("{n}\n")).collect::<String>();
            let events = lines(before) + &good + &lines(after);
            let (got, dead, _) = deliver(&events, |part| !part.contains("wrong")).unwrap();
            assert_eq!(got.len(), good.len(), "{before} {after}");
            assert_eq!(dead, lines(before + after));
        }
    }

    #[test]
    fn a_plan_that_stayed_goes_on_when_the_receiver_is_mended() {
        let events = b"a\nb\nc\n";
        let refuse = || Verdict::Refused("no".to_owned());
        let mut plan = Plan::new("b".to_owned(), events.len(), false, 0);
        while let Ok((next, refused)) = plan.clone().after(refuse(), events) {
            assert_eq!(refused, None);
            plan = next;
        }
        let mut sent = Vec::new();
        while let Some(part) = plan.next(events) {
            sent.push(part.to_vec());
            plan = plan.after(Verdict::Taken, events).unwrap().0;
        }
        sent.sort_unstable();
        assert_eq!(sent.concat(), events);
    }
}
