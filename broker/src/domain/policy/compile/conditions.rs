//! Conditions of grants: what Cedar says, in places of our files.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use super::environment_tree::{EnvironmentTree, meant};
use super::names::Names;
use super::written_string::offset_as_written;
use crate::domain::policy::condition::{
    Checker, Condition, Formula, Known, Mistake, MistakeKind, Shape, Vocabulary, explain,
    impossible, never_both, overflowing,
};
use crate::domain::policy::declared::{Declarations, DeclaredGrant, DeclaredTask, Located, Named};
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::lint::Lint;
use crate::domain::policy::parameter::Parameter;
use crate::domain::policy::pattern::WorkloadPattern;
use crate::domain::policy::report::Report;
use crate::domain::policy::source::{Place, SourceFile, SourceText};

/// What conditions are checked against.
pub(super) struct Conditions<'a> {
    pub(super) checker: Checker,
    pub(super) tasks: &'a Names<'a, DeclaredTask>,
    pub(super) vocabulary: Vocabulary<'a>,
    pub(super) environments: &'a EnvironmentTree<'a>,
    /// By the names of files.
    sources: HashMap<&'a str, &'a SourceFile>,
    /// Whether nothing is wrong with the parameters of any task.
    pub(super) has_all_parameters: bool,
    /// Every parameter of every task, by name.
    parameters: BTreeMap<&'a str, Vec<&'a Parameter>>,
}

impl<'a> Conditions<'a> {
    pub(super) fn new(
        sources: &'a [SourceFile],
        declared: &'a Declarations,
        tasks: &'a Names<'a, DeclaredTask>,
        environments: &'a EnvironmentTree<'a>,
    ) -> Self {
        let mut parameters: BTreeMap<&str, Vec<&Parameter>> = BTreeMap::new();
        for task in tasks.values() {
            for (name, declared) in parameters_of(&task.body) {
                parameters.entry(name).or_default().push(declared);
            }
        }
        Self {
            checker: Checker::default(),
            tasks,
            vocabulary: vocabulary(declared, tasks),
            environments,
            sources: sources.iter().map(|file| (&*file.name, file)).collect(),
            has_all_parameters: tasks.values().all(|task| task.body.has_whole_parameters),
            parameters,
        }
    }

    /// `when` and `unless` of a grant.
    pub(super) fn of_grant(
        &mut self,
        shape: &Shape,
        (task, grant): (&Named<DeclaredTask>, &DeclaredGrant),
        report: &mut Report,
    ) -> [Option<Arc<Condition>>; 2] {
        if grant.when.is_none() && grant.unless.is_none() {
            return [None, None];
        }
        let [when, unless] = [&grant.when, &grant.unless].map(|text| {
            let text = &text.as_ref()?.value;
            Some(if task.body.has_whole_parameters {
                self.checker.condition(shape, text)
            } else {
                Checker::unknown(text)
            })
        });
        let parameters = |name: &str| {
            let declared = task.body.parameters.get(name).and_then(Option::as_ref);
            let declared = declared.map(|declared| declared.value.clone());
            declared.into_iter().collect()
        };
        let workloads: Vec<_> = grant
            .workloads
            .iter()
            .map(|one| one.value.clone())
            .collect();
        let environments = self.environments;
        let known = Known {
            vocabulary: &self.vocabulary,
            parameters: &parameters,
            workloads: &workloads,
            environments: [&grant.when, &grant.unless]
                .iter()
                .any(|text| {
                    text.as_ref()
                        .is_some_and(|text| text.value.contains("environment"))
                })
                .then(|| environments_of(environments, &workloads))
                .flatten(),
            task: Some(&task.name.value),
            meant: &|pattern| meant(pattern, environments),
        };
        let mut formulas = Vec::new();
        let of_both = [
            ("when", &grant.when, when),
            ("unless", &grant.unless, unless),
        ];
        let conditions = of_both.map(|(key, text, checked)| {
            let (text, checked) = (text.as_ref()?, checked?);
            let mut mistakes = checked.mistakes.to_vec();
            // What seems to be missing may stand in the part that could not be read.
            if let Some(condition) = &checked.condition
                && !report.is_partial()
            {
                mistakes.extend(explain(condition.looks(), &known, &text.value));
                if let Some(calculation) = &checked.calculation {
                    mistakes.extend(overflowing(calculation, &known, &text.value));
                }
                // That it can never hold comes of what is wrong with it.
                if mistakes
                    .iter()
                    .any(|mistake| mistake.kind == MistakeKind::Error)
                {
                    mistakes.retain(|mistake| mistake.kind == MistakeKind::Error);
                }
                if let Some(formula) = checked.formula.filter(|_| mistakes.is_empty()) {
                    if !checked.is_universal {
                        mistakes = impossible(&formula, &known, &text.value);
                    }
                    // What the workloads of the grant say already is said again on purpose.
                    if key == "when" && !formula.has_alternatives() {
                        mistakes.retain(|mistake| mistake.kind != MistakeKind::Always);
                    }
                    formulas.extend(mistakes.is_empty().then_some(formula));
                }
                // What only keeps somebody out is no reason to let in.
                let lets_in = !text.value.contains("!(context.reported");
                if key == "when" && condition.looks().looks_at("reported") && lets_in {
                    report.push(reported(text));
                }
            }
            for mistake in mistakes {
                report.push(self.finding(&mistake, text, key));
            }
            checked.condition
        });
        if let ([when, unless], Some(text)) = (&formulas[..], &grant.unless) {
            report.extend(exclusive((when, unless), &known, text));
        }
        conditions
    }

