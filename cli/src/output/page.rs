//! Text for people: lines, facts, and tables.

use std::fmt::{self, Write};

use anstyle::{AnsiColor, Style};
use comfy_table::{Attribute, Cell, ContentArrangement, Table};
use jiff::Timestamp;

use super::{moment, printable};

/// The style of `error:`.
pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
/// The style of `warning:`.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// The style of what is well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// The style of what matters less.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// The style of names of facts and columns.
pub(crate) const LABEL: Style = Style::new().bold();

/// A text under construction. What it is given is made safe for a terminal first.
#[derive(Debug)]
pub(crate) struct Page {
    text: String,
    now: Timestamp,
}

impl Page {
    /// An empty page, written at this time.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            text: String::new(),
            now,
        }
    }

    /// What was written so far.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Writes a line.
    pub(crate) fn line(&mut self, text: &str) {
        self.text.push_str(&printable(text));
        self.text.push('\n');
    }

    /// Writes a line in a style.
    pub(crate) fn styled(&mut self, style: Style, text: &str) {
        self.push(format_args!("{style}{}{style:#}\n", printable(text)));
    }

    /// Writes text that is safe and styled already.
    #[cfg(feature = "broker")]
    pub(crate) fn rendered(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// Writes an empty line, unless the page is empty.
    pub(crate) fn gap(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// Writes one fact a line, their names aligned. Empty values are left out.
    pub(crate) fn facts<'a>(&mut self, facts: impl IntoIterator<Item = (&'a str, String)>) {
        let facts: Vec<_> = facts
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in facts {
            let value = printable(&value);
            self.push(format_args!("{LABEL}{name:<width$}{LABEL:#}  {value}\n"));
        }
    }

    /// Writes a table without lines, one row a line, so that it stays easy to cut and search.
    pub(crate) fn table<const N: usize>(&mut self, header: [&str; N], rows: Vec<[String; N]>) {
        let mut table = Table::new();
        table
            .load_style(comfy_table::presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .force_no_tty()
            .enforce_styling()
            .set_header(header.map(|name| Cell::new(name).add_attribute(Attribute::Bold)));
        for row in rows {
            table.add_row(row.map(|cell| printable(dash(&cell)).into_owned()));
        }
        table.style_text_only();
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        self.text.push_str(&table.trim_fmt());
        self.text.push('\n');
    }

    fn push(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a text in memory does not fail.
        let _ = self.text.write_fmt(text);
    }

    /// The time at which it is written.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Says that a list goes on, where it does.
    pub(crate) fn more(&mut self, more: bool) {
        if more {
            self.gap();
            self.line("there is more: raise --limit, or use a filter");
        }
    }

    /// How far a time is away, or a dash.
    pub(crate) fn when(&self, at: Option<Timestamp>) -> String {
        at.map(|at| moment::relative(at, self.now))
            .unwrap_or_default()
    }

    /// A time that was planned: how far it is away is of interest only while it has not `ended` before.
    pub(crate) fn planned(&self, at: Option<Timestamp>, ended: Option<Timestamp>) -> String {
        match ended {
            Some(_) => at.map(moment::alone).unwrap_or_default(),
            None => self.moment(at),
        }
    }

    /// A time in full, or nothing.
    pub(crate) fn moment(&self, at: Option<Timestamp>) -> String {
        at.map(|at| moment::full(at, self.now)).unwrap_or_default()
    }
}

/// A dash for an empty cell, so that columns can be told apart.
fn dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        Page::new("2026-11-03T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_table_has_one_line_a_row_and_no_trailing_blanks() {
        let mut page = page();
        let row = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        page.table(
            ["JOB", "TASK"],
            vec![row("job_1", "deploy\ndocs"), row("job_22", "")],
        );
        let plain = anstream::adapter::strip_str(page.as_str()).to_string();
        insta::assert_snapshot!(plain, @r"
        JOB     TASK
        job_1   deploy\ndocs
        job_22  -
        ");
        assert!(plain.lines().all(|line| line.trim_end() == line));
    }

    #[test]
    fn facts_are_aligned_and_empty_ones_left_out() {
        let mut page = page();
        page.facts([
            ("job", "job_1".to_owned()),
            ("cause", String::new()),
            ("opened at", "now".to_owned()),
        ]);
        let plain = anstream::adapter::strip_str(page.as_str()).to_string();
        assert_eq!(plain, "job        job_1\nopened at  now\n");
    }
}
