//! Where a feed's events go, as configured.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use source_host::{FileSink, HeaderText, HttpBody, HttpSink};

use super::feed::{check_secret, in_folder};
use super::reader::Reader;

/// Where a feed's events go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SinkConfig {
    Stdout,
    File(PathBuf),
    Http(HttpConfig),
}

/// The sink `http`, as far as it is the sink's own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpConfig {
    pub url: String,
    pub headers: BTreeMap<String, HeaderText>,
    pub gzip: bool,
    pub body: HttpBody,
}

/// Where it leads.
impl fmt::Display for SinkConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::File(path) => path.display().fmt(f),
            Self::Http(http) => f.write_str(&HttpSink::shown(&http.url)),
        }
    }
}

const KINDS: &[&str] = &["file", "http", "stdout"];

/// Checks `sink`; none: it is wrong, which was noted.
pub fn check(reader: &mut Reader<'_>, folder: &Path) -> Option<SinkConfig> {
    if !reader.is_set("sink") {
        return Some(SinkConfig::Stdout);
    }
    if !reader.is_table("sink") {
        let hint = "as in `{ type = \"file\", path = \"out/{class}.ndjson\" }`";
        reader.problem("sink", "expected a table", Some(hint));
        return None;
    }
    if !reader.is_set("sink.type") {
        // What else is there says which one is meant.
        let hint = match (reader.is_set("sink.path"), reader.is_set("sink.url")) {
            (true, _) => "add `type = \"file\"`",
            (_, true) => "add `type = \"http\"`",
            _ => "it is one of: file, http, stdout",
        };
        reader.problem(
            "sink.type",
            "the key is missing: the kind of sink",
            Some(hint),
        );
        return None;
    }
    match reader.text("sink.type")?.as_str() {
        "stdout" => {
            reader.only_in("sink", &["type"]);
            Some(SinkConfig::Stdout)
        }
        "file" => check_file(reader, folder),
        "http" => check_http(reader, folder),
        other => {
            reader.one_of("sink.type", other, KINDS);
            None
        }
    }
}

fn check_file(reader: &mut Reader<'_>, folder: &Path) -> Option<SinkConfig> {
    reader.only_in("sink", &["path", "type"]);
    reader.missing(
        "sink.path",
        "where the events go",
        r#"path = "out/{class}.ndjson""#,
    );
    let path = folder.join(reader.text("sink.path")?);
    match FileSink::new(&path) {
        Ok(_) => Some(SinkConfig::File(path)),
        Err(message) => {
            reader.problem("sink.path", message, None);
            None
        }
    }
}

fn check_http(reader: &mut Reader<'_>, folder: &Path) -> Option<SinkConfig> {
    reader.only_in("sink", &["body", "gzip", "headers", "type", "url"]);
    reader.missing(
        "sink.url",
        "where the events are posted to",
        r#"url = "https://collector.example/events""#,
    );
    let body = match reader.text("sink.body").as_deref() {
        None | Some("ndjson") => HttpBody::Ndjson,
        Some("array") => HttpBody::Array,
        Some(other) => {
            reader.one_of("sink.body", other, &["array", "ndjson"]);
            HttpBody::Ndjson
        }
    };
    let names = reader.keys("sink.headers").into_iter();
    let headers = names.filter_map(|name| {
        // A dot in a key leads into a table.
        if name.contains(['.', '[']) {
            let message = format!("`{name}`: a header's name with a dot is not supported");
            reader.problem("sink.headers", message, None);
            return None;
        }
        let text = check_header(reader, &format!("sink.headers.{name}"), folder)?;
        Some((name, text))
    });
    let headers = headers.collect();
    Some(SinkConfig::Http(HttpConfig {
        headers,
        gzip: reader.flag("sink.gzip").unwrap_or(false),
        body,
        url: reader.text("sink.url")?,
    }))
}

fn check_header(reader: &mut Reader<'_>, key: &str, folder: &Path) -> Option<HeaderText> {
    if !reader.is_table(key) {
        return reader.text(key).map(HeaderText::Plain);
    }
    reader.only_in(key, &["prefix", "secret"]);
    let secret = format!("{key}.secret");
    reader.missing(
        &secret,
        "where the secret is found",
        r#"secret = "env:NAME"` or `secret = "file:PATH""#,
    );
    Some(HeaderText::Secret {
        prefix: reader.text(&format!("{key}.prefix")).unwrap_or_default(),
        source: in_folder(check_secret(reader, &secret)?, folder),
    })
}
