//! From text to a condition, or what is wrong in it and where.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::str::FromStr as _;
use std::sync::{Arc, OnceLock};

use cedar_policy::{
    Expression, Policy, PolicySet, Schema, ValidationMode, ValidationWarning, Validator,
};
use miette::Diagnostic;

use super::Condition;
use super::limits::{self, LONGEST_CONDITION};
use super::look::Looks;
use super::schema::{CONTEXT, PLAIN, Shape, TASK, WORKLOAD, schema};
use crate::domain::policy::parameter::{Parameter, ParameterKind};
use crate::domain::policy::suggest::suggest;

pub(super) const BEFORE: &str = "permit(principal, action, resource) when {\n";
const BEFORE_UNLESS: &str = "permit(principal, action, resource) unless {\n";
pub(super) const AFTER: &str = "\n};";

/// Something wrong in a Cedar text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::domain::policy) struct Mistake {
    /// Byte offsets into the text.
    pub(in crate::domain::policy) span: Range<usize>,
    pub(in crate::domain::policy) kind: MistakeKind,
    pub(in crate::domain::policy) message: String,
    pub(in crate::domain::policy) help: Option<String>,
    /// What to write in place of which part.
    pub(in crate::domain::policy) fix: Option<(Range<usize>, String)>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain::policy) enum MistakeKind {
    /// It cannot be evaluated as it was meant.
    Error,
    /// It can never hold.
    Never,
    /// It always holds.
    Always,
}

/// What a text came to.
#[derive(Debug, Clone, Default)]
pub(in crate::domain::policy) struct Checked {
    pub(in crate::domain::policy) condition: Option<Arc<Condition>>,
    pub(in crate::domain::policy) mistakes: Arc<[Mistake]>,
}

/// Checks texts, each once for each shape of parameters.
#[derive(Default)]
pub(in crate::domain::policy) struct Checker {
    validators: HashMap<Shape, OfShape>,
}

/// The validator for a shape, and what it found of each text so far.
type OfShape = (Option<Validator>, HashMap<Arc<str>, Checked>);

impl Checker {
    /// A condition of a grant.
    pub(in crate::domain::policy) fn condition(
        &mut self,
        shape: &Shape,
        text: &Arc<str>,
    ) -> Checked {
        let (validator, known) = self.of(shape);
        if let Some(checked) = known.get(text) {
            return checked.clone();
        }
        let checked = match validator {
            Some(validator) => check(validator, shape, text),
            None => Checked::wrong(vec![no_schema(text)]),
        };
        known.insert(text.clone(), checked.clone());
        checked
    }

    /// What is wrong with a whole policy of which `text` is the source.
    pub(in crate::domain::policy) fn policy(
        &mut self,
        shape: &Shape,
        (policy, looks): (Policy, &Looks),
        text: &str,
    ) -> Vec<Mistake> {
        match self.of(shape) {
            (Some(validator), _) => {
                let mut mistakes = misspelt(shape, looks, text);
                mistakes.extend(validate(validator, shape, policy, (text, 0)));
                mistakes
            }
            (None, _) => vec![no_schema(text)],
        }
    }

    fn of(&mut self, shape: &Shape) -> &mut OfShape {
        if !self.validators.contains_key(shape) {
            let parsed = Schema::from_cedarschema_str(&schema(shape)).ok();
            let validator = parsed.map(|(schema, _)| Validator::new(schema));
            self.validators
                .insert(shape.clone(), (validator, HashMap::new()));
        }
        self.validators.entry(shape.clone()).or_default()
    }
}

impl Checked {
    fn wrong(mistakes: Vec<Mistake>) -> Self {
        Self {
            condition: None,
            mistakes: mistakes.into(),
        }
    }
}

