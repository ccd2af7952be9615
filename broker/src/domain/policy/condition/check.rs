//! From text to a condition, or what is wrong in it and where.

use std::collections::{BTreeSet, HashMap};
use std::str::FromStr as _;
use std::sync::{Arc, OnceLock};

use cedar_policy::{
    Expression, Policy, PolicySet, Schema, ValidationMode, ValidationWarning, Validator,
};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use miette::Diagnostic as _;
use serde_json::Value;

use super::Condition;
use super::attributes::{attribute, misspelt};
use super::constant::may_be_constant;
use super::known::{Known, Vocabulary};
use super::limits::{self, LONGEST_CONDITION};
use super::look::Looks;
use super::mistake::{Mistake, MistakeKind, span_of};
use super::possible::{Formula, calculates, impossible};
use super::schema::{Shape, schema};
use super::syntax::syntax;

pub(super) const BEFORE: &str = "permit(principal, action, resource) when {\n";
const BEFORE_UNLESS: &str = "permit(principal, action, resource) unless {\n";
pub(super) const AFTER: &str = "\n};";

/// What a text came to.
#[derive(Debug, Clone, Default)]
pub(in crate::domain::policy) struct Checked {
    pub(in crate::domain::policy) condition: Option<Arc<Condition>>,
    pub(in crate::domain::policy) mistakes: Arc<[Mistake]>,
    /// What it asks, to see whether that can be.
    pub(in crate::domain::policy) formula: Option<Arc<Formula>>,
    /// Whether that was seen already, as it does not depend on where the condition stands.
    pub(in crate::domain::policy) is_universal: bool,
    /// The condition in Cedar's JSON form, where it calculates.
    pub(in crate::domain::policy) calculation: Option<Arc<Value>>,
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

    /// Checks many texts at once, so that they are known when they are asked for: they depend on nothing but
    /// the shape, and Cedar takes most of the time that it takes to load a policy.
    pub(in crate::domain::policy) fn check_all(
        &mut self,
        shape: &Shape,
        texts: &BTreeSet<Arc<str>>,
    ) {
        let (Some(validator), known) = self.of(shape) else {
            return;
        };
        let new: Vec<_> = texts
            .iter()
            .filter(|text| !known.contains_key(*text))
            .collect();
        let (one, other) = new.split_at(new.len() / 2);
        let validator = &*validator;
        let check_these = |texts: &[&Arc<str>]| -> Vec<(Arc<str>, Checked)> {
            let check_one = |text: &&Arc<str>| (Arc::clone(text), check(validator, shape, text));
            texts.iter().map(check_one).collect()
        };
        let (one, other) = std::thread::scope(|scope| {
            let aside = scope.spawn(|| check_these(one));
            let other = check_these(other);
            // What was not done aside is done when it is asked for.
            (aside.join().unwrap_or_default(), other)
        });
        known.extend(one.into_iter().chain(other));
    }

    /// A condition of a grant whose parameters are not all known: what is wrong with it whatever they are.
    pub(in crate::domain::policy) fn unknown(text: &Arc<str>) -> Checked {
        Checked::wrong(parse(text).err().unwrap_or_default())
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
            formula: None,
            is_universal: false,
            calculation: None,
        }
    }
}

/// Reads a condition without looking at what it is about.
fn parse(text: &str) -> Result<(Expression, Policy), Vec<Mistake>> {
    if let Err(limits::TooMuch { span, message }) = limits::check(text, LONGEST_CONDITION) {
        let help = "split the grant into several, or make the condition simpler";
        return Err(vec![Mistake::error(span, message).help(help)]);
    }
    if text.trim().is_empty() {
        let help = "write a Cedar expression, as in `context.params.ref == \"refs/heads/main\"`, or remove the key";
        return Err(vec![
            Mistake::error(0..text.len(), "the condition is empty").help(help),
        ]);
    }
    // TOML joins lines that end with `\`, and then a comment swallows what reads like the next line.
    if let Some(comment) = limits::comments(text).into_iter().next() {
        let help = "write the comment with `#` in the TOML file, outside of the text";
        let message = "a condition has no comments: what follows `//` would not count";
        return Err(vec![Mistake::error(comment, message).help(help)]);
    }
    // INVARIANT: the text is an expression by itself before it is put between braces, so that `true } unless {
    // true` is none.
    let expression = Expression::from_str(text).map_err(|errors| syntax(errors.iter(), text))?;
    let policy = Policy::parse(None, wrapped(BEFORE, text));
    let policy = policy.map_err(|errors| syntax(errors.iter(), text))?;
    Ok((expression, policy))
}

fn wrapped(before: &str, text: &str) -> String {
    format!("{before}{text}{AFTER}")
}

