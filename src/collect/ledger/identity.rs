//! Which event is which.

use sha2::{Digest, Sha256};

/// Which event: the first 8 bytes of SHA-256 over organisation and id.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Identity(pub u64);

impl Identity {
    pub(super) const MIN: Self = Self(u64::MIN);
    pub(super) const MAX: Self = Self(u64::MAX);

    /// Of an event: an id counts within its organisation; without an id the
    /// bytes do.
    pub fn new(organization: Option<&str>, id: Option<&str>, bytes: &[u8]) -> Self {
        match id {
            Some(id) => {
                let mut sha256 = Sha256::new_with_prefix(organization.unwrap_or_default());
                sha256.update([0]);
                sha256.update(id);
                Self::of_hash(&sha256.finalize().into())
            }
            None => Self::of_hash(&Sha256::digest(bytes).into()),
        }
    }

    /// The same at a time, for what is known of it within a tile: at another
    /// time it is another event.
    pub fn at(self, time: Option<i64>) -> u64 {
        let time = time.unwrap_or(i64::MAX).cast_unsigned();
        self.0 ^ mix(time)
    }

    /// Of a record of which only the hash is known.
    pub fn of_hash(sha256: &[u8; 32]) -> Self {
        let mut first = [0; 8];
        first
            .iter_mut()
            .zip(sha256)
            .for_each(|(to, from)| *to = *from);
        Self(u64::from_be_bytes(first))
    }
}

/// A well mixed number from another (splitmix64).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
