//! What is allowed, and likely a mistake.
//!
//! - `grants`, `environments`, `workloads`: who is let in, or nobody, or too many
//! - `credentials`, `parameters`: what is handed out, or not, or too much

mod credentials;
mod environments;
mod grants;
mod parameters;
mod workloads;

use super::environment_tree::EnvironmentTree;
use super::names::Names;
use crate::domain::policy::declared::{
    Declarations, DeclaredAudience, DeclaredCredential, DeclaredGrant, DeclaredIdentity,
    DeclaredTask, Located, Named,
};
use crate::domain::policy::diagnostic::{Diagnostic, Severity};
use crate::domain::policy::installation::Installation;
use crate::domain::policy::lint::Lint;
use crate::domain::policy::pattern::WorkloadPattern;
use crate::domain::policy::read::in_header;
use crate::domain::policy::report::Report;
use crate::domain::policy::snapshot::{ANY_ENVIRONMENT, GrantMode};
use crate::domain::policy::suggest::suggest;

/// What people write who do not know yet whose it is.
const NOBODY: [&str; 15] = [
    "todo", "tbd", "fixme", "none", "nobody", "someone", "unknown", "n/a", "-", "?", "x", "xxx",
    "me", "changeme", "owner",
];

/// Everything that is declared, by name.
pub(super) struct Doubts<'a> {
    pub(super) declared: &'a Declarations,
    pub(super) tasks: &'a Names<'a, DeclaredTask>,
    pub(super) credentials: &'a Names<'a, DeclaredCredential>,
    pub(super) environments: &'a Names<'a, Vec<Located<WorkloadPattern>>>,
    pub(super) audiences: &'a Names<'a, DeclaredAudience>,
    pub(super) identities: &'a Names<'a, DeclaredIdentity>,
    pub(super) tree: &'a EnvironmentTree<'a>,
}

impl Doubts<'_> {
    /// Reports everything that is likely a mistake.
    pub(super) fn look(&self, report: &mut Report) {
        let environments = self.tree;
        environments::overlapping(self.environments, environments, report);
        workloads::look_at(self.audiences, self.identities, environments, report);
        credentials::look_at(self.tasks, self.credentials, self.audiences, report);
        let grants = grants::Grants {
            credentials: self.credentials,
            declared: self.environments,
            environments,
        };
        let parameters = parameters::Parameters::new(self.credentials, &self.declared.guardrails);
        for task in self.tasks.values() {
            without_grants(task, report);
            without_owner(task, report);
            grants.look_at(task, report);
            parameters.look_at(task, report);
        }
    }
}

/// A ceiling that lowers nothing, as it is no lower than that of the installation, or empty.
fn ceilings_without_effect(installation: &Installation, report: &mut Report) {
    for (name, ceiling) in &installation.environment_ceilings {
        let lowers = ceiling
            .max_ttl
            .is_some_and(|ttl| ttl < installation.max_ttl);
        if lowers || ceiling.issuers.is_some() || ceiling.audiences.is_some() {
            continue;
        }
        let message = match ceiling.max_ttl {
            Some(_) => format!(
                "`[ceiling.{name}]` lowers nothing: `max_ttl` of the installation is no higher"
            ),
            None => format!("`[ceiling.{name}]` is empty, and lowers nothing"),
        };
        let doubt = Diagnostic::warning(Lint::UnusedCeiling, ceiling.place.clone(), message);
        report.push(doubt.help("lower it, or remove it"));
    }
}

/// A ceiling for an environment that no policy declares holds nothing.
pub(super) fn ceilings_of_nothing(
    installation: &Installation,
    environments: &Names<'_, Vec<Located<WorkloadPattern>>>,
    report: &mut Report,
) {
    ceilings_without_effect(installation, report);
    for (name, ceiling) in &installation.environment_ceilings {
        if **name == *ANY_ENVIRONMENT || environments.contains_key(&**name) || report.is_partial() {
            continue;
        }
        let message =
            format!("there is a ceiling for environment `{name}`, which no policy declares");
        let finding = Diagnostic::warning(Lint::UnusedCeiling, ceiling.place.clone(), message);
        report.push(match suggest(name, environments.keys().copied()) {
            Some(meant) => Diagnostic {
                severity: Severity::Error,
                lint: None,
                ..finding
            }
            .help(format!("did you mean `{meant}`?"))
            .fix(ceiling.place.clone(), meant),
            None => finding.help(format!(
                "declare `[environment.{name}]`, or remove the ceiling"
            )),
        });
    }
}

fn without_grants(task: &Named<DeclaredTask>, report: &mut Report) {
    let is_enforced = |grant: &DeclaredGrant| grant.mode == GrantMode::Enforce;
    if task.body.grants.iter().any(is_enforced) || report.is_partial() {
        return;
    }
    let why = if task.body.grants.is_empty() {
        "it has no grants"
    } else {
        "its grants are in audit mode, which lets nothing through"
    };
    let message = format!("nobody may do task `{}`: {why}", task.name.value);
    let name = in_header(&task.name.value);
    let help = if task.body.grants.is_empty() {
        format!("add a `[[task.{name}.grant]]` with a workload and its credentials")
    } else {
        "remove `mode` from a grant once it has been tried out".to_owned()
    };
    let place = task.name.place.clone();
    report.push(Diagnostic::warning(Lint::TaskWithoutGrants, place, message).help(help));
}

fn without_owner(task: &Named<DeclaredTask>, report: &mut Report) {
    let Some(owner) = &task.body.owner else {
        return;
    };
    if NOBODY.contains(&&*owner.value.trim().to_ascii_lowercase()) {
        let message = format!(
            "nobody answers for task `{}`: its owner is `{}`",
            task.name.value, owner.value
        );
        let help = "name a team or an address that answers, for instance `owner = \"docs-platform@acme.example\"`";
        let place = owner.place.clone();
        report.push(Diagnostic::warning(Lint::OwnerUnknown, place, message).help(help));
    }
}
