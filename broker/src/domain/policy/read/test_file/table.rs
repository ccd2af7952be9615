//! `[[table]]`: one test a row.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::expect;
use super::given::Given;
use super::{EXPECT, GIVEN, NAME};
use crate::domain::policy::declared::Located;
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::read::entry::{Entry, Key};
use crate::domain::policy::read::section::Section;
use crate::domain::policy::report::Report;
use crate::domain::policy::source::Place;
use crate::domain::policy::tools::cases::{Case, Expected};

const COLUMNS: Key<'static> = Key::new("columns", "[\"workload\", \"params.ref\", \"expect\"]");
const ROWS: Key<'static> = Key::new(
    "rows",
    "[[\"spiffe://acme.example/prod/ci/docs\", \"main\", \"allow docs-api\"]]",
);

/// The rows of a table, each as a test.
pub(super) fn cases(mut section: Section<'_>, report: &mut Report) -> Vec<Case> {
    let name = section
        .required(NAME, report)
        .and_then(|entry| entry.line(report));
    let common = section
        .optional(GIVEN)
        .and_then(|entry| entry.table("`given`".to_owned(), report))
        .map(|section| Given::default().with_section(section, report))
        .unwrap_or_default();
    let columns = section
        .required(COLUMNS, report)
        .and_then(|entry| columns(entry, report));
    let rows = section.required(ROWS, report);
    section.finish(report);
    let (Some(name), Some(columns), Some(rows)) = (name, columns, rows) else {
        return Vec::new();
    };
    let DeValue::Array(items) = rows.value.get_ref() else {
        rows.refuse::<()>(rows.place(), "`rows` is a list of lists".to_owned(), report);
        return Vec::new();
    };
    let mut cases = Vec::with_capacity(items.len());
    for (number, value) in (1..).zip(items.iter()) {
        let row = Entry { value, ..rows };
        if let Some((given, expected)) = self::row(row, &columns, common.clone(), report)
            && let Some(given) = given.finish(&row.place(), report)
        {
            cases.push(Case {
                name: format!("{}, row {number}", name.value),
                place: row.place(),
                given,
                expected,
            });
        }
    }
    cases
}

fn columns<'a>(entry: Entry<'a>, report: &mut Report) -> Option<Vec<Located<&'a str>>> {
    let columns = entry.strings(report)?;
    let mut known: BTreeMap<&str, &Place> = BTreeMap::new();
    for column in &columns {
        if let Some(first) = known.get(column.value) {
            let message = format!("there are two columns `{}`", column.value.escape_debug());
            let finding = Diagnostic::error(column.place.clone(), message)
                .help("remove one of them, with its values")
                .related((*first).clone(), "the first one");
            report.push(finding);
        }
        known.entry(column.value).or_insert(&column.place);
        if column.value != EXPECT.name && !Given::is_column(column.value) {
            let message = format!("unknown column `{}`", column.value.escape_debug());
            let help =
                "the columns are `workload`, `task`, `params.NAME`, `credentials` and `expect`";
            report.push(Diagnostic::error(column.place.clone(), message).help(help));
        }
    }
    if !columns.iter().any(|column| column.value == EXPECT.name) {
        let message = "no column is called `expect`".to_owned();
        return entry.refuse(entry.place(), message, report);
    }
    Some(columns)
}

fn row(
    row: Entry<'_>,
    columns: &[Located<&str>],
    mut given: Given,
    report: &mut Report,
) -> Option<(Given, Expected)> {
    let DeValue::Array(cells) = row.value.get_ref() else {
        return row.refuse(row.place(), "a row is a list".to_owned(), report);
    };
    if cells.len() != columns.len() {
        let (cells, columns) = (cells.len(), columns.len());
        let message = format!("the row has {cells} values, and the table {columns} columns");
        let help = "write one value for each column, `[]` for none";
        report.push(Diagnostic::error(row.place(), message).help(help));
        return None;
    }
    let mut expected = None;
    for (column, value) in columns.iter().zip(cells.iter()) {
        if column.value == EXPECT.name {
            let cell = Entry {
                key: EXPECT,
                value,
                ..row
            };
            expected = expect::expected(cell, report);
        } else {
            let key = Key::new(column.value, "\"main\"");
            given.set(column.value, Entry { key, value, ..row }, report);
        }
    }
    Some((given, expected?))
}
