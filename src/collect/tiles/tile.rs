//! One tile.

use super::Ids;

/// The longest tile that comes of joining small ones, in ms.
const MAX_SPAN: i64 = 6 * 3_600_000;

/// What is known of a time range.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tile {
    /// Its first ms since 1970 UTC,
    pub from: i64,
    /// and the first one after it.
    pub to: i64,
    /// All rows of the last complete reading, whatever was emitted.
    pub rows: u64,
    /// What the count has beyond these rows even after they were read again,
    pub surplus: i64,
    /// and what it had the last time.
    pub unhealed: i64,
    /// Its rows are no longer those of the present query: it must be read
    /// again, whatever the count says.
    pub stale: bool,
    /// What was handed out.
    pub ids: Ids,
}

impl Tile {
    pub(super) fn empty(from: i64) -> Self {
        Self {
            from,
            to: from,
            ..Self::default()
        }
    }

    /// What the count should be.
    pub fn expected(&self) -> u64 {
        self.rows.saturating_add_signed(self.surplus)
    }

    /// Appends the tile that follows.
    pub(super) fn join(&mut self, next: Self) {
        self.to = next.to;
        self.rows += next.rows;
        self.surplus += next.surplus;
        self.unhealed = 0;
        self.stale |= next.stale;
        self.ids.append(next.ids);
    }

    /// Whether the tile that follows may be joined to it, for so many rows.
    pub(super) fn takes(&self, next: &Self, rows: u64) -> bool {
        let fits = next.rows == 0 || self.rows + next.rows <= rows;
        let span = next.to.saturating_sub(self.from);
        self.to == next.from && self.stale == next.stale && fits && span <= MAX_SPAN
    }
}
