//! Who a feed's requests may reach.
//!
//! There are two layers, because a permitted name may resolve to a forbidden
//! address. [`Rules::permits`] compares a request's origin with those in the
//! feed's URL settings. [`Dial`] then resolves the name, checks each address in
//! its canonical spelling, and connects to the very address it checked: nobody
//! can change the answer in between, and literal addresses take the same way.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde_json::{Map, Value};
use tokio::net::TcpStream;
use tower_service::Service;

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
        if origin.scheme == "http" && !address.is_loopback() {
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

/// Opens connections to permitted addresses.
#[derive(Clone)]
pub(crate) struct Dial(pub(crate) Arc<Rules>);

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("the name can't be resolved: {0}")]
    Unresolved(io::Error),
    #[error("{0} is not a public address (`network.allow` can permit it)")]
    Prohibited(IpAddr),
    #[error("plain HTTP is for loopback addresses only, and this is {0}")]
    Unencrypted(IpAddr),
    #[error("{0}")]
    Connect(io::Error),
    #[error("no connection within the time-out (`limits.connect`)")]
    TimedOut,
    #[error("not a plain address")]
    Address,
}

impl Service<Uri> for Dial {
    type Response = TokioIo<TcpStream>;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, DialError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let rules = self.0.clone();
        Box::pin(async move {
            let origin = Origin::of(&uri).ok_or(DialError::Address)?;
            let mut failed = DialError::Address;
            for address in resolve(&origin).await? {
                if let Err(refused) = rules.permits_address(&origin, address.ip()) {
                    failed = refused;
                    continue;
                }
                match TcpStream::connect(address).await {
                    Ok(stream) => {
                        // Head and body of a request may leave in two segments.
                        stream.set_nodelay(true).map_err(DialError::Connect)?;
                        return Ok(TokioIo::new(stream));
                    }
                    Err(e) => failed = DialError::Connect(e),
                }
            }
            Err(failed)
        })
    }
}

async fn resolve(origin: &Origin) -> Result<Vec<SocketAddr>, DialError> {
    if let Some(address) = literal(&origin.host) {
        return Ok(vec![SocketAddr::new(address, origin.port)]);
    }
    let found = tokio::net::lookup_host((origin.host.as_str(), origin.port));
    Ok(found.await.map_err(DialError::Unresolved)?.collect())
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

/// Whether an address in canonical spelling is one of the public internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !RESERVED_V4.iter().any(|net| net.contains(&v4)),
        IpAddr::V6(v6) => {
            GLOBAL_V6.contains(&v6) && !RESERVED_V6.iter().any(|net| net.contains(&v6))
        }
    }
}

/// All that is not public in IPv4: the IANA special-purpose registry, and
/// multicast.
const RESERVED_V4: &[Ipv4Net] = &[
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    v4([192, 88, 99, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([224, 0, 0, 0], 3),
];

/// Public IPv6 is within this,
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// except for documentation, tunnels that carry an IPv4 address (Teredo, 6to4),
/// and other special purposes.
const RESERVED_V6: &[Ipv6Net] = &[
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
];

const fn v4([a, b, c, d]: [u8; 4], bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), bits)
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
