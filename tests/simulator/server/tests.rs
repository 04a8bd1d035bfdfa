use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::*;
use crate::{DEFAULT_KEY, Recipe, Rule};

const PATH: &str = "/insights/directory/v1/events";

/// A simulator of 20 visible events with these faults.
fn simulator(faults: &[&str]) -> Simulator {
    simulator_with(faults, |_| {})
}

fn simulator_with(faults: &[&str], change: impl FnOnce(&mut Config)) -> Simulator {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis() as i64;
    let mut config = Config::new(Model::generated(&Recipe::new(20, now - 60_000).settled()));
    for fault in faults {
        config.model.faults.add(fault.parse::<Rule>().unwrap());
    }
    change(&mut config);
    Simulator::start(config).unwrap()
}

fn connect(simulator: &Simulator) -> TcpStream {
    TcpStream::connect(simulator.address).unwrap()
}

/// Sends a query for everything of the last two days.
fn send(stream: &mut TcpStream, simulator: &Simulator, more: &str) {
    let start = chrono::DateTime::from_timestamp_millis(simulator.now_ms() - 48 * 3_600_000);
    let start = start.unwrap().format("%Y-%m-%dT%H:%M:%SZ");
    let body = format!(r#"{{"service":["all"],"start_time":"{start}"}}"#);
    let length = body.len();
    write!(
        stream,
        "POST {PATH} HTTP/1.1\r\nhost: x\r\nx-api-key: {DEFAULT_KEY}\r\n{more}content-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
}

/// One answer on a connection that is kept: head and body, which must have a length.
fn receive(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        assert_eq!(
            stream.read(&mut byte).unwrap(),
            1,
            "the connection was closed"
        );
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.to_lowercase();
    let length = length
        .split("content-length: ")
        .nth(1)
        .unwrap()
        .split('\r')
        .next()
        .unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    (head, body)
}

/// All that comes until the connection ends, and how it ended.
fn receive_all(simulator: &Simulator) -> (Vec<u8>, io::Result<usize>) {
    let mut stream = connect(simulator);
    send(&mut stream, simulator, "");
    let mut all = Vec::new();
    let end = stream.read_to_end(&mut all);
    (all, end)
}

fn body_length(answer: &[u8]) -> usize {
    let text = String::from_utf8_lossy(answer).into_owned();
    text.split_once("\r\n\r\n").unwrap().1.len()
}

fn rows(body: &[u8]) -> usize {
    serde_json::from_slice::<Vec<serde_json::Value>>(body)
        .unwrap()
        .len()
}

#[test]
fn answers_several_requests_on_one_connection() {
    let simulator = simulator(&[]);
    let mut stream = connect(&simulator);
    for _ in 0..3 {
        send(&mut stream, &simulator, "");
        let (head, body) = receive(&mut stream);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        for name in [
            "X-Result-Count: 20",
            "X-Limit: ",
            "X-Search_after: [",
            "Date: ",
        ] {
            assert!(head.contains(&format!("\r\n{name}")), "{head}");
        }
        assert_eq!(rows(&body), 20);
    }
    assert_eq!(simulator.model().stats.events, 3);
    assert_eq!(simulator.model().stats.rows, 60);
    let seen = simulator.seen();
    assert_eq!(
        (seen.len(), seen[0].status, seen[0].path.as_str()),
        (3, 200, PATH)
    );
    assert!(
        seen[0]
            .headers
            .contains(&("x-api-key".to_owned(), "…".to_owned()))
    );
    assert!(!format!("{seen:?}").contains(DEFAULT_KEY));
}

#[test]
fn changes_of_the_model_are_seen_at_once() {
    let simulator = simulator(&[]);
    let mut stream = connect(&simulator);
    simulator.model().access.revoke_key(DEFAULT_KEY);
    send(&mut stream, &simulator, "");
    assert!(receive(&mut stream).0.starts_with("HTTP/1.1 401 "));
}

#[test]
fn its_clock_may_be_off() {
    let simulator = simulator(&[]);
    simulator.set_clock_offset_ms(-3 * 3_600_000);
    let mut stream = connect(&simulator);
    send(&mut stream, &simulator, "");
    let (head, _) = receive(&mut stream);
    let date = head
        .split("\r\nDate: ")
        .nth(1)
        .unwrap()
        .split('\r')
        .next()
        .unwrap();
    let date = chrono::DateTime::parse_from_rfc2822(date)
        .unwrap()
        .timestamp_millis();
    assert!((simulator.now_ms() - date).abs() < 60_000);
}

#[test]
fn compresses_for_those_who_offer_it() {
    let simulator = simulator_with(&[], |config| config.gzip = true);
    let mut stream = connect(&simulator);
    send(&mut stream, &simulator, "");
    assert_eq!(rows(&receive(&mut stream).1), 20);
    send(&mut stream, &simulator, "accept-encoding: br, gzip\r\n");
    let (head, body) = receive(&mut stream);
    assert!(head.contains("Content-Encoding: gzip"), "{head}");
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(body.as_slice())
        .read_to_end(&mut plain)
        .unwrap();
    assert_eq!(rows(&plain), 20);
}

#[test]
fn sends_chunks_if_told_so() {
    let simulator = simulator_with(&[], |config| config.chunked = true);
    let mut stream = connect(&simulator);
    send(&mut stream, &simulator, "connection: close\r\n");
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    assert!(all.contains("\r\nTransfer-Encoding: chunked\r\n"), "{all}");
    assert!(all.ends_with("\r\n0\r\n\r\n"));
}

#[test]
fn spells_headers_in_any_case() {
    let simulator = simulator(&["upper-case,nth=1", "lower-case,nth=2"]);
    let mut stream = connect(&simulator);
    for name in [
        "\r\nX-SEARCH_AFTER: [",
        "\r\nx-search_after: [",
        "\r\nX-Search_after: [",
    ] {
        send(&mut stream, &simulator, "");
        let (head, body) = receive(&mut stream);
        assert!(
            head.starts_with("HTTP/1.1 200 OK") && head.contains(name),
            "{head}"
        );
        assert_eq!(rows(&body), 20);
    }
}

#[test]
fn cuts_a_body() {
    for length in [0, 1, 700] {
        let (all, end) = receive_all(&simulator(&[&format!("cut={length}")]));
        assert!(end.is_ok());
        assert_eq!(body_length(&all), length);
    }
}

#[test]
fn resets_the_connection() {
    let (all, end) = receive_all(&simulator(&["reset"]));
    assert!(all.is_empty());
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn is_slow_and_whole() {
    let simulator = simulator(&["slow=4000/1"]);
    let mut stream = connect(&simulator);
    send(&mut stream, &simulator, "");
    assert_eq!(rows(&receive(&mut stream).1), 20);
}

#[test]
fn stalls_until_the_client_gives_up_and_others_are_served() {
    let simulator = simulator(&["stall,nth=1", "stall-in-body=100,nth=2"]);
    for expected in [0, 100] {
        let mut stream = connect(&simulator);
        send(&mut stream, &simulator, "");
        stream
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        let mut all = Vec::new();
        let end = stream.read_to_end(&mut all);
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(if all.is_empty() { 0 } else { body_length(&all) }, expected);
        stream.shutdown(Shutdown::Both).unwrap();
    }
    let mut stream = connect(&simulator);
    send(&mut stream, &simulator, "");
    assert_eq!(rows(&receive(&mut stream).1), 20);
}

#[test]
fn ends_when_dropped_even_with_open_connections() {
    let simulator = simulator(&["stall"]);
    let mut stream = connect(&simulator);
    send(&mut stream, &simulator, "");
    drop(simulator);
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.is_empty());
}
