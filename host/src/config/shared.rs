//! Files that two would use: feeds whose lines would get into each other's way,
//! or a feed that would write into what is read.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use source_host::{FileSink, HeaderText, Problem, SecretSource, SqliteStore};

use super::{FeedConfig, Located, SinkConfig};

/// A path: its characters, and where a placeholder stands for any text.
type Pattern = Vec<Option<char>>;

/// Who else uses a path.
enum User<'a> {
    /// This feed writes to it.
    Feed(&'a str),
    /// It is this, and not to be written to.
    Is(&'static str),
}

/// Notes each path that may be another one's: of a feed before, of the state, or
/// among what is read, as the files of the configuration.
pub fn find(
    feeds: &[FeedConfig],
    state_dir: &Path,
    configuration: &[PathBuf],
    problems: &mut Vec<Located>,
) {
    let mut used: Vec<(Pattern, User<'_>)> = files(feeds, state_dir, configuration)
        .into_iter()
        .map(|(path, what)| (literal(&path), User::Is(what)))
        .collect();
    // With the separator at its end.
    let copies = literal(&spelled_out(&SqliteStore::copies(state_dir)).join(""));
    for feed in feeds {
        let sink = match &feed.sink {
            Some(SinkConfig::File(path)) => {
                let own = spelled_out(&FileSink::path_of_feed(path, &feed.name));
                Some(("sink.path", path, template(&own)))
            }
            Some(SinkConfig::Http(_) | SinkConfig::Stdout) | None => None,
        };
        let letters = &feed.dead_letters;
        let letters = ("dead_letters", letters, literal(&spelled_out(letters)));
        for (key, path, pattern) in sink.into_iter().chain([letters]) {
            let other = used.iter().find(|(other, _)| can_meet(other, &pattern));
            let user = match pattern.starts_with(&copies) {
                true => Some(&User::Is("among the copies of the state")),
                false => other.map(|(_, user)| user),
            };
            if let Some(user) = user {
                problems.push(feed.locate(problem(key, path, user, &feed.name)));
            }
            used.push((pattern, User::Feed(&feed.name)));
        }
    }
}

/// What nobody may write to, and what it is.
fn files(
    feeds: &[FeedConfig],
    state_dir: &Path,
    configuration: &[PathBuf],
) -> BTreeMap<PathBuf, &'static str> {
    let mut files = BTreeMap::new();
    let mut add = |path: &Path, what| {
        files.insert(spelled_out(path), what);
    };
    for feed in feeds {
        add(&feed.plugin, "a plugin");
        for source in feed.secrets.values().chain(secrets_of_sink(feed)) {
            if let SecretSource::File(path) = source {
                add(path, "the file of a secret");
            }
        }
        if let Some(path) = &feed.ca_file {
            add(path, "a file of root certificates");
        }
    }
    for path in SqliteStore::files(state_dir) {
        add(&path, "a file of the state");
    }
    for path in configuration {
        add(path, "the configuration");
    }
    files
}

/// Where the secrets in a sink's headers are found.
fn secrets_of_sink(feed: &FeedConfig) -> impl Iterator<Item = &SecretSource> {
    let headers = match &feed.sink {
        Some(SinkConfig::Http(http)) => Some(http.headers.values()),
        Some(SinkConfig::File(_) | SinkConfig::Stdout) | None => None,
    };
    headers.into_iter().flatten().filter_map(|text| match text {
        HeaderText::Secret { source, .. } => Some(source),
        HeaderText::Plain(_) => None,
    })
}

fn problem(key: &str, path: &Path, user: &User<'_>, feed: &str) -> Problem {
    let path = path.display();
    match user {
        User::Feed(other) if *other == feed => {
            Problem::new(key, format!("`{path}` is where its events go"))
                .hint("give the dead letters a path of their own")
        }
        User::Feed(other) => Problem::new(
            key,
            format!("`{path}` is written by the feed `{other}` too"),
        )
        .hint("give each feed a path of its own"),
        User::Is(what) => Problem::new(key, format!("`{path}` is, or can be, {what}"))
            .hint("name a file that nothing else uses"),
    }
}

/// The path without `.`, `..` and, as far as it is there, links: two spellings of
/// one file are equal.
fn spelled_out(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
        plain = plain.canonicalize().unwrap_or(plain);
    }
    plain
}

fn literal(path: &Path) -> Pattern {
    path.to_string_lossy().chars().map(Some).collect()
}

/// Of a path with placeholders in braces.
fn template(path: &Path) -> Pattern {
    let mut pattern = Vec::new();
    let mut is_name = false;
    for c in path.to_string_lossy().chars() {
        match c {
            '{' => {
                is_name = true;
                pattern.push(None);
            }
            '}' => is_name = false,
            _ if is_name => {}
            c => pattern.push(Some(c)),
        }
    }
    pattern
}

/// Whether there is a path that fits both.
fn can_meet(mut a: &[Option<char>], mut b: &[Option<char>]) -> bool {
    loop {
        match (a, b) {
            ([], []) => return true,
            ([Some(x), more_a @ ..], [Some(y), more_b @ ..]) if x == y => (a, b) = (more_a, more_b),
            // A placeholder stands for one character or for more.
            ([None, more_a @ ..], [c, more_b @ ..]) | ([c, more_b @ ..], [None, more_a @ ..])
                if c.is_none_or(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') =>
            {
                let (a, b) = if a.first() == Some(&None) {
                    (a, b)
                } else {
                    (b, a)
                };
                return can_meet(more_a, more_b)
                    || can_meet(a, more_b)
                    || (c.is_none() && can_meet(more_a, b));
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_stand_for_any_text_that_may_be_put_in() {
        let meet = |a: &str, b: &str| {
            let (a, b) = (template(Path::new(a)), template(Path::new(b)));
            assert_eq!(can_meet(&a, &b), can_meet(&b, &a));
            can_meet(&a, &b)
        };
        for (a, b) in [
            ("o/{class}.ndjson", "o/authentication.ndjson"),
            ("o/{class}.ndjson", "o/{date}.ndjson"),
            ("o/{class}-{date}", "o/{partition}"),
            ("o/a{class}", "o/{class}b"),
            ("o/x", "o/x"),
        ] {
            assert!(meet(a, b), "{a} {b}");
        }
        for (a, b) in [
            ("o/{class}.ndjson", "o/a.b.ndjson"),
            ("o/{class}", "o/a/b"),
            ("o/a{class}", "o/a"),
            ("o/{class}-a", "o/{class}-b"),
            ("o/a/{class}", "o/b/{class}"),
        ] {
            assert!(!meet(a, b), "{a} {b}");
        }
    }
}
