//! What to write instead of what is not TOML.

use std::ops::Range;

use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::read::entry::quoted;
use crate::domain::policy::source::SourceText;

/// Quotes that word processors write.
const CURLY: [char; 8] = ['“', '”', '„', '‟', '‘', '’', '«', '»'];

/// What a parser says, with what to write instead.
pub(super) fn finding(text: &SourceText<'_>, span: Range<usize>, said: &str) -> Diagnostic {
    let error = Error { text, span, said };
    error.finding()
}

struct Error<'a> {
    text: &'a SourceText<'a>,
    span: Range<usize>,
    said: &'a str,
}

impl Error<'_> {
    fn finding(&self) -> Diagnostic {
        let remedies = [
            Self::header,
            Self::unquoted,
            Self::open_string,
            Self::another_key,
            Self::quotes_within,
            Self::escape,
            Self::comma,
            Self::key,
            Self::control,
        ];
        let found = remedies.iter().find_map(|remedy| remedy(self));
        found.unwrap_or_else(|| {
            self.found().help(
                "a line of TOML is `key = value`: texts stand between `\"`, lists between `[` and `]`",
            )
        })
    }

    fn found(&self) -> Diagnostic {
        Diagnostic::error(self.text.place(self.span.clone()), self.said)
    }

    /// With a change of some bytes.
    fn fixed(&self, help: &str, span: Range<usize>, replacement: &str) -> Diagnostic {
        self.found()
            .help(help)
            .fix(self.text.place(span), replacement)
    }

    fn line(&self) -> &str {
        self.text.line_of(self.span.start).trim()
    }

    /// From the place on.
    fn rest(&self) -> &str {
        self.text
            .content()
            .get(self.span.start..)
            .unwrap_or_default()
    }

    fn at(&self) -> Range<usize> {
        self.span.start..self.span.start
    }

    fn header(&self) -> Option<Diagnostic> {
        let line = self.line();
        if !line.starts_with('[') {
            return None;
        }
        if self.said.starts_with("unclosed table")
            || self.said.starts_with("unclosed array of tables")
        {
            let close = if line.starts_with("[[") && !line.contains(']') {
                "]]"
            } else {
                "]"
            };
            return Some(self.fixed(
                &format!("close the header with `{close}`"),
                self.at(),
                close,
            ));
        }
        if line.contains('/') && !line.contains('"') {
            return Some(
                self.found()
                    .help("names with `/` are quoted, as in `[task.\"ci/build\"]`"),
            );
        }
        None
    }

    fn unquoted(&self) -> Option<Diagnostic> {
        if !self.said.starts_with("string values must be quoted") {
            return None;
        }
        let raw = self.text.content().get(self.span.clone())?;
        let (help, right) = match &*raw.trim().to_ascii_lowercase() {
            "true" | "yes" | "on" => ("write `true`", "true".to_owned()),
            "false" | "no" | "off" => ("write `false`", "false".to_owned()),
            _ if raw.contains(CURLY) => {
                let plain = quoted(raw.trim_matches(CURLY));
                ("texts stand between straight quotes, `\"`", plain)
            }
            _ => ("write text between `\"` and `\"`", quoted(raw.trim())),
        };
        Some(self.fixed(help, self.span.clone(), &right))
    }

    fn open_string(&self) -> Option<Diagnostic> {
        let quote = if self.said.contains("expected `\"`") {
            "\""
        } else if self.said.contains("expected `'`") {
            "'"
        } else {
            return None;
        };
        let is_line_end = self.rest().is_empty() || self.rest().starts_with(['\n', '\r']);
        let help = format!("end the text with `{quote}`");
        Some(if is_line_end {
            self.fixed(&help, self.at(), quote)
        } else {
            self.found().help(help)
        })
    }

    /// `owner = "a", purpose = "b"`.
    fn another_key(&self) -> Option<Diagnostic> {
        let rest = self.rest();
        let separator = rest.chars().next().filter(|c| [',', ';'].contains(c))?;
        let before = self.text.content().get(..self.span.start)?;
        if !before.trim_end().ends_with(['"', '\'', ']', '}'])
            && !before.ends_with(char::is_alphanumeric)
        {
            return None;
        }
        let behind = rest
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches([',', ';', ' ', '\t']);
        let span = self.span.start..self.span.start + 1;
        if behind.is_empty() || behind.starts_with('#') {
            return Some(self.fixed(
                &format!("remove the `{separator}`: a line ends without it"),
                span,
                "",
            ));
        }
        let (key, _) = behind.split_once('=')?;
        let is_key = !key.trim().is_empty()
            && key
                .trim()
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        let len = rest.len() - rest.trim_start_matches([',', ';', ' ', '\t']).len();
        let span = self.span.start..self.span.start + len;
        is_key.then(|| self.fixed("write each key on a line of its own", span, "\n"))
    }

    /// `when = "a == "b""`.
    fn quotes_within(&self) -> Option<Diagnostic> {
        if !self.said.starts_with("unexpected key or value") {
            return None;
        }
        let line = self.text.line_of(self.span.start);
        let (key, value) = line.split_once('=')?;
        let trimmed = value.trim();
        let quote = trimmed.chars().next().filter(|c| ['"', '\''].contains(c))?;
        let inner = trimmed.strip_prefix(quote)?.strip_suffix(quote)?;
        if inner.contains('#') || !inner.contains(quote) {
            return None;
        }
        // What stands between `'` is a text of Cedar, which has `"` only.
        let inner = if quote == '\'' {
            inner.replace('\'', "\"")
        } else {
            inner.to_owned()
        };
        let right = quoted(&inner);
        let before = self.text.content().get(..self.span.start)?;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let start = start + key.len() + 1 + (value.len() - value.trim_start().len());
        let help = format!(
            "a text that has `\"` in it stands between `'`: write `{} = {right}`",
            key.trim()
        );
        Some(self.fixed(&help, start..start + trimmed.len(), &right))
    }

    fn escape(&self) -> Option<Diagnostic> {
        if !self.said.contains("escaped value") {
            return None;
        }
        let content = self.text.content();
        let before = self.span.start.checked_sub(1);
        let at = if self.rest().starts_with('\\') {
            self.span.start
        } else {
            before.filter(|at| {
                content
                    .get(*at..)
                    .is_some_and(|rest| rest.starts_with('\\'))
            })?
        };
        let help = "between `\"`, a backslash is written twice, `\\\\`; between `'`, once";
        Some(self.fixed(help, at..at, "\\"))
    }

    fn comma(&self) -> Option<Diagnostic> {
        self.said
            .starts_with("missing comma")
            .then(|| self.fixed("put a `,` between the two", self.at(), ", "))
    }

    fn key(&self) -> Option<Diagnostic> {
        if self.said.starts_with("extra `=`") {
            let end = self.span.start + 1;
            return Some(self.fixed("write one `=`", self.span.start..end, ""));
        }
        let first = self.rest().chars().next()?;
        let span = self.span.start..self.span.start + first.len_utf8();
        if self.said.starts_with("invalid unquoted key") {
            return Some(match first {
                ':' => self.fixed("a key and its value are joined by `=`", span, " ="),
                c if c.is_whitespace() || c == '\u{200b}' || c == '\u{feff}' => {
                    let help = format!(
                        "there is an invisible character, U+{:04X}: write a space",
                        u32::from(c)
                    );
                    self.fixed(&help, span, " ")
                }
                _ => self
                    .found()
                    .help("keys have letters, digits, `-` and `_`; put others between `\"`"),
            });
        }
        self.said.starts_with("key with no value").then(|| {
            self.found()
                .help("write `key = value`, or begin a comment with `#`")
        })
    }

    fn control(&self) -> Option<Diagnostic> {
        if self.said.contains("carriage return") {
            return Some(
                self.found()
                    .help("save the file with the line ends of Unix or of Windows"),
            );
        }
        let first = self.rest().chars().next().filter(|c| c.is_control())?;
        if !self.said.starts_with("invalid") {
            return None;
        }
        let help = format!("remove the control character U+{:04X}", u32::from(first));
        Some(self.fixed(
            &help,
            self.span.start..self.span.start + first.len_utf8(),
            "",
        ))
    }
}
