//! The ids that were handed out in one tile: 8 bytes each, most of them in the
//! store, under keys that are numbered and never changed.

/// So many ids fit under one key: 192 KiB, with 256 KiB allowed a value.
pub const IDS_PER_KEY: usize = 24_576;

/// An open tile with more is stored in part.
const LARGE: usize = 1_024;

/// A run of numbered keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Keys {
    /// The first,
    pub first: u64,
    /// and the last.
    pub last: u64,
}

/// The ids of a tile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ids {
    stored: Vec<Keys>,
    /// How many are stored.
    count: u64,
    /// Not stored yet.
    held: Vec<u64>,
}

impl Keys {
    /// A single one.
    pub fn one(number: u64) -> Self {
        Self {
            first: number,
            last: number,
        }
    }

    /// Their numbers.
    pub fn numbers(self) -> impl DoubleEndedIterator<Item = u64> + Clone {
        self.first..=self.last
    }
}

impl Ids {
    /// As they were stored.
    pub fn restore(stored: Vec<Keys>, count: u64, held: Vec<u64>) -> Self {
        Self {
            stored,
            count,
            held,
        }
    }

    /// Where they are stored, how many of them, and those that aren't.
    pub fn parts(&self) -> (&[Keys], u64, &[u64]) {
        (&self.stored, self.count, &self.held)
    }

    /// How many.
    pub fn len(&self) -> u64 {
        self.count + self.held.len() as u64
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether too many are held for an open tile.
    pub fn is_large(&self) -> bool {
        self.held.len() > LARGE
    }

    /// Adds one.
    pub fn insert(&mut self, id: u64) {
        self.held.push(id);
    }

    /// Adds those of the tile that follows.
    pub fn append(&mut self, mut next: Self) {
        for keys in next.stored {
            self.add_keys(keys);
        }
        self.count += next.count;
        self.held.append(&mut next.held);
    }

    /// Takes others in place of these; the keys that are needed no more.
    pub fn replace(&mut self, ids: Vec<u64>) -> Vec<Keys> {
        let old = std::mem::take(&mut self.stored);
        (self.count, self.held) = (0, ids);
        old
    }

    /// Those that are to be stored now: each value under the key with the
    /// number that `next` gives.
    pub fn store(&mut self, mut next: impl FnMut(Vec<u8>) -> u64) {
        let held = std::mem::take(&mut self.held);
        for ids in held.chunks(IDS_PER_KEY) {
            let number = next(encode(ids));
            self.add_keys(Keys::one(number));
        }
        self.count += held.len() as u64;
    }

    /// Their keys, when the tile is dropped.
    pub fn into_keys(self) -> Vec<Keys> {
        self.stored
    }

    fn add_keys(&mut self, keys: Keys) {
        match self.stored.last_mut() {
            Some(last) if last.last + 1 == keys.first => last.last = keys.last,
            _ => self.stored.push(keys),
        }
    }
}

/// The same keys in as few runs as can be.
pub fn merge(mut keys: Vec<Keys>) -> Vec<Keys> {
    keys.sort_by_key(|keys| keys.first);
    let mut merged = Ids::default();
    keys.into_iter().for_each(|keys| merged.add_keys(keys));
    merged.stored
}

/// The first `most` of these keys, and the others.
pub fn split(keys: Vec<Keys>, mut most: u64) -> (Vec<Keys>, Vec<Keys>) {
    let (mut head, mut rest) = (Vec::new(), Vec::new());
    for Keys { first, last } in keys {
        let middle = first.saturating_add(most).min(last.saturating_add(1));
        if first < middle {
            let last = middle - 1;
            head.push(Keys { first, last });
            most -= middle - first;
        }
        if middle <= last {
            let first = middle;
            rest.push(Keys { first, last });
        }
    }
    (head, rest)
}

/// Ids as they are stored.
pub fn encode(ids: &[u64]) -> Vec<u8> {
    ids.iter().flat_map(|id| id.to_be_bytes()).collect()
}

/// Ids as they were stored; none: they are cut.
pub fn decode(bytes: &[u8]) -> Option<impl Iterator<Item = u64>> {
    let chunks = bytes.chunks_exact(8);
    let whole = chunks.remainder().is_empty();
    let id = |chunk: &[u8]| chunk.iter().fold(0, |id, byte| id << 8 | u64::from(*byte));
    whole.then(|| chunks.map(id))
}
