//! One entry with its inclusion proof and checkpoint in a file of its own (C2SP `tlog-proof`).

use std::fmt::Write;

use data_encoding::BASE64;

use super::checkpoint::decimal;
use super::hash::Hash;
use super::note::MAX_NOTE_BYTES;

/// The first line of a file.
const MARK: &str = "c2sp.org/tlog-proof@v1";
/// The longest file: an entry with details, and a note.
pub const MAX_PROOF_BYTES: usize = 4 * MAX_NOTE_BYTES;

/// What a file holds; nothing of it is checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordProof {
    /// What the writer added; nobody signed it.
    pub extra: Option<Vec<u8>>,
    /// The entry's place, from 0.
    pub index: u64,
    /// The hashes beside its path, from the bottom.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// The bytes are no proof file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a proof file (`c2sp.org/tlog-proof@v1`): its line {0} is not what it must be")]
pub struct InvalidProofFile(pub usize);

impl RecordProof {
    /// The file.
    pub fn to_text(&self) -> String {
        let mut text = format!("{MARK}\n");
        if let Some(extra) = &self.extra {
            let _ = writeln!(text, "extra {}", BASE64.encode(extra));
        }
        let _ = writeln!(text, "index {}", self.index);
        for hash in &self.hashes {
            let _ = writeln!(text, "{hash}");
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    /// Reads a file.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidProofFile> {
        let text = std::str::from_utf8(bytes).map_err(|_| InvalidProofFile(1))?;
        if bytes.len() > MAX_PROOF_BYTES {
            return Err(InvalidProofFile(1));
        }
        let (head, checkpoint) = text.split_once("\n\n").ok_or(InvalidProofFile(1))?;
        let mut lines = (1..).zip(head.split('\n')).peekable();
        if lines.next().is_none_or(|(_, line)| line != MARK) {
            return Err(InvalidProofFile(1));
        }
        let extra = lines.next_if(|(_, line)| line.starts_with("extra "));
        let extra = extra.map(|(number, line)| {
            let encoded = line.strip_prefix("extra ").unwrap_or_default();
            let decoded = BASE64.decode(encoded.as_bytes());
            decoded.map_err(|_| InvalidProofFile(number))
        });
        let (number, line) = lines.next().ok_or(InvalidProofFile(2))?;
        let index = line.strip_prefix("index ").and_then(decimal);
        let hashes = lines.map(|(number, line)| line.parse().map_err(|_| InvalidProofFile(number)));
        Ok(Self {
            extra: extra.transpose()?,
            index: index.ok_or(InvalidProofFile(number))?,
            hashes: hashes.collect::<Result<_, _>>()?,
            checkpoint: checkpoint.to_owned(),
        })
    }
}
