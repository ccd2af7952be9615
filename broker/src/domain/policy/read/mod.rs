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
mod meant;
mod parameter;
mod root;
mod section;
mod syntax;
mod task;
mod test_file;
mod value_pattern;

use taskpass_proto::task_name::TaskName;

use self::entry::{Key, is_name};
pub(super) use self::meant::is_every;
use self::root::named;
use self::section::Section;
pub(super) use self::task::in_header;
pub(super) use self::test_file::{REASONS, request_file, test_files};
use super::declared::{Declarations, Named};
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
    root::misspelt_tables(&mut root, report);
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
        installation::installation(file, root, &mut report)
    });
    match facts {
        Some(facts) if !report.has_errors() => Ok(facts),
        Some(_) | None => Err(report.into_findings()),
    }
}

fn is_task_name(text: &str) -> bool {
    text.parse::<TaskName>().is_ok()
}
