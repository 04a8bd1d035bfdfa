//! Addresses: of the API, and whether a text is one.

use super::value::shown;

/// Path of the API below its host.
const BASE_PATH: &str = "/insights/directory/v1";

/// The three addresses that JumpCloud documents.
const KNOWN_HOSTS: [&str; 3] = [
    "api.jumpcloud.com",
    "api.eu.jumpcloud.com",
    "api.in.jumpcloud.com",
];

/// Where tokens are given, as documented for the United States.
pub const TOKEN_HOST: &str = "admin-oauth.id.jumpcloud.com";

/// The address of the API, in its normal form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApiUrl {
    origin: String,
    prefix: String,
}

impl ApiUrl {
    /// From a checked address, with or without the base path, an endpoint
    /// below it, and a slash.
    pub fn new(url: &str) -> Self {
        let (origin, path) = split_origin(url);
        let path = path.trim_end_matches('/');
        let below = path.rsplit_once(BASE_PATH);
        let prefix = match below {
            Some((prefix, "" | "/events" | "/events/count" | "/events/distinct")) => prefix,
            _ => path,
        };
        Self {
            origin: origin.to_ascii_lowercase(),
            prefix: prefix.to_owned(),
        }
    }

    /// Scheme, host and port: `https://api.jumpcloud.com`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The host, with its port if it is given.
    pub fn host(&self) -> &str {
        host(&self.origin)
    }

    /// Origin, and what comes before the API's own path.
    pub fn base(&self) -> String {
        format!("{}{}", self.origin, self.prefix)
    }

    /// Whether it is one of JumpCloud's documented addresses.
    pub fn is_known(&self) -> bool {
        self.prefix.is_empty() && KNOWN_HOSTS.contains(&self.host())
    }

    /// Whether it is the one for the United States.
    pub fn is_united_states(&self) -> bool {
        KNOWN_HOSTS.first() == Some(&self.host())
    }

    /// The whole address of an endpoint: `endpoint("/events")`.
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{BASE_PATH}{path}", self.base())
    }
}

/// The host of a checked address, with its port if it is given.
pub fn host(url: &str) -> &str {
    let (origin, _) = split_origin(url);
    origin.split_once("://").map_or("", |(_, host)| host)
}

/// What is wrong with an address, and what to do.
pub fn check(url: &str) -> Option<(String, &'static str)> {
    const EXAMPLE: &str = "like `https://api.jumpcloud.com`";
    if url.trim() != url {
        return Some(("white space around the address".to_owned(), EXAMPLE));
    }
    let (origin, path) = split_origin(url);
    let Some((scheme, host)) = origin.split_once("://") else {
        let shown = shown(&url.into());
        return Some((format!("not an address: {shown}"), EXAMPLE));
    };
    let secure = scheme.eq_ignore_ascii_case("https");
    if !secure && !scheme.eq_ignore_ascii_case("http") {
        return Some((format!("not an https address: `{url}`"), EXAMPLE));
    }
    if host.contains('@') {
        return Some(("an address with a user name in it".to_owned(), EXAMPLE));
    }
    let odd =
        |c: char| c.is_whitespace() || c.is_control() || !c.is_ascii() || "\"<>\\^`{|}".contains(c);
    if host.is_empty() || url.contains(odd) || url.contains(['?', '#']) {
        return Some((
            format!("not an address of a server and a path: `{url}`"),
            EXAMPLE,
        ));
    }
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    if name.is_empty() || port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Some((format!("no such port: `{url}`"), EXAMPLE));
    }
    let loopback = name.eq_ignore_ascii_case("localhost")
        || name == "[::1]"
        || name
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback());
    if KNOWN_HOSTS.contains(&host) && path.trim_end_matches('/').starts_with("/events") {
        return Some((
            format!("an endpoint, not the API's address: `{url}`"),
            "leave out what follows the host",
        ));
    }
    if !secure && !loopback {
        return Some((
            format!("plain http would send the credential in clear: `{url}`"),
            "use `https://`",
        ));
    }
    None
}

/// Cuts an address before its path: `("https://host:1", "/path")`.
fn split_origin(url: &str) -> (&str, &str) {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url
        .get(start..)
        .and_then(|rest| rest.find('/'))
        .map_or(url.len(), |at| start + at);
    url.split_at_checked(end).unwrap_or((url, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_path_and_a_slash_are_optional() {
        for url in [
            "https://API.eu.jumpcloud.com",
            "https://api.eu.jumpcloud.com/",
            "https://api.eu.jumpcloud.com/insights/directory/v1",
            "https://api.eu.jumpcloud.com/insights/directory/v1/",
            "https://api.eu.jumpcloud.com/insights/directory/v1/events",
            "https://api.eu.jumpcloud.com/insights/directory/v1/events/count/",
        ] {
            let url = ApiUrl::new(url);
            assert!(url.is_known());
            assert_eq!(
                url.endpoint("/events"),
                "https://api.eu.jumpcloud.com/insights/directory/v1/events"
            );
        }
        let proxy = ApiUrl::new("http://127.0.0.1:8080/jc/");
        assert!(!proxy.is_known());
        assert_eq!(proxy.origin(), "http://127.0.0.1:8080");
        assert_eq!(
            proxy.endpoint("/events"),
            "http://127.0.0.1:8080/jc/insights/directory/v1/events"
        );
    }

    #[test]
    fn addresses_are_checked() {
        for good in [
            "https://api.jumpcloud.com",
            "http://localhost:1/x",
            "http://[::1]:80",
            "https://[::1]",
        ] {
            assert_eq!(check(good), None, "{good}");
        }
        for bad in [
            "",
            " https://api.jumpcloud.com",
            "https://api.jumpcloud.com/events/count",
            "api.jumpcloud.com",
            "ftp://a",
            "https://",
            "https:///x",
            "https://u:p@a",
            "https://a b",
            "https://a?x",
            "https://a#x",
            "https://a:99999",
            "https://:1",
            "http://10.0.0.1",
            "https://ä",
        ] {
            assert!(check(bad).is_some(), "{bad}");
        }
    }
}
