//! Guardrail files: Cedar statements, each ended by `;`.

use crate::domain::policy::condition::{LONGEST_GUARDRAIL, check_limits};
use crate::domain::policy::condition::{Token, Tokens};
use crate::domain::policy::declared::{DeclaredGuardrail, Located};
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::report::Report;
use crate::domain::policy::source::SourceText;

/// Cuts a file into its statements.
///
/// INVARIANT: each piece must then parse as exactly one policy, so a cut in a wrong place is an error and never
/// a statement that is passed over.
pub(super) fn statements(text: &SourceText<'_>, report: &mut Report) -> Vec<DeclaredGuardrail> {
    let content = text.content();
    let mut statements = Vec::new();
    let mut first = None;
    // Editors put a mark of the encoding before the text.
    let begin = content.len() - content.trim_start_matches('\u{feff}').len();
    for (at, token) in Tokens::new(content).filter(|(at, _)| *at >= begin) {
        let start = *first.get_or_insert(at);
        if token == Token::End {
            statements.extend(statement(text, start..at + 1, report));
            first = None;
        }
    }
    if let Some(start) = first {
        statements.extend(statement(text, start..content.trim_end().len(), report));
    }
    statements
}

fn statement(
    text: &SourceText<'_>,
    span: std::ops::Range<usize>,
    report: &mut Report,
) -> Option<DeclaredGuardrail> {
    let source = text.content().get(span.clone())?;
    if let Err(too_much) = check_limits(source, LONGEST_GUARDRAIL) {
        let at = span.start + too_much.span.start;
        let place = text.place(at..at + too_much.span.len());
        let help = "split the guardrail into several";
        report.push(Diagnostic::error(place, too_much.message).help(help));
        return None;
    }
    Some(DeclaredGuardrail {
        text: Located::new(source.into(), text.place(span)),
    })
}
