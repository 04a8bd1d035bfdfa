//! Words for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use source_host::words::{bytes, counted, grouped, moment, time};
use source_host::{Counters, Descriptor, Ended, Error, Progress, Totals, TypeCount, Waiting};
use tracing::field::display;

use crate::cli::LogFormat;
use crate::config::Located;

/// Names of types that a summary lists.
const TOP_TYPES: usize = 5;

/// Prints what was asked for to standard output. A reader that left is not
/// told: it knows.
pub fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// In what format people, or programs, are told: as the log is written.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Sets the format of all that is told on standard error.
pub fn set_format(format: LogFormat) {
    let _ = FORMAT.set(format);
}

/// Says what went wrong, and the ways out, on standard error.
pub fn error(feed: Option<&str>, error: &Error) {
    failure(feed, &error.to_string());
    hints(feed, error.hints());
}

/// Says in one line what went wrong.
pub fn failure(feed: Option<&str>, message: &str) {
    let place = feed.map(|feed| format!("{feed}: ")).unwrap_or_default();
    failed(feed, message, &format!("{place}{message}"));
}

/// Says all that is wrong with a configuration, on standard error, from the
/// file's top to its end.
pub fn problems(problems: &[Located]) {
    let mut sorted: Vec<&Located> = problems.iter().collect();
    sorted.sort_by_key(|located| located.line());
    for located in sorted {
        let (feed, line) = (located.feed.as_deref(), problem_line(located));
        failed(feed, &line, &line);
        hints(feed, &located.problem.hints);
    }
}

/// Says it to programs, with the feed as a field; or to people.
fn failed(feed: Option<&str>, message: &str, line: &str) {
    match is_json() {
        true => tracing::error!(feed = feed.map(display), "{message}"),
        false => eprintln!("error: {line}"),
    }
}

/// Says what is no trouble, on standard error.
pub fn note(feed: Option<&str>, message: &str) {
    match (is_json(), feed) {
        (true, feed) => tracing::info!(feed = feed.map(display), "{message}"),
        (false, Some(feed)) => eprintln!("{feed}: {message}"),
        (false, None) => eprintln!("{message}"),
    }
}

/// Says what a run brought.
pub fn summary(summary: &Summary<'_>) {
    let text = summary.text();
    if is_json() {
        let lines = text.lines();
        lines.for_each(|line| tracing::info!(feed = %summary.feed, "{}", line.trim()));
    } else {
        eprint!("{text}");
    }
}

fn is_json() -> bool {
    matches!(FORMAT.get(), Some(LogFormat::Json))
}

/// A problem in one line: place, feed, key, and what was found.
pub fn problem_line(located: &Located) -> String {
    let mut line = format!("{}: ", located.place);
    if let Some(feed) = &located.feed {
        let _ = write!(line, "feed `{feed}`: ");
    }
    line + &located.problem.to_string()
}

