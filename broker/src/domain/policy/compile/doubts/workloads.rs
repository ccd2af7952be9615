//! Workloads that were likely meant to be others.

use crate::domain::policy::compile::environment_tree::{EnvironmentTree, meant};
use crate::domain::policy::compile::names::Names;
use crate::domain::policy::declared::{DeclaredAudience, DeclaredIdentity, Located};
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::lint::Lint;
use crate::domain::policy::pattern::WorkloadPattern;
use crate::domain::policy::report::Report;

/// Reports verifiers and identities whose workloads are in no environment, though nearly in one, and verifiers
/// that are everybody.
pub(super) fn look_at(
    audiences: &Names<'_, DeclaredAudience>,
    identities: &Names<'_, DeclaredIdentity>,
    environments: &EnvironmentTree<'_>,
    report: &mut Report,
) {
    for audience in audiences.values() {
        for verifier in &audience.body.verifiers {
            if verifier.value.is_whole_trust_domain() {
                let message = format!(
                    "every workload of the trust domain may ask about tokens for `{}`",
                    audience.name.value
                );
                let doubt =
                    Diagnostic::warning(Lint::WideWorkload, verifier.place.clone(), message);
                report.push(doubt.help("name those that are handed such tokens, by a path"));
            }
            unlikely(verifier, environments, report);
        }
    }
    for identity in identities.values() {
        for workload in &identity.body.workloads {
            unlikely(workload, environments, report);
        }
    }
}

fn unlikely(
    pattern: &Located<WorkloadPattern>,
    environments: &EnvironmentTree<'_>,
    report: &mut Report,
) {
    if report.is_partial() || !environments.meeting(&pattern.value).is_empty() {
        return;
    }
    if let Some(meant) = meant(&pattern.value, environments) {
        let message = "these workloads are in no environment";
        let doubt = Diagnostic::warning(Lint::UnlikelyWorkload, pattern.place.clone(), message);
        report.push(doubt.meant(pattern.place.clone(), &meant));
    }
}
