//! What a check trusts: the key, and checkpoints that were kept where nobody else writes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use taskpass_broker::domain::tlog::note::MAX_NOTE_BYTES;
use taskpass_broker::domain::tlog::{Checkpoint, Hash, VerifierKey};

use super::read;
use super::report::{Finding, Report};
use crate::failure::Failure;

/// The key, and the checkpoints.
#[derive(Debug)]
pub(crate) struct Trusted {
    /// Whoever signed with one of them is believed.
    pub(crate) keys: Vec<VerifierKey>,
    kept: Vec<(PathBuf, Vec<u8>)>,
}

/// The roots that kept checkpoints say the log must have had.
#[derive(Debug, Default)]
pub(crate) struct Milestones {
    /// By size: the file, the root there, and the root found there.
    expected: BTreeMap<u64, Vec<Milestone>>,
}

#[derive(Debug)]
struct Milestone {
    file: String,
    root: Hash,
    found: Option<Hash>,
}

impl Trusted {
    /// Reads keys, each a verifier key or a file that holds one, and checkpoint files.
    pub(crate) fn read(keys: &[String], checkpoints: &[PathBuf]) -> Result<Self, Failure> {
        let keys = keys.iter().map(|key| self::key(key));
        let kept = checkpoints.iter().map(|path| {
            let bytes = read(path, MAX_NOTE_BYTES as u64);
            let bytes = bytes.map_err(|error| unreadable(path, &error))?;
            Ok((path.clone(), bytes))
        });
        Ok(Self {
            keys: keys.collect::<Result<_, _>>()?,
            kept: kept.collect::<Result<_, Failure>>()?,
        })
    }

    /// Checks the signatures of the kept checkpoints; what is not signed by the key is a finding.
    pub(crate) fn milestones(&self, report: &mut Report) -> Milestones {
        let mut milestones = Milestones::default();
        for (path, note) in &self.kept {
            let file = path.display().to_string();
            match Checkpoint::open(note, &self.keys) {
                Ok(checkpoint) => {
                    let at = milestones.expected.entry(checkpoint.size).or_default();
                    at.push(Milestone {
                        file,
                        root: checkpoint.root,
                        found: None,
                    });
                }
                Err(error) => report.find(Finding::new(format!("`{file}`: {error}"))),
            }
        }
        milestones
    }
}

impl Milestones {
    /// Whether a root is asked for at this size.
    pub(crate) fn is_at(&self, size: u64) -> bool {
        self.expected.contains_key(&size)
    }

    /// The root that the log has at this size.
    pub(crate) fn pass(&mut self, size: u64, root: Hash) {
        for milestone in self.expected.get_mut(&size).into_iter().flatten() {
            milestone.found = Some(root);
        }
    }

    /// Tells which checkpoints a log that has `size` entries fits.
    pub(crate) fn finish(self, size: u64, report: &mut Report) {
        for (at, milestone) in self
            .expected
            .into_iter()
            .flat_map(|(at, all)| all.into_iter().map(move |milestone| (at, milestone)))
        {
            let file = &milestone.file;
            match milestone.found {
                _ if at > size => report.find(Finding::of_record(
                    size + 1,
                    format!(
                        "it and all up to record {at} were cut off: `{file}` was signed over {at} records, \
                         and this log ends at {size}"
                    ),
                )),
                Some(found) if found == milestone.root => report.fits(file),
                Some(_) => report.find(Finding::new(format!(
                    "the log was rewritten: one of the records 1 to {at} is not the one that `{file}` was \
                     signed over"
                ))),
                None => report.find(Finding::new(format!(
                    "`{file}` was signed over {at} records, which this file cannot be compared with; export \
                     from record 1 on, or up to that one"
                ))),
            }
        }
    }
}

fn key(text: &str) -> Result<VerifierKey, Failure> {
    let wrong = match text.trim().parse() {
        Ok(key) => return Ok(key),
        Err(wrong) => wrong,
    };
    let path = Path::new(text);
    let content = if path.is_file() {
        read(path, 4096).ok()
    } else {
        None
    };
    let content = content.and_then(|bytes| String::from_utf8(bytes).ok());
    let parsed = content.map(|content| content.trim().parse());
    match parsed {
        Some(Ok(key)) => Ok(key),
        Some(Err(error)) => Err(bad_key(text, &error)),
        // A verifier key is its log's origin, `+`, and two more parts.
        None if !text.contains('+') && !path.exists() => Err(bad_key(
            text,
            &"it is neither a verifier key nor a file that is there",
        )),
        None => Err(bad_key(text, &wrong)),
    }
}

fn bad_key(text: &str, why: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format!("`{text}` is no verifier key"))
        .why(why)
        .remedy("ask the log's operator for the output of `taskpass audit key`, over a way that you trust")
}

/// A file that was named and cannot be read.
pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot read `{}`", path.display())).why(error)
}
