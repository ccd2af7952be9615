//! What is wrong with the place that SVIDs or bundles come from.

use std::fmt;

/// What is wrong with a source since it was last good. What it gave before stays in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What, with the place.
    pub what: String,
    /// What to do about it.
    pub remedy: &'static str,
    /// A short label for metrics; it never changes and never holds input.
    pub code: &'static str,
}

/// An error that a source reports.
pub(crate) trait Trouble: fmt::Display + PartialEq + Send + Sync + 'static {
    /// A short label for metrics; it never changes and never holds input.
    fn code(&self) -> &'static str;

    /// What to do about it.
    fn remedy(&self) -> &'static str;
}

impl Problem {
    pub(crate) fn of(trouble: &impl Trouble) -> Self {
        Self {
            what: trouble.to_string(),
            remedy: trouble.remedy(),
            code: trouble.code(),
        }
    }
}

/// Counts a problem, each time that it is met anew.
pub(crate) fn count(source: &'static str, trouble: &impl Trouble) {
    let why = trouble.code();
    metrics::counter!("taskpass_identity_problems_total", "source" => source, "why" => why)
        .increment(1);
}
