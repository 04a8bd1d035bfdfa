//! TLS and the way through a proxy. `tls/` has a certificate for
//! `numbers.example` and `localhost`, and that of the authority which made it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use jumpcloud_tests::{Feed, Server};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::counter::{counter, delivered, numbers};

/// Listens, and handles each connection in a thread of its own; the port.
fn listen(handle: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let handle = Arc::new(handle);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let handle = handle.clone();
            thread::spawn(move || handle(stream));
        }
    });
    port
}

/// Everything up to an empty line.
fn head(from: &mut impl BufRead) -> io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head)? == 0 {
            break;
        }
    }
    Ok(head)
}

/// TLS before a plain server, for requests without a body.
fn with_tls(server: &Server) -> u16 {
    let certificates = CertificateDer::pem_slice_iter(include_bytes!("tls/server.pem"));
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key")).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(certificates.map(Result::unwrap).collect(), key)
        .unwrap();
    let (config, address) = (Arc::new(config), server.address().to_owned());
    listen(move |stream| {
        let tls = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
        let mut client = BufReader::new(StreamOwned::new(tls, stream));
        let request = head(&mut client)?;
        let mut inner = TcpStream::connect(&address)?;
        inner.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        inner.read_to_end(&mut answer)?;
        let client = client.get_mut();
        client.write_all(&answer)?;
        client.conn.send_close_notify();
        client.flush()
    })
}

/// A proxy that leads to one port, whatever is asked for; what was asked.
fn proxy_to(port: u16, status: &'static str) -> (u16, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let log = asked.clone();
    let proxy = listen(move |stream| {
        let mut client = BufReader::new(stream.try_clone()?);
        log.lock().unwrap().push(head(&mut client)?);
        (&stream).write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes())?;
        let server = TcpStream::connect(("127.0.0.1", port))?;
        let (mut to_server, mut to_client) = (server.try_clone()?, stream);
        thread::spawn(move || io::copy(&mut client, &mut to_server));
        io::copy(&mut &server, &mut to_client)?;
        Ok(())
    });
    (proxy, asked)
}

/// A feed of numbers by TLS, from this host, with the authority's certificate.
fn feed(host: &str, port: u16) -> Feed {
    let feed = counter(
        &format!("https://{host}:{port}"),
        r#"network = { ca_file = "ca.pem" }"#,
    );
    std::fs::write(feed.path("ca.pem"), include_bytes!("tls/ca.pem")).unwrap();
    feed
}

#[test]
fn a_private_authority_has_to_be_named() {
    let server = Server::numbers(50, 20);
    let feed = feed("localhost", with_tls(&server));
    feed.once().output().expect_code(0);
    assert_eq!(delivered(&feed), numbers(50));

    std::fs::write(feed.path("ca.pem"), "no certificate").unwrap();
    let ran = feed.command(&["check"]).output().expect_code(2);
    let wrong = "`network.ca_file`: `[FOLDER]/ca.pem` can't be used: it holds no certificate (PEM)";
    let folder = feed
        .path("")
        .to_string_lossy()
        .trim_end_matches('/')
        .to_owned();
    assert!(
        ran.stderr.replace(&folder, "[FOLDER]").contains(wrong),
        "{}",
        ran.stderr
    );

    feed.edit(r#"network = { ca_file = "ca.pem" }"#, "");
    let ran = feed.command(&["check"]).output().expect_code(4);
    let hint = "invalid peer certificate: UnknownIssuer (if a CA of your own made it: \
                `network.ca_file`)";
    assert!(ran.stderr.contains(hint), "{}", ran.stderr);
}

#[test]
fn https_goes_through_the_proxy_which_resolves() {
    let server = Server::numbers(50, 20);
    let port = with_tls(&server);
    let (proxy, asked) = proxy_to(port, "200 OK");
    // The name is nobody's: only the proxy knows it.
    let feed = feed("numbers.example", port);
    let proxy = format!("http://me:s3cret-pass@127.0.0.1:{proxy}");
    let ran = feed
        .once()
        .env("HTTPS_PROXY", &proxy)
        .arg("-vv")
        .output()
        .expect_code(0);
    assert!(!ran.stderr.contains("s3cret"), "{}", ran.stderr);
    assert_eq!(delivered(&feed), numbers(50));
    let first = asked.lock().unwrap()[0].clone();
    assert!(
        first.starts_with(&format!("CONNECT numbers.example:{port} HTTP/1.1\r\n")),
        "{first}"
    );
    assert!(first.contains("Proxy-Authorization: Basic "), "{first}");

    // `check` says so, without the password.
    let check = feed
        .command(&["check"])
        .env("HTTPS_PROXY", &proxy)
        .output()
        .expect_code(0);
    assert!(
        check
            .stdout
            .contains("network: https goes through the proxy `http://127.0.0.1:")
    );
    assert!(!check.stdout.contains("s3cret"), "{}", check.stdout);

    // An exception, and there is no way.
    let direct = feed.command(&["check"]).env("HTTPS_PROXY", &proxy);
    let ran = direct
        .env("NO_PROXY", "numbers.example")
        .output()
        .expect_code(4);
    assert!(
        ran.stderr.contains("the name can't be resolved"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_proxy_that_refuses_is_named_and_a_wrong_one_is_a_problem() {
    let server = Server::numbers(50, 20);
    let port = with_tls(&server);
    let (proxy, _) = proxy_to(port, "407 No");
    let feed = feed("numbers.example", port);
    let proxy = format!("http://me:s3cret-pass@127.0.0.1:{proxy}");
    let ran = feed
        .command(&["check"])
        .env("HTTPS_PROXY", &proxy)
        .output()
        .expect_code(4);
    assert!(
        ran.stderr
            .contains("no way through the proxy `http://127.0.0.1:"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("proxy authorization required"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("s3cret"), "{}", ran.stderr);

    let wrong = "socks5://me:s3cret-pass@127.0.0.1:1";
    let ran = feed
        .command(&["check"])
        .env("HTTPS_PROXY", wrong)
        .output()
        .expect_code(2);
    assert!(ran.stderr.contains("`HTTPS_PROXY`: "), "{}", ran.stderr);
    assert!(!ran.stderr.contains("s3cret"), "{}", ran.stderr);
}
