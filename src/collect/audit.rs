//! Comparing what was read with JumpCloud's own count, and finding where they
//! differ.
//!
//! ```text
//!   count all tiles ─┬─ equal: proven complete
//!                    ├─ smaller: once more in the next audit, the count may lag
//!                    └─ different: halve ─► count the left half; the right one is the rest
//!                                   ▲           │ drop the half that agrees
//!                                   └───────────┘
//!                                single tile ─► read it again ─► count it again
//! ```
//!
//! What JumpCloud counts where nothing is, it counts everywhere: before anything
//! is halved, that is asked (if it is not 0, at two places), and taken off all
//! counts.
//!
//! If any was read again, all are counted once more at the end: what the first
//! count said may be no longer so, and of halves only one was counted.
//!
//! A tile that can't be read again is put off: others come first, and if it fails
//! twice, the next audit; unless the run is to end after this one, which then fails.
//!
//! What differs even then, in two audits and between equal counts, is kept with
//! the tile as known, and told once. (Once would not do: a late event that turns
//! up while the tile is read is in the count and not in the rows.)
//!
//! One late event among n tiles costs about log₂ n counts and one small page.
//! An audit lies between walks and may take several cycles; what changes
//! meanwhile, the next one sees. Only its outcome is stored.

use serde::{Deserialize, Serialize};

use super::tiles::{Tile, Tiles};

/// How the last audit came out.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Outcome {
    /// When it ended, in ms since 1970 UTC.
    pub at: Option<i64>,
    /// Counted from here: ms since 1970 UTC.
    #[serde(default)]
    pub from: Option<i64>,
    /// Up to here the count agrees with what was read: ms since 1970 UTC.
    pub reconciled_to: Option<i64>,
    /// Rows by JumpCloud's count,
    pub counted: u64,
    /// of which so many were read.
    pub read: u64,
    /// A count was too small, and waits for a second look.
    pub doubted: bool,
}

/// One audit under way.
#[derive(Debug)]
pub struct Audit {
    /// What is still to be looked at; the last one first.
    suspects: Vec<Suspect>,
    /// The time ranges that it is about, each with its count.
    runs: Vec<(i64, i64, u64)>,
    /// A count that is too small is believed: it was so the last time.
    believe: bool,
    /// A count was too small.
    doubted: bool,
    /// A tile was read again, and all are to be counted once more.
    read: bool,
    /// It is not to end before each of them is.
    insists: bool,
    /// What JumpCloud counts where nothing is, once that is known.
    offset: Option<u64>,
}

/// A time range, made of whole tiles, whose count may differ.
#[derive(Clone, Copy, Debug)]
struct Suspect {
    from: i64,
    to: i64,
    count: Count,
    /// It could not be read again.
    failed: bool,
}

/// What JumpCloud counts there.
#[derive(Clone, Copy, Debug)]
enum Count {
    /// That is to be asked.
    Unknown,
    Is(u64),
    /// It was this; then that tile was read again, and is to be counted anew.
    Was(u64),
    /// That is to be asked once more, whatever it is.
    Last,
    /// That is to be asked, of a time in which nothing is.
    Nothing,
    /// It was this in such a time: that is to be asked of another one, for late
    /// events may have come just there.
    NothingAgain(u64),
}

/// What an audit needs next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Task {
    /// The count of this time range.
    Count(i64, i64),
    /// The tile that begins here, read again.
    Read(i64),
}

/// What a count says of a time range.
enum Verdict {
    Agrees,
    /// It is smaller, for the first time.
    Lags,
    Differs,
}

impl Audit {
    /// Of all closed tiles. `believe`: the last audit had doubts. `insists`: what
    /// can't be read again is no end.
    pub fn new(tiles: &Tiles, believe: bool, insists: bool) -> Self {
        let runs: Vec<(i64, i64, u64)> = tiles
            .runs()
            .into_iter()
            .map(|(from, to)| (from, to, 0))
            .collect();
        let suspect = |from, to| Suspect::new(from, to, Count::Unknown);
        let whole = runs.iter().rev().map(|(from, to, _)| suspect(*from, *to));
        // Whatever the count says, stale tiles are read again, and first.
        let stale = tiles.closed().iter().rev().filter(|tile| tile.stale);
        let stale = stale.map(|tile| suspect(tile.from, tile.to));
        Self {
            suspects: whole.chain(stale).collect(),
            runs,
            believe,
            doubted: false,
            read: false,
            insists,
            offset: None,
        }
    }

