//! The model behind HTTP/1.1 on this machine's loopback address.
//!
//! The server runs on a thread of its own, so a test may block while it waits for the program that
//! it tests. It ends when the [`Simulator`] is dropped.

mod connection;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::model::Model;

/// How a simulator is run.
#[derive(Clone, Debug)]
pub struct Config {
    /// What it answers.
    pub model: Model,
    /// Its port; 0 takes a free one.
    pub port: u16,
    /// Whether bodies are compressed for clients that offer gzip.
    pub gzip: bool,
    /// Whether bodies are sent in chunks, without a length.
    pub chunked: bool,
    /// By how much its clock is ahead of this machine's, in milliseconds.
    pub clock_offset_ms: i64,
}

impl Config {
    /// A free port, no gzip, bodies with a length, this machine's clock.
    pub fn new(model: Model) -> Config {
        Config {
            model,
            port: 0,
            gzip: false,
            chunked: false,
            clock_offset_ms: 0,
        }
    }
}

/// A request that was received, and what it got.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When, by the simulator's clock, in milliseconds since 1970.
    pub at_ms: i64,
    /// `POST`.
    pub method: String,
    /// The path.
    pub path: String,
    /// Names in lower case, and values; that of a credential is `…`.
    pub headers: Vec<(String, String)>,
    /// The body; that of the token endpoint too, whose secret is in a header.
    pub body: Bytes,
    /// The status of the answer.
    pub status: u16,
}

/// A running simulator.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What connections share.
#[derive(Debug)]
struct Shared {
    model: Mutex<Model>,
    seen: Mutex<Vec<Seen>>,
    clock_offset_ms: AtomicI64,
    gzip: bool,
    chunked: bool,
}

impl Simulator {
    /// Starts one; it answers from now on.
    pub fn start(config: Config) -> io::Result<Simulator> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", config.port)))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            model: Mutex::new(config.model),
            seen: Mutex::default(),
            clock_offset_ms: AtomicI64::new(config.clock_offset_ms),
            gzip: config.gzip,
            chunked: config.chunked,
        });
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("simulator".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || serve(&runtime, listener, shared, stopped)
            })?;
        Ok(Simulator {
            address,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// `http://127.0.0.1:PORT`: the base URL of the API, and of the token endpoint.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address of the token endpoint.
    pub fn token_url(&self) -> String {
        format!("{}/oauth2/token", self.base_url())
    }

    /// The model, to look at or to change while it runs: faults, keys, events, behaviour, counters.
    /// Requests wait while the guard is held.
    pub fn model(&self) -> MutexGuard<'_, Model> {
        lock(&self.shared.model)
    }

    /// Every request received so far.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    /// Its time, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.shared.now_ms()
    }

    /// Sets by how much its clock is ahead of this machine's.
    pub fn set_clock_offset_ms(&self, offset_ms: i64) {
        self.shared
            .clock_offset_ms
            .store(offset_ms, Ordering::Relaxed);
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // An error means that the thread has ended already.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn now_ms(&self) -> i64 {
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        since_1970.as_millis() as i64 + self.clock_offset_ms.load(Ordering::Relaxed)
    }
}

/// A test that panicked with the guard in hand doesn't make the others fail.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(
    runtime: &Runtime,
    listener: TcpListener,
    shared: Arc<Shared>,
    mut stopped: oneshot::Receiver<()>,
) {
    runtime.block_on(async {
        // Dropped at the end, and all connections with it.
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                _ = &mut stopped => return,
                Ok((stream, _)) = listener.accept() => {
                    connections.spawn(connection::serve(stream, Arc::clone(&shared)));
                }
                Some(_) = connections.join_next() => {}
            }
        }
    });
}

#[cfg(test)]
#[path = "server/tests.rs"]
mod tests;