fn check(validator: &Validator, shape: &Shape, text: &Arc<str>) -> Checked {
    if let Err(limits::TooMuch { span, message }) = limits::check(text, LONGEST_CONDITION) {
        let help = "split the grant into several, or make the condition simpler";
        return Checked::wrong(vec![Mistake::error(span, message).help(help)]);
    }
    if text.trim().is_empty() {
        let help = "write a Cedar expression, as in `context.params.ref == \"refs/heads/main\"`, or remove the key";
        return Checked::wrong(vec![
            Mistake::error(0..text.len(), "the condition is empty").help(help),
        ]);
    }
    // INVARIANT: the text is an expression by itself before it is put between braces, so that `true } unless {
    // true` is none.
    let expression = match Expression::from_str(text) {
        Ok(expression) => expression,
        Err(errors) => return Checked::wrong(syntax(errors.iter(), text)),
    };
    let wrapped = |before: &str| format!("{before}{text}{AFTER}");
    let policy = match Policy::parse(None, wrapped(BEFORE)) {
        Ok(policy) => policy,
        Err(errors) => return Checked::wrong(syntax(errors.iter(), text)),
    };
    let looks = policy
        .to_json()
        .map(|json| Looks::of_policy(&json))
        .unwrap_or_default();
    let mut mistakes = misspelt(shape, &looks, text);
    mistakes.extend(validate(validator, shape, policy, (text, BEFORE.len())));
    let may_be_constant = looks.is_empty() || text.contains(" has ") || text.contains("||");
    if mistakes.is_empty()
        && may_be_constant
        && let Ok(policy) = Policy::parse(None, wrapped(BEFORE_UNLESS))
    {
        let inverse = validate(validator, shape, policy, (text, BEFORE_UNLESS.len()));
        if inverse
            .iter()
            .any(|mistake| mistake.kind == MistakeKind::Never)
        {
            mistakes.push(Mistake {
                kind: MistakeKind::Always,
                ..Mistake::error(0..text.len(), "the condition always holds")
            });
        }
    }
    if mistakes
        .iter()
        .any(|mistake| mistake.kind == MistakeKind::Error)
    {
        return Checked::wrong(mistakes);
    }
    Checked {
        condition: Some(Arc::new(Condition {
            text: text.clone(),
            expression,
            looks,
            canonical: OnceLock::new(),
        })),
        mistakes: mistakes.into(),
    }
}

fn validate(
    validator: &Validator,
    shape: &Shape,
    policy: Policy,
    (text, before): (&str, usize),
) -> Vec<Mistake> {
    let Ok(policies) = PolicySet::from_policies([policy]) else {
        return vec![no_schema(text)];
    };
    let result = validator.validate(&policies, ValidationMode::Strict);
    let errors = result.validation_errors().map(|error| {
        let span = span_of(error, before, text);
        attribute(shape, text, &span, error).unwrap_or_else(|| {
            let mut mistake = Mistake::error(span, without_policy(&error.to_string()));
            mistake.help =
                type_help(&mistake.message).or_else(|| error.help().map(|help| help.to_string()));
            mistake
        })
    });
    let mut mistakes: Vec<Mistake> = Vec::new();
    for mistake in errors {
        if !mistakes.contains(&mistake) {
            mistakes.push(mistake);
        }
    }
    for warning in result.validation_warnings() {
        mistakes.push(match warning {
            // The errors say it better.
            ValidationWarning::InvalidActionApplication(_) => continue,
            ValidationWarning::ImpossiblePolicy(_) => Mistake {
                kind: MistakeKind::Never,
                ..Mistake::error(0..text.len(), "the condition can never hold")
            },
            // Letters that look like others, and text that runs backwards: nobody writes that in good faith.
            other => Mistake::error(
                span_of(other, before, text),
                without_policy(&other.to_string()),
            )
            .help("write plain letters"),
        });
    }
    mistakes
}

/// What to do about a wrong type.
fn type_help(message: &str) -> Option<String> {
    let help = if message.contains("expected Long but saw String") {
        "write a number, without quotes"
    } else if message.contains("expected Bool but saw") {
        "compare it with something: a condition is `true` or `false`"
    } else if message.contains("not compatible") {
        "compare things of one type: texts stand between `\"`, numbers and `true` and `false` do not"
    } else if message.contains("expected String but saw") {
        "write a text, between `\"`"
    } else {
        return None;
    };
    Some(help.to_owned())
}