    /// What is to be done next, if anything. Drops what agrees, halves what
    /// doesn't.
    pub fn next(&mut self, tiles: &Tiles) -> Option<Task> {
        while let Some(suspect) = self.suspects.last().copied() {
            let Suspect {
                from, to, count, ..
            } = suspect;
            let range = tiles.range(from, to);
            let stale = tiles.get(from).filter(|tile| tile.to == to && tile.stale);
            if stale.is_some() && !matches!(count, Count::Last) {
                return Some(Task::Read(from));
            }
            let Count::Is(counted) = count else {
                return Some(Task::Count(from, to));
            };
            let expected = range.clone().map(Tile::expected).sum();
            match self.judge(expected, counted) {
                Verdict::Agrees => {}
                _ if self.offset.is_none() => {
                    let edge = tiles.closed().back().map_or(to, |tile| tile.to);
                    self.suspects.push(nothing(edge, Count::Nothing));
                    continue;
                }
                Verdict::Lags => self.doubted = true,
                // It is no tile any more: the next audit looks at it.
                Verdict::Differs if range.count() <= 1 && tiles.get(from).is_none() => {}
                Verdict::Differs if tiles.range(from, to).count() <= 1 => {
                    return Some(Task::Read(from));
                }
                Verdict::Differs => return Some(Task::Count(from, middle(&suspect, tiles))),
            }
            self.suspects.pop();
        }
        if !std::mem::take(&mut self.read) {
            return None;
        }
        let last = |(from, to, _): &_| Suspect::new(*from, *to, Count::Last);
        self.suspects.extend(self.runs.iter().map(last));
        self.suspects
            .last()
            .map(|suspect| Task::Count(suspect.from, suspect.to))
    }

