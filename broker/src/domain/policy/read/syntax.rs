//! From bytes to TOML.
//!
//! - [`text`], [`tables`]: the file, or what is wrong with it
//! - `remedy`: what to write instead
//! - `brackets`: a list or an inline table that is never closed
//! - `duplicates`: what is written twice

mod brackets;
mod duplicates;
mod remedy;

use toml::de::DeTable;

use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::report::Report;
use crate::domain::policy::source::{SourceFile, SourceText};

/// The file's text; reported when it is not UTF-8.
pub(super) fn text<'a>(file: &'a SourceFile, report: &mut Report) -> Option<SourceText<'a>> {
    let bytes = &file.bytes;
    let is_utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
    let (at, message, encoding) = match std::str::from_utf8(bytes) {
        // Nobody writes zeros; editors write every second byte as one when they save UTF-16.
        Ok(content) => match content.find('\0') {
            None => {
                let text = SourceText::new(file.name.clone(), content);
                return readable(text, file.is_guardrails(), report);
            }
            Some(at) => (at, "the file has zero bytes, as UTF-16 has", "UTF-16"),
        },
        Err(_) if is_utf16 => (0, "the file is in the encoding UTF-16", "UTF-16"),
        Err(error) => {
            let at = error.valid_up_to();
            (at, "the file is not UTF-8 from here on", "LATIN1")
        }
    };
    let valid = bytes.get(..at).unwrap_or_default();
    let valid = SourceText::new(
        file.name.clone(),
        std::str::from_utf8(valid).unwrap_or_default(),
    );
    let help = format!(
        "save the file in the encoding UTF-8, for instance with `iconv -f {encoding} -t UTF-8`"
    );
    report.push(Diagnostic::error(valid.place(at..at), message).help(help));
    report.set_partial();
    None
}

/// The text, unless it reads otherwise than it is: with characters that hide, or that turn the order around.
fn readable<'a>(
    text: SourceText<'a>,
    is_guardrails: bool,
    report: &mut Report,
) -> Option<SourceText<'a>> {
    // Most files have nothing that could hide.
    let is_plain = |byte: u8| matches!(byte, b'\n' | b'\t' | 0x20..0x7f);
    if text.content().bytes().all(is_plain) {
        return Some(text);
    }
    // Editors put a mark of the encoding before the text.
    let begin = text.content().len() - text.content().trim_start_matches('\u{feff}').len();
    let hidden = text.content().char_indices().find(|(at, character)| {
        let is_ended = || {
            text.content()
                .get(at + 1..)
                .is_some_and(|rest| rest.starts_with('\n'))
        };
        *at >= begin && (hides(*character) || *character == '\r' && is_guardrails && !is_ended())
    });
    let Some((at, character)) = hidden else {
        return Some(text);
    };
    let code = u32::from(character);
    let message = format!(
        "there is an invisible character, U+{code:04X}: the text is not what it looks like"
    );
    let place = text.place(at..at + character.len_utf8());
    let finding = Diagnostic::error(place.clone(), message).help("remove the character");
    report.push(finding.fix(place, ""));
    report.set_partial();
    None
}

/// Whether a character is not seen, or turns around what is: Unicode's default ignorable code points, ends of lines
/// that editors show as none, and controls.
fn hides(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}' | '\u{b}' | '\u{c}' | '\u{1b}' | '\u{85}'
    )
}

/// The file's tables; reported when it is not TOML.
pub(super) fn tables<'a>(text: &'a SourceText<'a>, report: &mut Report) -> Option<DeTable<'a>> {
    let (tables, mut errors) = DeTable::parse_recoverable(text.content());
    if errors.is_empty() {
        return Some(tables.into_inner());
    }
    report.set_partial();
    if let Some(at) = conflict(text.content()) {
        let message = "the file has marks of a merge that was not ended";
        let help = "resolve the conflict: keep one side, and remove the lines of `<`, `=` and `>`";
        report.push(Diagnostic::error(text.place(at..at + 7), message).help(help));
        return None;
    }
    let start = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
    errors.sort_by_key(start);
    // Whatever follows an open bracket is taken for what it holds: errors there say nothing.
    let unclosed = brackets::unclosed(text);
    if let Some(unclosed) = &unclosed {
        errors.retain(|error| start(error) < unclosed.place.span.start);
    }
    let mut last_line = None;
    // What stands below a table that is there already is there already, too.
    let mut twice: Option<usize> = None;
    for error in errors {
        let place = text.place(error.span().unwrap_or(0..0));
        let is_duplicate = error.message().contains("duplicate key");
        if let Some(header) = twice {
            if is_duplicate && !text.has_header_between(header, place.line) {
                continue;
            }
            twice = None;
        }
        if is_duplicate && text.line_of(place.span.start).trim_start().starts_with('[') {
            twice = Some(place.line);
        }
        // One mistake makes a parser stumble several times on its line.
        if last_line.replace(place.line) == Some(place.line) {
            continue;
        }
        report.push(if report.is_full() {
            // What is only counted need not be explained.
            Diagnostic::error(place, error.message())
        } else {
            finding(text, tables.get_ref(), &error)
        });
        if error.message().contains("carriage return") || error.message().contains("recurs") {
            break;
        }
    }
    if let Some(unclosed) = unclosed {
        report.push(unclosed);
    }
    None
}

/// Where git wrote two versions.
fn conflict(content: &str) -> Option<usize> {
    let mark = "<<<<<<<";
    if content.starts_with(mark) {
        return Some(0);
    }
    content.find(&format!("\n{mark}")).map(|at| at + 1)
}

fn finding(text: &SourceText<'_>, tables: &DeTable<'_>, error: &toml::de::Error) -> Diagnostic {
    let span = error.span().unwrap_or(0..0);
    if error.message().contains("duplicate key") {
        return duplicates::finding(text, tables, span);
    }
    remedy::finding(text, span, error.message())
}
