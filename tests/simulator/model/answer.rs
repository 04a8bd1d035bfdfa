//! What the model answers: a response, and what the wire does to it.

use bytes::Bytes;
use serde_json::Value;

use crate::faults::Wire;

/// A response of the simulated API.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers, their names as the documentation spells them.
    pub headers: Vec<(&'static str, String)>,
    /// The body, before any compression.
    pub body: Bytes,
    /// What happens to it on its way; the transport must see to it.
    pub wire: Wire,
}

impl Answer {
    /// The value of a header, its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(status: u16, body: impl Into<Bytes>) -> Answer {
        Answer::new(status, "application/json", body)
    }

    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Answer {
        Answer {
            status,
            headers: vec![("Content-Type", content_type.to_owned())],
            body: body.into(),
            wire: Wire::Whole,
        }
    }

    /// An error in the API's form: `{"message":"…"}`, escaped for HTML as its encoder does.
    pub(crate) fn refused(status: u16, message: &str) -> Answer {
        let message = Value::from(message).to_string();
        let message = message
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026");
        let body = match status {
            401 => format!("{{\"message\":{message},\"status\":401}}"),
            _ => format!("{{\"message\":{message}}}"),
        };
        Answer::json(status, body)
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.set_header(name, value);
        self
    }

    pub(crate) fn set_header(&mut self, name: &'static str, value: impl Into<String>) {
        self.drop_header(name);
        self.headers.push((name, value.into()));
    }

    pub(crate) fn drop_header(&mut self, name: &str) {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }
}
