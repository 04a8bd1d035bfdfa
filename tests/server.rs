//! A server of a test's own making, for guests and sinks: it takes one request
//! a connection, and a closure makes the answer.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// What a server does with a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A status, further header lines (each with its line break), and a body.
    Http(u16, String, Vec<u8>),
    /// Just these bytes.
    Raw(Vec<u8>),
    /// These bytes, and the connection stays open.
    Stall(Vec<u8>),
    /// A body that never ends, a byte now and then.
    Drip,
}

impl Answer {
    /// Status 200 with this body.
    pub fn text(body: impl Into<Vec<u8>>) -> Self {
        Self::Http(200, String::new(), body.into())
    }

    /// Nothing, and the connection stays open.
    pub fn silence() -> Self {
        Self::Stall(Vec::new())
    }

    /// A status with an empty body.
    pub fn status(status: u16) -> Self {
        Self::Http(status, String::new(), Vec::new())
    }
}

/// A request, as it was received.
#[derive(Clone, Debug)]
pub struct Request {
    /// The first line and the headers, in small letters where they are names.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// The path with the query.
    pub fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// The first header of this name, which is in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

/// A server on a port of its own, for as long as the test's process lives.
#[derive(Debug)]
pub struct Server {
    address: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Starts a server that makes its answers by `answer`.
    pub fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a port").to_string();
        let seen = Arc::<Mutex<Vec<Request>>>::default();
        let (answer, log) = (Arc::new(answer), seen.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, log) = (answer.clone(), log.clone());
                thread::spawn(move || serve(stream, &*answer, &log));
            }
        });
        Self { address, seen }
    }

    /// Serves the guest `counter`: the numbers up to `last`, so many a page.
    pub fn numbers(last: u64, page: u64) -> Self {
        Self::start(move |request| counted(request, last, page))
    }

    /// `http://` and its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `127.0.0.1` and its port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// All requests so far.
    pub fn seen(&self) -> MutexGuard<'_, Vec<Request>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer to the guest `counter`: numbers up to `last`, so many a page.
pub fn counted(request: &Request, last: u64, page: u64) -> Answer {
    let after = request
        .path()
        .rsplit('=')
        .next()
        .and_then(|text| text.parse::<u64>().ok());
    let first = after.unwrap_or_default() + 1;
    let lines = (first..=last).take(usize::try_from(page).unwrap_or(usize::MAX));
    Answer::text(
        lines
            .map(|number| format!("{number}\n"))
            .collect::<String>(),
    )
}

/// What a client broke off is not an error here.
fn serve(
    stream: TcpStream,
    answer: &(impl Fn(&Request) -> Answer + ?Sized),
    log: &Mutex<Vec<Request>>,
) {
    let Ok(mut out) = stream.try_clone() else {
        return;
    };
    let Some(request) = receive(BufReader::new(stream)) else {
        return;
    };
    log.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(request.clone());
    let bytes = match answer(&request) {
        Answer::Raw(bytes) => bytes,
        Answer::Drip => {
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
            let mut sent = out.write_all(head);
            while sent.is_ok() {
                thread::sleep(Duration::from_millis(5));
                sent = out.write_all(b"x");
            }
            return;
        }
        Answer::Stall(bytes) => {
            let _ = out.write_all(&bytes);
            loop {
                thread::park();
            }
        }
        Answer::Http(status, headers, body) => {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} -\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n"
            );
            [head.into_bytes(), body].concat()
        }
    };
    let _ = out.write_all(&bytes);
}

fn receive(mut from: impl BufRead) -> Option<Request> {
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if from.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        match line.split_once(": ") {
            Some((name, value)) => {
                let name = name.to_ascii_lowercase();
                if name == "content-length" {
                    length = value.parse().ok()?;
                }
                head += &format!("{name}: {value}\n");
            }
            None => head += &format!("{line}\n"),
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    Some(Request { head, body })
}
