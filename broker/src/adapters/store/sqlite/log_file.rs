//! Looks whether the write-ahead log is whole, before SQLite reads it.
//!
//! SQLite takes a log up to the first frame that does not add up and forgets the rest without a word. That is
//! right for the one commit that was being written when the power went. It is wrong for a log that was
//! damaged in its middle: commits that were answered would be gone.
//!
//! The format: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The least significant bit says whether checksums are big-endian.
const MAGIC: u32 = 0x377f_0682;
/// A commit is synced before the next one begins: no more than one can be in the log without having been
/// answered.
const UNANSWERED: u64 = 1;

/// A log that lost commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damage {
    /// The first frame that does not add up, from 1; 0 is the log's header.
    pub(super) frame: u64,
    /// Commits behind it.
    pub(super) commits: u64,
}

/// Reads a log, and says what is lost.
pub(super) fn examine(path: &Path) -> io::Result<Option<Damage>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    damage(BufReader::with_capacity(1 << 20, file))
}

fn damage(mut log: impl Read) -> io::Result<Option<Damage>> {
    let mut header = [0; HEADER];
    if !fill(&mut log, &mut header)? {
        return Ok(None);
    }
    let magic = word(&header, 0);
    let page = usize::try_from(word(&header, 8)).unwrap_or(0);
    let big_endian = magic & 1 == 1;
    let mut sum = Sum::default();
    sum.add(header.get(..24).unwrap_or_default(), big_endian);
    let is_sound = magic & !1 == MAGIC
        && page.is_power_of_two()
        && (512..=65_536).contains(&page)
        && sum.is(&header, 24);
    if !is_sound {
        // The header is synced before the first frame is written: with frames behind it, it was whole once.
        let mut first = [0; FRAME_HEADER];
        let has_frames = fill(&mut log, &mut first)?;
        return Ok(has_frames.then_some(Damage {
            frame: 0,
            commits: 1,
        }));
    }
    let mut frame = vec![0; FRAME_HEADER + page];
    let mut number = 0;
    let mut found: Option<Damage> = None;
    while fill(&mut log, &mut frame)? {
        number += 1;
        // A frame with other salts is left over from before the log began again.
        let is_of_this_log = frame.get(8..16) == header.get(16..24);
        match &mut found {
            None => {
                let mut next = sum;
                next.add(frame.get(..8).unwrap_or_default(), big_endian);
                next.add(frame.get(FRAME_HEADER..).unwrap_or_default(), big_endian);
                if is_of_this_log && next.is(&frame, 16) {
                    sum = next;
                } else {
                    found = Some(Damage {
                        frame: number,
                        commits: u64::from(is_of_this_log && word(&frame, 4) != 0),
                    });
                }
            }
            Some(damage) => {
                damage.commits += u64::from(is_of_this_log && word(&frame, 4) != 0);
            }
        }
    }
    Ok(found.filter(|damage| damage.commits > UNANSWERED))
}

/// The running checksum.
#[derive(Debug, Clone, Copy, Default)]
struct Sum(u32, u32);

impl Sum {
    fn add(&mut self, bytes: &[u8], big_endian: bool) {
        for pair in bytes.chunks_exact(8) {
            let (first, second) = if big_endian {
                (word(pair, 0), word(pair, 4))
            } else {
                (word(pair, 0).swap_bytes(), word(pair, 4).swap_bytes())
            };
            self.0 = self.0.wrapping_add(first).wrapping_add(self.1);
            self.1 = self.1.wrapping_add(second).wrapping_add(self.0);
        }
    }

    fn is(self, bytes: &[u8], at: usize) -> bool {
        self.0 == word(bytes, at) && self.1 == word(bytes, at + 4)
    }
}

/// A big-endian word; 0 where there is none.
fn word(bytes: &[u8], at: usize) -> u32 {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    found.map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// Fills the whole buffer; `false` at the end, which may cut a frame off.
fn fill(log: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match log.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of this many commits.
    fn log(commits: usize) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection
            .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (b BLOB)")
            .unwrap();
        for _ in 1..commits {
            let sql = "INSERT INTO t VALUES (randomblob(300))";
            connection.execute(sql, []).unwrap();
        }
        std::fs::read(folder.path().join("t.db-wal")).unwrap()
    }

    fn examined(log: &[u8]) -> Option<Damage> {
        damage(log).unwrap()
    }

    #[test]
    fn a_whole_log_and_one_that_breaks_off_are_sound() {
        let log = log(6);
        assert_eq!(examined(&log), None);
        for cut in [0, 1, 31, 32, 40, 4000, log.len() - 4121, log.len() - 1] {
            assert_eq!(examined(&log[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn the_one_commit_that_may_have_been_under_way_may_be_torn() {
        let mut log = log(6);
        let last = log.len() - 100;
        log[last] ^= 1;
        assert_eq!(examined(&log), None);
    }

    #[test]
    fn a_changed_bit_in_the_middle_or_in_the_header_is_found() {
        let log = log(6);
        for at in [32 + 24 + 5, 32 + 4120 + 30, 32 + 2 * 4120 + 9] {
            let mut changed = log.clone();
            changed[at] ^= 0x10;
            let damage = examined(&changed).unwrap();
            assert!(damage.commits > 1, "{damage:?}");
        }
        let mut changed = log.clone();
        changed[17] ^= 1;
        assert_eq!(examined(&changed).unwrap().frame, 0);
    }

    #[test]
    fn what_is_left_of_an_older_log_is_no_damage() {
        let mut log = log(6);
        // The last four frames carry the salt of before.
        let frames = (log.len() - 32) / 4120;
        for frame in frames - 4..frames {
            log[32 + frame * 4120 + 8] ^= 0xff;
        }
        assert_eq!(examined(&log), None);
    }
}
