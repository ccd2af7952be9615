//! Checkpoints: the root of a tree at a size, as the log signs it (C2SP `tlog-checkpoint`).

use super::hash::Hash;
use super::note::{InvalidNote, NotVerified, UnverifiedNote, VerifierKey};

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// The tree's root at that size.
    pub root: Hash,
}

/// The bytes are no checkpoint that the key has signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCheckpoint {
    /// No signed note.
    #[error("it is not a signed checkpoint: {0}")]
    Note(#[from] InvalidNote),
    /// Signed by somebody else, or altered.
    #[error(transparent)]
    Signature(#[from] NotVerified),
    /// The text is no checkpoint's.
    #[error("the signed text is not a checkpoint: origin, size and root, a line each")]
    Text,
    /// It belongs to another log.
    #[error("it is a checkpoint of the log `{found}`, not of `{expected}`")]
    OtherLog {
        /// The log that it belongs to.
        found: String,
        /// The log that it should belong to.
        expected: String,
    },
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// Reads a checkpoint that one of `keys` has signed for the log that the key is named for.
    pub fn open(note: &[u8], keys: &[VerifierKey]) -> Result<Self, InvalidCheckpoint> {
        let note = UnverifiedNote::parse(note)?;
        let claimed = Self::parse_text(note.unverified_text());
        let text = match (note.verify(keys), &claimed, keys) {
            (Ok(text), _, _) => text,
            // A key that is not the log's is the less helpful thing to say.
            (Err(NotVerified::UnknownSigner { .. }), Some(claimed), [key, ..])
                if keys.iter().all(|key| key.name() != claimed.origin) =>
            {
                return Err(InvalidCheckpoint::OtherLog {
                    found: claimed.origin.clone(),
                    expected: key.name().to_owned(),
                });
            }
            (Err(error), _, _) => return Err(error.into()),
        };
        let this = Self::parse_text(text).ok_or(InvalidCheckpoint::Text)?;
        match keys {
            [key, ..] if keys.iter().all(|key| key.name() != this.origin) => {
                Err(InvalidCheckpoint::OtherLog {
                    found: this.origin,
                    expected: key.name().to_owned(),
                })
            }
            _ => Ok(this),
        }
    }

    /// Reads the text of a checkpoint; extension lines are taken and ignored.
    pub fn parse_text(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        if origin.is_empty() || lines.any(str::is_empty) {
            return None;
        }
        Some(Self {
            origin: origin.to_owned(),
            size: decimal(size)?,
            root: root.parse().ok()?,
        })
    }
}

/// A decimal number without leading zeroes.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}