/// An attribute that is not there, or may not be.
fn attribute(
    shape: &Shape,
    text: &str,
    span: &Range<usize>,
    error: &dyn Diagnostic,
) -> Option<Mistake> {
    let access = text.get(span.clone())?;
    let said = error.to_string();
    let (of, name) = access.rsplit_once('.')?;
    let name_span = span.end.checked_sub(name.len())?..span.end;
    if said.contains("unable to guarantee safety of access to optional attribute") {
        let fixed = format!("{of} has {name} && ({text})");
        let mistake = Mistake::error(
            span.clone(),
            format!("`{access}` may be missing, and then it could not be evaluated"),
        )
        .help(format!(
            "ask first whether it is there: `{of} has {name} && …`"
        ));
        return Some(Mistake {
            fix: Some((0..text.len(), fixed)),
            ..mistake
        });
    }
    if !said.contains("not found") {
        return None;
    }
    let (mut of, mut name, mut name_span) = (of, name, name_span);
    // The first part that is wrong is the one to mend.
    while let Some((above, part)) = of.rsplit_once('.')
        && !attributes(shape, above).contains(&part)
    {
        name_span = span.start + above.len() + 1..span.start + of.len();
        (of, name) = (above, part);
    }
    let known = attributes(shape, of.trim());
    let mistake = Mistake::error(
        name_span.clone(),
        format!("`{}` has no attribute `{name}`", of.trim()),
    );
    Some(match suggest(name, known.iter().copied()) {
        Some(meant) => Mistake {
            fix: Some((name_span, meant.to_owned())),
            ..mistake
        }
        .help(format!("did you mean `{meant}`?")),
        None if known.is_empty() && of.trim() == "context.params" => mistake.help(format!(
            "declare the parameter, as in `params.{name} = {{ type = \"token\" }}`"
        )),
        None if known.is_empty() => {
            mistake.help("look at `context`; `docs/policy-reference.md` lists what it has")
        }
        None => mistake.help(format!("its attributes are `{}`", known.join("`, `"))),
    })
}

/// Attributes that are asked for with `has`, and that nothing ever has: Cedar takes that for `false`.
fn misspelt(shape: &Shape, looks: &Looks, text: &str) -> Vec<Mistake> {
    let mistake = |path: &[String]| {
        let (name, of) = path.split_last()?;
        let of = of.join(".");
        let known = attributes(shape, &of);
        if known.is_empty() && of != "context.params" || known.contains(&name.as_str()) {
            return None;
        }
        let at = text.find(&format!("{of} has {name}"));
        let at = at.map(|at| at + of.len() + " has ".len());
        let span = at.map_or(0..text.len(), |at| at..at + name.len());
        let mistake = Mistake::error(span.clone(), format!("`{of}` has no attribute `{name}`"));
        Some(match suggest(name, known.iter().copied()) {
            Some(meant) => Mistake {
                fix: at.map(|_| (span, meant.to_owned())),
                ..mistake.help(format!("did you mean `{meant}`?"))
            },
            None if known.is_empty() => mistake.help("no task has such a parameter"),
            None => mistake.help(format!("its attributes are `{}`", known.join("`, `"))),
        })
    };
    looks.asked().filter_map(mistake).collect()
}

/// The attributes of a part of the context.
fn attributes<'a>(shape: &'a Shape, of: &str) -> Vec<&'a str> {
    match of {
        "context" => {
            let records = CONTEXT.iter().map(|(name, _)| *name);
            PLAIN
                .iter()
                .map(|(name, _)| *name)
                .chain(records)
                .chain(["params"])
                .collect()
        }
        "context.params" => shape.parameters().collect(),
        _ => CONTEXT
            .iter()
            .filter(|(name, _)| of.strip_prefix("context.") == Some(name))
            .flat_map(|(_, inner)| inner.iter().map(|(name, _)| name.trim_end_matches('?')))
            .collect(),
    }
}

