//! Connections: to the very address that was checked, or through the proxy.

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tower_service::Service;

use super::{Origin, Proxy, Rules, literal};
use crate::store::BoxFuture;

/// Opens connections to permitted addresses.
#[derive(Clone)]
pub(crate) struct Dial {
    rules: Arc<Rules>,
    proxy: Option<Arc<Proxy>>,
    lookup: Lookup,
    /// All addresses of a name share this time.
    within: Duration,
}

/// What resolves a name: the system, or a test.
type Lookup =
    Arc<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

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
    #[error("no way through the proxy `{0}` (`HTTPS_PROXY`): {1}")]
    Proxy(String, String),
    #[error("no connection within the time-out (`limits.connect`)")]
    TimedOut,
    #[error("not a plain address")]
    Address,
}

impl Dial {
    pub(crate) fn new(rules: Arc<Rules>, proxy: Option<Proxy>, within: Duration) -> Self {
        Self {
            rules,
            within,
            proxy: proxy.map(Arc::new),
            lookup: Arc::new(|host, port| {
                Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
            }),
        }
    }

    async fn connect(self, uri: Uri) -> Result<TcpStream, DialError> {
        let end = Instant::now() + self.within;
        let origin = Origin::of(&uri).ok_or(DialError::Address)?;
        if let Some(proxy) = self.proxy
            && let Some(way) = proxy.leads_to(&uri)
        {
            let mut tunnel = Tunnel::new(way.uri().clone(), ToProxy);
            if let Some(credentials) = way.basic_auth() {
                tunnel = tunnel.with_auth(credentials.clone());
            }
            let through = tunnel.call(uri).await;
            return through.map(TokioIo::into_inner).map_err(|e| {
                let reason = e
                    .source()
                    .map_or_else(|| e.to_string(), ToString::to_string);
                DialError::Proxy(proxy.address().to_owned(), reason)
            });
        }
        let addresses = match literal(&origin.host) {
            Some(address) => vec![SocketAddr::new(address, origin.port)],
            None => (self.lookup)(origin.host.clone(), origin.port)
                .await
                .map_err(DialError::Unresolved)?,
        };
        let mut failed = DialError::Address;
        let mut permitted = Vec::new();
        for address in addresses {
            match self.rules.permits_address(&origin, address.ip()) {
                Ok(()) => permitted.push(address),
                Err(refused) => failed = refused,
            }
        }
        let mut left = u32::try_from(permitted.len()).unwrap_or(u32::MAX);
        for address in permitted {
            // One that keeps silent leaves time for the next.
            let share = end.saturating_duration_since(Instant::now()) / left.max(1);
            left -= 1;
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(e)) => failed = DialError::Connect(e),
                Err(_) => failed = DialError::TimedOut,
            }
        }
        Err(failed)
    }
}

impl Service<Uri> for Dial {
    type Response = TokioIo<TcpStream>;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, DialError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dial = self.clone();
        Box::pin(async move {
            let stream = dial.connect(uri).await?;
            // Head and body of a request may leave in two segments.
            stream.set_nodelay(true).map_err(DialError::Connect)?;
            Ok(TokioIo::new(stream))
        })
    }
}

/// Connects to the proxy itself, which the operator chose.
struct ToProxy;

