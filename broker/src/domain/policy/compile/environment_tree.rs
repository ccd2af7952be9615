//! Environments, found by the workloads that are in them.

use super::names::Names;
use super::pattern_tree::PatternTree;
use crate::domain::policy::declared::Located;
use crate::domain::policy::pattern::WorkloadPattern;
use crate::domain::policy::suggest::suggest;

/// Environments by name.
pub(super) type Environments<'a> = Names<'a, Vec<Located<WorkloadPattern>>>;

/// Where a pattern of an environment stands: the environment's name and the pattern.
pub(super) type InEnvironment<'a> = (&'a str, &'a Located<WorkloadPattern>);

/// Every pattern of every environment.
pub(super) type EnvironmentTree<'a> = PatternTree<'a, InEnvironment<'a>>;

/// Every pattern of every environment.
pub(super) fn tree<'a>(environments: &Environments<'a>) -> EnvironmentTree<'a> {
    let mut tree = PatternTree::new();
    for (name, environment) in environments {
        for pattern in &environment.body {
            tree.insert(&pattern.value, (*name, pattern));
        }
    }
    tree
}

/// The pattern with one word as an environment writes it, when that puts it into one.
pub(super) fn meant(
    pattern: &WorkloadPattern,
    environments: &EnvironmentTree<'_>,
) -> Option<String> {
    let (wrong, candidates) = environments.leaves(pattern)?;
    let right = suggest(wrong, candidates.into_iter())?;
    let meant = pattern
        .as_str()
        .replacen(&format!("/{wrong}"), &format!("/{right}"), 1);
    let parsed: WorkloadPattern = meant.parse().ok()?;
    (!environments.meeting(&parsed).is_empty()).then_some(meant)
}
