//! The wire: the exact bytes of each request, and what is read of an answer.
//!
//! Facts by the Directory Insights API description (v1.0): one `POST` returns a
//! JSON array, everything about paging is in response headers.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::clock::{parse_http_date, rfc3339};
use crate::mapping;
use crate::settings::Settings;

/// The most events that one page may hold.
pub const MAX_LIMIT: u32 = 10_000;

/// The longest cursor that is taken, in bytes. (JumpCloud's have about 50.)
const MAX_CURSOR: usize = 4 << 10;

/// A header: its name in lower case, and its value.
pub type Header = (&'static str, String);

/// One request. It gets its credential on its way out ([`crate::authorize`]).
#[derive(Clone, PartialEq)]
pub struct Request {
    /// Whole address.
    pub url: String,
    /// Names in lower case.
    pub headers: Vec<Header>,
    /// JSON, or a form.
    pub body: Vec<u8>,
}

/// The head of an answer. Header names come in any case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Head {
    /// HTTP status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
}

/// What is asked: the rows of some services within a time range.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Services to search.
    pub services: Vec<&'static str>,
    /// From here, inclusive: ms since 1970 UTC.
    pub start: i64,
    /// To here, if anywhere; whether it is inclusive is not documented.
    pub end: Option<i64>,
}

#[derive(Serialize)]
struct EventsBody<'a> {
    service: &'a [&'static str],
    start_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    search_after: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

/// A request to an endpoint of the API, on behalf of an organisation if the
/// credential reaches several.
pub fn request(
    settings: &Settings,
    organization: Option<&str>,
    path: &str,
    body: Vec<u8>,
) -> Request {
    let mut headers = vec![
        ("accept", "application/json".to_owned()),
        ("content-type", "application/json".to_owned()),
        user_agent(),
    ];
    headers.extend(organization.map(|id| ("x-org-id", id.to_owned())));
    Request {
        url: settings.api_base_url.endpoint(path),
        headers,
        body,
    }
}

/// Who asks.
pub fn user_agent() -> Header {
    let name = concat!("jumpcloud-source/", env!("CARGO_PKG_VERSION"));
    ("user-agent", name.to_owned())
}

impl Request {
    /// With one header more.
    #[must_use]
    pub fn with(mut self, header: Header) -> Self {
        self.headers.push(header);
        self
    }
}

/// Without the headers: one of them may be a secret.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        let mut request = f.debug_struct("Request");
        request.field("url", &self.url).field("body", &body);
        request.finish_non_exhaustive()
    }
}

impl Query {
    /// The services in which the selected types of events live, between these
    /// times (ms since 1970 UTC).
    pub fn new(settings: &Settings, start: i64, end: Option<i64>) -> Self {
        Self {
            services: mapping::services(settings.event_types),
            start,
            end,
        }
    }

    /// Body of `POST /events`: a page in ascending order, after `search_after`
    /// (a JSON array, unchanged from the answer before).
    pub fn events(&self, limit: u32, search_after: Option<&RawValue>) -> Vec<u8> {
        self.body(Some(limit), search_after, None)
    }

    /// Body of `POST /events/count`.
    pub fn count(&self) -> Vec<u8> {
        self.body(None, None, None)
    }

    /// Body of `POST /events/distinct`: the values of a field.
    pub fn distinct(&self, field: &str) -> Vec<u8> {
        self.body(None, None, Some(field))
    }

