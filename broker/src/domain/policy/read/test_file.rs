//! `*.test.toml`: `[[test]]` and `[[table]]`.

mod circumstances;
mod expect;
mod given;
mod table;

use super::entry::Key;
use super::section::Section;
use super::syntax;
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::report::Report;
use crate::domain::policy::source::SourceFile;
use crate::domain::policy::tools::cases::Case;
use crate::domain::policy::tools::input::Input;
pub(in crate::domain::policy) use expect::REASONS;
use given::Given;

const TEST: Key<'static> = Key::new(
    "test",
    "[{ name = \"…\", given = { … }, expect = \"allow docs-api\" }]",
);
const TABLE: Key<'static> = Key::new(
    "table",
    "[{ name = \"…\", columns = [\"workload\", \"expect\"], rows = [ … ] }]",
);
const NAME: Key<'static> = Key::new("name", "\"the main branch may be published\"");
const GIVEN: Key<'static> = Key::new(
    "given",
    "{ workload = \"spiffe://acme.example/prod/ci/docs\", task = \"deploy-docs\" }",
);
const EXPECT: Key<'static> = Key::new("expect", "\"allow docs-api\"");

/// Reads the tests of some files, all or nothing.
pub(in crate::domain::policy) fn test_files(
    files: &[SourceFile],
) -> Result<Vec<Case>, Vec<Diagnostic>> {
    let mut report = Report::default();
    let mut cases = Vec::new();
    for file in files {
        test_file(file, &mut cases, &mut report);
    }
    if report.has_errors() {
        return Err(report.into_findings());
    }
    Ok(cases)
}

/// Reads one request: what stands below `given` in a test. JSON is taken too, with the same keys.
pub(in crate::domain::policy) fn request_file(file: &SourceFile) -> Result<Input, Vec<Diagnostic>> {
    let mut report = Report::default();
    let converted = from_json(file);
    let file = converted.as_ref().unwrap_or(file);
    let input = syntax::text(file, &mut report).and_then(|text| {
        let tables = syntax::tables(&text, &mut report)?;
        let top = text.place(0..0);
        let root = Section::new(&text, &tables, top.clone(), "a request".to_owned());
        Given::default()
            .with_section(root, &mut report)
            .finish(&top, &mut report)
    });
    match input {
        Some(input) if !report.has_errors() => Ok(input),
        Some(_) | None => Err(report.into_findings()),
    }
}

/// The same file as TOML, if it is JSON.
fn from_json(file: &SourceFile) -> Option<SourceFile> {
    let value: serde_json::Value = serde_json::from_slice(&file.bytes).ok()?;
    let text = toml::to_string(&value).ok()?;
    Some(SourceFile::new(file.name.clone(), text.into_bytes()))
}

fn test_file(file: &SourceFile, cases: &mut Vec<Case>, report: &mut Report) {
    let Some(text) = syntax::text(file, report) else {
        return;
    };
    let Some(tables) = syntax::tables(&text, report) else {
        return;
    };
    let what = "a test file".to_owned();
    let mut root = Section::new(&text, &tables, text.place(0..0), what);
    let tests = root.optional(TEST);
    let sections = tests.map(|entry| entry.tables(|number| format!("test {number}"), report));
    for section in sections.into_iter().flatten() {
        cases.extend(test(section, report));
    }
    let tables = root.optional(TABLE);
    let sections = tables.map(|entry| entry.tables(|number| format!("table {number}"), report));
    for section in sections.into_iter().flatten() {
        cases.extend(table::cases(section, report));
    }
    root.refuse(
        &["task", "credential", "environment", "audience", "identity"],
        "belongs into a policy file, and here it would have no effect",
        "move it into a `*.toml` file whose name does not end with `.test.toml`",
        report,
    );
    root.finish(report);
}

fn test(mut section: Section<'_>, report: &mut Report) -> Option<Case> {
    let name = section
        .required(NAME, report)
        .and_then(|entry| entry.line(report));
    let given = section
        .required(GIVEN, report)
        .and_then(|entry| entry.table("`given`".to_owned(), report))
        .map(|section| Given::default().with_section(section, report));
    let expected = section
        .required(EXPECT, report)
        .and_then(|entry| expect::expected(entry, report));
    let place = section.place.clone();
    let given = given.and_then(|given| given.finish(&place, report));
    section.finish(report);
    let name = name?;
    Some(Case {
        name: name.value.to_string(),
        place: name.place,
        given: given?,
        expected: expected?,
    })
}
