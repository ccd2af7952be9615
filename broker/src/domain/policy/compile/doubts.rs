//! What is allowed, and likely a mistake.

use std::collections::{BTreeSet, HashMap};

use super::names::Names;
use crate::domain::policy::declared::{DeclaredCredential, DeclaredTask, Located};
use crate::domain::policy::diagnostic::{Diagnostic, Severity};
use crate::domain::policy::installation::Installation;
use crate::domain::policy::pattern::WorkloadPattern;
use crate::domain::policy::read::in_header;
use crate::domain::policy::report::Report;
use crate::domain::policy::snapshot::ANY_ENVIRONMENT;
use crate::domain::policy::source::Place;
use crate::domain::policy::suggest::suggest;

pub(super) fn look_for(
    tasks: &Names<'_, DeclaredTask>,
    credentials: &Names<'_, DeclaredCredential>,
    environments: &Names<'_, Vec<Located<WorkloadPattern>>>,
    report: &mut Report,
) {
    let mut granted = BTreeSet::new();
    for task in tasks.values() {
        if task.body.grants.is_empty() {
            let message = format!("nobody may do task `{}`: it has no grants", task.name.value);
            let name = in_header(&task.name.value);
            let help = format!("add a `[[task.{name}.grant]]` with a workload and its credentials");
            report.push(Diagnostic::warning(task.name.place.clone(), message).help(help));
        }
        for grant in &task.body.grants {
            granted.extend(grant.credentials.iter().map(|name| &*name.value));
            for pattern in grant
                .workloads
                .iter()
                .filter(|pattern| pattern.value.is_whole_trust_domain())
            {
                let message = "the grant is for every workload of the trust domain";
                let help = "name the workloads by a path, for instance `/prod/ci/*`";
                report.push(Diagnostic::warning(pattern.place.clone(), message).help(help));
            }
        }
    }
    for (name, credential) in credentials {
        if !granted.contains(name) && !report.is_partial() {
            let message = format!("nobody can get credential `{name}`: no grant names it");
            let help = "name it in the `credentials` of a grant, or remove it";
            report.push(Diagnostic::warning(credential.name.place.clone(), message).help(help));
        }
    }
    shared_patterns(environments, report);
}

/// A ceiling for an environment that no policy declares holds nothing.
pub(super) fn ceilings_of_nothing(
    installation: &Installation,
    environments: &Names<'_, Vec<Located<WorkloadPattern>>>,
    report: &mut Report,
) {
    for (name, ceiling) in &installation.environment_ceilings {
        if **name == *ANY_ENVIRONMENT || environments.contains_key(&**name) || report.is_partial() {
            continue;
        }
        let message =
            format!("there is a ceiling for environment `{name}`, which no policy declares");
        let finding = Diagnostic::error(ceiling.place.clone(), message);
        report.push(match suggest(name, environments.keys().copied()) {
            Some(meant) => finding
                .help(format!("did you mean `{meant}`?"))
                .fix(ceiling.place.clone(), meant),
            None => Diagnostic {
                severity: Severity::Warning,
                ..finding
            }
            .help(format!(
                "declare `[environment.{name}]`, or remove the ceiling"
            )),
        });
    }
}

/// A workload of two environments gets the credentials of neither.
fn shared_patterns(environments: &Names<'_, Vec<Located<WorkloadPattern>>>, report: &mut Report) {
    let mut seen: HashMap<&WorkloadPattern, (&str, &Place)> = HashMap::new();
    for (name, environment) in environments {
        for pattern in &environment.body {
            let Some((other, first)) = seen.insert(&pattern.value, (*name, &pattern.place)) else {
                continue;
            };
            if other != *name {
                let message = format!(
                    "workloads `{}` are in the environments `{other}` and `{name}`, and get the credentials of neither",
                    pattern.value
                );
                let doubt = Diagnostic::warning(pattern.place.clone(), message)
                    .help("keep the pattern in one of the two")
                    .related(first.clone(), "first written here");
                report.push(doubt);
            }
        }
    }
}
