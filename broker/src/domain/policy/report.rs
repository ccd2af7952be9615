//! The findings of one check, collected.

use super::diagnostic::{Diagnostic, Severity};
use super::source::Place;

/// Findings of one severity that are shown; nobody reads more, and each costs memory.
const MAX_SHOWN: usize = 200;

/// Collects findings, so that a check tells everything at once and not just the first.
#[derive(Default)]
pub(super) struct Report {
    errors: Findings,
    warnings: Findings,
    /// Findings whose remedies refer to something, before it is known what there is.
    references: Vec<(Reference, Diagnostic)>,
    is_partial: bool,
}

/// What a remedy refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reference {
    Credential,
    Audience,
    Environment,
    Issuer,
}

#[derive(Default)]
struct Findings {
    shown: Vec<Diagnostic>,
    /// How many more there were, and where the first of them is.
    more: Option<(usize, Place)>,
}

impl Report {
    pub(super) fn push(&mut self, finding: Diagnostic) {
        match finding.severity {
            Severity::Error => self.errors.push(finding),
            Severity::Warning => self.warnings.push(finding),
        }
    }

    /// Adds findings.
    pub(super) fn extend(&mut self, findings: impl IntoIterator<Item = Diagnostic>) {
        findings.into_iter().for_each(|finding| self.push(finding));
    }

    /// Adds a finding whose remedy names something that policy declares, by an example.
    pub(super) fn push_reference(&mut self, reference: Reference, finding: Diagnostic) {
        self.references.push((reference, finding));
    }

    /// The findings that are to be given declared names.
    pub(super) fn take_references(&mut self) -> Vec<(Reference, Diagnostic)> {
        std::mem::take(&mut self.references)
    }

    /// Notes that a part of some file could not be read: what seems to be missing may stand there.
    pub(super) fn set_partial(&mut self) {
        self.is_partial = true;
    }

    pub(super) fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// How many errors there are so far.
    pub(super) fn error_count(&self) -> usize {
        let more = self.errors.more.as_ref().map_or(0, |(count, _)| *count);
        self.errors.shown.len() + more + self.references.len()
    }

    pub(super) fn has_errors(&self) -> bool {
        !self.errors.shown.is_empty() || !self.references.is_empty()
    }

    /// Whether another error would only be counted.
    pub(super) fn is_full(&self) -> bool {
        self.errors.shown.len() >= MAX_SHOWN
    }

    /// Everything that was found, by file and place.
    pub(super) fn into_findings(mut self) -> Vec<Diagnostic> {
        for (_, finding) in self.take_references() {
            self.push(finding);
        }
        let mut findings = self.errors.finish("errors");
        findings.extend(self.warnings.finish("warnings"));
        findings.sort_by(|a, b| order(a).cmp(&order(b)));
        findings
    }
}

impl Reference {
    /// What stands for it in a remedy until it is known what there is.
    pub(super) const fn example(self) -> &'static str {
        match self {
            Self::Credential => "docs-api",
            Self::Audience => "docs",
            Self::Environment => "any",
            Self::Issuer => "local",
        }
    }
}

impl Findings {
    fn push(&mut self, finding: Diagnostic) {
        if self.shown.len() < MAX_SHOWN {
            self.shown.push(finding);
        } else {
            let (count, _) = self.more.get_or_insert((0, finding.place));
            *count += 1;
        }
    }

    fn finish(self, what: &str) -> Vec<Diagnostic> {
        let mut shown = self.shown;
        if let (Some((count, place)), Some(last)) = (self.more, shown.last()) {
            let severity = last.severity;
            let message = format!("{count} more {what} are not shown, the first of them here");
            shown.push(Diagnostic {
                severity,
                ..Diagnostic::error(place, message)
            });
        }
        shown
    }
}

fn order(finding: &Diagnostic) -> (&str, usize, Severity, &str) {
    let place = &finding.place;
    (
        &place.file,
        place.span.start,
        finding.severity,
        &finding.message,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::source::SourceText;

    #[test]
    fn counts_what_nobody_would_read() {
        let text = SourceText::new("a.toml".into(), "x");
        let mut report = Report::default();
        for _ in 0..MAX_SHOWN + 3 {
            report.push(Diagnostic::error(text.place(0..1), "wrong"));
        }
        let findings = report.into_findings();
        assert_eq!(findings.len(), MAX_SHOWN + 1);
        assert!(findings.iter().any(|finding| {
            finding.message == "3 more errors are not shown, the first of them here"
        }));
    }
}
