//! A file with records for auditors: JSON, a line each, under a header with the signed checkpoint.
//!
//! The header has the hashes of the subtrees before and after the range, so that the file needs nothing else
//! to be checked: subtrees before, records, subtrees after give the signed root.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use taskpass_broker::domain::audit::Leaf;
use taskpass_broker::domain::tlog::{Checkpoint, Hash, Peaks, leaf_hash};

use super::report::{Finding, Report};
use super::trusted::{Milestones, Trusted};

/// What a header says of the format.
const FORMAT: &str = "taskpass-audit-export/1";
/// The longest line: an entry and its details are far below.
const MAX_LINE: u64 = 16 << 20;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    format: String,
    /// The signed checkpoint.
    checkpoint: String,
    /// The first record.
    first: u64,
    /// The last one.
    last: u64,
    /// The subtrees before the first record.
    before: Vec<String>,
    /// The subtrees after the last one.
    after: Vec<String>,
}

/// Every other line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// Its number.
    pub(crate) number: u64,
    /// The hash of its leaf: it tells which record was changed, and proves nothing by itself.
    pub(crate) hash: String,
    /// The entry, byte for byte.
    pub(crate) leaf: String,
    /// In hexadecimal; none where it was erased.
    pub(crate) salt: Option<String>,
    /// Byte for byte as they were hashed; none where they were erased.
    pub(crate) details: Option<String>,
}

/// Records from `first` to `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Header {
    /// The header of these records.
    pub(crate) fn new(checkpoint: String, range: Range, before: &[Hash], after: &[Hash]) -> Self {
        let text = |hashes: &[Hash]| hashes.iter().map(ToString::to_string).collect();
        Self {
            format: FORMAT.to_owned(),
            checkpoint,
            first: range.first,
            last: range.last,
            before: text(before),
            after: text(after),
        }
    }
}

/// Writes a line of the file.
pub(crate) fn write_line(to: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *to, line)?;
    to.write_all(b"\n")
}

/// Checks a file; tells `progress` how many records were looked at.
pub(crate) fn verify(
    path: &Path,
    trusted: &Trusted,
    mut progress: impl FnMut(u64, u64),
) -> io::Result<Report> {
    let mut report = Report::of(path);
    let mut milestones = trusted.milestones(&mut report);
    let mut lines = Lines(BufReader::new(File::open(path)?));
    let header = lines.next_line()?;
    let header = header.and_then(|line| serde_json::from_slice::<Header>(&line).ok());
    let Some(header) = header.filter(|header| header.format == FORMAT) else {
        report.find(Finding::new(
            "it is neither an export of the audit log nor a proof",
        ));
        return Ok(report.finish());
    };
    let signed = match Checkpoint::open(header.checkpoint.as_bytes(), &trusted.keys) {
        Ok(signed) => signed,
        Err(error) => {
            report.find(Finding::new(format!("its checkpoint: {error}")));
            return Ok(report.finish());
        }
    };
    report.log(&signed.origin, signed.size);
    let Some(mut peaks) = before(&header, &signed) else {
        let what = "its header does not fit its checkpoint: it was altered";
        report.find(Finding::new(what));
        return Ok(report.finish());
    };
    if milestones.is_at(peaks.size()) {
        milestones.pass(peaks.size(), peaks.root());
    }
    let mut expected = header.first;
    while let Some(line) = lines.next_line()? {
        let Ok(record) = serde_json::from_slice::<Record>(&line) else {
            let what = "its line is not a record";
            report.find(Finding::of_record(expected, what));
            return Ok(report.finish());
        };
        if record.number != expected || expected > header.last {
            report.find(Finding::of_record(
                expected,
                format!(
                    "it is missing: record {} stands in its place",
                    record.number
                ),
            ));
            return Ok(report.finish());
        }
        check(&record, &mut report);
        report.checked(1);
        peaks.append(leaf_hash(record.leaf.as_bytes()));
        pass(&mut milestones, &peaks);
        progress(expected + 1 - header.first, header.last + 1 - header.first);
        expected += 1;
    }
    if expected <= header.last {
        let what = format!("it and all up to record {} were cut off", header.last);
        report.find(Finding::of_record(expected, what));
        return Ok(report.finish());
    }
    let after = hashes(&header.after);
    let whole = after.is_some_and(|after| peaks.append_subtrees(signed.size, &after).is_ok());
    if peaks.size() != header.last {
        pass(&mut milestones, &peaks);
    }
    if (!whole || peaks.root() != signed.root) && report.is_clean() {
        report.find(Finding::new(format!(
            "records {} to {} are not those that were signed: some were changed, removed or put in another \
             order",
            header.first, header.last
        )));
    }
    milestones.finish(signed.size, &mut report);
    Ok(report.finish())
}

/// The tree before the first record, if the header makes sense.
fn before(header: &Header, signed: &Checkpoint) -> Option<Peaks> {
    let start = header.first.checked_sub(1)?;
    let in_order = start < header.last && header.last <= signed.size;
    let peaks = Peaks::new(start, hashes(&header.before)?).ok()?;
    in_order.then_some(peaks)
}

fn hashes(texts: &[String]) -> Option<Vec<Hash>> {
    texts.iter().map(|text| text.parse().ok()).collect()
}

fn pass(milestones: &mut Milestones, peaks: &Peaks) {
    if milestones.is_at(peaks.size()) {
        milestones.pass(peaks.size(), peaks.root());
    }
}

/// Checks what a record says of itself.
fn check(record: &Record, report: &mut Report) {
    if leaf_hash(record.leaf.as_bytes()).to_string() != record.hash {
        let what = "it was changed: its leaf does not have its hash";
        report.find(Finding::of_record(record.number, what));
    }
    let fits = details_fit(
        &record.leaf,
        record.salt.as_deref(),
        record.details.as_deref(),
    );
    match fits {
        Ok(are_there) => report.details(are_there),
        Err(what) => report.find(Finding::of_record(record.number, what)),
    }
}

/// Whether details are there and are those that the leaf commits to.
pub(super) fn details_fit(
    leaf: &str,
    salt: Option<&str>,
    details: Option<&str>,
) -> Result<bool, &'static str> {
    let leaf: Leaf =
        serde_json::from_str(leaf).map_err(|_| "its leaf is not one that this version knows")?;
    let (salt, details) = match (salt, details) {
        (None, None) => return Ok(false),
        (Some(salt), Some(details)) => (salt, details),
        _ => return Err("it has details without salt, or salt without details"),
    };
    let salt = HEXLOWER.decode(salt.as_bytes());
    let fits = salt.is_ok_and(|salt| leaf.commits_to(&salt, details.as_bytes()));
    if fits {
        Ok(true)
    } else {
        Err("its details were changed: they are not those that its leaf commits to")
    }
}

struct Lines<R>(R);

impl<R: BufRead> Lines<R> {
    fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let read = self
            .0
            .by_ref()
            .take(MAX_LINE)
            .read_until(b'\n', &mut line)?;
        Ok((read > 0).then_some(line))
    }
}
