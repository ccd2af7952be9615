//! Guardrails: each a `forbid` that fits the schema.

use std::sync::Arc;

use cedar_policy::{Effect, Policy, PolicySet, PrincipalConstraint, ResourceConstraint};
use serde_json::{Value, json};

use super::conditions::{Conditions, parameters_of};
use super::environment_tree::meant;
use super::short;
use crate::domain::policy::condition::{
    Formula, Known, Looks, Mistake, MistakeKind, Shape, TASK, WORKLOAD, explain, impossible,
    overflowing, syntax,
};
use crate::domain::policy::declared::{DeclaredGuardrail, Located};
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::guardrail::{Guardrail, Guardrails, Scope};
use crate::domain::policy::lint::Lint;
use crate::domain::policy::report::Report;
use crate::domain::policy::source::{Place, SourceText};

/// What annotations a guardrail may have.
const ANNOTATIONS: [&str; 2] = ["id", "description"];
const MAX_NAME_BYTES: usize = 128;

impl Conditions<'_> {
    /// Builds what is forbidden to everybody.
    pub(super) fn guardrails(
        &mut self,
        declared: &[DeclaredGuardrail],
        report: &mut Report,
    ) -> Guardrails {
        if declared.is_empty() {
            return Guardrails::default();
        }
        let everything = Shape::of_all(self.all_parameters());
        let mut guardrails: Vec<Guardrail> = Vec::with_capacity(declared.len());
        let mut places: Vec<&Place> = Vec::new();
        for DeclaredGuardrail { text } in declared {
            let Some(guardrail) = self.guardrail(text, &everything, report) else {
                continue;
            };
            let same = guardrails
                .iter()
                .position(|other| other.name == guardrail.name);
            if let Some(first) = same.and_then(|at| places.get(at)) {
                let message = format!("two guardrails have the id `{}`", guardrail.name);
                let twice = Diagnostic::error(text.place.clone(), message)
                    .help("give one of them another `@id`")
                    .related((*first).clone(), "first declared here");
                report.push(twice);
            }
            places.push(&text.place);
            guardrails.push(guardrail);
        }
        Guardrails::new(guardrails)
    }

    fn guardrail(
        &mut self,
        text: &Located<Arc<str>>,
        everything: &Shape,
        report: &mut Report,
    ) -> Option<Guardrail> {
        let policy = match Policy::parse(None, &text.value) {
            Ok(policy) => policy,
            Err(errors) => {
                self.report(&syntax(errors.iter(), &text.value), text, report);
                return None;
            }
        };
        let mut mistakes = head(&policy, &text.value);
        let scope = scope(&policy);
        let task = match &scope {
            Scope::Task(name) => self.tasks.get(&**name),
            Scope::Workload(_) | Scope::All => None,
        };
        let json = match policy.to_json() {
            Ok(json) => json,
            Err(error) => {
                report.push(unusable(text, &error));
                return None;
            }
        };
        let looks = Looks::of_policy(&json);
        let of_task = task.map(|task| Shape::of_task(parameters_of(&task.body)));
        // What seems to be missing may stand in the part that could not be read.
        let is_known = !report.is_partial()
            && match task {
                Some(task) => task.body.has_whole_parameters,
                None => self.has_all_parameters,
            };
        if is_known {
            let shape = of_task.as_ref().unwrap_or(everything);
            let checked = (policy.clone(), &looks);
            mistakes.extend(self.checker.policy(shape, checked, &text.value));
            let is_sound = mistakes.is_empty();
            mistakes.extend(self.unlikely((&json, &looks), &scope, &text.value, is_sound));
        }
        self.report(&mistakes, text, report);
        if scope == Scope::All && mistakes.is_empty() && is_unconditional(&policy, &json) {
            let message = "the guardrail forbids every request: nobody may do anything";
            let place = text.place.clone();
            let doubt = Diagnostic::warning(Lint::GuardrailForbidsEverything, place, message);
            report.push(doubt.help(
                "say when, as in `when { context.risk.exposed };`, or for which task, as in `resource == Task::\"deploy-docs\"`",
            ));
        }
        let place = short(&text.place);
        let name = policy
            .annotation("id")
            .map_or_else(|| place.clone(), Arc::from);
        let policy = match PolicySet::from_policies([policy]) {
            Ok(policy) => policy,
            Err(error) => {
                report.push(unusable(text, &error));
                return None;
            }
        };
        Some(Guardrail {
            name,
            place,
            text: text.value.clone(),
            scope,
            policy,
            looks,
        })
    }

    fn unlikely(
        &self,
        (json, looks): (&Value, &Looks),
        scope: &Scope,
        text: &str,
        is_sound: bool,
    ) -> Vec<Mistake> {
        let parameters = |name: &str| match scope {
            Scope::Task(task) => {
                let task = self
                    .tasks
                    .get(&**task)
                    .and_then(|task| task.body.parameters.get(name));
                task.and_then(Option::as_ref)
                    .map(|declared| declared.value.clone())
                    .into_iter()
                    .collect()
            }
            Scope::Workload(_) | Scope::All => self.parameters(name),
        };
        let known = Known {
            vocabulary: &self.vocabulary,
            parameters: &parameters,
            workloads: &[],
            environments: None,
            task: match scope {
                Scope::Task(task) => Some(task),
                Scope::Workload(_) | Scope::All => None,
            },
            meant: &|pattern| meant(pattern, self.environments),
        };
        let mut mistakes = explain(looks, &known, text);
        mistakes.extend(overflowing(json, &known, text));
        if !is_sound || !mistakes.is_empty() {
            return mistakes;
        }
        let Some(body) = Formula::of_unless(json) else {
            let whole = Formula::of_policy(json);
            return whole.map_or_else(Vec::new, |whole| impossible(&whole, &known, text));
        };
        let mut mistakes = impossible(&body, &known, text);
        for mistake in &mut mistakes {
            mistake.kind = mistake.kind.inverse();
        }
        mistakes
    }

    fn report(&self, mistakes: &[Mistake], text: &Located<Arc<str>>, report: &mut Report) {
        let is_wrong = mistakes
            .iter()
            .any(|mistake| mistake.kind == MistakeKind::Error);
        for mistake in mistakes {
            // That it can never hold comes of the error.
            if is_wrong && mistake.kind != MistakeKind::Error {
                continue;
            }
            let place = |span: &std::ops::Range<usize>| self.in_file(text, span);
            let at = place(&mistake.span);
            let mut finding = match mistake.kind {
                MistakeKind::Error => Diagnostic::error(at, mistake.message.clone()),
                MistakeKind::Never => Diagnostic::warning(
                    Lint::GuardrailForbidsNothing,
                    at,
                    mistake.said("the guardrail forbids nothing"),
                )
                .help("correct it, or remove it"),
                MistakeKind::Doubt => {
                    Diagnostic::warning(Lint::UnlikelyName, at, mistake.message.clone())
                }
                MistakeKind::Always => Diagnostic::warning(
                    Lint::GuardrailForbidsEverything,
                    at,
                    mistake.said("the guardrail forbids whatever its head names"),
                )
                .help("correct it, or remove the condition"),
                MistakeKind::Part => Diagnostic::warning(
                    Lint::ConstantCondition,
                    at,
                    mistake.said("a part of the guardrail changes nothing"),
                ),
            };
            if mistake.help.is_some() {
                finding.help.clone_from(&mistake.help);
            }
            report.push(match &mistake.fix {
                // A remedy that puts something around the whole text is one for conditions of grants.
                Some((span, replacement)) if span.len() < text.value.len() => {
                    finding.fix(place(span), replacement.clone())
                }
                Some(_) | None => finding,
            });
        }
    }

    fn in_file(&self, text: &Located<Arc<str>>, span: &std::ops::Range<usize>) -> Place {
        let start = text.place.span.start;
        let Some(content) = self.content(&text.place.file) else {
            return text.place.clone();
        };
        SourceText::new(text.place.file.clone(), content)
            .place(start + span.start..start + span.end)
    }
}

