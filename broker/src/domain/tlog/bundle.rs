//! Entry bundles: entries one after the other, each behind its length (C2SP `tlog-tiles`).

/// The longest entry: its length is written in two bytes.
pub const MAX_ENTRY_BYTES: usize = 65_535;

/// An entry is longer than [`MAX_ENTRY_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an entry of {0} bytes is longer than a log takes (65535)")]
pub struct EntryTooLong(pub usize);

/// A bundle ends in the middle of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it ends in the middle of its entry {0}, counted from 0")]
pub struct CutOff(pub usize);

/// Adds an entry to a bundle.
pub fn push(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), EntryTooLong> {
    let length = u16::try_from(entry.len()).map_err(|_| EntryTooLong(entry.len()))?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// Reads the entries of a bundle.
pub fn entries(bundle: &[u8]) -> Result<Vec<&[u8]>, CutOff> {
    let mut found = Vec::new();
    let mut rest = bundle;
    while !rest.is_empty() {
        let (entry, after) = first(rest).ok_or(CutOff(found.len()))?;
        found.push(entry);
        rest = after;
    }
    Ok(found)
}

fn first(bundle: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bundle.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}