/// Whether a task of a name exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::domain::policy) enum TaskName {
    /// It does.
    Known,
    /// It does not, and perhaps this one was meant.
    Unknown(Option<String>),
}

/// What values the names in a policy have, so that a misspelt one is found.
pub(in crate::domain::policy) struct Known<'a> {
    pub(in crate::domain::policy) environments: &'a BTreeSet<&'a str>,
    pub(in crate::domain::policy) tasks: &'a dyn Fn(&str) -> TaskName,
    pub(in crate::domain::policy) parameters: &'a dyn Fn(&str) -> Vec<Parameter>,
}

const KINDS: [&str; 4] = ["service", "person", "agent", ""];

/// Comparisons that can never hold, and names that nothing has.
pub(in crate::domain::policy) fn explain(
    looks: &Looks,
    known: &Known<'_>,
    text: &str,
) -> Vec<Mistake> {
    let compared = looks.compared().filter_map(|(path, literal)| {
        let path: Vec<_> = path.iter().map(String::as_str).collect();
        let (expected, meant) = match path.as_slice() {
            ["context", "environment"] if literal.is_empty() => return None,
            ["context", "environment" | "environments"] => {
                if known.environments.contains(literal) {
                    return None;
                }
                let meant = suggest(literal, known.environments.iter().copied());
                (
                    "the name of an environment of this policy".to_owned(),
                    meant.map(ToOwned::to_owned),
                )
            }
            ["context", "identity", "kind"] => {
                if KINDS.contains(&literal) {
                    return None;
                }
                let meant = suggest(literal, KINDS.into_iter());
                (
                    "`service`, `person`, `agent`, or empty".to_owned(),
                    meant.map(ToOwned::to_owned),
                )
            }
            ["context", "task"] => match (known.tasks)(literal) {
                TaskName::Known => return None,
                TaskName::Unknown(meant) => ("the name of a task of this policy".to_owned(), meant),
            },
            ["context", "time", "hour"] => number(literal, 0..=23)?,
            ["context", "time", "minute"] => number(literal, 0..=59)?,
            ["context", "time", "weekday"] => number(literal, 1..=7)?,
            ["context", "params", name] => parameter(&(known.parameters)(name), literal)?,
            _ => return None,
        };
        let path = path.join(".");
        let message = format!("`{path}` is never {literal:?}: it is {expected}");
        Some(never(text, literal, message, meant))
    });
    let named =
        looks.entities().filter_map(|(kind, id)| match kind {
            TASK => match (known.tasks)(id) {
                TaskName::Known => None,
                TaskName::Unknown(meant) => {
                    Some(never(text, id, format!("there is no task `{id}`"), meant))
                }
            },
            WORKLOAD => {
                id.parse::<taskpass_identity::SpiffeId>()
                    .err()
                    .map(|error| {
                        never(text, id, format!("no workload has the name `{id}`: {error}"), None)
                .help("name one workload exactly, or compare `context.path like \"/prod/ci/*\"`")
                    })
            }
            _ => None,
        });
    compared.chain(named).collect()
}

fn never(text: &str, literal: &str, message: String, meant: Option<String>) -> Mistake {
    let quoted = format!("\"{literal}\"");
    let at = text.find(&quoted).map(|at| at + 1);
    let at = at.or_else(|| text.find(literal).filter(|_| !literal.is_empty()));
    let span = at.map_or(0..text.len(), |at| at..at + literal.len());
    let mistake = Mistake::error(span.clone(), message);
    match meant {
        Some(meant) => Mistake {
            fix: at.map(|_| (span, meant.clone())),
            ..mistake
        }
        .help(format!("did you mean `{meant}`?")),
        None => mistake,
    }
}

fn number(literal: &str, range: std::ops::RangeInclusive<i64>) -> Option<(String, Option<String>)> {
    let number: i64 = literal.parse().ok()?;
    (!range.contains(&number)).then(|| (format!("from {} to {}", range.start(), range.end()), None))
}

