//! How near a workload comes to the patterns of a grant.

use std::sync::Arc;

use taskpass_identity::SpiffeId;

use crate::domain::policy::pattern::{Segment, WorkloadPattern};
use crate::domain::policy::snapshot::{Grant, Policy};

/// Patterns of one grant that are listed.
const MAX_PATTERNS: usize = 8;

/// How many segments of the best pattern are met; one more for the trust domain.
pub(super) fn nearness(grant: &Grant, workload: &SpiffeId) -> usize {
    let met = grant.workloads.iter().map(|pattern| met(pattern, workload));
    met.max().unwrap_or_default()
}

/// The patterns of a grant, the nearest first.
pub(super) fn expected(grant: &Grant, workload: &SpiffeId) -> String {
    let patterns = nearest(grant, workload);
    let shown: Vec<_> = patterns
        .iter()
        .take(MAX_PATTERNS)
        .map(|pattern| pattern.as_str())
        .collect();
    let more = match patterns.len().saturating_sub(MAX_PATTERNS) {
        0 => String::new(),
        more => format!(", or one of {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}

/// The patterns of a grant, the nearest first.
pub(super) fn nearest<'a>(grant: &'a Grant, workload: &SpiffeId) -> Vec<&'a WorkloadPattern> {
    let mut patterns: Vec<&WorkloadPattern> = grant.workloads.iter().collect();
    patterns.sort_by_key(|pattern| std::cmp::Reverse(met(pattern, workload)));
    patterns
}

/// The tasks that some grant gives a workload.
pub(super) fn tasks(policy: &Policy, workload: &SpiffeId) -> Vec<Arc<str>> {
    let granted = policy
        .tasks
        .iter()
        .filter(|(_, task)| task.by_workload.matches(workload).next().is_some());
    let mut names: Vec<_> = granted.map(|(name, _)| name.clone()).collect();
    names.sort_unstable();
    names
}

fn met(pattern: &WorkloadPattern, workload: &SpiffeId) -> usize {
    if pattern.trust_domain() != workload.trust_domain().as_str() {
        return 0;
    }
    let pairs = pattern.segments().zip(workload.segments());
    let met = pairs.take_while(|(segment, given)| match segment {
        Segment::Literal(text) => text == given,
        Segment::Any | Segment::Rest => true,
    });
    1 + met.count()
}

/// A workload that matches the pattern, as near to this one as it can be.
pub(super) fn example(pattern: &WorkloadPattern, near: &SpiffeId) -> Option<SpiffeId> {
    let mut given = near.segments();
    let mut path = String::new();
    for segment in pattern.segments() {
        let own = given.next().unwrap_or("any");
        let text = match segment {
            Segment::Literal(text) => text,
            Segment::Any | Segment::Rest => own,
        };
        path.push('/');
        path.push_str(text);
    }
    format!("spiffe://{}{path}", pattern.trust_domain())
        .parse()
        .ok()
}
