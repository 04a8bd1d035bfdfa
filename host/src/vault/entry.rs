//! One secret: as it is configured, as it is read, and what takes its place.

use crate::bindings::types::{SecretPattern, Severity};
use crate::error::Problem;
use crate::secret::{Secret, SecretSource};

/// Earlier values of one secret that are still searched for.
pub(super) const RETIRED: usize = 16;

/// A secret as it is configured.
pub(crate) struct Wanted {
    /// The configuration's key for it.
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) source: SecretSource,
    /// What a badly pasted value looks like: those patterns that apply.
    pub(crate) patterns: Vec<SecretPattern>,
}

/// One secret that a feed was given.
pub(super) struct Entry {
    pub(super) wanted: Wanted,
    pub(super) placeholder: String,
    pub(super) value: Secret,
    /// Earlier values, which may still be echoed; the latest last.
    pub(super) retired: Vec<Secret>,
    /// What was told of the file that is to replace the value; none: it is good.
    pub(super) wrong: Option<String>,
}

impl Wanted {
    /// The value, or what is wrong with it.
    fn read(&self) -> Result<Secret, Problem> {
        let Self { key, source, .. } = self;
        let value = source.read().map_err(|message| {
            Problem::new(key, message).hint(match source {
                SecretSource::Env(_) => {
                    "set it for this process, or name another source: `file:PATH`"
                }
                SecretSource::File(path) if path.is_dir() => "name the file that holds the secret",
                SecretSource::File(_) => "put the secret into it, readable for this process",
            })
        })?;
        let flaws = value.flaws();
        if !flaws.is_empty() {
            let message = format!("the value in `{source}` {}", flaws.join(", "));
            return Err(
                Problem::new(key, message).hint(match value.reveal().is_empty() {
                    true => "put the secret into it",
                    false => "copy it again, whole, without spaces or stray characters",
                }),
            );
        }
        match value.matching(&self.patterns) {
            Some((advice, Severity::Error)) => Err(Problem::new(key, advice)),
            _ => Ok(value),
        }
    }
}

impl Entry {
    /// Reads a secret, or says what is wrong with it.
    pub(super) fn open(wanted: Wanted) -> Result<Self, Problem> {
        Ok(Self {
            value: wanted.read()?,
            placeholder: placeholder().map_err(|e| Problem::new(&wanted.key, e))?,
            wanted,
            retired: Vec::new(),
            wrong: None,
        })
    }

    /// What is odd about the value, which is used all the same.
    fn advice(&self) -> Option<String> {
        let (advice, _) = self.value.matching(&self.wanted.patterns)?;
        Some(format!("`{}`: {advice}", self.wanted.key))
    }

    /// Says what is odd about the value, and about its file.
    pub(super) fn warn(&self, feed: &str) {
        if let Some(advice) = self.advice() {
            tracing::warn!(%feed, "{advice}");
        }
        if let Some(path) = self.wanted.source.readable_by_all() {
            let (key, path) = (&self.wanted.key, path.display());
            tracing::warn!(
                %feed,
                "`{key}`: every user of this machine may read `{path}`; take that right away: \
                 `chmod o-rwx {path}`"
            );
        }
    }

    /// Takes a new value from a file that changed; says whether there was one.
    pub(super) fn refresh(&mut self, feed: &str) -> bool {
        let Wanted { key, source, .. } = &self.wanted;
        if !matches!(source, SecretSource::File(_)) {
            return false;
        }
        let value = match self.wanted.read() {
            Ok(value) => value,
            Err(problem) => {
                if self.wrong.as_ref() != Some(&problem.message) {
                    tracing::warn!(%feed, "{problem}; the value before stays in use");
                    let tell = |hint| tracing::warn!(%feed, "hint: {hint}");
                    problem.hints.iter().for_each(tell);
                    self.wrong = Some(problem.message);
                }
                return false;
            }
        };
        if self.wrong.take().is_some() {
            tracing::info!(%feed, "`{key}`: the value in `{source}` can be used again");
        }
        let is_new = self.replace(value);
        if is_new {
            tracing::info!(%feed, "`{}`: the new value in `{}` is in use", self.wanted.key, self.wanted.source);
            self.warn(feed);
        }
        is_new
    }

    /// Puts `value` in the place of the one before, if it is another.
    fn replace(&mut self, value: Secret) -> bool {
        if value.reveal() == self.value.reveal() {
            return false;
        }
        let old = std::mem::replace(&mut self.value, value);
        let new = self.value.reveal();
        let is_other = |secret: &Secret| ![new, old.reveal()].contains(&secret.reveal());
        self.retired.retain(is_other);
        if self.retired.len() == RETIRED {
            self.retired.remove(0);
        }
        self.retired.push(old);
        true
    }
}

/// A text of 128 random bits that passes every syntax a secret may have.
fn placeholder() -> Result<String, String> {
    let mut random = [0u8; 16];
    getrandom::fill(&mut random).map_err(|e| format!("no random numbers: {e}"))?;
    Ok(format!("placeholder{:032x}", u128::from_be_bytes(random)))
}
