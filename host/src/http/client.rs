//! The pooled client: keep-alive, TLS by rustls, connections by [`Dial`] only.

use std::error::Error as StdError;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::net::TcpStream;
use tower_service::Service;
use wasmtime_wasi_http::Error as WasiError;

use crate::egress::{Dial, DialError, Proxy, Rules};
use crate::error::{Error, Problem, Result};
use crate::limits::Limits;

pub(crate) type Client = legacy::Client<Connector, Full<Bytes>>;

/// A connection is kept this long; servers and load balancers commonly close
/// after a minute.
const KEEP_IDLE: Duration = Duration::from_secs(30);

/// So many headers a response may have; of an ordinary one it is some twenty.
const MOST_HEADERS: usize = 1_000;

/// A client by [`connector`].
pub(crate) fn build(rules: Arc<Rules>, limits: &Limits, ca_file: Option<&Path>) -> Result<Client> {
    let head = usize::try_from(limits.response_head).unwrap_or(usize::MAX);
    Ok(legacy::Client::builder(TokioExecutor::new())
        .pool_idle_timeout(KEEP_IDLE)
        .pool_timer(TokioTimer::new())
        // hyper refuses a head that does not fit into its buffer (8 KiB at least).
        .http1_max_buf_size(head.max(8 << 10))
        .http1_max_headers(MOST_HEADERS)
        .build(connector(rules, limits, ca_file)?))
}

/// What opens connections within `rules`; `ca_file` holds further root
/// certificates (PEM).
pub(crate) fn connector(
    rules: Arc<Rules>,
    limits: &Limits,
    ca_file: Option<&Path>,
) -> Result<Connector> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(path) = ca_file {
        add_roots(&mut roots, path)
            .map_err(|message| Error::configuration([Problem::new("network.ca_file", message)]))?;
    }
    let proxy = Proxy::from_env().map_err(|problem| Error::configuration([problem]))?;
    let tls = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(Dial::new(rules, proxy, limits.connect));
    Ok(Connector {
        https,
        within: limits.connect,
    })
}

fn add_roots(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let failed = |e: &dyn std::fmt::Display| format!("`{}` can't be used: {e}", path.display());
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| failed(&e))? {
        roots
            .add(certificate.map_err(|e| failed(&e))?)
            .map_err(|e| failed(&e))?;
    }
    match roots.len() > before {
        true => Ok(()),
        false => Err(failed(&"it holds no certificate (PEM)")),
    }
}

/// Connects within a time-out that covers name resolution, TCP and TLS.
#[derive(Clone)]
pub(crate) struct Connector {
    https: HttpsConnector<Dial>,
    within: Duration,
}

type BoxError = Box<dyn StdError + Send + Sync>;

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connected = tokio::time::timeout(self.within, self.https.call(uri));
        Box::pin(async move { connected.await.map_err(|_| DialError::TimedOut)? })
    }
}

/// Why there was no response: for the guest, and in words.
pub(crate) fn reason(error: &(dyn StdError + 'static)) -> (WasiError, String) {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    let mut words = String::new();
    while let Some(e) = cause {
        if let Some(known) = known(e) {
            return known;
        }
        words = e.to_string();
        // An `io::Error` shows what it wraps only through `get_ref`.
        cause = match e
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => e.source(),
        };
    }
    (WasiError::ConnectionTerminated, words)
}

fn known(e: &(dyn StdError + 'static)) -> Option<(WasiError, String)> {
    if let Some(dial) = e.downcast_ref::<DialError>() {
        let code = match dial {
            DialError::Unresolved(_) => WasiError::DnsError {
                rcode: None,
                info_code: None,
            },
            DialError::Prohibited(_) => WasiError::DestinationIpProhibited,
            DialError::Unencrypted(_) | DialError::Address => WasiError::HttpRequestDenied,
            DialError::Connect(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => {
                WasiError::ConnectionRefused
            }
            DialError::Connect(_) | DialError::Proxy(..) => WasiError::DestinationUnavailable,
            DialError::TimedOut => WasiError::ConnectionTimeout,
        };
        return Some((code, dial.to_string()));
    }
    if let Some(tls) = e.downcast_ref::<rustls::Error>() {
        return Some(match tls {
            rustls::Error::InvalidCertificate(_) => (
                WasiError::TlsCertificateError,
                format!("{tls} (if a CA of your own made it: `network.ca_file`)"),
            ),
            _ => (WasiError::TlsProtocolError, tls.to_string()),
        });
    }
    let hyper = e.downcast_ref::<hyper::Error>()?;
    if hyper.is_parse_too_large() {
        let words = format!(
            "the head of the response is larger than `limits.response_head`, or has more than \
             {MOST_HEADERS} headers"
        );
        return Some((WasiError::HttpResponseHeaderSectionSize(None), words));
    }
    hyper
        .is_parse()
        .then(|| (WasiError::HttpProtocolError, hyper.to_string()))
}
