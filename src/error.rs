//! Why an operation failed, by what the host does about it (WIT `types.error`).

use std::fmt;

/// The result of an operation of the source.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure. Nothing is lost by any: the next poll goes on from the last batch
/// that was handed out.
#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// Wrong settings, secrets or address; every problem at once.
    BadSettings(Vec<Problem>),
    /// The credential is not accepted.
    Authentication(Failure),
    /// The credential is accepted and may not do this.
    Permission(Failure),
    /// The plan does not include this.
    NotEntitled(Failure),
    /// The API can't answer now. The time is in ms, as the API asked.
    Unavailable(Failure, Option<u64>),
    /// The API answered what its contract excludes.
    Protocol(Failure),
    /// The stored state can't be read, understood or written.
    Storage(Failure),
    /// A defect of this source, or a call out of order.
    Internal(Failure),
}

/// What went wrong, for people: one line without full stop, and ways out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failure {
    /// What was found.
    pub message: String,
    /// What to do, the likeliest first.
    pub hints: Vec<String>,
}

/// Something wrong with one setting or secret.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Problem {
    /// Its name, with the place within a list: `event_types[1]`; empty: none in
    /// particular.
    pub setting: String,
    /// What was found, never a secret's value.
    pub message: String,
    /// What to do.
    pub hints: Vec<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
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

impl Problem {
    /// A problem without a hint.
    pub fn new(setting: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            setting: setting.into(),
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

impl Error {
    /// A protocol error in which nothing was skipped.
    pub fn protocol(what: impl fmt::Display) -> Self {
        Self::Protocol(
            Failure::new(format!("unexpected answer from JumpCloud: {what}"))
                .hint("nothing was skipped, this part will be read again"),
        )
    }

    /// The same, with each of its texts replaced.
    #[must_use]
    pub fn map_text(mut self, text: impl Fn(String) -> String) -> Self {
        for (message, hints) in self.texts_mut() {
            for one in std::iter::once(message).chain(hints) {
                *one = text(std::mem::take(one));
            }
        }
        self
    }

    /// Adds ways out, after those that are there.
    #[must_use]
    pub fn and_hints(mut self, more: impl IntoIterator<Item = String>) -> Self {
        if let Some((_, hints)) = self.texts_mut().pop() {
            hints.extend(more);
        }
        self
    }

    /// The message and the ways out: of the failure, or of each problem.
    fn texts_mut(&mut self) -> Vec<(&mut String, &mut Vec<String>)> {
        match self {
            Self::BadSettings(problems) => problems
                .iter_mut()
                .map(|problem| (&mut problem.message, &mut problem.hints))
                .collect(),
            Self::Authentication(failure)
            | Self::Permission(failure)
            | Self::NotEntitled(failure)
            | Self::Unavailable(failure, _)
            | Self::Protocol(failure)
            | Self::Storage(failure)
            | Self::Internal(failure) => vec![(&mut failure.message, &mut failure.hints)],
        }
    }

    /// Whether JumpCloud has no part in it: settings, state, or a defect here.
    pub fn is_our_own(&self) -> bool {
        matches!(
            self,
            Self::BadSettings(_) | Self::Storage(_) | Self::Internal(_)
        )
    }

    /// Code, message and ways out, in one line: for a finding.
    pub fn in_full(&self) -> String {
        let hints: Vec<&str> = match self {
            Self::BadSettings(problems) => {
                let hints = problems.iter().flat_map(|problem| &problem.hints);
                hints.map(String::as_str).collect()
            }
            Self::Authentication(failure)
            | Self::Permission(failure)
            | Self::NotEntitled(failure)
            | Self::Unavailable(failure, _)
            | Self::Protocol(failure)
            | Self::Storage(failure)
            | Self::Internal(failure) => failure.hints.iter().map(String::as_str).collect(),
        };
        let mut text = format!("{}: {self}", self.code());
        for hint in hints {
            text += "; ";
            text += hint;
        }
        text
    }

    /// Of the failures of all organisations the one that the host goes by: one
    /// that may pass by itself, if there is one.
    pub fn of_all(failures: impl IntoIterator<Item = Self>) -> Option<Self> {
        let stays = |error: &Self| !matches!(error, Self::Unavailable(..) | Self::Protocol(_));
        failures.into_iter().min_by_key(stays)
    }

    /// The code under which the failure of one organisation among several is
    /// reported (see [`crate::finding`]).
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadSettings(_) => "bad-settings",
            Self::Authentication(_) => "authentication",
            Self::Permission(_) => "permission",
            Self::NotEntitled(_) => "not-entitled",
            Self::Unavailable(..) => "unavailable",
            Self::Protocol(_) => "protocol",
            Self::Storage(_) => "storage",
            Self::Internal(_) => "internal",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadSettings(problems) => {
                for (n, problem) in problems.iter().enumerate() {
                    let gap = if n == 0 { "" } else { "; " };
                    let colon = if problem.setting.is_empty() { "" } else { ": " };
                    write!(f, "{gap}{}{colon}{}", problem.setting, problem.message)?;
                }
                Ok(())
            }
            Self::Authentication(failure)
            | Self::Permission(failure)
            | Self::NotEntitled(failure)
            | Self::Unavailable(failure, _)
            | Self::Protocol(failure)
            | Self::Storage(failure)
            | Self::Internal(failure) => f.write_str(&failure.message),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_may_pass_stands_for_all() {
        let refused = || Error::Permission(Failure::new("refused").hint("ask").hint("wait"));
        let busy = Error::Unavailable(Failure::new("busy"), Some(1));
        assert_eq!(refused().in_full(), "permission: refused; ask; wait");
        assert_eq!(Error::of_all([refused(), busy.clone()]), Some(busy));
        assert_eq!(Error::of_all([refused()]), Some(refused()));
        assert_eq!(Error::of_all([]), None);
    }
}
