//! Whether the scopes of a credential can be filled in by every task that grants it.

use super::names::did_you_mean;
use crate::domain::policy::declared::{DeclaredCredential, DeclaredTask, Located, Named};
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::parameter::{Parameter, ParameterKind};
use crate::domain::policy::report::Report;
use crate::domain::policy::scope_template::{ScopeTemplate, is_scope_token};
use crate::domain::policy::source::Place;

/// Reports parameters in scopes that the task does not declare, does not insist on, or does not constrain.
pub(super) fn check_templates(
    task: &Named<DeclaredTask>,
    credential: &Named<DeclaredCredential>,
    granted_at: &Place,
    report: &mut Report,
) {
    for scope in &credential.body.scopes {
        for name in scope.value.parameters() {
            let wrong = match task.body.parameters.get(name) {
                None => undeclared(task, name, report),
                // Its own mistake is reported already.
                Some(None) => continue,
                Some(Some(parameter)) => match unfit(task, name, parameter) {
                    Some(wrong) => wrong,
                    None => continue,
                },
            };
            report.push(wrong.into_finding(scope, (credential, task), granted_at));
        }
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
        scope: &Located<ScopeTemplate>,
        (credential, task): (&Named<DeclaredCredential>, &Named<DeclaredTask>),
        granted_at: &Place,
    ) -> Diagnostic {
        let message = format!(
            "the scope `{}` of credential `{}` cannot be filled in: {}",
            scope.value, credential.name.value, self.why
        );
        let granted = format!("task `{}` grants the credential here", task.name.value);
        let finding = Diagnostic::error(scope.place.clone(), message)
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
    let help = did_you_mean(name, declared, report).unwrap_or_else(|| {
        format!("add `params.{name} = {{ type = \"token\" }}` to task `{task_name}`")
    });
    Wrong {
        why: format!("task `{task_name}` has no parameter `{name}`"),
        help,
        parameter: None,
    }
}

fn unfit(task: &Named<DeclaredTask>, name: &str, parameter: &Located<Parameter>) -> Option<Wrong> {
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
                let value = values.iter().find(|value| !is_scope_token(value))?;
                (
                    format!(
                        "the value {value:?} of parameter `{name}` of task `{task}` is not part of one scope"
                    ),
                    "write values without spaces, `\"`, `\\` and non-ASCII characters".to_owned(),
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
