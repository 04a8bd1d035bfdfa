//! A rule as text, for the command line.

use std::str::FromStr;

use super::{Fault, RetryAfter, Rule, When, Wire};
use crate::model::Endpoint;

/// What a rule's text may say; shown when it can't be read.
const HELP: &str = "a fault is one of status=CODE[,retry-after=SECONDS|retry-date=SECONDS], \
html, not-an-array, broken-json, redirect=URL, oversized=BYTES, no-search-after, \
garbled-search-after, unmoved-search-after, first-page-again, first-page-with-new-cursor, wrong-count=OFF, no-header=NAME, \
no-paging-headers, date-off=MS, upper-case, lower-case, cut=BYTES, reset, stall, \
stall-in-body=BYTES, slow=BYTES/MS, passing (any that passes); then on=events|count|distinct|token, \
org=ID, and one of next=N, nth=N, every=N, from=N, chance=P";

impl FromStr for Rule {
    type Err = String;

    /// Reads `FAULT[,on=ENDPOINT][,org=ID][,OCCASION]`, as in `status=429,retry-after=5,on=events,every=10`.
    fn from_str(text: &str) -> Result<Rule, String> {
        read(text).ok_or_else(|| format!("`{text}` is no fault\n\nhint: {HELP}"))
    }
}

fn read(text: &str) -> Option<Rule> {
    let mut faults = Vec::new();
    let mut retry_after = RetryAfter::Absent;
    let mut on = None;
    let mut organization = None;
    let mut when = When::Always;
    for word in text.split(',') {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        match name {
            "retry-after" => retry_after = RetryAfter::Seconds(value.parse().ok()?),
            "retry-date" => retry_after = RetryAfter::Date(value.parse().ok()?),
            "on" => on = Some(endpoint(value)?),
            "org" => organization = Some(value),
            "next" => when = When::Next(value.parse().ok()?),
            "nth" => when = When::Nth(value.parse().ok()?),
            "every" => when = When::Every(value.parse().ok()?),
            "from" => when = When::From(value.parse().ok()?),
            "chance" => when = When::Chance(value.parse().ok()?),
            "passing" => faults.extend(Fault::passing()),
            _ => faults.push(fault(name, value)?),
        }
    }
    for fault in &mut faults {
        if let (
            Fault::Status {
                retry_after: to, ..
            },
            true,
        ) = (fault, retry_after != RetryAfter::Absent)
        {
            *to = retry_after;
        }
    }
    if faults.is_empty() {
        return None;
    }
    let mut rule = Rule::any_of(faults).when(when);
    if let Some(endpoint) = on {
        rule = rule.on(endpoint);
    }
    if let Some(id) = organization {
        rule = rule.of(id);
    }
    Some(rule)
}

fn endpoint(name: &str) -> Option<Endpoint> {
    match name {
        "events" => Some(Endpoint::Events),
        "count" => Some(Endpoint::Count),
        "distinct" => Some(Endpoint::Distinct),
        "token" => Some(Endpoint::Token),
        _ => None,
    }
}

fn fault(name: &str, value: &str) -> Option<Fault> {
    let plain = match name {
        "html" => Fault::Html,
        "not-an-array" => Fault::NotAnArray,
        "broken-json" => Fault::BrokenJson,
        "no-search-after" => Fault::NoSearchAfter,
        "garbled-search-after" => Fault::GarbledSearchAfter,
        "unmoved-search-after" => Fault::UnmovedSearchAfter,
        "first-page-again" => Fault::FirstPageAgain,
        "first-page-with-new-cursor" => Fault::FirstPageWithNewCursor,
        "no-paging-headers" => Fault::NoPagingHeaders,
        "upper-case" => Fault::Wire(Wire::UpperCase),
        "lower-case" => Fault::Wire(Wire::LowerCase),
        "reset" => Fault::Wire(Wire::Reset),
        "stall" => Fault::Wire(Wire::Stall),
        _ => return with_value(name, value),
    };
    value.is_empty().then_some(plain)
}

fn with_value(name: &str, value: &str) -> Option<Fault> {
    Some(match name {
        "status" => {
            let status = value
                .parse()
                .ok()
                .filter(|status| (200..600).contains(status))?;
            Fault::Status {
                status,
                retry_after: RetryAfter::Absent,
            }
        }
        "redirect" if !value.is_empty() => Fault::Redirect(value.to_owned()),
        "no-header" if !value.is_empty() => Fault::NoHeader(value.to_owned()),
        "oversized" => Fault::Oversized(value.parse().ok()?),
        "wrong-count" => Fault::WrongResultCount(value.parse().ok()?),
        "date-off" => Fault::DateOff(value.parse().ok()?),
        "cut" => Fault::Wire(Wire::Cut(value.parse().ok()?)),
        "stall-in-body" => Fault::Wire(Wire::StallInBody(value.parse().ok()?)),
        "slow" => {
            let (bytes, pause_ms) = value.split_once('/')?;
            let bytes = bytes.parse().ok().filter(|bytes| *bytes > 0)?;
            Fault::Wire(Wire::Slow {
                bytes,
                pause_ms: pause_ms.parse().ok()?,
            })
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_faults_and_occasions() {
        let rule: Rule = "status=429,retry-after=5,on=events,every=10"
            .parse()
            .unwrap();
        let wanted = Fault::Status {
            status: 429,
            retry_after: RetryAfter::Seconds(5),
        };
        assert_eq!(rule.faults, [wanted]);
        assert_eq!(rule.on, Some(Endpoint::Events));
        assert_eq!(rule.when, When::Every(10));

        let rule: Rule = "slow=100/20".parse().unwrap();
        assert_eq!(
            rule.faults,
            [Fault::Wire(Wire::Slow {
                bytes: 100,
                pause_ms: 20
            })]
        );
        let rule: Rule = "passing,chance=0.2".parse().unwrap();
        assert_eq!(rule.faults, Fault::passing());
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        for text in [
            "",
            "on=events",
            "status=abc",
            "html=1",
            "cut",
            "stall,on=nowhere",
            "slow=0/1",
        ] {
            assert!(text.parse::<Rule>().is_err(), "{text}");
        }
    }
}
