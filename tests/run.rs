//! One process of the host.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::source_host;

/// A program that runs for longer hangs.
const HANGS: Duration = Duration::from_secs(120);

/// A process to be started.
#[derive(Debug)]
pub struct Run {
    command: Command,
    input: Vec<u8>,
    deaf: bool,
}

impl Run {
    /// The host in this folder, without arguments and without a token.
    pub fn new(folder: &Path) -> Self {
        Self::of(Command::new(source_host()), folder)
    }

    /// A script of `bash` in this folder, in which `$0` is the host.
    pub fn shell(folder: &Path, script: &str) -> Self {
        let mut command = Command::new("bash");
        command.arg("-c").arg(script).arg(source_host());
        Self::of(command, folder)
    }

    fn of(mut command: Command, folder: &Path) -> Self {
        for variable in [
            "HTTPS_PROXY",
            "https_proxy",
            "JUMPCLOUD_API_KEY",
            "NO_PROXY",
            "no_proxy",
            "SOURCE_HOST_FAILPOINT",
        ] {
            command.env_remove(variable);
        }
        command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self {
            command,
            input: Vec::new(),
            deaf: false,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the API key.
    #[must_use]
    pub fn token(self, value: &str) -> Self {
        self.env("JUMPCLOUD_API_KEY", value)
    }

    /// Unsets an environment variable.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Sets the bytes on standard input.
    #[must_use]
    pub fn input(mut self, bytes: Vec<u8>) -> Self {
        self.command.stdin(Stdio::piped());
        self.input = bytes;
        self
    }

    /// Nobody reads its standard output.
    #[must_use]
    pub fn deaf(mut self) -> Self {
        self.deaf = true;
        self
    }

    /// Dies when it passes this place for the so-manieth time (see the host's
    /// `failpoint.rs`).
    #[must_use]
    pub fn dies_at(self, place: &str, passage: u32) -> Self {
        self.env("SOURCE_HOST_FAILPOINT", &format!("{place}:{passage}"))
    }

    /// Runs it to its end.
    pub fn output(self) -> Ran {
        self.start().wait()
    }

    /// Starts it.
    pub fn start(mut self) -> Running {
        let mut child = self.command.spawn().expect("the host starts");
        if let Some(mut stdin) = child.stdin.take() {
            let input = self.input;
            // A program that stops reading is not an error here.
            thread::spawn(move || stdin.write_all(&input));
        }
        let stdout = child.stdout.take().filter(|_| !self.deaf);
        Running {
            stdout: stdout.map(read),
            stderr: child.stderr.take().map(read),
            child,
        }
    }
}

/// What a process has written by now, and the thread that reads on.
#[derive(Debug)]
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

fn read(mut pipe: impl Read + Send + 'static) -> Output {
    let bytes = Arc::<Mutex<Vec<u8>>>::default();
    let shared = bytes.clone();
    let reader = thread::spawn(move || {
        let mut piece = vec![0; 64 << 10];
        while let Ok(length @ 1..) = pipe.read(&mut piece) {
            lock(&shared).extend(piece.iter().take(length));
        }
    });
    Output { bytes, reader }
}

impl Output {
    fn whole(self) -> Vec<u8> {
        let _ = self.reader.join();
        std::mem::take(&mut lock(&self.bytes))
    }
}

fn lock(bytes: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A process under way.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Option<Output>,
    stderr: Option<Output>,
}

impl Running {
    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        let sent = kill.args(["-s", name, &self.id().to_string()]).status();
        assert!(
            sent.expect("`kill` runs").success(),
            "no {name} to the host"
        );
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// How often it has said this on standard error by now.
    pub fn said(&self, text: &str) -> usize {
        let Some(output) = &self.stderr else {
            return 0;
        };
        let bytes = lock(&output.bytes);
        String::from_utf8_lossy(&bytes).matches(text).count()
    }

    /// Waits until it has said this, or has ended.
    pub fn until_said(&mut self, text: &str) {
        while self.said(text) == 0 && !self.has_ended() {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it at once, as a loss of power would.
    pub fn kill(mut self) -> Ran {
        self.child.kill().expect("a child");
        self.finish()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ran {
        let started = Instant::now();
        while !self.has_ended() {
            if started.elapsed() > HANGS {
                let stderr = self.kill().stderr;
                let last: Vec<&str> = stderr.lines().rev().take(10).collect();
                panic!("the host hangs; its last lines, the newest first: {last:#?}");
            }
            thread::sleep(Duration::from_millis(2));
        }
        self.finish()
    }

    fn finish(&mut self) -> Ran {
        let text = |output: Option<Output>| {
            let bytes = output.map(Output::whole);
            String::from_utf8(bytes.unwrap_or_default()).expect("UTF-8")
        };
        Ran {
            status: self.child.wait().expect("a child"),
            stdout: text(self.stdout.take()),
            stderr: text(self.stderr.take()),
        }
    }
}

impl Drop for Running {
    /// A test that fails leaves nothing behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process has left.
#[derive(Debug)]
pub struct Ran {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Ran {
    /// Fails unless it ended with this exit code.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        let stderr = &self.stderr;
        assert_eq!(self.status.code(), Some(code), "{}\n{stderr}", self.status);
        self
    }

    /// Fails unless a signal ended it, as `kill -9` and a fail-point do.
    #[track_caller]
    pub fn expect_killed(self) -> Self {
        let stderr = &self.stderr;
        assert!(
            self.status.signal().is_some(),
            "it was not killed: {}\n{stderr}",
            self.status
        );
        self
    }
}
