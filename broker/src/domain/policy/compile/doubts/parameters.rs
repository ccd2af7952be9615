//! Parameters that decide about scopes and may be anything, or that decide about nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::policy::claim_template::ClaimText;
use crate::domain::policy::compile::names::Names;
use crate::domain::policy::condition::comments;
use crate::domain::policy::declared::{
    DeclaredCredential, DeclaredGrant, DeclaredGuardrail, DeclaredTask, Located, Named,
};
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::lint::Lint;
use crate::domain::policy::parameter::{Parameter, ParameterKind};
use crate::domain::policy::report::Report;
use crate::domain::policy::source::Place;

/// Words of conditions.
type Words<'a> = BTreeSet<&'a str>;

/// What parameters are looked at with.
pub(super) struct Parameters<'a> {
    credentials: &'a Names<'a, DeclaredCredential>,
    /// The words of guardrails that look at parameters.
    in_guardrails: Words<'a>,
}

impl<'a> Parameters<'a> {
    pub(super) fn new(
        credentials: &'a Names<'a, DeclaredCredential>,
        guardrails: &'a [DeclaredGuardrail],
    ) -> Self {
        let in_guardrails = guardrails
            .iter()
            .filter(|guardrail| guardrail.text.value.contains("params"))
            .flat_map(|guardrail| words(&guardrail.text.value))
            .collect();
        Self {
            credentials,
            in_guardrails,
        }
    }

    /// Looks at every parameter of a task.
    pub(super) fn look_at(&self, task: &Named<DeclaredTask>, report: &mut Report) {
        if !task.body.has_whole_parameters {
            return;
        }
        let mut in_any: Words<'_> = Words::new();
        // By credential: the words that stand in the conditions of every grant of it.
        let mut in_every: BTreeMap<&str, Words<'_>> = BTreeMap::new();
        for grant in &task.body.grants {
            let words: Words<'_> = conditions(grant).flat_map(words).collect();
            for name in &grant.credentials {
                in_every
                    .entry(&name.value)
                    .and_modify(|common| common.retain(|word| words.contains(word)))
                    .or_insert_with(|| words.clone());
            }
            in_any.extend(words);
        }
        let mut filled_in: BTreeMap<&str, Vec<(&Place, &Words<'_>)>> = BTreeMap::new();
        for (name, common) in &in_every {
            let Some(credential) = self.credentials.get(name) else {
                continue;
            };
            for scope in &credential.body.scopes {
                for parameter in scope.value.parameters() {
                    filled_in
                        .entry(parameter)
                        .or_default()
                        .push((&scope.place, common));
                }
            }
            for claim in &credential.body.claims {
                for parameter in claim
                    .value
                    .value
                    .texts()
                    .iter()
                    .flat_map(ClaimText::parameters)
                {
                    filled_in
                        .entry(parameter)
                        .or_default()
                        .push((&claim.value.place, common));
                }
            }
        }
        for (name, declared) in &task.body.parameters {
            let Some(declared) = declared else { continue };
            // It is for the record: nothing is filled in with it.
            if declared.value.kind == ParameterKind::Text {
                continue;
            }
            if is_constrained(&declared.value) || self.in_guardrails.contains(&**name) {
                continue;
            }
            match filled_in.get(&**name) {
                Some(places) => {
                    let open = places.iter().find(|(_, common)| !common.contains(&**name));
                    if let Some((place, _)) = open {
                        report.push(unconstrained(task, name, declared, place));
                    }
                }
                None if in_any.contains(&**name) || report.is_partial() => {}
                None => report.push(unused(task, name, declared)),
            }
        }
    }
}

/// Whether a parameter takes less than its type does, or its type takes little.
fn is_constrained(parameter: &Parameter) -> bool {
    // What a pattern that narrows something does not all take.
    let probes = ["a", "Q.7_-x", &"x".repeat(100)];
    match &parameter.kind {
        ParameterKind::OneOf(_) | ParameterKind::Boolean => true,
        ParameterKind::Integer { min, max } => *min != i64::MIN && *max != i64::MAX,
        ParameterKind::Token | ParameterKind::Path | ParameterKind::Text => {
            let pattern = parameter.pattern.as_ref();
            pattern.is_some_and(|pattern| !probes.iter().all(|probe| pattern.matches_whole(probe)))
        }
    }
}

fn unconstrained(
    task: &Named<DeclaredTask>,
    name: &str,
    declared: &Located<Parameter>,
    filled_in: &Place,
) -> Diagnostic {
    let message = format!(
        "parameter `{name}` of task `{}` may be anything, and decides what a token is good for",
        task.name.value
    );
    let help = match declared.value.kind {
        ParameterKind::Integer { .. } => {
            "add `min` and `max`, for instance `min = 1, max = 100`".to_owned()
        }
        _ => format!(
            "narrow it, for instance with `pattern = \"[a-z0-9-]{{1,40}}\"`, or compare `context.params.{name}` in the `when` of each grant"
        ),
    };
    Diagnostic::warning(
        Lint::UnconstrainedParameter,
        declared.place.clone(),
        message,
    )
    .help(help)
    .related(filled_in.clone(), "it is filled in here")
}

fn unused(task: &Named<DeclaredTask>, name: &str, declared: &Located<Parameter>) -> Diagnostic {
    let message = format!(
        "parameter `{name}` of task `{}` decides nothing: any value is let in, and no scope, claim or condition looks at it",
        task.name.value
    );
    let help = format!(
        "remove it, narrow it with a `pattern`, or use `${{params.{name}}}` in a scope; one that is only for the record has the type `text`"
    );
    Diagnostic::warning(Lint::UnusedParameter, declared.place.clone(), message).help(help)
}

fn conditions(grant: &DeclaredGrant) -> impl Iterator<Item = &str> {
    let both = [&grant.when, &grant.unless];
    both.into_iter().flatten().map(|text| &*text.value)
}

/// The words of a Cedar text, without those of comments.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let (mut start, mut code) = (0, Vec::new());
    for comment in comments(text) {
        code.extend(text.get(start..comment.start));
        start = comment.end;
    }
    code.extend(text.get(start..));
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    code.into_iter()
        .flat_map(move |code| code.split(move |c: char| !is_word(c)))
        .filter(|word| !word.is_empty())
}