/// INVARIANT: a guardrail that cannot be used is an error; without one it would forbid nothing.
fn unusable(text: &Located<Arc<str>>, error: &dyn std::error::Error) -> Diagnostic {
    let message = format!("the guardrail cannot be used: {error}");
    Diagnostic::error(text.place.clone(), message).help("write it in another way")
}

/// What is wrong with a guardrail before its condition.
fn head(policy: &Policy, text: &str) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let word = |word: &str| {
        text.find(word)
            .map_or(0..text.len(), |at| at..at + word.len())
    };
    if policy.effect() == Effect::Permit {
        let mistake = Mistake::error(
            word("permit"),
            "a guardrail only forbids, and this one permits",
        );
        mistakes
            .push(mistake.help("permit by a grant, `[[task.NAME.grant]]`; a guardrail forbids whatever is otherwise: `forbid(…) unless { … };`"));
    }
    for (name, value) in policy.annotations() {
        if !ANNOTATIONS.contains(&name) {
            let at = word(&format!("@{name}"));
            let mistake = Mistake::error(at, format!("unknown annotation `@{name}`"));
            mistakes.push(mistake.help("guardrails have `@id(\"…\")` and `@description(\"…\")`"));
        } else if name == "id"
            && (value.trim().is_empty()
                || value.len() > MAX_NAME_BYTES
                || value.chars().any(char::is_control))
        {
            let mistake = Mistake::error(
                word("@id"),
                "the id is empty, too long, or has a control character",
            );
            mistakes.push(mistake.help("for instance `@id(\"no-deploys-at-night\")`"));
        }
    }
    mistakes
}

/// Whether nothing about a request makes a difference to the policy.
fn is_unconditional(policy: &Policy, json: &Value) -> bool {
    // There are no principals but workloads, and no resources but tasks.
    let is_for_all = matches!(
        policy.principal_constraint(),
        PrincipalConstraint::Any | PrincipalConstraint::Is(_)
    ) && matches!(
        policy.resource_constraint(),
        ResourceConstraint::Any | ResourceConstraint::Is(_)
    );
    is_for_all && is_without_conditions(json)
}

/// Whether there are no conditions, or none but `true`.
fn is_without_conditions(policy: &Value) -> bool {
    let conditions = policy.get("conditions").and_then(Value::as_array);
    let mut bodies = conditions
        .into_iter()
        .flatten()
        .map(|condition| condition.get("body"));
    bodies.all(|body| body == Some(&json!({ "Value": true })))
}

fn scope(policy: &Policy) -> Scope {
    if let ResourceConstraint::Eq(entity) = policy.resource_constraint()
        && entity.type_name().to_string() == TASK
    {
        return Scope::Task(entity.id().unescaped().into());
    }
    match policy.principal_constraint() {
        PrincipalConstraint::Eq(entity) if entity.type_name().to_string() == WORKLOAD => {
            Scope::Workload(entity.id().unescaped().into())
        }
        _ => Scope::All,
    }
}
