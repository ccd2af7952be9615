//! Findings of a policy check, with the text underlined.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;
use taskpass_broker::domain::policy::{Diagnostic, Lint, Place, Severity, SourceFile};

use crate::output::printable;

/// A finding as programs read it.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    severity: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(flatten)]
    place: At,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<Fix>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related: Vec<Related>,
}

/// A change that mends it: what to write in place of which bytes.
#[derive(Debug, Serialize)]
struct Fix {
    file: String,
    start: usize,
    end: usize,
    replacement: String,
}

#[derive(Debug, Serialize)]
struct At {
    file: String,
    line: usize,
    column: usize,
}

#[derive(Debug, Serialize)]
struct Related {
    #[serde(flatten)]
    place: At,
    message: String,
}

impl From<&Diagnostic> for Finding {
    fn from(diagnostic: &Diagnostic) -> Self {
        let related = diagnostic.related.iter().map(|related| Related {
            place: At::from(&related.place),
            message: related.message.clone(),
        });
        Self {
            severity: diagnostic.severity.to_string(),
            code: diagnostic.lint.map(Lint::code),
            place: At::from(&diagnostic.place),
            message: diagnostic.message.clone(),
            label: diagnostic.label.clone(),
            help: diagnostic.help.clone(),
            fix: diagnostic.fix.as_ref().map(|fix| Fix {
                file: fix.place.file.to_string(),
                start: fix.place.span.start,
                end: fix.place.span.end,
                replacement: fix.replacement.clone(),
            }),
            related: related.collect(),
        }
    }
}

impl From<&Place> for At {
    fn from(place: &Place) -> Self {
        Self {
            file: place.file.to_string(),
            line: place.line,
            column: place.column,
        }
    }
}

/// Shows a finding as a compiler would, with styles.
pub(super) fn render(diagnostic: &Diagnostic, files: &[SourceFile]) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let place = &diagnostic.place;
    let mut title = level.primary_title(printable(&diagnostic.message));
    if let Some(lint) = diagnostic.lint {
        title = title.id(lint.code());
    }
    let label = diagnostic.label.as_deref().map(printable);
    let mut group = match text_of(place, files) {
        Some(text) => {
            let annotation = AnnotationKind::Primary
                .span(place.span.clone())
                .label(label);
            title.element(snippet(place, text).annotation(annotation))
        }
        None => title.element(origin(place)),
    };
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(printable(help)));
    }
    let related = diagnostic.related.iter().map(|related| {
        let title = Level::NOTE.secondary_title(printable(&related.message));
        match text_of(&related.place, files) {
            Some(text) => {
                let annotation = AnnotationKind::Context.span(related.place.span.clone());
                title.element(snippet(&related.place, text).annotation(annotation))
            }
            None => title.element(origin(&related.place)),
        }
    });
    let groups: Vec<Group<'_>> = std::iter::once(group).chain(related).collect();
    Renderer::styled().render(&groups)
}

fn snippet<'a>(place: &'a Place, text: &'a str) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    Snippet::source(text).path(printable(&place.file))
}

fn origin(place: &Place) -> Origin<'_> {
    Origin::path(printable(&place.file))
        .line(place.line)
        .char_column(place.column)
}

/// The text of a place's file, where it is text and the place lies in it.
fn text_of<'a>(place: &Place, files: &'a [SourceFile]) -> Option<&'a str> {
    let file = files.iter().find(|file| file.name == place.file)?;
    let text = str::from_utf8(&file.bytes).ok()?;
    text.get(place.span.clone()).map(|_| text)
}

#[cfg(test)]
mod tests {

    use taskpass_broker::domain::policy::Related;

    use super::*;

    const TEXT: &str = "[task.deploy-docs]\nowner = \"docs\"\nmax_duratoin = \"30m\"\n";

    fn place(file: &str, span: std::ops::Range<usize>, line: usize) -> Place {
        Place {
            file: file.into(),
            span,
            line,
            column: 1,
        }
    }

    fn diagnostic(place: Place) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            lint: None,
            place,
            message: "unknown key `max_duratoin`".to_owned(),
            label: Some("no such key".to_owned()),
            help: Some("write `max_duration`".to_owned()),
            fix: None,
            related: Vec::new(),
        }
    }

    fn plain(diagnostic: &Diagnostic, bytes: &[u8]) -> String {
        let files = [SourceFile::new("docs.toml", bytes)];
        anstream::adapter::strip_str(&render(diagnostic, &files)).to_string()
    }

    #[test]
    fn the_text_is_shown_and_underlined() {
        let mut finding = diagnostic(place("docs.toml", 34..46, 3));
        finding.related = vec![Related {
            place: place("docs.toml", 0..18, 1),
            message: "in this task".to_owned(),
        }];
        insta::assert_snapshot!(plain(&finding, TEXT.as_bytes()), @r#"
        error: unknown key `max_duratoin`
         --> docs.toml:3:1
          |
        3 | max_duratoin = "30m"
          | ^^^^^^^^^^^^ no such key
          |
          = help: write `max_duration`
        note: in this task
         --> docs.toml:1:1
          |
        1 | [task.deploy-docs]
          | ------------------
        "#);
    }

    #[test]
    fn a_place_without_text_is_named_by_line_and_column() {
        let not_utf8 = diagnostic(place("docs.toml", 0..1, 1));
        insta::assert_snapshot!(plain(&not_utf8, b"\xff"), @r"
        error: unknown key `max_duratoin`
        --> docs.toml:1:1
         = help: write `max_duration`
        ");
        for (file, span) in [("docs.toml", 4000..4001), ("other.toml", 0..1)] {
            let text = plain(&diagnostic(place(file, span, 7)), TEXT.as_bytes());
            assert!(text.contains(&format!("{file}:7:1")), "{text}");
        }
    }

    #[test]
    fn no_place_and_no_text_makes_it_panic() {
        for text in ["", "\n", "ä", "a\r\nb", "\u{1b}[31m = 1\n", "\t= \u{202e}x"] {
            for start in 0..=text.len() {
                for end in start..=text.len() {
                    let shown = plain(
                        &diagnostic(place("docs.toml", start..end, 1)),
                        text.as_bytes(),
                    );
                    assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
                }
            }
        }
    }
}
