//! The way out, against a server that answers with given bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http_body_util::Empty;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::secret::SecretSource;
use crate::vault::Wanted;

const SECRET: &str = "s3cret-value-0123";

/// A server, and the way to it.
struct Setting {
    http: Http,
    url: String,
    placeholder: String,
    /// What the server received last.
    received: Arc<Mutex<String>>,
    _dir: tempfile::TempDir,
}

/// Serves `answer` to every request, and closes the connection.
async fn setting(answer: impl Into<Vec<u8>>, limits: Limits) -> Setting {
    let answer = answer.into();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let received = Arc::<Mutex<String>>::default();
    let log = received.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 64 << 10];
            let length = stream.read(&mut request).await.unwrap();
            *log.lock().unwrap() = String::from_utf8_lossy(&request[..length]).into_owned();
            let _ = stream.write_all(&answer).await;
            if answer.ends_with(b"...") {
                std::future::pending::<()>().await;
            }
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    std::fs::write(&path, SECRET).unwrap();
    let token = Wanted {
        key: "secrets.token".into(),
        name: "token".into(),
        source: SecretSource::File(path),
        patterns: Vec::new(),
    };
    let vault = Arc::new(Vault::open([token]).0);
    let placeholder = vault.placeholders()[0].1.clone();
    let schema = json!({"properties": {"url": {"format": "uri"}}});
    let settings = json!({ "url": url });
    let rules = Rules::new(&schema, settings.as_object().unwrap(), Vec::new());
    let http = Http::new("f".into(), rules, vault, limits, Arc::default(), None).unwrap();
    Setting {
        http,
        url,
        placeholder,
        received,
        _dir: dir,
    }
}

impl Setting {
    async fn send(
        &self,
        build: impl FnOnce(http::request::Builder, &str) -> Request<WasiBody>,
    ) -> Result<Response<WasiBody>, WasiError> {
        let request = build(Request::post(format!("{}/x", self.url)), &self.placeholder);
        self.http.send(request, RequestOptions::default()).await
    }

    async fn get(&self) -> Result<Response<WasiBody>, WasiError> {
        self.send(|builder, _| builder.body(body("")).unwrap())
            .await
    }

    async fn body(&self) -> Result<String, WasiError> {
        let body = self.get().await?.into_body().collect().await?;
        Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
    }
}

fn body(text: &str) -> WasiBody {
    match text {
        "" => Empty::new().map_err(|never| match never {}).boxed_unsync(),
        text => Full::new(Bytes::from(text.to_owned()))
            .map_err(|never| match never {})
            .boxed_unsync(),
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, text).unwrap();
    let encoded = encoder.finish().unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        encoded.len()
    );
    [head.into_bytes(), encoded].concat()
}

#[tokio::test]
async fn a_secret_goes_out_in_a_header_and_does_not_come_back() {
    let echo = format!(
        "HTTP/1.1 401 No\r\nx-echo: {SECRET}\r\ncontent-length: {}\r\n\r\n<{SECRET}>",
        SECRET.len() + 2
    );
    let setting = setting(echo, Limits::default()).await;
    let response = setting
        .send(|builder, placeholder| {
            builder
                .header("x-key", placeholder)
                .body(body("{}"))
                .unwrap()
        })
        .await
        .unwrap();
    let received = setting.received.lock().unwrap().clone();
    assert!(
        received.contains(&format!("x-key: {SECRET}\r\n")),
        "{received}"
    );
    assert!(!received.contains(&setting.placeholder));
    assert_eq!(response.headers()["x-echo"], "[secret token]");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "<[secret token]>");
}

