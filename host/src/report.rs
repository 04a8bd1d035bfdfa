//! Words for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use source_host::{Descriptor, Error, Kind, Progress, Totals, TypeCount};

use crate::config::Located;

/// Names of types that a summary lists.
const TOP_TYPES: usize = 5;

/// Prints what was asked for to standard output. A reader that left is not
/// told: it knows.
pub fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Says what went wrong, and the ways out, on standard error.
pub fn error(feed: Option<&str>, error: &Error) {
    // The reader left: it does not want to hear more.
    if error.kind() == Kind::SinkClosed {
        return;
    }
    let place = feed.map(|feed| format!("{feed}: ")).unwrap_or_default();
    eprintln!("error: {place}{error}");
    hints(error.hints());
}

/// Says all that is wrong with a configuration, on standard error, from the
/// file's top to its end.
pub fn problems(problems: &[Located]) {
    let mut sorted: Vec<&Located> = problems.iter().collect();
    sorted.sort_by_key(|located| located.line());
    for located in sorted {
        eprintln!("error: {}", problem_line(located));
        hints(&located.problem.hints);
    }
}

/// A problem in one line: place, feed, key, and what was found.
pub fn problem_line(located: &Located) -> String {
    let mut line = format!("{}: ", located.place);
    if let Some(feed) = &located.feed {
        let _ = write!(line, "feed `{feed}`: ");
    }
    if !located.problem.key.is_empty() {
        let _ = write!(line, "`{}`: ", located.problem.key);
    }
    line + &located.problem.message
}

fn hints(hints: &[String]) {
    if !hints.is_empty() {
        eprintln!();
        hints.iter().for_each(|hint| eprintln!("hint: {hint}"));
        eprintln!();
    }
}

/// What one run of a feed brought.
pub struct Summary<'a> {
    pub feed: &'a str,
    pub descriptor: &'a Descriptor,
    pub totals: &'a Totals,
    pub progress: &'a BTreeMap<String, Progress>,
    pub took: Duration,
    pub dead_letters: Option<&'a Path>,
    /// The flags that name this configuration.
    pub flags: &'a str,
}

impl Summary<'_> {
    /// The summary as text of several lines.
    pub fn text(&self) -> String {
        let counters = &self.totals.counters;
        let mut rows = Vec::new();
        for ((class, activity), count) in &self.totals.events {
            let (class, activity) = captions(self.descriptor, *class, *activity);
            rows.push((format!("{class}: {activity}"), grouped(*count)));
        }
        if counters.not_selected > 0 {
            let names = top(&counters.not_selected_types);
            rows.push((
                format!("not selected{names}"),
                grouped(counters.not_selected),
            ));
        }
        if counters.rejected > 0 {
            let path = self.dead_letters.unwrap_or(Path::new("")).display();
            rows.push((
                format!("rejected, kept in {path}"),
                grouped(counters.rejected),
            ));
        }
        if counters.duplicates > 0 {
            rows.push(("seen before".to_owned(), grouped(counters.duplicates)));
        }
        let mut text = format!(
            "{}: {} in {:.1} s ({}, {} received)\n",
            self.feed,
            counted(counters.emitted, "new event"),
            self.took.as_secs_f64(),
            counted(counters.requests, "request"),
            bytes(counters.bytes),
        );
        let width = rows
            .iter()
            .map(|(_, count)| count.len())
            .max()
            .unwrap_or_default();
        for (label, count) in rows {
            let _ = writeln!(text, "  {count:>width$}  {label}");
        }
        for (partition, progress) in self.progress {
            let _ = writeln!(text, "  {}", progress_line(partition, progress));
        }
        if counters.emitted == 0 {
            text += &self.nothing_new();
        }
        text
    }

    /// Why nothing came, and how to see old events again.
    fn nothing_new(&self) -> String {
        let Some(read_to) = self
            .progress
            .values()
            .map(|progress| progress.read_to)
            .max()
        else {
            return String::new();
        };
        let start = self.progress.values().map(|progress| progress.start).min();
        format!(
            "  caught up to {}: nothing new was to be collected; to see what came before again:\n    \
             source-host state rewind {} --to {} {}\n",
            time(read_to),
            self.feed,
            time(start.unwrap_or(read_to)),
            self.flags
        )
    }
}

