//! The head of a state: JSON, so that a person can read it.

use std::collections::VecDeque;
use std::iter;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use crate::collect::memory::Notes;

#[derive(Debug, Deserialize, Serialize)]
pub struct Head {
    pub format: u32,
    pub version: String,
    pub origin: String,
    pub organization: Option<String>,
    pub sequence: u64,
    #[serde(flatten)]
    pub ledger: LedgerHead,
    pub fill: Option<FillHead>,
    #[serde(flatten)]
    pub notes: Notes,
    pub next: u64,
    pub obsolete: Vec<(u64, u64)>,
    /// Those for which there is no room in the head.
    #[serde(default, skip_serializing_if = "Blob::is_none")]
    pub more_obsolete: Blob,
}

#[derive(Debug, Deserialize, Serialize)]
pub struct LedgerHead {
    pub start: i64,
    pub position: i64,
    pub ids: Blob,
    pub tiles: Blob,
}

#[derive(Debug, Deserialize, Serialize)]
pub struct FillHead {
    pub end: i64,
    #[serde(flatten)]
    pub ledger: LedgerHead,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<Self>>,
}

/// Bytes in the head (base64), or under the keys with these numbers.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Blob {
    #[default]
    None,
    Inline(String),
    Keys(Vec<u64>),
}

/// Values of keys, in the order in which a head names them.
pub type Values = VecDeque<Vec<u8>>;

impl Head {
    /// Numbers of the keys that it names, in order.
    pub fn numbers(&self) -> impl Iterator<Item = u64> {
        let fills = iter::successors(self.fill.as_ref(), |fill| fill.before.as_deref());
        iter::once(&self.ledger)
            .chain(fills.map(|fill| &fill.ledger))
            .flat_map(|ledger| [&ledger.ids, &ledger.tiles])
            .chain([&self.more_obsolete])
            .flat_map(Blob::numbers)
    }
}

impl Blob {
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    fn numbers(&self) -> impl Iterator<Item = u64> {
        let numbers = match self {
            Self::Keys(numbers) => numbers.as_slice(),
            Self::None | Self::Inline(_) => &[],
        };
        numbers.iter().copied()
    }

    pub fn read(&self, values: &mut Values) -> Option<Vec<u8>> {
        match self {
            Self::None => Some(Vec::new()),
            Self::Inline(text) => BASE64.decode(text).ok(),
            Self::Keys(numbers) => {
                let mut bytes = Vec::new();
                for _ in numbers {
                    bytes.append(&mut values.pop_front()?);
                }
                Some(bytes)
            }
        }
    }
}
