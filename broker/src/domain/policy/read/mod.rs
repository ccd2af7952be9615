//! Reads files into declarations, by hand: every key is known or an error, every error has its place.
//!
//! - `syntax`: bytes → TOML with places
//! - `section`, `entry`: one table, one value
//! - the rest: what each table of the language holds

mod audience;
mod claims;
mod credential;
mod entry;
mod guardrail;
mod identity;
mod installation;
mod parameter;
mod section;
mod syntax;
mod task;
mod test_file;

use std::sync::Arc;

use taskpass_proto::task_name::TaskName;

use self::entry::{Key, NAME_RULE, is_name};
use self::section::Section;
pub(super) use self::task::in_header;
pub(super) use self::test_file::{REASONS, request_file, test_files};
use super::declared::{Declarations, Located, Named};
use super::diagnostic::Diagnostic;
use super::installation::Installation;
use super::report::Report;
use super::source::SourceFile;

const TASK: Key<'static> = Key::new("task", "{ deploy-docs = { … } }");
const CREDENTIAL: Key<'static> = Key::new("credential", "{ docs-api = { … } }");
const ENVIRONMENT: Key<'static> = Key::new("environment", "{ prod = { … } }");
const AUDIENCE: Key<'static> = Key::new("audience", "{ docs = { … } }");
const IDENTITY: Key<'static> = Key::new("identity", "{ docs-bot = { … } }");

/// Reads one policy file and adds what it declares.
pub(super) fn policy_file(file: &SourceFile, declared: &mut Declarations, report: &mut Report) {
    let Some(text) = syntax::text(file, report) else {
        return;
    };
    if file.is_guardrails() {
        declared
            .guardrails
            .extend(guardrail::statements(&text, report));
        return;
    }
    let Some(tables) = syntax::tables(&text, report) else {
        return;
    };
    let what = "a policy file".to_owned();
    let mut root = Section::new(&text, &tables, text.place(0..0), what);
    for (name, section) in named(&mut root, TASK, is_task_name, report) {
        let body = task::task(&name.value, section, report);
        declared.tasks.push(Named { name, body });
    }
    for (name, section) in named(&mut root, CREDENTIAL, is_name, report) {
        let body = credential::credential(section, report);
        declared.credentials.push(Named { name, body });
    }
    for (name, section) in named(&mut root, ENVIRONMENT, is_name, report) {
        let body = identity::environment(section, report);
        declared.environments.push(Named { name, body });
    }
    for (name, section) in named(&mut root, AUDIENCE, is_name, report) {
        let body = audience::audience(section, report);
        declared.audiences.push(Named { name, body });
    }
    for (name, section) in named(&mut root, IDENTITY, is_name, report) {
        let body = identity::identity(section, report);
        declared.identities.push(Named { name, body });
    }
    root.refuse(
        &[
            "issuer",
            "max_ttl",
            "max_duration",
            "forbidden_audiences",
            "on_withdrawn_grant",
            "allowed_audiences",
            "ceiling",
        ],
        "belongs into the installation file, not into a policy file",
        "move it into `installation.toml`",
        report,
    );
    root.refuse(
        &["test", "table"],
        "belongs into a test file, not into a policy file",
        "give the file a name that ends with `.test.toml`",
        report,
    );
    root.finish(report);
}

/// Reads the installation file.
pub(super) fn installation_file(file: &SourceFile) -> Result<Installation, Vec<Diagnostic>> {
    let mut report = Report::default();
    let facts = syntax::text(file, &mut report).and_then(|text| {
        let tables = syntax::tables(&text, &mut report)?;
        let what = "the installation file".to_owned();
        let root = Section::new(&text, &tables, text.place(0..0), what);
        installation::installation(root, &mut report)
    });
    match facts {
        Some(facts) if !report.has_errors() => Ok(facts),
        Some(_) | None => Err(report.into_findings()),
    }
}

/// The tables below `[KEY.…]` with their names; those with an impossible name are reported, and read all the
/// same, for what else is wrong with them.
fn named<'a>(
    root: &mut Section<'a>,
    key: Key<'static>,
    is_valid: fn(&str) -> bool,
    report: &mut Report,
) -> Vec<(Located<Arc<str>>, Section<'a>)> {
    let Some(tables) = root
        .optional(key)
        .and_then(|entry| entry.table(key.name.to_owned(), report))
    else {
        return Vec::new();
    };
    let mut sections = Vec::new();
    for (name, entry) in tables.children("{ … }") {
        if !is_valid(name.value) {
            report.push(bad_name(key, &name));
        }
        let what = format!("{} `{}`", key.name, name.value.escape_debug());
        if let Some(section) = entry.table(what, report) {
            let section = section.named_at(name.place.clone());
            sections.push((name.map(Arc::from), section));
        }
    }
    sections
}

fn is_task_name(text: &str) -> bool {
    text.parse::<TaskName>().is_ok()
}

fn bad_name(key: Key<'_>, name: &Located<&str>) -> Diagnostic {
    let (rule, example) = if key.name == TASK.name {
        (
            "a task's name is segments of `a-z`, `0-9` and `-` joined by `/`, at most 128 bytes",
            "for instance `[task.deploy-docs]` or `[task.\"ci/build\"]`".to_owned(),
        )
    } else {
        (NAME_RULE, format!("for instance `[{}.docs]`", key.name))
    };
    Diagnostic::error(name.place.clone(), rule).help(example)
}