/// How far a partition has come, in one line.
pub fn progress_line(partition: &str, progress: &Progress) -> String {
    let mut line = match partition {
        "" => String::new(),
        partition => format!("{partition}: "),
    };
    let _ = write!(
        line,
        "complete from {} to {}",
        time(progress.start),
        time(progress.read_to)
    );
    if let Some(reconciled) = &progress.reconciled {
        let (read, counted) = (grouped(reconciled.read), grouped(reconciled.counted));
        let _ = write!(line, ", {read} of {counted} by the upstream's count");
    }
    if let Some(backlog) = progress.backlog.filter(|backlog| *backlog > 0) {
        let _ = write!(line, ", about {} to come", grouped(backlog));
    }
    line
}

/// A time in ms since 1970, in RFC 3339.
pub fn time(ms: i64) -> String {
    match DateTime::from_timestamp_millis(ms) {
        Some(time) if ms % 1_000 == 0 => time.to_rfc3339_opts(SecondsFormat::Secs, true),
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Millis, true),
        None => format!("{ms} ms"),
    }
}

/// A span as people say it: `90 s`, `3 min`, `5 h`, `2 days`.
pub fn span(ms: u64) -> String {
    match ms / 1_000 {
        seconds if seconds < 120 => format!("{seconds} s"),
        seconds if seconds < 120 * 60 => format!("{} min", seconds / 60),
        seconds if seconds < 48 * 3_600 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// A count with its noun.
pub fn counted(count: u64, noun: &str) -> String {
    format!(
        "{} {noun}{}",
        grouped(count),
        if count == 1 { "" } else { "s" }
    )
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{} kB", count / 1_000),
        _ => format!("{} MB", grouped(count / 1_000_000)),
    }
}

fn captions(descriptor: &Descriptor, class: u32, activity: u32) -> (String, String) {
    let Some(class) = descriptor.classes.iter().find(|known| known.uid == class) else {
        return (class.to_string(), activity.to_string());
    };
    let caption = class.activities.iter().find(|known| known.id == activity);
    let activity = caption.map_or_else(|| activity.to_string(), |known| known.caption.clone());
    (class.caption.clone(), activity)
}

fn top(types: &[TypeCount]) -> String {
    let mut sorted: Vec<&TypeCount> = types.iter().collect();
    sorted.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    let mut names: Vec<String> = sorted
        .iter()
        .take(TOP_TYPES)
        .map(|type_| format!("{} {}", type_.name, grouped(type_.count)))
        .collect();
    match sorted.len().saturating_sub(TOP_TYPES) {
        _ if names.is_empty() => return String::new(),
        0 => {}
        more => names.push(format!("{more} more types")),
    }
    format!(" ({})", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(counted(1, "event"), "1 event");
        assert_eq!(counted(2_000, "event"), "2,000 events");
        assert_eq!(time(0), "1970-01-01T00:00:00Z");
        assert_eq!(time(1_500), "1970-01-01T00:00:01.500Z");
        assert_eq!(span(61_000), "61 s");
        assert_eq!(span(7_200_000), "2 h");
        assert_eq!(span(3 * 86_400_000), "3 days");
    }

    #[test]
    fn the_commonest_types_first() {
        let count = |name: &str, count| TypeCount {
            name: name.to_owned(),
            count,
        };
        assert_eq!(top(&[]), "");
        assert_eq!(top(&[count("a", 1), count("b", 2)]), " (b 2, a 1)");
        let many: Vec<TypeCount> = (0..7).map(|n| count(&format!("t{n}"), 10 - n)).collect();
        assert_eq!(top(&many), " (t0 10, t1 9, t2 8, t3 7, t4 6, 2 more types)");
    }
}
