//! Feeds that may write one file: their lines would get into each other's way.

use std::path::{Component, Path, PathBuf};

use source_host::{FileSink, Problem};

use super::{FeedConfig, Located, SinkConfig};

/// A path: its characters, and where a placeholder stands for any text.
type Pattern = Vec<Option<char>>;

/// Notes each path that a feed before may write too.
pub fn find(feeds: &[FeedConfig], problems: &mut Vec<Located>) {
    let mut before: Vec<(Pattern, &str)> = Vec::new();
    for feed in feeds {
        let sink = match &feed.sink {
            SinkConfig::File(path) => {
                let own = spelled_out(&FileSink::path_of_feed(path, &feed.name));
                Some(("sink.path", path, template(&own)))
            }
            SinkConfig::Http(_) | SinkConfig::Stdout => None,
        };
        let letters = &feed.dead_letters;
        let letters = ("dead_letters", letters, literal(&spelled_out(letters)));
        for (key, path, pattern) in sink.into_iter().chain([letters]) {
            let owner = before.iter().find(|(other, _)| can_meet(other, &pattern));
            if let Some((_, owner)) = owner {
                let message = format!("`{}` is written by the feed `{owner}` too", path.display());
                let problem = Problem::new(key, message).hint("give each feed a path of its own");
                problems.push(feed.locate(problem));
            }
            before.push((pattern, &feed.name));
        }
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
