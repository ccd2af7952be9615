//! What a check of the audit log found.

use serde::Serialize;
use taskpass_broker::domain::tlog::TilePath;

use crate::exit::Exit;
use crate::output::page::{ERROR, GOOD};
use crate::output::{Page, View};

/// Findings that are listed; more are counted.
const LISTED: usize = 25;

/// What a check found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    verified: bool,
    file: String,
    origin: String,
    size: u64,
    records_checked: u64,
    details: Details,
    /// The checkpoints kept elsewhere that it fits.
    consistent_with: Vec<String>,
    findings: Vec<Finding>,
    more_findings: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<serde_json::Value>,
}

/// Details, where there are any to check.
#[derive(Debug, Default, Clone, Copy, Serialize)]
struct Details {
    checked: u64,
    erased: u64,
}

/// Something that is not as it was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// The record, where one can be named.
    pub(crate) record: Option<u64>,
    /// The file inside the log, where one can be named.
    pub(crate) tile: Option<String>,
    /// What is wrong.
    pub(crate) what: String,
}

impl Report {
    /// A report on this file or directory.
    pub(crate) fn of(file: &std::path::Path) -> Self {
        Self {
            file: file.display().to_string(),
            ..Self::default()
        }
    }

    /// Which log it is, and how long.
    pub(crate) fn log(&mut self, origin: &str, size: u64) {
        origin.clone_into(&mut self.origin);
        self.size = size;
    }

    /// Records were checked.
    pub(crate) fn checked(&mut self, records: u64) {
        self.records_checked += records;
    }

    /// A record's details were checked, or are not there any more.
    pub(crate) fn details(&mut self, are_there: bool) {
        let count = if are_there {
            &mut self.details.checked
        } else {
            &mut self.details.erased
        };
        *count += 1;
    }

    /// It fits a checkpoint that was kept elsewhere.
    pub(crate) fn fits(&mut self, checkpoint: &str) {
        self.consistent_with.push(checkpoint.to_owned());
    }

    /// Shows the record that was proven.
    pub(crate) fn record(&mut self, record: serde_json::Value) {
        self.record = Some(record);
    }

    /// Adds a finding.
    pub(crate) fn find(&mut self, finding: Finding) {
        if self.findings.len() < LISTED {
            self.findings.push(finding);
        } else {
            self.more_findings += 1;
        }
    }

    /// Whether nothing was found yet.
    pub(crate) fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// The report when nothing more is looked at.
    pub(crate) fn finish(mut self) -> Self {
        self.verified = self.findings.is_empty();
        self
    }

    /// The exit code that goes with it.
    pub(crate) fn exit(&self) -> Exit {
        if self.verified {
            Exit::Fine
        } else {
            Exit::Negative
        }
    }
}

impl Finding {
    /// About the whole of it.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self {
            record: None,
            tile: None,
            what: what.into(),
        }
    }

    /// About a record.
    pub(crate) fn of_record(number: u64, what: impl Into<String>) -> Self {
        Self {
            record: Some(number),
            ..Self::new(what)
        }
    }

    /// About a file inside the log.
    pub(crate) fn of_tile(tile: TilePath, what: impl Into<String>) -> Self {
        Self {
            tile: Some(tile.to_string()),
            ..Self::new(what)
        }
    }

    /// The same with the file that it was found in.
    pub(crate) fn in_tile(mut self, tile: TilePath) -> Self {
        self.tile = Some(tile.to_string());
        self
    }
}

impl View for Report {
    fn text(&self, page: &mut Page) {
        if self.verified {
            page.styled(GOOD, "verified");
        } else {
            page.styled(ERROR, "NOT verified");
        }
        let details = match (self.details.checked, self.details.erased) {
            (0, 0) => String::new(),
            (checked, erased) => format!("{checked} checked, {erased} erased"),
        };
        page.facts([
            ("file", self.file.clone()),
            ("log", self.origin.clone()),
            ("size", self.size.to_string()),
            ("records checked", self.records_checked.to_string()),
            ("details", details),
            ("consistent with", self.consistent_with.join(", ")),
        ]);
        if let Some(record) = &self.record {
            page.gap();
            let text = serde_json::to_string_pretty(record).unwrap_or_default();
            text.lines().for_each(|line| page.line(line));
        }
        if self.findings.is_empty() {
            return;
        }
        page.gap();
        for finding in &self.findings {
            let record = finding.record.map(|number| format!("record {number}"));
            let place: Vec<String> = record.into_iter().chain(finding.tile.clone()).collect();
            let place = match place.as_slice() {
                [] => String::new(),
                place => format!("{}: ", place.join(", ")),
            };
            page.line(&format!("{place}{}", finding.what));
        }
        if self.more_findings > 0 {
            page.line(&format!("… and {} more", self.more_findings));
        }
    }
}