    /// Takes the count that was asked for. Some: this tile still differs after
    /// it was read again, by so many rows.
    pub fn counted<'t>(&mut self, count: u64, tiles: &'t mut Tiles) -> Option<(&'t Tile, i64)> {
        let suspect = self.suspects.pop()?;
        let known = |count| Suspect {
            count: Count::Is(count),
            ..suspect
        };
        match suspect.count {
            Count::Unknown => {
                self.note(&suspect, count);
                self.suspects.push(known(count));
                None
            }
            Count::Last => {
                self.note(&suspect, count);
                None
            }
            Count::Nothing => {
                match an_edge(tiles).filter(|_| count > 0) {
                    Some(edge) => self
                        .suspects
                        .push(nothing(edge, Count::NothingAgain(count))),
                    None => self.offset = Some(count),
                }
                None
            }
            Count::NothingAgain(before) => {
                self.offset = Some(count.min(before));
                None
            }
            Count::Is(whole) => {
                let rest = whole.saturating_sub(count).saturating_add(self.offset());
                let (left, right) = (known(count), known(rest));
                let from = middle(&suspect, tiles);
                self.suspects.push(Suspect { from, ..right });
                self.suspects.push(Suspect { to: from, ..left });
                None
            }
            Count::Was(before) => self.after_reading(suspect.from, before, count, tiles),
        }
    }

    /// What JumpCloud counts in one of the time ranges that it is about.
    fn note(&mut self, suspect: &Suspect, count: u64) {
        let range = (suspect.from, suspect.to);
        let run = self.runs.iter_mut().find(|run| (run.0, run.1) == range);
        run.into_iter().for_each(|run| run.2 = count);
    }

    /// The tile was read again.
    pub fn reread(&mut self, tiles: &mut Tiles) {
        let Some(suspect) = self.suspects.pop() else {
            return;
        };
        // Of a stale tile there is no count; it is within that of the whole.
        let Count::Is(counted) = suspect.count else {
            return;
        };
        self.read = true;
        let Some(tile) = tiles.get_mut(suspect.from) else {
            return;
        };
        if counted.saturating_sub(self.offset()) == tile.rows {
            (tile.surplus, tile.unhealed) = (0, 0);
            return;
        }
        self.suspects.push(Suspect {
            count: Count::Was(counted),
            ..suspect
        });
    }

    /// The tile could not be read again: others come first, and if it fails once
    /// more, the next audit.
    pub fn put_off(&mut self) {
        let suspect = self.suspects.pop();
        if let Some(suspect) = suspect.filter(|suspect| self.insists || !suspect.failed) {
            let failed = true;
            self.suspects.insert(0, Suspect { failed, ..suspect });
        }
    }

    /// How it came out, at this time (ms since 1970 UTC).
    pub fn outcome(&self, tiles: &Tiles, now: i64, last: &Outcome) -> Outcome {
        // Those of another query say nothing.
        let rows = |tile: &Tile| if tile.stale { 0 } else { tile.rows };
        let read = self
            .runs
            .iter()
            .map(|(from, to, _)| tiles.range(*from, *to).map(rows).sum::<u64>())
            .sum();
        let count = |(_, _, count): &(_, _, u64)| count.saturating_sub(self.offset());
        let counted = self.runs.iter().map(count).sum();
        let end = self.runs.last().map(|(_, to, _)| *to);
        Outcome {
            at: Some(now),
            from: self.runs.first().map(|(from, ..)| *from),
            reconciled_to: if counted == read {
                end
            } else {
                last.reconciled_to
            },
            counted,
            read,
            doubted: self.doubted,
        }
    }

    fn offset(&self) -> u64 {
        self.offset.unwrap_or(0)
    }

    fn judge(&self, expected: u64, counted: u64) -> Verdict {
        match counted.saturating_sub(self.offset()) {
            counted if counted == expected => Verdict::Agrees,
            counted if counted < expected && !self.believe => Verdict::Lags,
            _ => Verdict::Differs,
        }
    }

    /// A tile was read again and counted after that: what differs even now.
    fn after_reading<'t>(
        &mut self,
        from: i64,
        before: u64,
        count: u64,
        tiles: &'t mut Tiles,
    ) -> Option<(&'t Tile, i64)> {
        let tile = tiles.get_mut(from)?;
        let counted = count.saturating_sub(self.offset());
        let difference = counted
            .cast_signed()
            .saturating_sub(tile.rows.cast_signed());
        if matches!(self.judge(tile.rows, count), Verdict::Lags) {
            (tile.surplus, self.doubted) = (0, true);
            return None;
        }
        let confirmed = before == count && tile.unhealed == difference;
        let surplus = if confirmed { difference } else { 0 };
        let known = std::mem::replace(&mut tile.surplus, surplus);
        tile.unhealed = difference;
        (surplus != known && surplus != 0).then_some((&*tile, surplus))
    }
}

impl Suspect {
    fn new(from: i64, to: i64, count: Count) -> Self {
        Self {
            from,
            to,
            count,
            failed: false,
        }
    }
}

/// The ms at an edge, where nothing is.
fn nothing(edge: i64, count: Count) -> Suspect {
    Suspect::new(edge, edge.saturating_add(1), count)
}

/// The first edge between two tiles.
fn an_edge(tiles: &Tiles) -> Option<i64> {
    let (closed, next) = (tiles.closed().iter(), tiles.closed().iter().skip(1));
    let mut pairs = closed.zip(next);
    pairs.find_map(|(tile, next)| (tile.to == next.from).then_some(tile.to))
}