/// A plugin that asks for a coding of its own, or sends the secret in another
/// form, gets no further.
#[tokio::test]
async fn a_secret_does_not_come_back_compressed_or_encoded() {
    let basic = |secret: &str| BASE64.encode(format!("id:{secret}"));
    let echo = gzip(format!("<{SECRET}> <{}>", basic(SECRET)).as_bytes());
    let echo = [
        b"HTTP/1.1 401 No".as_slice(),
        &echo[b"HTTP/1.1 200 OK".len()..],
    ]
    .concat();
    let setting = setting(echo, Limits::default()).await;
    let response = setting
        .send(|builder, placeholder| {
            builder
                .header("accept-encoding", "br")
                .header("authorization", format!("Basic {}", basic(placeholder)))
                .body(body(""))
                .unwrap()
        })
        .await
        .unwrap();
    let received = setting.received.lock().unwrap().clone();
    assert!(received.contains(&basic(SECRET)), "{received}");
    assert!(received.contains("accept-encoding: gzip\r\n"), "{received}");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "<[secret token]> <[secret Basic]>");
}

#[tokio::test]
async fn methods_that_are_not_for_an_api_are_refused() {
    let setting = setting("", Limits::default()).await;
    for method in [Method::TRACE, Method::CONNECT] {
        let sent = setting.send(|builder, _| builder.method(method).body(body("")).unwrap());
        assert!(matches!(sent.await, Err(WasiError::HttpRequestDenied)));
    }
    assert_eq!(*setting.received.lock().unwrap(), "");
}

#[tokio::test]
async fn a_secret_is_refused_in_url_and_body() {
    let setting = setting(
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        Limits::default(),
    )
    .await;
    let in_body = setting
        .send(|builder, p| builder.body(body(p)).unwrap())
        .await;
    assert!(matches!(in_body, Err(WasiError::HttpRequestDenied)));
    let url = setting.url.clone();
    let in_url = setting
        .send(|builder, p| builder.uri(format!("{url}/?k={p}")).body(body("")).unwrap())
        .await;
    assert!(matches!(in_url, Err(WasiError::HttpRequestDenied)));
    assert_eq!(*setting.received.lock().unwrap(), "");
}

#[tokio::test]
async fn other_origins_and_large_bodies_are_refused() {
    let limits = Limits {
        request: 10,
        ..Limits::default()
    };
    let setting = setting("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", limits).await;
    let elsewhere = setting
        .send(|builder, _| builder.uri("http://127.0.0.1:9/").body(body("")).unwrap())
        .await;
    assert!(matches!(elsewhere, Err(WasiError::HttpRequestDenied)));
    let large = setting
        .send(|builder, _| builder.body(body("12345678901")).unwrap())
        .await;
    assert!(matches!(
        large,
        Err(WasiError::HttpRequestBodySize(Some(10)))
    ));
    setting.get().await.unwrap();
}

#[tokio::test]
async fn a_redirect_is_handed_on_and_not_followed() {
    let answer = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n";
    let response = setting(answer, Limits::default())
        .await
        .get()
        .await
        .unwrap();
    assert_eq!(response.status(), 302);
}

#[tokio::test]
async fn gzip_is_decoded_within_the_limit() {
    let text = "0123456789".repeat(100_000);
    let whole = setting(gzip(text.as_bytes()), Limits::default()).await;
    assert_eq!(whole.body().await.unwrap(), text);
    let response = whole.get().await.unwrap();
    assert!(!response.headers().contains_key(CONTENT_ENCODING));
    assert!(!response.headers().contains_key(CONTENT_LENGTH));

    let limits = Limits {
        response: 999_999,
        ..Limits::default()
    };
    let bounded = setting(gzip(text.as_bytes()), limits).await;
    assert!(matches!(
        bounded.body().await,
        Err(WasiError::HttpResponseBodySize(_))
    ));

    let mut broken = gzip(text.as_bytes());
    let end = broken.len() - 9;
    broken[end] ^= 0xff;
    let broken = setting(broken, Limits::default()).await;
    assert!(broken.body().await.is_err());
}