    /// Every parameter of this name, of whatever task.
    pub(super) fn parameters(&self, name: &str) -> Vec<Parameter> {
        let declared = self.parameters.get(name).into_iter().flatten();
        declared.map(|parameter| (*parameter).clone()).collect()
    }

    /// Every parameter of every task.
    pub(super) fn all_parameters(&self) -> impl Iterator<Item = (&'a Arc<str>, &'a Parameter)> {
        self.tasks
            .values()
            .flat_map(|task| parameters_of(&task.body))
    }

    fn finding(&self, mistake: &Mistake, text: &Located<Arc<str>>, key: &str) -> Diagnostic {
        let place = self.within(text, &mistake.span);
        let place = place.unwrap_or_else(|| text.place.clone());
        let finding = match mistake.kind {
            MistakeKind::Error => {
                Diagnostic::error(place, format!("in `{key}`: {}", mistake.message))
            }
            MistakeKind::Doubt => {
                let said = format!("in `{key}`: {}", mistake.message);
                Diagnostic::warning(Lint::UnlikelyName, place, said)
            }
            MistakeKind::Never if key == "when" => Diagnostic::warning(
                Lint::UnreachableGrant,
                place,
                mistake.said("nobody can use the grant: its `when` can never hold"),
            ),
            MistakeKind::Never => Diagnostic::warning(
                Lint::ConstantCondition,
                place,
                mistake.said("`unless` changes nothing: it can never hold"),
            ),
            MistakeKind::Always if key == "when" => Diagnostic::warning(
                Lint::ConstantCondition,
                place,
                mistake.said("`when` changes nothing: it always holds"),
            ),
            MistakeKind::Always => Diagnostic::warning(
                Lint::UnreachableGrant,
                place,
                mistake.said("nobody can use the grant: its `unless` always holds"),
            ),
            MistakeKind::Part => Diagnostic::warning(
                Lint::ConstantCondition,
                place,
                mistake.said(&format!("a part of `{key}` changes nothing")),
            ),
        };
        let help = mistake.help.clone().or_else(|| {
            (mistake.kind != MistakeKind::Error).then(|| format!("correct `{key}`, or remove it"))
        });
        let finding = Diagnostic { help, ..finding };
        match &mistake.fix {
            Some((span, replacement)) => match self.within(text, span) {
                Some(place) => {
                    let replacement = self.escaped(text, replacement);
                    finding.fix(place, replacement)
                }
                None => finding,
            },
            None => finding,
        }
    }

