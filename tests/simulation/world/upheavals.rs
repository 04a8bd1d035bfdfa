//! What befalls a history over its hours, beside the faults of its plan: changes
//! that only virtual time brings about.

use std::ops::Range;

use jumpcloud_simulator::{DEFAULT_KEY, Event, Fault, Rule, When, Wire};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::{EPOCH, World};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Before the first poll.
const FIRST: i64 = i64::MIN;

/// What befalls it, and when.
#[derive(Clone, Default)]
pub struct Upheavals {
    /// One by one, each at its time: ms since 1970 UTC.
    queue: Vec<(i64, Upheaval)>,
    /// The feed begins late, at this time.
    begin: Option<i64>,
    /// Some answers never come, and so long the transport waits for them, in
    /// ms: longer than a poll. 0: all of them come.
    stall: i64,
    /// JumpCloud keeps events for a day only, and the feed begins, or is filled,
    /// from the very edge of it.
    is_edge: bool,
    /// Nobody polled for days.
    down: Option<Range<i64>>,
    /// Other types of events are selected for a while.
    selects: bool,
    /// An organisation is added, or taken away for a while.
    organizes: bool,
}

/// One of them.
#[derive(Clone)]
enum Upheaval {
    /// Another setting, between two runs.
    Set(&'static str, Value),
    /// The credential may read this organisation, or no longer.
    Read(usize, bool),
    /// Requests wait for so many ms from now on.
    Hold(i64),
    /// This machine's clock is off by so many ms from now on.
    Clock(i64),
    /// Nobody polls for so many ms, and then it is opened anew.
    Down(i64),
}

impl Upheavals {
    /// Those of a seed, with a last event at this time. `organizations`: as they
    /// are set; `count`: how many there are.
    pub fn new(seed: u64, organizations: &[String], count: usize, last: i64) -> Self {
        let mut dice = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
        let dice = &mut dice;
        let mut upheavals = Self::default();
        if dice.random_bool(0.3) {
            upheavals.stall = dice.random_range(6_000..90_000);
        }
        if dice.random_bool(0.3) {
            let from = dice.random_range(EPOCH + 10 * MINUTE..last);
            let to = from + dice.random_range(1..30) * MINUTE;
            let organization = dice.random_range(0..count);
            upheavals.push(from, Upheaval::Read(organization, false));
            upheavals.push(to, Upheaval::Read(organization, true));
        }
        if dice.random_bool(0.3) {
            let at = dice.random_range(EPOCH..last);
            upheavals.push(
                at,
                Upheaval::Clock(dice.random_range(-25 * HOUR..25 * HOUR)),
            );
        }
        if dice.random_bool(0.3) {
            upheavals.hold(dice, last);
        }
        let is_settled = match dice.random_range(0..3) {
            0 => upheavals.select(dice),
            1 if count > 1 => upheavals.organize(dice, organizations),
            _ => true,
        };
        let length = dice.random_range(6 * HOUR..10 * DAY);
        let mut back = DAY;
        if is_settled && !upheavals.is_edge && dice.random_bool(0.3) {
            let at = EPOCH + dice.random_range(45..80) * MINUTE;
            upheavals.push(at, Upheaval::Down(length));
            back += length;
        }
        if dice.random_bool(0.3) {
            upheavals.reach_back(dice, last, back);
        } else if upheavals.is_edge {
            upheavals.set_start(FIRST, DAY);
        }
        upheavals.queue.sort_by_key(|(at, _)| *at);
        upheavals
    }

    /// Without changes between runs: what these bring is read with an end, like
    /// a tile.
    pub fn of_one_run(mut self) -> Self {
        self.queue
            .retain(|(_, one)| !matches!(one, Upheaval::Set(..) | Upheaval::Down(_)));
        (self.begin, self.is_edge) = (None, false);
        self
    }

    /// Many feeds wait for their turn to ask: at the beginning, or later. It may
    /// be then that the feed begins at the edge of what is kept.
    fn hold(&mut self, dice: &mut ChaCha8Rng, last: i64) {
        let from = match dice.random_bool(0.5) {
            true => FIRST,
            false => dice.random_range(EPOCH..last),
        };
        let to = from.max(EPOCH) + dice.random_range(10..40) * MINUTE;
        self.push(from, Upheaval::Hold(dice.random_range(10_000..150_000)));
        self.push(to, Upheaval::Hold(0));
        self.is_edge = dice.random_bool(0.5);
        if self.is_edge && dice.random_bool(0.5) {
            self.set(FIRST, "retention_days", json!(1));
        }
    }

    /// Other types of events are selected, and all of them in time for the first
    /// ones to be read again. False: nothing is settled until then.
    fn select(&mut self, dice: &mut ChaCha8Rng) -> bool {
        self.selects = true;
        let some = ["login", "admin"][dice.random_range(0..2)];
        let from = match dice.random_bool(0.5) {
            true => FIRST,
            false => EPOCH + dice.random_range(10..30) * MINUTE,
        };
        let to = EPOCH + dice.random_range(30..50) * MINUTE;
        self.set(from, "event_types", json!([some]));
        self.set(to, "event_types", json!(["login", "admin"]));
        false
    }

