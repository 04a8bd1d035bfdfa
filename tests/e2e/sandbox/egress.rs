//! Where a plugin's requests may go, seen from inside: the tricks are in the
//! settings of the guest `hostile`. The rules themselves have their tests in
//! `host/src/egress.rs`.

use jumpcloud_tests::{Answer, Server};

use super::Sandbox;

/// The feed of a plugin that may call `allowed`, and calls `target`.
fn fetch(allowed: &Server, target: &str, more: &str) -> Sandbox {
    let url = allowed.url();
    Sandbox::new(
        &format!(r#"does = "fetch", url = "{url}", target = "{target}"{more}"#),
        "handles = 1000",
    )
}

fn ok() -> Server {
    Server::start(|_| Answer::text("ok"))
}

#[test]
fn its_own_origin_answers() {
    let server = ok();
    let sandbox = fetch(&server, &format!("{}/any/path?and=query", server.url()), "");
    sandbox.run(0);
    assert_eq!(
        sandbox.delivered(),
        [r#"{"body":"ok","length":2,"status":200}"#]
    );
    assert_eq!(server.seen()[0].path(), "/any/path?and=query");
}

#[test]
fn no_other_address_is_reached() {
    let (allowed, other) = (ok(), ok());
    let address = other.address();
    let port = address.rsplit(':').next().unwrap();
    let own = allowed.address();
    let elsewhere = |origin: &str| format!("`{origin}` is not an origin in the feed's settings");
    let no_address = || "the URL is not a plain `http` or `https` address".to_owned();
    let at_port = |host: &str| {
        let origin = format!("http://{host}:{port}");
        (format!("{origin}/"), elsewhere(&origin))
    };
    for (target, reason) in [
        (other.url(), elsewhere(&other.url())),
        (format!("{}@{address}/", allowed.url()), no_address()),
        (format!("http://user@{own}/"), no_address()),
        at_port("localhost"),
        at_port("2130706433"),
        at_port("0x7f.1"),
        at_port("0177.0.0.1"),
        at_port("[::ffff:127.0.0.1]"),
        at_port("0.0.0.0"),
        (
            format!("https://{own}/"),
            elsewhere(&format!("https://{own}")),
        ),
        (
            "http://169.254.169.254/latest/meta-data".to_owned(),
            elsewhere("http://169.254.169.254:80"),
        ),
    ] {
        let sandbox = fetch(&allowed, &target, "");
        let ran = sandbox.feed.once().output().expect_code(4);
        sandbox.neighbour_is_done();
        let told = format!("refused a request of the plugin: {reason}");
        assert!(ran.stderr.contains(&told), "{target}: {}", ran.stderr);
        assert!(
            allowed.seen().is_empty() && other.seen().is_empty(),
            "{target}"
        );
    }
}

/// `wasi:http` itself has no other scheme.
#[test]
fn no_other_scheme_is_spoken() {
    let allowed = ok();
    let sandbox = fetch(&allowed, &format!("ftp://{}/", allowed.address()), "");
    let ran = sandbox.feed.once().output().expect_code(4);
    sandbox.neighbour_is_done();
    assert!(ran.stderr.contains("HttpProtocolError"), "{}", ran.stderr);
    assert!(allowed.seen().is_empty());
}

#[test]
fn a_redirect_is_not_followed() {
    let other = ok();
    let location = format!("location: {}\r\n", other.url());
    let server = Server::start(move |_| Answer::Http(302, location.clone(), Vec::new()));
    let sandbox = fetch(&server, &server.url(), "");
    sandbox.run(0);
    assert_eq!(
        sandbox.delivered(),
        [r#"{"body":"","length":0,"status":302}"#]
    );
    assert!(other.seen().is_empty());
}

#[test]
fn a_host_header_of_its_own_is_refused() {
    let server = ok();
    for header in [
        "Host: evil.example",
        "Proxy-Authorization: x",
        "Transfer-Encoding: chunked",
    ] {
        let sandbox = fetch(&server, &server.url(), &format!(r#", header = "{header}""#));
        let ran = sandbox.feed.once().output().expect_code(4);
        assert!(
            ran.stderr.contains("is refused: HeaderError::Forbidden"),
            "{}",
            ran.stderr
        );
    }
    assert!(server.seen().is_empty());
    let sandbox = fetch(&server, &server.url(), r#", header = "X-Any: thing""#);
    sandbox.run(0);
    let seen = server.seen();
    assert_eq!(seen[0].header("x-any"), Some("thing"));
    assert_eq!(seen[0].header("host"), Some(server.address()));
}