/// Says the ways out, on standard error.
pub fn hints(feed: Option<&str>, hints: &[String]) {
    if is_json() {
        let feed = feed.map(display);
        let each = |hint| tracing::error!(feed, "hint: {hint}");
        hints.iter().for_each(each);
    } else if !hints.is_empty() {
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
    /// What had waited for the sink since the run before,
    pub before: Option<&'a Waiting>,
    /// and what waits now.
    pub waiting: Option<&'a Waiting>,
    pub took: Duration,
    /// None: it failed.
    pub ended: Option<Ended>,
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
        if self.totals.refused > 0 {
            let path = self.dead_letters.unwrap_or(Path::new("")).display();
            rows.push((
                format!("of the new events refused by the sink, kept in {path}"),
                grouped(self.totals.refused),
            ));
        }
        if let Some(before) = self.before.filter(|before| before.events > 0) {
            rows.push((
                "had waited since the run before".to_owned(),
                grouped(before.events),
            ));
        }
        if counters.duplicates > 0 {
            rows.push(("seen before".to_owned(), grouped(counters.duplicates)));
        }
        let mut text = format!(
            "{}: {} of {} received in {:.1} s ({}, {})\n",
            self.feed,
            counted(counters.emitted, "new event"),
            counted(counters.received, "record"),
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
        if let Some(waiting) = self.waiting {
            let delivered = delivered(counters.emitted, waiting);
            let _ = writeln!(text, "  {delivered}: one batch, which goes first");
        }
        for (partition, progress) in self.progress {
            for line in progress_lines(partition, progress, self.waiting) {
                let _ = writeln!(text, "  {line}");
            }
        }
        match self.ended {
            Some(Ended::Stopped) => {
                text += "  stopped before it had caught up; the next run goes on from here\n";
            }
            Some(Ended::CaughtUp) if counters.emitted == 0 => text += &self.nothing_new(),
            _ => {}
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
            moment(read_to),
            self.feed,
            time(start.unwrap_or(read_to)),
            self.flags
        )
    }
}

/// What became of records that were mapped alone, in one line.
pub fn transformed(counters: &Counters) -> String {
    format!(
        "{} from {}: {} not selected{}, {} rejected",
        counted(counters.emitted, "event"),
        counted(counters.received, "record"),
        grouped(counters.not_selected),
        top(&counters.not_selected_types),
        grouped(counters.rejected),
    )
}

/// Of so many new events, how many are delivered, and what is not.
pub fn delivered(emitted: u64, waiting: &Waiting) -> String {
    let delivered = grouped(emitted.saturating_sub(waiting.events));
    format!("{delivered} delivered; waiting for the sink: {waiting}")
}

/// How far a partition has come, in a line or two. It is complete when nothing
/// of it is `waiting` for the sink.
pub fn progress_lines(
    partition: &str,
    progress: &Progress,
    waiting: Option<&Waiting>,
) -> Vec<String> {
    let waiting = waiting.filter(|waiting| waiting.partition == partition);
    let how = waiting.map_or("complete", |_| "read, and not all delivered,");
    let whose = match partition {
        "" => String::new(),
        partition => format!("{partition}: "),
    };
    let (start, read_to) = (moment(progress.start), moment(progress.read_to));
    let mut line = match progress.read_to > progress.start {
        true => format!("{whose}{how} from {start} to {read_to}"),
        false => format!("{whose}nothing settled yet, from {start} on"),
    };
    if let Some(backlog) = progress.backlog.filter(|backlog| *backlog > 0) {
        let _ = write!(line, ", about {} to come", grouped(backlog));
    }
    let mut lines = vec![line];
    if let Some(reconciled) = &progress.reconciled {
        let (read, counted) = (grouped(reconciled.read), grouped(reconciled.counted));
        let window = match (progress.reconciled_from, progress.reconciled_to) {
            (Some(from), Some(to)) => format!(" from {} to {}", moment(from), moment(to)),
            _ => String::new(),
        };
        let outcome = match read == counted {
            true => format!(
                "reconciled {read} of {counted} records{window}, selected or not, by the \
                 upstream's count"
            ),
            false => format!(
                "not reconciled: the upstream counts {counted} records, selected or not, and \
                 {read} were read"
            ),
        };
        lines.push(format!("{whose}{outcome}; newer ones are counted later"));
    }
    lines
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
    use source_host::Reconciled;

    use super::*;

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

    #[test]
    fn what_is_counted_and_what_was_read() {
        let mut progress = Progress {
            start: 0,
            read_to: 60_000,
            reconciled_from: Some(0),
            reconciled_to: Some(60_000),
            behind_ms: 0,
            reconciled: Some(Reconciled {
                counted: 500,
                read: 500,
            }),
            backlog: None,
            lateness: None,
        };
        assert_eq!(
            progress_lines("o", &progress, None)[1],
            "o: reconciled 500 of 500 records from 1970-01-01T00:00:00Z to 1970-01-01T00:01:00Z, \
             selected or not, by the upstream's count; newer ones are counted later"
        );
        progress.read_to = 0;
        let nothing = "o: nothing settled yet, from 1970-01-01T00:00:00Z on";
        assert_eq!(progress_lines("o", &progress, None)[0], nothing);
        // Of a tenant that was emptied.
        progress.reconciled.as_mut().unwrap().counted = 0;
        assert_eq!(
            progress_lines("", &progress, None)[1],
            "not reconciled: the upstream counts 0 records, selected or not, and 500 were read; \
             newer ones are counted later"
        );
    }
}