    /// An organisation is added, or taken away for a while.
    fn organize(&mut self, dice: &mut ChaCha8Rng, organizations: &[String]) -> bool {
        self.organizes = true;
        let from = match dice.random_bool(0.5) {
            true => FIRST,
            false => EPOCH + dice.random_range(10..50) * MINUTE,
        };
        let to = from.max(EPOCH + 20 * MINUTE) + dice.random_range(1..30) * MINUTE;
        let mut fewer = organizations.to_vec();
        fewer.remove(dice.random_range(0..fewer.len()));
        self.set(from, "org_ids", json!(fewer));
        self.set(to, "org_ids", json!(organizations));
        false
    }

    /// The feed begins late, with a start a little before that. Later, between
    /// two runs, earlier ones are set: the last one, so far back, has everything.
    fn reach_back(&mut self, dice: &mut ChaCha8Rng, last: i64, back: i64) {
        let begin = dice.random_range(EPOCH + 11 * MINUTE..last);
        let step = begin + dice.random_range(1..40) * MINUTE;
        self.begin = Some(begin);
        self.set_start(FIRST, dice.random_range(1..10) * MINUTE);
        let earlier = step - begin + dice.random_range(1..60) * MINUTE;
        let end = step + dice.random_range(1..20) * MINUTE;
        if dice.random_bool(0.5) {
            self.set_start(step, earlier);
        }
        self.set_start(end, back);
    }

    fn set_start(&mut self, at: i64, back: i64) {
        self.set(at, "start", json!(format!("{}s", back / 1_000)));
    }

    fn set(&mut self, at: i64, setting: &'static str, value: Value) {
        self.push(at, Upheaval::Set(setting, value));
    }

    fn push(&mut self, at: i64, one: Upheaval) {
        self.queue.push((at, one));
    }

    /// All of it is over.
    pub(super) fn are_over(&self) -> bool {
        self.queue.is_empty()
    }

    /// A record without a time may come once more: where it lies among events of
    /// other types is not known.
    pub(super) fn repeats(&self) -> bool {
        self.selects
    }

    /// Not all organisations are read all the time.
    pub(super) fn organizes(&self) -> bool {
        self.organizes
    }

    /// For how long nobody polled, in ms.
    pub(super) fn slept(&self) -> i64 {
        self.down.as_ref().map_or(0, |down| down.end - down.start)
    }

    /// Whether an event turned up when no audit could find it any more.
    pub(super) fn hid(&self, event: &Event) -> bool {
        let down = self.down.as_ref();
        down.is_some_and(|down| event.ms < down.start && event.visible_at > down.start - HOUR)
    }
}

impl World {
    /// Lets these befall it; before the first poll.
    pub fn expect(&mut self, upheavals: Upheavals) {
        self.stall = upheavals.stall;
        self.now = upheavals.begin.unwrap_or(self.now);
        if self.stall > 0 {
            let stalls = [Wire::Stall, Wire::StallInBody(300)];
            let rule = Rule::any_of(stalls.map(Fault::Wire).to_vec());
            self.model.faults.add(rule.when(When::Chance(0.02)));
        }
        if upheavals.is_edge {
            let all = self.model.organizations.iter_mut();
            all.for_each(|organization| organization.retention_days = 1);
        }
        self.upheavals = upheavals;
        self.befall();
    }

    /// What is due now befalls.
    pub(super) fn befall(&mut self) {
        while self
            .upheavals
            .queue
            .first()
            .is_some_and(|(at, _)| *at <= self.now)
        {
            match self.upheavals.queue.remove(0).1 {
                Upheaval::Set(setting, value) => {
                    self.say(|| format!("{setting} is {value}"));
                    let mut settings: Value = serde_json::from_str(&self.settings).unwrap();
                    settings[setting] = value;
                    self.reopen_with(&settings.to_string());
                }
                Upheaval::Read(organization, may) => {
                    self.say(|| format!("organisation {organization} may be read: {may}"));
                    self.let_read(organization, may);
                }
                Upheaval::Hold(ms) => self.hold = ms,
                Upheaval::Clock(ms) => self.set_skew(ms),
                Upheaval::Down(ms) => {
                    let end = self.now + ms;
                    self.say(|| format!("down for {} h", ms / HOUR));
                    self.upheavals.down = Some(self.now..end);
                    self.upheavals
                        .queue
                        .iter_mut()
                        .for_each(|(at, _)| *at += ms);
                    self.now = end;
                    self.reopen();
                }
            }
        }
    }

    fn let_read(&mut self, organization: usize, may: bool) {
        let all = self.model.organizations.iter().map(|it| it.id.clone());
        let all: Vec<String> = all.collect();
        let mut reached: Vec<&str> = all.iter().map(String::as_str).collect();
        if reached.len() == 1 {
            return self.model.access.set_key_may_read(DEFAULT_KEY, may);
        }
        if !may {
            reached.remove(organization);
        }
        self.key_for(&reached);
    }
}