    fn body(
        &self,
        limit: Option<u32>,
        search_after: Option<&RawValue>,
        field: Option<&str>,
    ) -> Vec<u8> {
        let body = EventsBody {
            service: &self.services,
            start_time: rfc3339(self.start),
            end_time: self.end.map(rfc3339),
            sort: limit.map(|_| "ASC"),
            limit,
            search_after,
            field,
        };
        // Nothing in it can fail to serialise.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

impl Head {
    /// The first header of this name (in lower case), trimmed.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// The server's clock: ms since 1970 UTC.
    pub fn date(&self) -> Option<i64> {
        parse_http_date(self.header("date")?)
    }

    /// How long the server asks to be left alone, in ms: from `Retry-After` in
    /// seconds, or as a date against the answer's own.
    pub fn retry_after(&self) -> Option<u64> {
        let value = self.header("retry-after")?;
        if let Ok(seconds) = value.parse::<u64>() {
            return seconds.checked_mul(1_000);
        }
        let wait = parse_http_date(value)?.checked_sub(self.date()?)?;
        Some(u64::try_from(wait).unwrap_or(0))
    }

    /// The id under which the vendor's support finds this request.
    pub fn request_id(&self) -> Option<&str> {
        self.header("x-request-id")
    }

    /// Whether the body is said to be a page for people.
    pub fn is_html(&self) -> bool {
        self.header("content-type")
            .is_some_and(|kind| kind.to_ascii_lowercase().contains("html"))
    }
}

/// What the headers of a page of events say of it.
#[derive(Clone, Debug, Default)]
pub struct PageHead {
    /// Rows in this page (`X-Result-Count`).
    pub count: Option<u64>,
    /// Most rows of a page, as the server understood it (`X-Limit`).
    pub limit: Option<u64>,
    /// Where the next page begins (`X-Search_after`): a JSON array.
    pub search_after: Option<Box<RawValue>>,
}

impl PageHead {
    /// Reads the headers. The error says which is unusable; a missing one is
    /// none, since some proxies drop names with an underscore.
    pub fn read(head: &Head) -> Result<Self, String> {
        let number = |name: &str| match head.header(name) {
            None => Ok(None),
            Some(value) => match value.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(format!("`{name}` is no number")),
            },
        };
        if let Some(sort) = head
            .header("x-sort")
            .filter(|sort| !sort.eq_ignore_ascii_case("asc"))
        {
            let sort: String = sort.chars().take(20).collect();
            return Err(format!("`X-Sort` is `{sort}`, asked was `ASC`"));
        }
        Ok(Self {
            count: number("X-Result-Count")?,
            limit: number("X-Limit")?,
            search_after: head.header("x-search_after").and_then(search_after),
        })
    }
}

/// A usable `search_after`: a JSON array with something in it, and no very long
/// one, for walks keep many of them.
fn search_after(text: &str) -> Option<Box<RawValue>> {
    let text = (text.len() <= MAX_CURSOR).then_some(text)?;
    let value: Box<RawValue> = serde_json::from_str(text).ok()?;
    let items: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
    (!items.is_empty()).then_some(value)
}

/// Body of an answer of `/events/count`.
#[derive(Debug, Deserialize)]
pub struct Count {
    /// Rows that the query matches.
    pub count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query() -> Query {
        Query {
            services: vec!["directory", "sso"],
            start: 1_771_722_000_000,
            end: None,
        }
    }

    #[test]
    fn the_bytes_of_each_request_are_exact() {
        let after = RawValue::from_string(r#"[1576181718000,"DZrPyW8BNsa9iKWoOm7h"]"#.to_owned());
        let text = |bytes| String::from_utf8(bytes).unwrap();
        assert_eq!(
            text(query().events(1000, None)),
            r#"{"service":["directory","sso"],"start_time":"2026-02-22T01:00:00.000Z","sort":"ASC","limit":1000}"#
        );
        assert_eq!(
            text(query().events(1000, Some(&after.unwrap()))),
            r#"{"service":["directory","sso"],"start_time":"2026-02-22T01:00:00.000Z","sort":"ASC","limit":1000,"search_after":[1576181718000,"DZrPyW8BNsa9iKWoOm7h"]}"#
        );
        assert_eq!(
            text(query().distinct("event_type")),
            r#"{"service":["directory","sso"],"start_time":"2026-02-22T01:00:00.000Z","field":"event_type"}"#
        );
        let bounded = Query {
            end: Some(1_771_722_000_001),
            ..query()
        };
        assert_eq!(
            text(bounded.count()),
            r#"{"service":["directory","sso"],"start_time":"2026-02-22T01:00:00.000Z","end_time":"2026-02-22T01:00:00.001Z"}"#
        );
    }

    fn head(headers: &[(&str, &str)]) -> Head {
        let headers = headers
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        Head {
            status: 200,
            headers,
        }
    }

    #[test]
    fn headers_are_read_in_any_case() {
        let page = PageHead::read(&head(&[
            ("X-RESULT-COUNT", "2"),
            ("x-limit", " 2 "),
            ("X-Sort", "asc"),
            ("X-Search_After", r#"[1,"a"]"#),
        ]))
        .unwrap();
        assert_eq!((page.count, page.limit), (Some(2), Some(2)));
        assert_eq!(page.search_after.unwrap().get(), r#"[1,"a"]"#);
    }

    #[test]
    fn unusable_headers_are_told_from_missing_ones() {
        let page = PageHead::read(&head(&[])).unwrap();
        assert!(page.count.is_none() && page.limit.is_none() && page.search_after.is_none());
        assert!(PageHead::read(&head(&[("X-Result-Count", "many")])).is_err());
        assert!(PageHead::read(&head(&[("X-Sort", "DESC")])).is_err());
        let long = format!("[1,{:?}]", "a".repeat(MAX_CURSOR));
        for garbled in ["", "[", "[]", "null", "{}", "[1,", &long] {
            let page = PageHead::read(&head(&[("X-Search_after", garbled)])).unwrap();
            assert!(page.search_after.is_none(), "{garbled}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(head(&[("Retry-After", "7")]).retry_after(), Some(7_000));
        let date = ("Date", "Thu, 01 Jan 1970 00:00:10 GMT");
        let later = ("Retry-After", "Thu, 01 Jan 1970 00:00:12 GMT");
        assert_eq!(head(&[date, later]).retry_after(), Some(2_000));
        assert_eq!(head(&[later]).retry_after(), None);
        assert_eq!(head(&[("Retry-After", "soon")]).retry_after(), None);
    }
}