impl Service<Uri> for ToProxy {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(async move {
            let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
            let port = uri.port_u16().unwrap_or(80);
            TcpStream::connect((host, port)).await.map(TokioIo::new)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::{Map, json};
    use tokio::net::TcpListener;

    use super::*;
    use crate::egress::Allow;

    /// A way out for a plugin with this URL setting.
    fn dial(url: &str, allow: &[&str]) -> Dial {
        let schema = json!({"properties": {"url": {"format": "uri"}}});
        let settings = Map::from_iter([("url".to_owned(), json!(url))]);
        let allow = allow.iter().map(|text| text.parse::<Allow>().unwrap());
        Dial::new(
            Arc::new(Rules::new(&schema, &settings, allow.collect())),
            None,
            Duration::from_secs(10),
        )
    }

    /// Names resolve to the first of `answers`, the next time to the second, …
    fn resolving(mut dial: Dial, answers: &[&[SocketAddr]]) -> Dial {
        let answers: Vec<Vec<SocketAddr>> = answers.iter().map(|a| a.to_vec()).collect();
        let answers = Mutex::new(answers.into_iter());
        dial.lookup = Arc::new(move |_, _| {
            let answer = answers.lock().unwrap().next().expect("a further look-up");
            Box::pin(async move { Ok(answer) })
        });
        dial
    }

    async fn refusal(dial: Dial, url: &str) -> DialError {
        dial.connect(url.parse().unwrap()).await.unwrap_err()
    }

    #[tokio::test]
    async fn the_address_that_was_checked_is_connected_to_whatever_the_name_says_next() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let evil: SocketAddr = "127.0.0.9:1".parse().unwrap();
        let url = format!("http://rebind.example:{}/", good.port());
        // A second look-up would panic, and a third address would be refused.
        let dial = resolving(dial(&url, &["127.0.0.1"]), &[&[evil, good]]);
        let stream = dial.connect(url.parse().unwrap()).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
    }

    #[tokio::test]
    async fn an_address_that_keeps_silent_leaves_time_for_the_next() {
        let good = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // Its queue has room for one connection, and that is taken.
        let full = tokio::net::TcpSocket::new_v4().unwrap();
        full.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let full = full.listen(0).unwrap();
        let (silent, good) = (full.local_addr().unwrap(), good.local_addr().unwrap());
        let _waiting = TcpStream::connect(silent).await.unwrap();

        let url = format!("http://both.example:{}/", good.port());
        let mut dial = resolving(dial(&url, &["127.0.0.1"]), &[&[silent, good]]);
        dial.within = Duration::from_secs(1);
        // As whoever wants the connection waits.
        let connected = timeout(dial.within, dial.connect(url.parse().unwrap())).await;
        let stream = connected.unwrap().unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_a_private_address_is_refused() {
        let url = "https://api.example.com/";
        for private in [
            "10.0.0.1:443",
            "169.254.169.254:443",
            "127.0.0.1:443",
            "[::ffff:127.0.0.1]:443",
            "[fd00::1]:443",
        ] {
            let answer = [private.parse().unwrap()];
            let refused = refusal(resolving(dial(url, &[]), &[&answer]), url).await;
            assert!(
                matches!(refused, DialError::Prohibited(_)),
                "{private}: {refused}"
            );
        }
    }

    #[tokio::test]
    async fn an_address_in_another_spelling_is_no_way_in() {
        // What the system's resolver makes of a host that is no plain address.
        for host in [
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "127.1",
            "localhost.localdomain",
        ] {
            let url = format!("https://{host}:1/");
            let refused = refusal(dial(&url, &[]), &url).await;
            assert!(
                matches!(refused, DialError::Prohibited(_) | DialError::Unresolved(_)),
                "{host}: {refused}"
            );
        }
    }

    #[tokio::test]
    async fn what_the_operator_wrote_is_meant_in_every_spelling_of_it() {
        for host in [
            "127.0.0.1",
            "127.0.0.1.",
            "[::ffff:127.0.0.1]",
            "localhost",
            "localhost.",
        ] {
            let url = format!("http://{host}:1/");
            let refused = refusal(dial(&url, &[]), &url).await;
            assert!(
                matches!(refused, DialError::Connect(_)),
                "{host}: {refused}"
            );
        }
        let everywhere = refusal(dial("http://0.0.0.0:1/", &[]), "http://0.0.0.0:1/").await;
        assert!(
            matches!(everywhere, DialError::Unencrypted(_)),
            "{everywhere}"
        );
    }
}
