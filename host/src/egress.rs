//! Who a feed's requests may reach.
//!
//! There are two layers, because a permitted name may resolve to a forbidden
//! address. [`Rules::permits`] compares a request's origin with those in the
//! feed's URL settings. [`Dial`] then resolves the name, checks each address in
//! its canonical spelling, and connects to the very address it checked: nobody
//! can change the answer in between, and literal addresses take the same way.
//! Behind a [`Proxy`] the first layer stands alone: the proxy resolves.

mod dial;
mod proxy;
mod public;

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use http::Uri;
use ipnet::IpNet;
use serde_json::{Map, Value};

pub(crate) use self::dial::{Dial, DialError};
pub(crate) use self::proxy::Proxy;
pub use self::proxy::https_proxy;
use self::public::is_public;

/// Addresses that may be reached though they are not public: `network.allow`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Allow {
    /// Every address in this range.
    Net(IpNet),
    /// Whatever this name resolves to, at this port.
    Host(String, u16),
}

impl FromStr for Allow {
    type Err = &'static str;

    /// Reads `10.0.0.0/8`, `10.1.2.3` or `name:port`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(net) = text.parse::<IpNet>() {
            return Ok(Self::Net(net));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Net(address.into()));
        }
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && !host.contains(['/', '@']) => port
                .parse()
                .map(|port| Self::Host(host.to_ascii_lowercase(), port))
                .map_err(|_| "the port is not a number up to 65535"),
            _ => Err("neither a range of addresses (`10.0.0.0/8`) nor `host:port`"),
        }
    }
}