/// Where a suspect of several tiles is halved.
fn middle(suspect: &Suspect, tiles: &Tiles) -> i64 {
    let range = tiles.range(suspect.from, suspect.to);
    let half = range.clone().count() / 2;
    range.map(|tile| tile.from).nth(half).unwrap_or(suspect.to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::tiles::Scope;

    /// Of so many rows, a second apart, from this time on.
    fn tiles_of(from: i64, rows: i64) -> Tiles {
        let mut tiles = Tiles::new(from);
        tiles.set_scope(Scope {
            now: 2_000_000,
            ..Scope::default()
        });
        (0..rows).for_each(|n| tiles.take(from + n * 1_000, 1, false));
        tiles
    }

    /// In the other half, which nobody counts anew.
    #[test]
    fn what_turns_up_within_an_audit_is_not_claimed_to_be_read() {
        let mut tiles = tiles_of(0, 81);
        assert_eq!(tiles.closed().len(), 2);
        let mut audit = Audit::new(&tiles, false, false);
        let mut counts = [81, 0, 41, 82].into_iter();
        while let Some(task) = audit.next(&tiles) {
            match task {
                Task::Count(..) => drop(audit.counted(counts.next().unwrap(), &mut tiles)),
                Task::Read(from) => {
                    tiles.reread(from, 41, Vec::new());
                    audit.reread(&mut tiles);
                }
            }
        }
        let outcome = audit.outcome(&tiles, 5, &Outcome::default());
        assert_eq!((outcome.counted, outcome.read), (82, 81));
        assert_eq!(outcome.reconciled_to, None);
    }

    /// Two late ones where it is asked what is counted of nothing, and two more.
    #[test]
    fn what_is_counted_of_nothing_is_asked_at_two_places() {
        let times = |late: &[i64]| {
            let rows = (0..81).map(|n| n * 1_000);
            rows.chain(late.iter().copied()).collect::<Vec<i64>>()
        };
        let counted = |always: u64, late: &[i64]| {
            let mut tiles = tiles_of(0, 81);
            let edge = tiles.closed().back().unwrap().to;
            let late: Vec<i64> = late.iter().map(|ms| edge + ms).collect();
            let mut audit = Audit::new(&tiles, true, false);
            let mut read = 0;
            while let Some(task) = audit.next(&tiles) {
                match task {
                    Task::Count(from, to) => {
                        let rows = times(&late).into_iter();
                        let rows = rows.filter(|time| (from..to).contains(time)).count();
                        audit.counted(rows as u64 + always, &mut tiles);
                    }
                    Task::Read(from) => {
                        let to = tiles.get(from).unwrap().to;
                        let rows = times(&late).into_iter();
                        let rows = rows.filter(|time| (from..to).contains(time)).count();
                        tiles.reread(from, rows as u64, Vec::new());
                        audit.reread(&mut tiles);
                        read += 1;
                    }
                }
            }
            let outcome = audit.outcome(&tiles, 5, &Outcome::default());
            (read, outcome.counted, outcome.read)
        };
        assert_eq!(counted(0, &[0, 0, -5_500, -5_600]), (1, 82, 82));
        assert_eq!(counted(2, &[]), (0, 80, 80));
        assert_eq!(counted(2, &[-5_500, -45_500]), (2, 82, 82));
    }

    /// However many rows it has.
    #[test]
    fn what_is_to_be_read_again_is_not_claimed_to_be_read() {
        let mut tiles = tiles_of(0, 81);
        tiles.make_stale_at(5);
        let mut audit = Audit::new(&tiles, false, false);
        let mut failures = 0;
        while let Some(task) = audit.next(&tiles) {
            match task {
                Task::Count(..) => drop(audit.counted(80, &mut tiles)),
                Task::Read(from) => {
                    assert_eq!(from, 0);
                    audit.put_off();
                    failures += 1;
                }
            }
        }
        let outcome = audit.outcome(&tiles, 5, &Outcome::default());
        assert_eq!((failures, outcome.counted, outcome.read), (2, 80, 40));
        assert_eq!(outcome.reconciled_to, None);
    }

    #[test]
    fn an_audit_ends_when_its_tiles_became_others_meanwhile() {
        let (mut main, earlier) = (tiles_of(1_000_000, 100), tiles_of(0, 100));
        assert!(!main.closed().is_empty());
        let mut audit = Audit::new(&main, true, false);
        main.prepend(earlier, 1_000_000);
        for _ in 0..50 {
            match audit.next(&main) {
                Some(Task::Count(from, to)) => {
                    let rows = (0..100).map(|n| n * 1_000).flat_map(|n| [n, 1_000_000 + n]);
                    let rows = rows.filter(|time| (from..to).contains(time)).count();
                    audit.counted(rows as u64, &mut main);
                }
                Some(Task::Read(from)) => {
                    assert!(main.get(from).is_some(), "there is no tile at {from}");
                    main.reread(from, 100, Vec::new());
                    audit.reread(&mut main);
                }
                None => return,
            }
        }
        panic!("never done");
    }
}
