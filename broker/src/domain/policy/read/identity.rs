//! `[identity.NAME]` and `[environment.NAME]`: what is said of workloads.

use std::sync::Arc;

use super::entry::{Entry, Key};
use super::section::Section;
use crate::domain::policy::declared::{DeclaredIdentity, Located};
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::pattern::WorkloadPattern;
use crate::domain::policy::report::Report;
use crate::domain::policy::snapshot::IdentityKind;

const WORKLOAD: Key<'static> = Key::new("workload", "\"spiffe://acme.example/prod/agents/*\"");
const KIND: Key<'static> = Key::new("kind", "\"service\"");
const OWNER: Key<'static> = Key::new("owner", "\"agents@acme.example\"");
const TOOLS: Key<'static> = Key::new("tools", "[\"search-tickets\"]");
const WORKLOADS: Key<'static> = Key::new("workloads", "[\"spiffe://acme.example/prod/**\"]");

pub(super) fn identity(mut section: Section<'_>, report: &mut Report) -> DeclaredIdentity {
    let workloads = section
        .required(WORKLOAD, report)
        .map(|entry| entry.one_or_more(report))
        .unwrap_or_default();
    let kind = section
        .required(KIND, report)
        .and_then(|entry| kind(entry, report));
    let owner = section
        .required(OWNER, report)
        .and_then(|entry| entry.line(report));
    let mut tools: Vec<Arc<str>> = Vec::new();
    if let Some(entry) = section.optional(TOOLS) {
        tools.extend(entry.names(report).into_iter().map(|name| name.value));
        if !matches!(kind, None | Some(IdentityKind::Agent)) {
            let message = "only an identity of kind `agent` has `tools`";
            let help = "remove `tools`, or write `kind = \"agent\"`";
            report.push(Diagnostic::error(entry.place(), message).help(help));
        }
    }
    tools.sort_unstable();
    tools.dedup();
    section.finish(report);
    DeclaredIdentity {
        workloads,
        kind,
        owner: owner.map(|owner| owner.value),
        tools,
    }
}

pub(super) fn environment(
    mut section: Section<'_>,
    report: &mut Report,
) -> Vec<Located<WorkloadPattern>> {
    let workloads = section
        .required(WORKLOADS, report)
        .map(|entry| entry.one_or_more(report))
        .unwrap_or_default();
    section.finish(report);
    workloads
}

fn kind(entry: Entry<'_>, report: &mut Report) -> Option<IdentityKind> {
    let name = entry.string(report)?;
    match name.value {
        "service" => Some(IdentityKind::Service),
        "person" => Some(IdentityKind::Person),
        "agent" => Some(IdentityKind::Agent),
        unknown => {
            let message = format!("unknown kind `{}`", unknown.escape_debug());
            let help = "the kinds are `service`, `person` and `agent` (an AI agent)";
            report.push(Diagnostic::error(name.place, message).help(help));
            None
        }
    }
}
