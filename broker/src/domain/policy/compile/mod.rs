//! From files to a snapshot: what is declared is linked, checked against the installation, and indexed.
//!
//! - `names`: who is called what, and what a reference means
//! - `credentials`, `tasks`, `workloads`: what each kind of declaration becomes
//! - `conditions`, `guardrails`: what Cedar checks, in places of our files; `written_string`: where in a string
//! - `headless`: grants without their task
//! - `references`: remedies that name what there is
//! - `templates`: whether scopes can be filled in wherever they are granted
//! - `doubts`: what is likely a mistake
//! - `environment_tree`: environments by their workloads; `pattern_tree`: which patterns cover or meet another

mod conditions;
mod credentials;
mod doubts;
mod environment_tree;
mod guardrails;
mod headless;
mod names;
mod pattern_tree;
mod references;
mod tasks;
mod templates;
mod workloads;
mod written_string;

use std::sync::Arc;

use self::conditions::Conditions;
use self::names::{Kind, by_name};
use super::declared::Declarations;
use super::diagnostic::Diagnostic;
use super::hash::PolicyHash;
use super::installation::Installation;
use super::read;
use super::report::Report;
use super::snapshot::Policy;
use super::source::{Place, SourceFile};

/// All or nothing: a snapshot, or what is wrong.
pub(super) fn compile(
    files: &[SourceFile],
    installation: &Installation,
) -> Result<Policy, Vec<Diagnostic>> {
    let mut report = Report::default();
    let mut declared = Declarations::default();
    let mut sources = files.to_vec();
    // INVARIANT: the order in which files were given never shows, neither in findings nor in decisions.
    sources.sort_by(|a, b| (&a.name, &a.bytes).cmp(&(&b.name, &b.bytes)));
    for file in &sources {
        read::policy_file(file, &mut declared, &mut report);
    }
    let policy = link(&declared, installation, sources, &mut report);
    if report.has_errors() {
        return Err(report.into_findings());
    }
    Ok(Policy {
        warnings: report.into_findings(),
        ..policy
    })
}

/// What is wrong in files by themselves, whatever the installation's facts are.
pub(super) fn errors_within(files: &[SourceFile]) -> Vec<Diagnostic> {
    let (mut report, mut declared) = (Report::default(), Declarations::default());
    for file in files {
        read::policy_file(file, &mut declared, &mut report);
    }
    report.into_findings()
}

fn link(
    declared: &Declarations,
    installation: &Installation,
    sources: Vec<SourceFile>,
    report: &mut Report,
) -> Policy {
    let whole = declared.tasks.iter().filter(|task| !task.body.is_headless);
    let tasks = by_name(Kind::Task, whole, report);
    headless::report_grants(&declared.tasks, &tasks, report);
    let credentials = by_name(Kind::Credential, &declared.credentials, report);
    let environments = by_name(Kind::Environment, &declared.environments, report);
    let audiences = by_name(Kind::Audience, &declared.audiences, report);
    let identities = by_name(Kind::Identity, &declared.identities, report);
    let (verifiers, audiences_of) = workloads::verifiers(&audiences, installation, report);
    references::References {
        sources: &sources,
        installation,
        credentials: &credentials,
        audiences: &audiences,
        environments: &environments,
    }
    .settle(report);
    let ceilings = installation.ceilings();
    let built = credentials::Builder {
        installation,
        ceilings: &ceilings,
        audiences: &audiences,
        environments: &environments,
    }
    .credentials(&credentials, report);
    let tree = environment_tree::tree(&environments);
    doubts::Doubts {
        declared,
        tasks: &tasks,
        credentials: &credentials,
        environments: &environments,
        audiences: &audiences,
        identities: &identities,
        tree: &tree,
    }
    .look(report);
    doubts::ceilings_of_nothing(installation, &environments, report);
    let mut conditions = Conditions::new(&sources, declared, &tasks, &tree);
    let guardrails = conditions.guardrails(&declared.guardrails, report);
    let tasks = tasks::Builder {
        credentials: &credentials,
        built: &built,
        installation,
        conditions: &mut conditions,
    }
    .tasks(&tasks, report);
    Policy {
        hash: PolicyHash::of(&installation.source, &sources),
        warnings: Vec::new(),
        tasks,
        environments: workloads::environments(&environments, report),
        identities: workloads::identities(&identities, report),
        verifiers,
        audiences: audiences_of,
        declared_environments: workloads::declared_environments(&environments),
        declared_audiences: workloads::declared_audiences(&audiences),
        credentials: built
            .into_values()
            .map(|built| (built.name.clone(), built))
            .collect(),
        guardrails,
        ceilings,
        on_withdrawn_grant: installation.on_withdrawn_grant,
        sources,
        installation: installation.source.clone(),
    }
}

/// A place as decisions show it: `file:line`.
fn short(place: &Place) -> Arc<str> {
    format!("{}:{}", place.file, place.line).into()
}