#[tokio::test]
async fn what_a_server_breaks_off_is_an_error() {
    let cut = setting(
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
        Limits::default(),
    )
    .await;
    assert!(matches!(
        cut.body().await,
        Err(WasiError::HttpResponseIncomplete)
    ));

    let limits = Limits {
        between_bytes: Duration::from_millis(50),
        ..Limits::default()
    };
    let stalled = setting("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n...", limits).await;
    assert!(matches!(
        stalled.body().await,
        Err(WasiError::ConnectionReadTimeout)
    ));

    let told = stalled.http.last_failure().unwrap();
    assert!(told.contains("`limits.between_bytes`"), "{told}");

    let limits = Limits {
        body: Duration::from_millis(50),
        ..Limits::default()
    };
    let dripping = setting("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab...", limits).await;
    assert!(matches!(
        dripping.body().await,
        Err(WasiError::HttpResponseTimeout)
    ));

    let closed = setting("", Limits::default()).await;
    assert!(matches!(
        closed.body().await,
        Err(WasiError::ConnectionTerminated)
    ));
}

#[tokio::test]
async fn a_head_has_its_limit() {
    let limits = Limits {
        response_head: 10_000,
        ..Limits::default()
    };
    let head = format!("HTTP/1.1 200 OK\r\nx-a: {}\r\n\r\n", "a".repeat(20_000));
    let large = setting(head, limits).await;
    assert!(matches!(
        large.get().await,
        Err(WasiError::HttpResponseHeaderSectionSize(_))
    ));
}

#[tokio::test]
async fn the_time_for_the_first_byte_is_bounded() {
    let limits = Limits {
        first_byte: Duration::from_millis(50),
        ..Limits::default()
    };
    // It begins, and nothing follows.
    let silent = setting("HTTP/1.1 200 OK\r\nx-a: ...", limits).await;
    assert!(matches!(
        silent.get().await,
        Err(WasiError::HttpResponseTimeout)
    ));
}

#[tokio::test]
async fn a_closed_port_is_told_from_other_failures() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let schema = json!({"properties": {"url": {"format": "uri"}}});
    let settings = json!({ "url": url });
    let rules = Rules::new(&schema, settings.as_object().unwrap(), Vec::new());
    let vault = Arc::new(Vault::empty());
    let http = Http::new(
        "f".into(),
        rules,
        vault,
        Limits::default(),
        Arc::default(),
        None,
    )
    .unwrap();
    let request = Request::get(url).body(body("")).unwrap();
    let refused = http.send(request, RequestOptions::default()).await;
    assert!(matches!(refused, Err(WasiError::ConnectionRefused)));
}

/// Five feeds with one credential, and a server that takes its time.
#[tokio::test]
async fn feeds_with_one_credential_send_two_requests_at_a_time() {
    const FEEDS: usize = 5;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (open, most) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
    let seen = most.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (open, most) = (open.clone(), most.clone());
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 8 << 10]).await.unwrap();
                {
                    let mut open = open.lock().unwrap();
                    *open += 1;
                    let mut most = most.lock().unwrap();
                    *most = (*most).max(*open);
                }
                // Time for the others to come, if they are let.
                tokio::time::sleep(Duration::from_millis(20)).await;
                *open.lock().unwrap() -= 1;
                let answer = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(answer.as_bytes()).await.unwrap();
            });
        }
    });
    let schema = json!({"properties": {"url": {"format": "uri"}}});
    let settings = json!({ "url": url });
    let gates = Arc::<Gates>::default();
    let mut sent = tokio::task::JoinSet::new();
    for feed in 0..FEEDS {
        let rules = Rules::new(&schema, settings.as_object().unwrap(), Vec::new());
        let vault = Arc::new(Vault::empty());
        let limits = Limits::default();
        let http = Http::new(feed.to_string(), rules, vault, limits, gates.clone(), None).unwrap();
        let request = Request::get(&url).body(body("")).unwrap();
        sent.spawn(async move { http.send(request, RequestOptions::default()).await });
    }
    while let Some(answer) = sent.join_next().await {
        assert_eq!(answer.unwrap().unwrap().status(), 200);
    }
    assert_eq!(*seen.lock().unwrap(), 2);
}
