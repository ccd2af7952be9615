//! Something wrong in a Cedar text, and where.

use std::ops::Range;

use miette::Diagnostic;

/// Something wrong in a Cedar text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::domain::policy) struct Mistake {
    /// Byte offsets into the text.
    pub(in crate::domain::policy) span: Range<usize>,
    pub(in crate::domain::policy) kind: MistakeKind,
    /// What is wrong; of what is not an error, why that can be said, perhaps empty.
    pub(in crate::domain::policy) message: String,
    pub(in crate::domain::policy) help: Option<String>,
    /// What to write in place of which part.
    pub(in crate::domain::policy) fix: Option<(Range<usize>, String)>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain::policy) enum MistakeKind {
    /// It cannot be evaluated as it was meant.
    Error,
    /// It can never hold.
    Never,
    /// It always holds.
    Always,
    /// A part of it can never hold, or always does.
    Part,
    /// It has a name that was likely meant to be another.
    Doubt,
}

impl MistakeKind {
    /// What it is of the opposite.
    pub(in crate::domain::policy) fn inverse(self) -> Self {
        match self {
            Self::Never => Self::Always,
            Self::Always => Self::Never,
            Self::Error => Self::Error,
            Self::Part => Self::Part,
            Self::Doubt => Self::Doubt,
        }
    }
}

impl Mistake {
    pub(in crate::domain::policy) fn error(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            span,
            kind: MistakeKind::Error,
            message: message.into(),
            help: None,
            fix: None,
        }
    }

    /// What it says, with the reason where there is one.
    pub(in crate::domain::policy) fn said(&self, what: &str) -> String {
        match &*self.message {
            "" => what.to_owned(),
            why => format!("{what}: {why}"),
        }
    }

    /// The same, as something that may be meant after all.
    pub(super) fn doubt(self) -> Self {
        Self {
            kind: MistakeKind::Doubt,
            ..self
        }
    }

    pub(in crate::domain::policy) fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }
}

/// The place that an error points to, within the text.
pub(super) fn span_of(error: &dyn Diagnostic, before: usize, text: &str) -> Range<usize> {
    let label = error.labels().and_then(|mut labels| labels.next());
    let Some(label) = label else {
        return 0..text.len();
    };
    let start = label.offset().saturating_sub(before).min(text.len());
    let end = (start + label.len()).min(text.len());
    if text.get(start..end).is_some() {
        start..end
    } else {
        0..text.len()
    }
}
