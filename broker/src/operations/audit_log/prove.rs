//! Proofs for whoever asks: of one record, and of a range of them.

use data_encoding::HEXLOWER;
use serde_json::json;

use super::AuditLog;
use super::start::ReadTiles;
use crate::domain::tlog::proof::Prover;
use crate::domain::tlog::record_proof::RecordProof;
use crate::domain::tlog::{Hash, VerifierKey, leaf_hash, verify};
use crate::ports::store::StoreError;

/// Why there is no proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoProof {
    /// There is no such record.
    #[error("there is no such audit record")]
    Unknown,
    /// The record is not signed yet.
    #[error("the record is not signed yet; ask again in a second")]
    TooNew,
    /// The log is broken, or nothing was signed yet.
    #[error("the audit log has no checkpoint that it stands by; `taskpass status` says why")]
    NoCheckpoint,
    /// The published files do not prove it.
    #[error("the published tiles do not prove it; run `taskpass audit verify` on the directory")]
    Damaged,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the log stands by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The signed checkpoint.
    pub checkpoint: String,
    /// Its size.
    pub size: u64,
    /// The key that it is checked with.
    pub key: VerifierKey,
    /// Records that are not signed yet.
    pub unsequenced: u64,
}

/// What stands beside a range of records in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// The perfect subtrees before it.
    pub before: Vec<Hash>,
    /// Those after it.
    pub after: Vec<Hash>,
}

impl AuditLog {
    /// The last checkpoint with the key to check it.
    pub fn signature(&self) -> Result<Signature, NoProof> {
        let head = self.head().ok_or(NoProof::NoCheckpoint)?;
        let signed = head.signed.as_ref().ok_or(NoProof::NoCheckpoint)?;
        let last = self.last_entry()?;
        Ok(Signature {
            checkpoint: signed.note.clone(),
            size: signed.checkpoint.size,
            key: head.key.clone(),
            unsequenced: last.saturating_sub(signed.checkpoint.size),
        })
    }

    /// Proves one record, with its leaf and its details as far as they are there.
    pub fn prove(&self, number: u64) -> Result<RecordProof, NoProof> {
        let index = number.checked_sub(1).ok_or(NoProof::Unknown)?;
        let entry = self.store.entries(index, 1)?.into_iter().next();
        let entry = entry.filter(|entry| entry.number == number);
        let entry = entry.ok_or(NoProof::Unknown)?;
        let head = self.head().ok_or(NoProof::NoCheckpoint)?;
        let signed = head.signed.as_ref().ok_or(NoProof::NoCheckpoint)?;
        let (size, root) = (signed.checkpoint.size, signed.checkpoint.root);
        if index >= size {
            return Err(NoProof::TooNew);
        }
        let mut tiles = ReadTiles(self.files.as_ref());
        let Ok(hashes) = Prover::new(size, &mut tiles).inclusion(index);
        let leaf = leaf_hash(entry.leaf.as_bytes());
        verify::inclusion(leaf, index, size, &hashes, root).map_err(|_| NoProof::Damaged)?;
        let details = entry.details.as_ref();
        let extra = json!({
            "leaf": entry.leaf,
            "salt": details.map(|kept| HEXLOWER.encode(&kept.salt)),
            "details": details.map(|kept| &kept.details),
        });
        Ok(RecordProof {
            extra: Some(extra.to_string().into_bytes()),
            index,
            hashes,
            checkpoint: signed.note.clone(),
        })
    }

    /// What stands beside the entries from `start` up to `end` in the tree of this size.
    pub fn beside(&self, start: u64, end: u64, size: u64) -> Beside {
        let mut tiles = ReadTiles(self.files.as_ref());
        let mut prover = Prover::new(size, &mut tiles);
        let Ok(before) = prover.subtrees(0, start.min(size));
        let Ok(after) = prover.subtrees(end, size);
        Beside { before, after }
    }
}
