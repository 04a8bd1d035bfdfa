//! What a fault does to an answer.

use super::{Fault, RetryAfter, Wire};
use crate::model::{Answer, http_date};

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
            Fault::FirstPageWithNewCursor => {
                let parts = answer
                    .header("X-Search_after")
                    .and_then(|last| last.split_once(','));
                // As long as that of a row, and of letters that may be in it.
                let new = answer.header("X-Request-Id").and_then(|id| id.get(..20));
                if let (Some((time, _)), Some(new)) = (parts, new) {
                    answer.set_header("X-Search_after", format!("{time},\"{new}\"]"));
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