    /// The place of a part of a string's value in its file.
    fn within(&self, text: &Located<Arc<str>>, span: &Range<usize>) -> Option<Place> {
        let content = self.content(&text.place.file)?;
        let raw = content.get(text.place.span.clone())?;
        let start = text.place.span.start;
        let from = start + offset_as_written(raw, &text.value, span.start)?;
        let to = start + offset_as_written(raw, &text.value, span.end)?;
        Some(SourceText::new(text.place.file.clone(), content).place(from..to))
    }

    pub(super) fn content(&self, file: &str) -> Option<&'a str> {
        std::str::from_utf8(&self.sources.get(file)?.bytes).ok()
    }

    /// A text as it stands in the same kind of string.
    fn escaped(&self, text: &Located<Arc<str>>, replacement: &str) -> String {
        let raw = self.sources.get(&*text.place.file);
        let raw = raw
            .and_then(|file| file.bytes.get(text.place.span.start))
            .copied();
        if raw == Some(b'"') {
            replacement.replace('\\', "\\\\").replace('"', "\\\"")
        } else {
            replacement.to_owned()
        }
    }
}

/// The environments that workloads can be in, unless that is too much to look at.
fn environments_of<'a>(
    environments: &EnvironmentTree<'a>,
    workloads: &[WorkloadPattern],
) -> Option<BTreeSet<&'a str>> {
    let met = workloads
        .iter()
        .map(|pattern| environments.all_meeting(pattern));
    let met: Vec<_> = met.collect::<Option<_>>()?;
    Some(met.into_iter().flatten().map(|(name, _)| name).collect())
}

/// What `when` lets in, `unless` keeps out.
fn exclusive(
    (when, unless): (&Formula, &Formula),
    known: &Known<'_>,
    text: &Located<Arc<str>>,
) -> Option<Diagnostic> {
    let why = never_both(when, unless, known)?;
    let message =
        format!("nobody can use the grant: `unless` keeps out what `when` lets in: {why}");
    let doubt = Diagnostic::warning(Lint::UnreachableGrant, text.place.clone(), message);
    Some(doubt.help("correct one of the two"))
}

/// What only the agent says lets somebody in.
fn reported(when: &Located<Arc<str>>) -> Diagnostic {
    let message =
        "`when` looks at what only the agent reports: whoever runs an agent can say anything";
    Diagnostic::warning(Lint::ReportedLetsIn, when.place.clone(), message).help(
        "let in by what is proven, and refuse by what is reported: in `unless`, or in a guardrail",
    )
}

/// The names that a policy gives and mentions.
fn vocabulary<'a>(
    declared: &'a Declarations,
    tasks: &'a Names<'a, DeclaredTask>,
) -> Vocabulary<'a> {
    let identities = || declared.identities.iter().map(|named| &named.body);
    let grants = declared.tasks.iter().flat_map(|task| &task.body.grants);
    let workloads = grants
        .flat_map(|grant| &grant.workloads)
        .chain(declared.environments.iter().flat_map(|named| &named.body))
        .chain(
            declared
                .audiences
                .iter()
                .flat_map(|named| &named.body.verifiers),
        )
        .chain(identities().flat_map(|identity| &identity.workloads));
    Vocabulary {
        tasks: tasks.keys().copied().collect(),
        environments: names(&declared.environments),
        trust_domains: workloads
            .map(|pattern| pattern.value.trust_domain())
            .collect(),
        identities: names(&declared.identities),
        owners: identities()
            .filter_map(|identity| identity.owner.as_deref())
            .collect(),
        tools: identities()
            .flat_map(|identity| identity.tools.iter().map(|tool| &**tool))
            .collect(),
    }
}

fn names<T>(declared: &[Named<T>]) -> BTreeSet<&str> {
    declared.iter().map(|named| &*named.name.value).collect()
}

/// The parameters of a task as a schema knows them.
pub(super) fn shape_of(task: &DeclaredTask) -> Shape {
    Shape::of_task(parameters_of(task))
}

pub(super) fn parameters_of(task: &DeclaredTask) -> impl Iterator<Item = (&Arc<str>, &Parameter)> {
    let parameters = task.parameters.iter();
    parameters.filter_map(|(name, declared)| Some((name, &declared.as_ref()?.value)))
}
