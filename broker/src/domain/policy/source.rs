//! Source files, and where in them something stands.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a line up to which columns are counted in characters.
const MAX_COUNTED: usize = 64 * 1024;

/// How the names of guardrail files end.
const GUARDRAILS: &str = ".cedar";

/// One file as it was read: its name for people, and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The path under which it is shown.
    pub name: Arc<str>,
    /// Its content, not yet known to be text.
    pub bytes: Arc<[u8]>,
}

/// A stretch of a source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's name.
    pub file: Arc<str>,
    /// Byte offsets into the file.
    pub span: Range<usize>,
    /// Line of its first byte, from 1.
    pub line: usize,
    /// Column of its first byte in characters, from 1.
    pub column: usize,
}

/// A text file with the starts of its lines, so that a place costs a binary search.
pub(super) struct SourceText<'a> {
    name: Arc<str>,
    content: &'a str,
    line_starts: Vec<usize>,
}

impl SourceFile {
    /// A file from its name and content.
    pub fn new(name: impl Into<Arc<str>>, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.into(),
        }
    }

    /// Whether it holds guardrails (`*.cedar`), and no TOML.
    pub fn is_guardrails(&self) -> bool {
        self.name.ends_with(GUARDRAILS)
    }
}

impl<'a> SourceText<'a> {
    pub(super) fn new(name: Arc<str>, content: &'a str) -> Self {
        let newlines = content
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0)
            .chain(newlines.map(|(at, _)| at + 1))
            .collect();
        Self {
            name,
            content,
            line_starts,
        }
    }

    pub(super) fn content(&self) -> &'a str {
        self.content
    }

    /// The line that a byte stands in.
    pub(super) fn line_of(&self, at: usize) -> &'a str {
        let line = self.line_starts.partition_point(|start| *start <= at);
        let start = line
            .checked_sub(1)
            .and_then(|index| self.line_starts.get(index));
        let rest = start
            .and_then(|start| self.content.get(*start..))
            .unwrap_or_default();
        rest.lines().next().unwrap_or_default()
    }

    /// Whether a table's header stands between two lines, the last one included.
    pub(super) fn has_header_between(&self, first: usize, last: usize) -> bool {
        let mut starts = self.line_starts.get(first..last).into_iter().flatten();
        starts.any(|start| self.line_of(*start).trim_start().starts_with('['))
    }

    /// The beginning of the line after a table's header; none where the place is in no header.
    pub(super) fn after_header(&self, place: &Place) -> Option<Place> {
        if place.span.end == 0 {
            return Some(self.place(0..0));
        }
        let next = self.line_starts.get(place.line)?;
        self.line_of(place.span.start)
            .trim_start()
            .starts_with('[')
            .then(|| self.place(*next..*next))
    }

    pub(super) fn place(&self, span: Range<usize>) -> Place {
        let line = self
            .line_starts
            .partition_point(|start| *start <= span.start);
        let line_start = line
            .checked_sub(1)
            .and_then(|index| self.line_starts.get(index))
            .copied()
            .unwrap_or_default();
        let before = self.content.get(line_start..span.start).unwrap_or_default();
        // Whoever writes lines that long counts their bytes: counting characters for each place on such a
        // line would take time that grows with its square.
        let column = match before.len() {
            0..MAX_COUNTED => before.chars().count(),
            bytes => bytes,
        };
        Place {
            file: self.name.clone(),
            span,
            line,
            column: column + 1,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_characters_from_one() {
        let text = SourceText::new("a.toml".into(), "a\nüb\n\nc");
        let table = [
            (0, "1:1"),
            (1, "1:2"),
            (2, "2:1"),
            (4, "2:2"),
            (6, "3:1"),
            (7, "4:1"),
            (8, "4:2"),
        ];
        for (at, expected) in table {
            let place = text.place(at..at).to_string();
            assert_eq!(place, format!("a.toml:{expected}"), "{at}");
        }
    }

    #[test]
    fn has_a_place_even_in_an_empty_file() {
        let text = SourceText::new("a.toml".into(), "");
        assert_eq!(text.place(0..0).to_string(), "a.toml:1:1");
    }
}
