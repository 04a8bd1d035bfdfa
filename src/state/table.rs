//! The table of tiles in few bytes: some 13 each; and runs of keys. Numbers are written in groups
//! of 7 bits, the lowest first; times and keys as the distance to the one
//! before.

use crate::collect::tiles::{Ids, Keys, Tile, Tiles, ids};

/// The table as it is stored.
pub fn encode(tiles: &Tiles) -> Vec<u8> {
    let mut out = Writer::default();
    out.number(tiles.closed().len() as u64);
    for tile in tiles.closed() {
        out.tile(tile);
    }
    let (open, last) = tiles.open();
    out.tile(open);
    out.bytes.extend_from_slice(&last.to_be_bytes());
    let (_, _, held) = open.ids.parts();
    out.bytes.append(&mut ids::encode(held));
    out.bytes
}

/// The table as it was stored; none: it is corrupt.
pub fn decode(bytes: &[u8]) -> Option<Tiles> {
    let mut from = Reader {
        bytes,
        ..Reader::default()
    };
    let count = from.number()?;
    let mut closed = Vec::new();
    for _ in 0..count {
        closed.push(from.tile()?);
    }
    let mut open = from.tile()?;
    let (last, held) = from.bytes.split_first_chunk()?;
    ids::decode(held)?.for_each(|id| open.ids.insert(id));
    Some(Tiles::restore(closed, open, i64::from_be_bytes(*last)))
}

/// Runs of keys as they are stored; of none, no bytes.
pub fn encode_keys(keys: &[Keys]) -> Vec<u8> {
    let mut out = Writer::default();
    if !keys.is_empty() {
        out.keys(keys);
    }
    out.bytes
}

/// Runs of keys as they were stored; none: they are corrupt.
pub fn decode_keys(bytes: &[u8]) -> Option<Vec<Keys>> {
    let mut from = Reader {
        bytes,
        ..Reader::default()
    };
    match bytes.is_empty() {
        true => Some(Vec::new()),
        false => from.keys(),
    }
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    time: i64,
    key: u64,
}

#[derive(Default)]
struct Reader<'a> {
    bytes: &'a [u8],
    time: i64,
    key: u64,
}

impl Writer {
    fn tile(&mut self, tile: &Tile) {
        self.signed(tile.from.wrapping_sub(self.time));
        self.signed(tile.to.wrapping_sub(tile.from));
        self.time = tile.to;
        self.number(tile.rows << 1 | u64::from(tile.stale));
        self.signed(tile.surplus);
        self.signed(tile.unhealed);
        let (stored, count, _) = tile.ids.parts();
        self.number(count);
        self.keys(stored);
    }

    fn keys(&mut self, keys: &[Keys]) {
        self.number(keys.len() as u64);
        for keys in keys {
            self.signed(keys.first.wrapping_sub(self.key).cast_signed());
            self.number(keys.last.wrapping_sub(keys.first));
            self.key = keys.last;
        }
    }

    fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    fn number(&mut self, mut number: u64) {
        while number > 0x7f {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }
}

impl Reader<'_> {
    fn tile(&mut self) -> Option<Tile> {
        let from = self.time.wrapping_add(self.signed()?);
        let to = from.wrapping_add(self.signed()?);
        self.time = to;
        let rows = self.number()?;
        let surplus = self.signed()?;
        let unhealed = self.signed()?;
        let count = self.number()?;
        let stored = self.keys()?;
        Some(Tile {
            from,
            to,
            rows: rows >> 1,
            surplus,
            unhealed,
            stale: rows & 1 == 1,
            ids: Ids::restore(stored, count, Vec::new()),
        })
    }

    fn keys(&mut self) -> Option<Vec<Keys>> {
        let mut keys = Vec::new();
        for _ in 0..self.number()? {
            let first = self.key.wrapping_add(self.signed()?.cast_unsigned());
            let last = first.wrapping_add(self.number()?);
            self.key = last;
            keys.push(Keys { first, last });
        }
        Some(keys)
    }

    fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::ledger::Identity;

    #[test]
    fn what_was_written_is_read() {
        let mut tiles = Tiles::new(1_790_000_000_000);
        for n in 0..1_000 {
            let time = 1_790_000_000_000 + n * 2_000;
            tiles.take(time, 1 + (n % 3) as u64, n % 50 == 0);
            tiles.note(time, Identity(n as u64));
        }
        let mut number = 0;
        for ids in tiles.unstored() {
            ids.store(|_| {
                number += 3;
                number
            });
        }
        tiles.rewind(1_790_000_000_000 + 1_500_000);
        tiles.take_dropped();
        let bytes = encode(&tiles);
        assert_eq!(decode(&bytes).unwrap(), tiles);
        assert!(bytes.len() < tiles.closed().len() * 14 + 1_000);
        assert!(
            (0..bytes.len() - 1)
                .all(|cut| { decode(&bytes[..cut]).is_none_or(|read| read != tiles) })
        );
    }
}