fn check(validator: &Validator, shape: &Shape, text: &Arc<str>) -> Checked {
    let (expression, policy) = match parse(text) {
        Ok(parsed) => parsed,
        Err(mistakes) => return Checked::wrong(mistakes),
    };
    let json = policy.to_json().unwrap_or_default();
    let looks = Looks::of_policy(&json);
    let mut mistakes = misspelt(shape, &looks, text);
    mistakes.extend(validate(validator, shape, policy, (text, BEFORE.len())));
    if mistakes.is_empty()
        && may_be_constant(&json)
        && let Ok(policy) = Policy::parse(None, wrapped(BEFORE_UNLESS, text))
    {
        let inverse = validate(validator, shape, policy, (text, BEFORE_UNLESS.len()));
        if inverse
            .iter()
            .any(|mistake| mistake.kind == MistakeKind::Never)
        {
            mistakes.push(Mistake {
                kind: MistakeKind::Always,
                ..Mistake::error(0..text.len(), "")
            });
        }
    }
    if mistakes
        .iter()
        .any(|mistake| mistake.kind == MistakeKind::Error)
    {
        // That it can never hold comes of the error.
        mistakes.retain(|mistake| mistake.kind == MistakeKind::Error);
        return Checked::wrong(mistakes);
    }
    let formula = mistakes
        .is_empty()
        .then(|| Formula::of_policy(&json))
        .flatten();
    let is_universal = formula.as_ref().is_some_and(Formula::is_universal);
    if let Some(formula) = formula.as_ref().filter(|_| is_universal) {
        mistakes = impossible(formula, &Known::of_nothing(&Vocabulary::default()), text);
    }
    Checked {
        condition: Some(Arc::new(Condition {
            text: text.clone(),
            expression,
            looks,
            canonical: OnceLock::new(),
        })),
        formula: formula.filter(|_| mistakes.is_empty()).map(Arc::new),
        is_universal,
        calculation: calculates(&json).then(|| Arc::new(json)),
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
            mistake.help = type_help(&mistake.message, text)
                .or_else(|| error.help().map(|help| help.to_string()));
            if mistake.message.contains("AnyEntity") {
                "`in` is for entities, and not for texts and numbers"
                    .clone_into(&mut mistake.message);
                mistake.span = 0..text.len();
            } else if text.contains("date") && mistake.message.contains("or Long but saw String") {
                mistake.help = before_date(text).or(mistake.help);
            }
            mistake
        })
    });
    // Cedar gives them in no order.
    let mut errors: Vec<_> = errors.collect();
    errors.sort_by(|a, b| {
        (a.span.start, a.span.end, &a.message).cmp(&(b.span.start, b.span.end, &b.message))
    });
    let mut mistakes: Vec<Mistake> = Vec::new();
    for mistake in errors {
        // Both sides of a comparison are told the same.
        let is_of_type = mistake.message.starts_with("unexpected type");
        let is_told = |other: &Mistake| {
            let is_said = other.message == mistake.message && other.help == mistake.help;
            *other == mistake || is_of_type && is_said
        };
        if !mistakes.iter().any(is_told) {
            mistakes.push(mistake);
        }
    }
    for warning in result.validation_warnings() {
        mistakes.push(match warning {
            // The errors say it better.
            ValidationWarning::InvalidActionApplication(_) => continue,
            ValidationWarning::ImpossiblePolicy(_) => Mistake {
                kind: MistakeKind::Never,
                ..Mistake::error(0..text.len(), "")
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
fn type_help(message: &str, text: &str) -> Option<String> {
    let help = if message.contains("AnyEntity") {
        "ask whether a set has it: `[1, 2].contains(context.time.hour)`"
    } else if message.contains("unrecognized entity type") || message.contains("entity type `") {
        "the principal is a `Workload`, the resource a `Task`; environments, times and parameters stand in `context`"
    } else if message.contains("expected String but saw Workload") {
        "write `context.subject like \"spiffe://…\"`, or `context.path like \"/prod/*\"`"
    } else if message.contains("expected String but saw Task") {
        "write `context.task like \"ci/*\"`"
    } else if message.contains("types String and Workload") {
        "write `context.subject == \"spiffe://…\"`"
    } else if message.contains("not compatible") && text.contains("weekday") {
        "weekdays are numbers: 1 is Monday, 7 is Sunday"
    } else if message.contains("or Long but saw {") {
        "compare one part of it, for instance `context.time.hour >= 8`"
    } else if message.contains("or Long but saw String") {
        "texts are not ordered: compare numbers, as in `context.time.unix >= 1767225600`"
    } else if message.contains("expected Long but saw String") {
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

/// The comparison of `context.time.date` with a date, as one of seconds.
fn before_date(text: &str) -> Option<String> {
    let is_comparison = |c: char| ['<', '>', '='].contains(&c);
    let (_, behind) = text.split_once("context.time.date")?;
    let operator: String = behind
        .trim_start()
        .chars()
        .take_while(|c| is_comparison(*c))
        .collect();
    let (_, quoted) = behind.split_once('"')?;
    let (date, _) = quoted.split_once('"')?;
    let date: Date = date.parse().ok()?;
    // A day lasts until the next one begins.
    let (operator, date) = match &*operator {
        "<=" => ("<", date.tomorrow().ok()?),
        ">" => (">=", date.tomorrow().ok()?),
        other => (other, date),
    };
    let second = date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
    Some(format!(
        "texts are not ordered: write `context.time.unix {operator} {second}`, in seconds since 1970"
    ))
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