/// Where a request goes: scheme, host and port.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// Whether what goes there can't be read on the way.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.scheme == "https"
    }

    /// The origin of an absolute `http` or `https` URL without user info.
    pub(crate) fn of(uri: &Uri) -> Option<Self> {
        let scheme = uri.scheme_str()?;
        let authority = uri.authority()?;
        if authority.as_str().contains('@') {
            return None;
        }
        let port = match (scheme, uri.port()) {
            ("http" | "https", Some(port)) => port.as_u16(),
            ("http", None) => 80,
            ("https", None) => 443,
            _ => return None,
        };
        let host = authority.host().trim_end_matches('.').to_ascii_lowercase();
        (!host.is_empty()).then(|| Self {
            scheme: scheme.to_owned(),
            host,
            port,
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

/// What one feed may reach.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    origins: BTreeSet<Origin>,
    /// Literal addresses (and `localhost`) that the operator wrote into the
    /// settings: they are meant.
    written: BTreeSet<String>,
    allow: Vec<Allow>,
}

impl Rules {
    /// The rules that follow from a feed's settings: every property which the
    /// schema gives the format `uri` names an origin, by its value or default.
    pub(crate) fn new(schema: &Value, settings: &Map<String, Value>, allow: Vec<Allow>) -> Self {
        let mut rules = Self {
            allow,
            ..Self::default()
        };
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            let set = settings.get(name);
            let value = set.or_else(|| property.get("default"));
            let is_uri = |schema: &Value| schema.get("format").is_some_and(|f| f == "uri");
            let urls: Vec<&str> = match value {
                Some(Value::String(url)) if is_uri(property) => vec![url],
                Some(Value::Array(urls)) if property.get("items").is_some_and(is_uri) => {
                    urls.iter().filter_map(Value::as_str).collect()
                }
                _ => continue,
            };
            for origin in urls.iter().filter_map(|url| Origin::of(&url.parse().ok()?)) {
                if set.is_some() && (origin.host == "localhost" || literal(&origin.host).is_some())
                {
                    rules.written.insert(origin.host.clone());
                }
                rules.origins.insert(origin);
            }
        }
        rules
    }

    /// Whom requests may go to.
    pub(crate) fn origins(&self) -> impl Iterator<Item = &Origin> {
        self.origins.iter()
    }

    /// The rules for an address that the operator wrote for the host itself: it
    /// alone, and it is meant, whatever it resolves to.
    pub(crate) fn only(origin: Origin) -> Self {
        Self {
            written: BTreeSet::from([origin.host.clone()]),
            origins: BTreeSet::from([origin]),
            allow: Vec::new(),
        }
    }

    /// Whether a request may go to this URL; else why not.
    pub(crate) fn permits(&self, uri: &Uri) -> Result<Origin, String> {
        let Some(origin) = Origin::of(uri) else {
            return Err("the URL is not a plain `http` or `https` address".to_owned());
        };
        if !self.origins.contains(&origin) {
            return Err(format!(
                "`{origin}` is not an origin in the feed's settings"
            ));
        }
        Ok(origin)
    }

    /// Whether `address`, to which `host` resolved, may be connected to.
    fn permits_address(&self, origin: &Origin, address: IpAddr) -> Result<(), DialError> {
        let address = address.to_canonical();
        if !origin.is_encrypted() && !address.is_loopback() {
            return Err(DialError::Unencrypted(address));
        }
        let allowed = self.allow.iter().any(|allow| match allow {
            Allow::Net(net) => net.contains(&address),
            Allow::Host(host, port) => *host == origin.host && *port == origin.port,
        });
        if allowed || self.written.contains(&origin.host) || is_public(address) {
            return Ok(());
        }
        Err(DialError::Prohibited(address))
    }
}

/// Whether a URL's host is this machine, by its spelling alone.
pub(crate) fn is_loopback(origin: &Origin) -> bool {
    let address = literal(&origin.host);
    origin.host == "localhost" || address.is_some_and(|a| a.to_canonical().is_loopback())
}

/// The address that a URL's host is written as, if it is one.
fn literal(host: &str) -> Option<IpAddr> {
    match host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        Some(v6) => v6.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(settings: Value, allow: &[&str]) -> Rules {
        let schema = json!({"properties": {
            "url": {"type": "string", "format": "uri", "default": "https://api.example.com/v1"},
            "more": {"type": "array", "items": {"type": "string", "format": "uri"}},
            "text": {"type": "string"},
        }});
        let allow = allow.iter().map(|text| text.parse().unwrap()).collect();
        Rules::new(&schema, settings.as_object().unwrap(), allow)
    }

    fn permits(rules: &Rules, url: &str) -> bool {
        rules.permits(&url.parse().unwrap()).is_ok()
    }

    #[test]
    fn only_origins_of_url_settings_are_permitted() {
        let by_default = rules(json!({"text": "https://text.example"}), &[]);
        assert!(permits(&by_default, "https://api.example.com/other?x"));
        assert!(permits(&by_default, "https://API.example.com.:443/"));
        for url in [
            "http://api.example.com/",
            "https://api.example.com:444/",
            "https://api.example.com@evil.example/",
            "https://user@api.example.com/",
            "https://text.example/",
            "/v1",
        ] {
            assert!(!permits(&by_default, url), "{url}");
        }
        let set = rules(
            json!({"url": "http://localhost:81", "more": ["https://b.example"]}),
            &[],
        );
        assert!(permits(&set, "http://localhost:81/x"));
        assert!(permits(&set, "https://b.example/"));
        assert!(
            !permits(&set, "https://api.example.com/"),
            "the default does not count"
        );
    }

    fn connects(rules: &Rules, url: &str, address: &str) -> bool {
        let origin = Origin::of(&url.parse().unwrap()).unwrap();
        rules
            .permits_address(&origin, address.parse().unwrap())
            .is_ok()
    }

    #[test]
    fn names_reach_public_addresses_only() {
        let rules = rules(json!({}), &[]);
        assert!(connects(&rules, "https://a.example", "8.8.8.8"));
        assert!(connects(&rules, "https://a.example", "2606:4700::1111"));
        for address in [
            "0.0.0.0",
            "10.0.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "169.254.169.254",
            "172.31.0.1",
            "192.168.1.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!connects(&rules, "https://a.example", address), "{address}");
        }
    }

    #[test]
    fn the_operator_may_write_or_allow_others() {
        let written = rules(json!({"url": "https://10.1.2.3:8443"}), &[]);
        assert!(connects(&written, "https://10.1.2.3:8443", "10.1.2.3"));
        assert!(connects(
            &written,
            "https://10.1.2.3:8443",
            "::ffff:10.1.2.3"
        ));
        assert!(!connects(&written, "https://a.example", "10.1.2.3"));

        let allowed = rules(json!({}), &["10.0.0.0/8", "b.example:443"]);
        assert!(connects(&allowed, "https://a.example", "10.1.2.3"));
        assert!(!connects(&allowed, "https://a.example", "192.168.1.1"));
        assert!(connects(&allowed, "https://b.example", "192.168.1.1"));
        assert!(!connects(&allowed, "https://b.example:444", "192.168.1.1"));
        for wrong in ["", "a", "a:b", "10.0.0.0/99", "https://a:1"] {
            assert!(wrong.parse::<Allow>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn plain_http_goes_to_loopback_only() {
        let rules = rules(json!({"url": "http://localhost"}), &["10.0.0.0/8"]);
        assert!(connects(&rules, "http://localhost", "127.0.0.1"));
        assert!(connects(&rules, "http://localhost", "::1"));
        assert!(!connects(&rules, "http://a.example", "10.1.2.3"));
        assert!(!connects(&rules, "http://a.example", "8.8.8.8"));
    }
}
