//! Workloads of two environments: they get the credentials of neither.

use crate::domain::policy::compile::environment_tree::{
    EnvironmentTree, Environments, InEnvironment,
};
use crate::domain::policy::declared::Located;
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::lint::Lint;
use crate::domain::policy::pattern::WorkloadPattern;
use crate::domain::policy::report::Report;

/// Reports each pair of environments that have workloads in common, once.
pub(super) fn overlapping<'a>(
    environments: &Environments<'a>,
    tree: &EnvironmentTree<'a>,
    report: &mut Report,
) {
    for (name, environment) in environments {
        let met = environment.body.iter().find_map(|pattern| {
            let others = tree.meeting(&pattern.value);
            let other = others.into_iter().filter(|(other, _)| other < name);
            Some((
                pattern,
                other.min_by_key(|(other, at)| (*other, at.place.span.start))?,
            ))
        });
        let Some((pattern, (other, first))) = met else {
            continue;
        };
        report.push(overlap((*name, pattern), (other, first), tree));
    }
}

fn overlap(
    (name, pattern): InEnvironment<'_>,
    (other, first): InEnvironment<'_>,
    tree: &EnvironmentTree<'_>,
) -> Diagnostic {
    let which = if pattern.value == first.value {
        format!("workloads `{}`", pattern.value)
    } else {
        format!(
            "workloads that match both `{}` and `{}`",
            first.value, pattern.value
        )
    };
    let message = format!(
        "{which} are in the environments `{other}` and `{name}`, and get the credentials of neither"
    );
    let doubt = Diagnostic::warning(
        Lint::OverlappingEnvironments,
        pattern.place.clone(),
        message,
    )
    .related(first.place.clone(), format!("the pattern of `{other}`"));
    let both = [(name, pattern), (other, first)];
    let narrower = both
        .into_iter()
        .find_map(|(name, pattern)| Some((name, narrowed(pattern, name, tree)?)));
    doubt.help(match narrower {
        Some((name, narrower)) => {
            format!("narrow the pattern of `{name}`, for instance to `{narrower}`")
        }
        None => {
            "keep the workloads in one of the two: remove the pattern from the other".to_owned()
        }
    })
}

/// A pattern that begins with the environment's name, where no other environment has workloads in common with it.
fn narrowed(
    pattern: &Located<WorkloadPattern>,
    name: &str,
    tree: &EnvironmentTree<'_>,
) -> Option<String> {
    let text = format!("spiffe://{}/{name}/**", pattern.value.trust_domain());
    let narrower: WorkloadPattern = text.parse().ok()?;
    let is_alone = tree
        .meeting(&narrower)
        .iter()
        .all(|(other, at)| *other == name || at.value == pattern.value);
    (is_alone && narrower != pattern.value).then_some(text)
}
