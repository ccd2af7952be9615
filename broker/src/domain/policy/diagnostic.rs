//! What is wrong in a policy file: where, what, and what to write instead.

use std::fmt;

use super::lint::Lint;
use super::source::Place;

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it keeps the policy from being loaded.
    pub severity: Severity,
    /// What kind of warning it is.
    pub lint: Option<Lint>,
    /// Where.
    pub place: Place,
    /// What is wrong, in one line.
    pub message: String,
    /// A short word for beneath the underlined text.
    pub label: Option<String>,
    /// What to write instead.
    pub help: Option<String>,
    /// The same as a change of the file, where one change is the whole remedy.
    pub fix: Option<Fix>,
    /// Other places that have to do with it.
    pub related: Vec<Related>,
}

/// A change of a file that mends what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// The place that is replaced; an empty one is inserted at.
    pub place: Place,
    /// What to write there.
    pub replacement: String,
}

/// Another place that has to do with a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// Where.
    pub place: Place,
    /// What is there.
    pub message: String,
}

/// Whether a finding keeps the policy from being loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It does.
    Error,
    /// It does not, and is likely a mistake.
    Warning,
}

impl Diagnostic {
    pub(super) fn error(place: Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            lint: None,
            place,
            // Parsers quote what they read, line breaks included.
            message: message.into().replace(['\n', '\r'], " "),
            label: None,
            help: None,
            fix: None,
            related: Vec::new(),
        }
    }

    pub(super) fn warning(lint: Lint, place: Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            lint: Some(lint),
            ..Self::error(place, message)
        }
    }

    /// A file in a policy directory that is no part of the policy, and by its name might be meant to be one.
    pub fn passed_over(file: impl Into<std::sync::Arc<str>>) -> Self {
        let place = Place {
            file: file.into(),
            span: 0..0,
            line: 1,
            column: 1,
        };
        let message = "the file is passed over: its name ends neither in `.toml` nor in `.cedar`, or begins with a dot";
        Self::warning(Lint::FilePassedOver, place, message)
            .help("rename it, or move it out of the policy directory")
    }

    pub(super) fn label(self, label: impl Into<String>) -> Self {
        Self {
            label: Some(label.into()),
            ..self
        }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    /// With a change that mends it.
    pub(super) fn fix(self, place: Place, replacement: impl Into<String>) -> Self {
        let replacement = replacement.into();
        Self {
            fix: Some(Fix { place, replacement }),
            ..self
        }
    }

    /// With what was likely meant by a string.
    pub(super) fn meant(self, place: Place, meant: &str) -> Self {
        self.help(format!("did you mean `{meant}`?"))
            .fix(place, format!("\"{meant}\""))
    }

    pub(super) fn related(mut self, place: Place, message: impl Into<String>) -> Self {
        self.related.push(Related {
            place,
            message: message.into(),
        });
        self
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One line: `file:line:column: error: what (see file:line:column: what) (help: what to write)`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.severity, self.message)?;
        for related in &self.related {
            write!(f, " (see {}: {})", related.place, related.message)?;
        }
        if let Some(help) = &self.help {
            write!(f, " (help: {help})")?;
        }
        Ok(())
    }
}
