//! The library's one error.
//!
//! A caller decides by [`Error::kind`], which says who has to do something, and
//! shows the rest to people: a message in one line, and hints with ways out.
//! No text in here holds a secret: what came from a guest or a server was
//! redacted before ([`crate::Feed`] alone makes such errors).

use std::fmt;
use std::time::Duration;

/// Why something failed, and what can be done.
#[derive(Clone, Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    hints: Vec<String>,
    problems: Vec<Problem>,
    retry_after: Option<Duration>,
}

/// Who has to do something about an [`Error`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// The operator: settings, secrets or files are wrong ([`Error::problems`]).
    Configuration,
    /// The operator: the upstream does not accept the credential.
    Authentication,
    /// The operator: the credential may not do this.
    Permission,
    /// The operator: the upstream's plan does not include this.
    NotEntitled,
    /// Nobody: try again later ([`Error::retry_after`]).
    Unavailable,
    /// The upstream: it answered what its contract excludes. Try again; if it
    /// stays so, report it.
    Protocol,
    /// The operator: state can't be read or written.
    Storage,
    /// The operator: what was collected can't be delivered.
    Sink,
    /// Nobody: what was collected can't be delivered now; try again later
    /// ([`Error::retry_after`]).
    SinkUnavailable,
    /// Nobody: whoever read what was collected does not want more.
    SinkClosed,
    /// The plugin's maker: it trapped, passed a limit, or broke the contract.
    Plugin,
}

impl Kind {
    /// A stable name, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Authentication => "authentication",
            Self::Permission => "permission",
            Self::NotEntitled => "not-entitled",
            Self::Unavailable => "unavailable",
            Self::Protocol => "protocol",
            Self::Storage => "storage",
            Self::Sink => "sink",
            Self::SinkUnavailable => "sink-unavailable",
            Self::SinkClosed => "sink-closed",
            Self::Plugin => "plugin",
        }
    }
}

/// One thing wrong with the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where: `settings.NAME`, with the place within a list as in
    /// `settings.NAME[1]`; `secrets.NAME`; or another key of a feed.
    pub key: String,
    /// What was found; never a secret's value.
    pub message: String,
    /// Ways out, the likeliest first.
    pub hints: Vec<String>,
}

impl Problem {
    /// A problem with the setting, secret or option `key`.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// Adds a way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// The key, and what was found.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => f.write_str(&self.message),
            key => write!(f, "`{key}`: {}", self.message),
        }
    }
}

impl Error {
    /// An error with a message in one line, without full stop.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hints: Vec::new(),
            problems: Vec::new(),
            retry_after: None,
        }
    }

    /// State can't be read or written: for an own [`crate::Store`].
    pub fn storage(message: impl Into<String>) -> Self {
        Self::new(Kind::Storage, message)
    }

    /// Events can't be delivered: for an own [`crate::Sink`].
    pub fn sink(message: impl Into<String>) -> Self {
        Self::new(Kind::Sink, message)
    }

    /// Several problems with the configuration, found together.
    pub fn configuration(problems: impl IntoIterator<Item = Problem>) -> Self {
        let problems: Vec<Problem> = problems.into_iter().collect();
        let told: Vec<String> = problems.iter().map(Problem::to_string).collect();
        let hints = problems.iter().flat_map(|problem| problem.hints.clone());
        let mut error = Self::new(Kind::Configuration, told.join("; ")).hints_from(hints);
        error.problems = problems;
        error
    }

    /// Adds a way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds several ways out.
    #[must_use]
    pub(crate) fn hints_from(mut self, hints: impl IntoIterator<Item = String>) -> Self {
        self.hints.extend(hints);
        self
    }

    /// Sets the time that the upstream asked to be left alone.
    #[must_use]
    pub(crate) fn after(mut self, delay: Option<Duration>) -> Self {
        self.retry_after = delay;
        self
    }

    /// Who has to do something.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Ways out, the likeliest first.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// Every problem of a [`Kind::Configuration`] error; else empty.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// How long the upstream asked to be left alone, if it did.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether the same call may succeed later with nothing changed.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            Kind::Unavailable | Kind::Protocol | Kind::SinkUnavailable
        )
    }

    /// Whether the upstream refused the credential or what it may do.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self.kind,
            Kind::Authentication | Kind::Permission | Kind::NotEntitled
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// A result whose error is [`Error`], if no other is named.
pub type Result<T, E = Error> = std::result::Result<T, E>;
