//! Whether the scopes and claims of a credential can be filled in by every task that grants it.

use super::names::did_you_mean;
use crate::domain::policy::claim_template::{ClaimText, is_claim_text};
use crate::domain::policy::declared::{DeclaredCredential, DeclaredTask, Located, Named};
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::parameter::{Parameter, ParameterKind};
use crate::domain::policy::report::Report;
use crate::domain::policy::scope_template::is_scope_token;
use crate::domain::policy::source::Place;

/// Reports parameters in scopes and claims that the task does not declare, does not insist on, or does not
/// constrain.
pub(super) fn check_templates(
    task: &Named<DeclaredTask>,
    credential: &Named<DeclaredCredential>,
    granted_at: &Place,
    report: &mut Report,
) {
    for scope in &credential.body.scopes {
        let blank = Blank {
            what: format!("scope `{}`", scope.value),
            place: &scope.place,
            takes: is_scope_token,
            part: "part of one scope",
            help: "write values without spaces, `\"`, `\\` and non-ASCII characters",
        };
        let parameters = scope.value.parameters();
        blank.check(parameters, (credential, task), granted_at, report);
    }
    for claim in &credential.body.claims {
        let blank = Blank {
            what: format!("claim `{}`", claim.name.value.0),
            place: &claim.value.place,
            takes: is_claim_text,
            part: "a claim's text",
            help: "write values of 1 to 256 bytes without control characters",
        };
        let texts = claim.value.value.texts().iter();
        let parameters = texts.flat_map(ClaimText::parameters);
        blank.check(parameters, (credential, task), granted_at, report);
    }
}

/// Something that parameters are filled in to.
struct Blank<'a> {
    what: String,
    place: &'a Place,
    /// Whether a value can stand there.
    takes: fn(&str) -> bool,
    /// What a value has to be, and how it becomes that.
    part: &'static str,
    help: &'static str,
}

impl Blank<'_> {
    fn check<'p>(
        &self,
        parameters: impl Iterator<Item = &'p str>,
        (credential, task): (&Named<DeclaredCredential>, &Named<DeclaredTask>),
        granted_at: &Place,
        report: &mut Report,
    ) {
        for name in parameters {
            let wrong = match task.body.parameters.get(name) {
                None => undeclared(task, name, report),
                // Its own mistake is reported already.
                Some(None) => continue,
                Some(Some(parameter)) => match self.unfit(task, name, parameter) {
                    Some(wrong) => wrong,
                    None => continue,
                },
            };
            report.push(wrong.into_finding(self, (credential, task), granted_at));
        }
    }

    fn unfit(
        &self,
        task: &Named<DeclaredTask>,
        name: &str,
        parameter: &Located<Parameter>,
    ) -> Option<Wrong> {
        let task = &task.name.value;
        let (why, help) = if parameter.value.is_optional {
            (
                format!("parameter `{name}` of task `{task}` is optional"),
                format!("remove `optional = true` from parameter `{name}`"),
            )
        } else {
            match &parameter.value.kind {
                ParameterKind::Text => (
                    format!(
                        "parameter `{name}` of task `{task}` is of the type `text`, which can be anything"
                    ),
                    format!("give parameter `{name}` the type `token`, `path` or `one_of`"),
                ),
                ParameterKind::OneOf(values) => {
                    let value = values.iter().find(|value| !(self.takes)(value))?;
                    (
                        format!(
                            "the value {value:?} of parameter `{name}` of task `{task}` is not {}",
                            self.part
                        ),
                        self.help.to_owned(),
                    )
                }
                ParameterKind::Integer { .. }
                | ParameterKind::Boolean
                | ParameterKind::Token
                | ParameterKind::Path => return None,
            }
        };
        Some(Wrong {
            why,
            help,
            parameter: Some(parameter.place.clone()),
        })
    }
}

/// Why a parameter cannot be filled in.
struct Wrong {
    why: String,
    help: String,
    parameter: Option<Place>,
}

impl Wrong {
    fn into_finding(
        self,
        blank: &Blank<'_>,
        (credential, task): (&Named<DeclaredCredential>, &Named<DeclaredTask>),
        granted_at: &Place,
    ) -> Diagnostic {
        let message = format!(
            "the {} of credential `{}` cannot be filled in: {}",
            blank.what, credential.name.value, self.why
        );
        let granted = format!("task `{}` grants the credential here", task.name.value);
        let finding = Diagnostic::error(blank.place.clone(), message)
            .help(self.help)
            .related(granted_at.clone(), granted);
        match self.parameter {
            Some(place) => finding.related(place, "the parameter is declared here"),
            None => finding,
        }
    }
}

fn undeclared(task: &Named<DeclaredTask>, name: &str, report: &Report) -> Wrong {
    let task_name = &task.name.value;
    let declared = task.body.parameters.keys().map(|name| &**name);
    let help = match did_you_mean(name, declared, report) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("add `params.{name} = {{ type = \"token\" }}` to task `{task_name}`"),
    };
    Wrong {
        why: format!("task `{task_name}` has no parameter `{name}`"),
        help,
        parameter: None,
    }
}
