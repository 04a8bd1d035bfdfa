//! Reading the configuration: one file, or a folder of them.

use std::io;
use std::path::{Path, PathBuf};

use source_host::Problem;

use super::tree::Item;
use super::{Located, Node, general};

/// What was written, whether in one file or in several.
pub struct Written {
    pub root: Node,
    /// From here relative paths count.
    pub folder: PathBuf,
    /// The files that were read.
    pub files: Vec<PathBuf>,
    /// What was written twice.
    pub problems: Vec<Located>,
}

/// Reads a file, or all `*.toml` of a folder as if they were one.
pub fn read(path: &Path) -> Result<Written, Vec<Located>> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if !path.is_dir() {
        return Ok(Written {
            root: read_file(path)?,
            folder: absolute.parent().unwrap_or(Path::new("/")).to_owned(),
            files: vec![absolute],
            problems: Vec::new(),
        });
    }
    let files = list(path).map_err(|e| unreadable(path, &e))?;
    let mut root = Node::table(path.display().to_string());
    let (mut problems, mut wrong) = (Vec::new(), Vec::new());
    for file in &files {
        match read_file(file) {
            Ok(node) => problems.extend(root.add(node)),
            Err(more) => wrong.extend(more),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    Ok(Written {
        root,
        folder: absolute,
        files,
        problems,
    })
}

/// The files of a folder that count, by name.
fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let mut files: Vec<PathBuf> = entries.iter().map(std::fs::DirEntry::path).collect();
    let is_hidden = |path: &Path| {
        path.file_name()
            .is_some_and(|n| n.as_encoded_bytes().starts_with(b"."))
    };
    files.retain(|path| path.extension().is_some_and(|e| e == "toml") && !is_hidden(path));
    files.sort();
    Ok(files)
}

fn read_file(path: &Path) -> Result<Node, Vec<Located>> {
    let text = std::fs::read_to_string(path).map_err(|e| unreadable(path, &e))?;
    Node::from_toml(&text, &path.display().to_string()).map_err(|errors| {
        let located =
            |(place, message): &(String, String)| general(place, Problem::new("", message));
        errors.iter().map(located).collect()
    })
}

fn unreadable(path: &Path, e: &io::Error) -> Vec<Located> {
    let problem = Problem::new("", format!("the configuration can't be read: {e}"));
    let hint = "name a file or a folder of files with `-c`, or use `--plugin`";
    vec![general(&path.display().to_string(), problem.hint(hint))]
}

impl Node {
    /// Adds what a further file has: each feed, and each other key, may be in
    /// one file only. What is in two.
    fn add(&mut self, file: Self) -> Vec<Located> {
        let mut twice = Vec::new();
        let (Item::Table(all), Item::Table(more)) = (&mut self.item, file.item) else {
            return twice;
        };
        for (key, node) in more {
            match (all.get_mut(&key), node) {
                (None, node) => drop(all.insert(key, node)),
                (
                    Some(Self {
                        item: Item::Table(feeds),
                        ..
                    }),
                    Self {
                        item: Item::Table(more),
                        ..
                    },
                ) if key == "feeds" => {
                    for (name, feed) in more {
                        match feeds.get(&name) {
                            Some(first) => {
                                let key = format!("feeds.{name}");
                                twice.push(repeated(&feed.place, &key, &first.place));
                            }
                            None => drop(feeds.insert(name, feed)),
                        }
                    }
                }
                (Some(first), node) => twice.push(repeated(&node.place, &key, &first.place)),
            }
        }
        twice
    }
}

fn repeated(place: &str, key: &str, first: &str) -> Located {
    let problem = Problem::new(key, format!("it is in {first} too"));
    general(
        place,
        problem.hint("remove one of them, or give a feed another name"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    #[test]
    fn files_of_a_folder_are_one_configuration() {
        let dir = folder(&[
            ("a.toml", "state_dir = \"s\"\n[feeds.a]\nplugin = \"p\"\n"),
            (
                "b.toml",
                "[defaults]\nplugin = \"q\"\n[feeds.b]\n[feeds.c]\n",
            ),
            (".hidden.toml", "= wrong"),
            ("notes.txt", "= wrong"),
        ]);
        let read = read(dir.path()).map_err(|_| "unreadable").unwrap();
        assert!(read.problems.is_empty());
        assert_eq!(read.folder, dir.path());
        let feeds = read.root.get("feeds").unwrap().to_json(None);
        assert_eq!(feeds.as_object().unwrap().len(), 3);
        let place = read.root.place_of("feeds.b");
        assert_eq!(place, format!("{}:3", dir.path().join("b.toml").display()));
    }

    #[test]
    fn what_is_in_two_files_is_told_with_both_places() {
        let dir = folder(&[
            ("a.toml", "state_dir = \"s\"\n[feeds.a]\n"),
            ("b.toml", "state_dir = \"t\"\n[feeds.a]\n[feeds.b]\n"),
        ]);
        let read = read(dir.path()).map_err(|_| "unreadable").unwrap();
        let told: Vec<String> = read
            .problems
            .iter()
            .map(|l| format!("{} {} {}", l.place, l.problem.key, l.problem.message))
            .collect();
        let at = |file: &str, line: u32| format!("{}:{line}", dir.path().join(file).display());
        let expected = [
            format!(
                "{} feeds.a it is in {} too",
                at("b.toml", 2),
                at("a.toml", 2)
            ),
            format!(
                "{} state_dir it is in {} too",
                at("b.toml", 1),
                at("a.toml", 1)
            ),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn every_file_that_is_wrong_is_told() {
        let dir = folder(&[("a.toml", "a = = 1"), ("b.toml", "= 2"), ("c.toml", "")]);
        let wrong = read(dir.path()).err().unwrap();
        assert!(wrong.len() >= 2);
    }
}
