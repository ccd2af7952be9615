//! Workloads that were likely meant to be others.

use super::environments::InEnvironment;
use super::pattern_tree::PatternTree;
use crate::domain::policy::compile::names::Names;
use crate::domain::policy::declared::{DeclaredAudience, DeclaredIdentity, Located};
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::lint::Lint;
use crate::domain::policy::pattern::WorkloadPattern;
use crate::domain::policy::report::Report;
use crate::domain::policy::suggest::suggest;

/// The pattern with one word as an environment writes it, when that puts it into one.
pub(super) fn meant(
    pattern: &WorkloadPattern,
    environments: &PatternTree<'_, InEnvironment<'_>>,
) -> Option<String> {
    let (wrong, candidates) = environments.leaves(pattern)?;
    let right = suggest(wrong, candidates.into_iter())?;
    let meant = pattern
        .as_str()
        .replacen(&format!("/{wrong}"), &format!("/{right}"), 1);
    let parsed: WorkloadPattern = meant.parse().ok()?;
    (!environments.meeting(&parsed).is_empty()).then_some(meant)
}

/// Reports verifiers and identities whose workloads are in no environment, though nearly in one, and verifiers
/// that are everybody.
pub(super) fn look_at(
    audiences: &Names<'_, DeclaredAudience>,
    identities: &Names<'_, DeclaredIdentity>,
    environments: &PatternTree<'_, InEnvironment<'_>>,
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
    environments: &PatternTree<'_, InEnvironment<'_>>,
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
