//! Reading on in the walk that is under way: into whose account its rows go, and
//! what follows when it ends.

use super::account::Account;
use super::course::Desk;
use super::fill::Fill;
use super::memory::Memory;
use super::repair::Reader;
use super::walk::Turn;
use super::{Collector, Halt, Need, Reason, Shared, Work, next_id, out_of_step};
use crate::batch::Output;
use crate::refusal;

impl Collector {
    /// Whether the fill has come further than here.
    pub(super) fn has_filled(&self, position: i64) -> bool {
        let fill = self.memory.as_ref().and_then(|memory| memory.fill.as_ref());
        fill.is_some_and(|fill| fill.ledger.position() > position)
    }

    /// Reads rows, as far as what has come allows.
    pub(super) fn read_on(&mut self, shared: &mut Shared<'_>) -> std::result::Result<Need, Halt> {
        let now = shared.now();
        let (Work::Walk(walk, reason), Some(memory)) = (&mut self.work, &mut self.memory) else {
            return Err(out_of_step());
        };
        let mut reader;
        let account: &mut dyn Account = match (&mut *reason, &mut memory.fill) {
            (Reason::Repair(repair), _) => {
                let (tiles, undated) = memory.ledger.tiles_and_undated();
                reader = Reader {
                    repair,
                    tiles,
                    undated,
                    lateness: &mut memory.notes.lateness,
                    now,
                };
                &mut reader
            }
            (Reason::Fill, Some(fill)) => &mut fill.ledger,
            (Reason::Follow, _) => &mut memory.ledger,
            (Reason::Fill, None) => return Err(out_of_step()),
        };
        let before = shared.batch.counters.received;
        let settings = shared.settings;
        let turn = walk.advance(&mut Desk {
            account,
            organization: &mut self.owner.organization,
            batch: shared.batch,
            limits: shared.limits,
            output: Output {
                types: settings.event_types,
                include_raw: settings.include_raw,
            },
            received: shared.received,
        });
        memory.notes.mixed |= walk.course().met_others();
        let rows = shared.batch.counters.received - before;
        self.broken &= shared.batch.is_empty();
        self.backlog = self.backlog.map(|backlog| backlog.saturating_sub(rows));
        match turn? {
            Turn::Read(request) => Ok(Need::Read(request)),
            Turn::HandOut => Ok(Need::HandOut),
            Turn::Ask(cursor) => {
                if matches!(reason, Reason::Repair(_)) {
                    self.budget.overdraw(shared.reading.monotonic);
                }
                let body = walk.query().events(walk.limit(), Some(&cursor));
                let id = next_id(shared.last_request);
                walk.asked(id, cursor);
                Ok(Need::Send(id, self.request(shared, "/events", body)))
            }
            Turn::End => {
                self.ended(shared);
                // What was read is not kept waiting for what comes next.
                match shared.batch.is_empty() {
                    true => self.choose(shared),
                    false => Ok(Need::HandOut),
                }
            }
            Turn::Enough => {
                match reason {
                    Reason::Follow => self.cycle.follow(shared.reading.monotonic),
                    Reason::Fill => self.cycle.filled = true,
                    Reason::Repair(_) => (self.audit, self.cycle.audited) = (None, true),
                }
                Err(Halt::Restart)
            }
            Turn::Restart => {
                match reason {
                    Reason::Follow => self.mixed = true,
                    Reason::Fill => self.fill_mixed = true,
                    Reason::Repair(_) => memory.notes.mixed = true,
                }
                Err(Halt::Restart)
            }
            Turn::Garbage(bytes) => Err(refusal::no_array(self.asked(shared), &bytes).into()),
        }
    }

    /// What lay before is read: all is compared anew.
    pub(super) fn end_fill(&mut self) {
        self.memory.iter_mut().for_each(Memory::end_fill);
        (self.audit, self.cycle.audited) = (None, false);
    }

    /// A walk has read all that it was for.
    fn ended(&mut self, shared: &Shared<'_>) {
        let work = std::mem::replace(&mut self.work, Work::None);
        let (Work::Walk(walk, reason), Some(memory)) = (work, &mut self.memory) else {
            return;
        };
        self.established = true;
        match reason {
            Reason::Follow => {
                self.mixed = false;
                self.backlog = self.backlog.map(|_| 0);
                self.cycle.follow(shared.reading.monotonic);
            }
            // There may be another one before it.
            Reason::Fill => {
                self.fill_mixed = false;
                match memory.fill.as_ref().is_some_and(Fill::is_done) {
                    true => self.end_fill(),
                    false => self.cycle.filled = true,
                }
            }
            Reason::Repair(repair) => {
                self.cycle.audit_works();
                let from = repair.from();
                let tiles = memory.ledger.tiles_mut();
                repair.finish(tiles);
                if walk.course().met_end() {
                    // No edge, for `end_time` may be read either way.
                    tiles.unedge(from);
                    self.audit = None;
                } else if let Some(audit) = &mut self.audit {
                    audit.reread(tiles);
                }
            }
        }
    }
}