fn parameter(declared: &[Parameter], literal: &str) -> Option<(String, Option<String>)> {
    if declared.iter().any(|parameter| parameter.accepts(literal)) {
        return None;
    }
    let first = declared.first()?;
    let meant = match &first.kind {
        ParameterKind::OneOf(values) => suggest(literal, values.iter().map(|value| &**value)),
        _ => None,
    };
    Some((first.expected(), meant.map(ToOwned::to_owned)))
}

/// What a parser says, in places of the text.
pub(in crate::domain::policy) fn syntax<'a, E: Diagnostic + 'a>(
    errors: impl Iterator<Item = &'a E>,
    text: &str,
) -> Vec<Mistake> {
    errors
        .map(|error| {
            let span = span_of(error, 0, text);
            let mut mistake = Mistake::error(span.clone(), error.to_string());
            mistake.help = error.help().map(|help| help.to_string());
            let mistake = hint(text, &span, mistake);
            if mistake.help.is_some() {
                return mistake;
            }
            mistake.help(if text.contains("forbid") {
                "a guardrail is `forbid(principal, action, resource) when { … };`, with `;` at its end"
            } else if text.trim_start().starts_with('[') {
                "tables belong into a `*.toml` file; a guardrail file holds `forbid(principal, action, resource) when { … };`"
            } else {
                "write a Cedar expression, for instance `context.params.ref == \"refs/heads/main\"`"
            })
        })
        .collect()
}

/// What people write who know another language better.
fn hint(text: &str, span: &Range<usize>, mistake: Mistake) -> Mistake {
    let here = text.get(span.clone()).unwrap_or_default();
    let rest = text.get(span.start..).unwrap_or_default();
    let replaced =
        |wrong: &str, right: &str| (span.start..span.start + wrong.len(), right.to_owned());
    let (help, fix) = if mistake.message.contains("'=' is not a valid operator") {
        let fix = text.find(" = ").map(|at| (at..at + 3, " == ".to_owned()));
        ("two are compared with `==`", fix)
    } else if rest.starts_with('=') && !rest.starts_with("==") {
        ("two are compared with `==`", Some(replaced("=", "==")))
    } else if rest.starts_with("and ") {
        ("write `&&`", Some(replaced("and", "&&")))
    } else if rest.starts_with("or ") {
        ("write `||`", Some(replaced("or", "||")))
    } else if here == "not" || rest.starts_with("not ") {
        ("write `!`", Some(replaced("not ", "!")))
    } else if text.contains('\'') {
        ("text stands between `\"`, not between `'`", None)
    } else if [
        "params",
        "time",
        "job",
        "identity",
        "environment",
        "subject",
    ]
    .contains(&here)
    {
        let fixed = format!("context.{here}");
        let mistake = mistake.help(format!("write `{fixed}`"));
        return Mistake {
            fix: Some((span.clone(), fixed)),
            ..mistake
        };
    } else {
        return mistake;
    };
    Mistake { fix, ..mistake }.help(help)
}

/// The place that an error points to, within the text.
fn span_of(error: &dyn Diagnostic, before: usize, text: &str) -> Range<usize> {
    let label = error.labels().and_then(|mut labels| labels.next());
    let Some(label) = label else {
        return 0..text.len();
    };
    let start = label.offset().saturating_sub(before).min(text.len());
    let end = (start + label.len()).min(text.len());
    if text.get(start..end).is_some() {
        start..end
    } else {
        0..text.len()
    }
}

/// The text without the name that Cedar gave the policy.
fn without_policy(text: &str) -> String {
    let rest = text
        .strip_prefix("for policy `")
        .and_then(|rest| rest.split_once("`, "));
    rest.map_or(text, |(_, rest)| rest).to_owned()
}

fn no_schema(text: &str) -> Mistake {
    Mistake::error(
        0..text.len(),
        "the schema of the task's parameters could not be made",
    )
}

impl Mistake {
    pub(in crate::domain::policy) fn error(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            span,
            kind: MistakeKind::Error,
            message: message.into(),
            help: None,
            fix: None,
        }
    }

    pub(in crate::domain::policy) fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }
}
