//! Attributes that are not there, or may not be.

use std::ops::Range;

use miette::Diagnostic;

use super::look::Looks;
use super::mistake::Mistake;
use super::schema::{CONTEXT, PLAIN, Shape};
use crate::domain::policy::suggest::suggest;

/// An attribute that is not there, or may not be.
pub(super) fn attribute(
    shape: &Shape,
    text: &str,
    span: &Range<usize>,
    error: &dyn Diagnostic,
) -> Option<Mistake> {
    let access = text.get(span.clone())?;
    let said = error.to_string();
    let (of, name) = access.rsplit_once('.')?;
    let name_span = span.end.checked_sub(name.len())?..span.end;
    let is_optional = said.contains("unable to guarantee safety of access to optional attribute");
    if is_optional && text.contains(&format!("!({of} has {name})")) {
        let message = format!("it is not seen that `{access}` is there");
        let help = format!("write `if {of} has {name} then … else true`");
        return Some(Mistake::error(span.clone(), message).help(help));
    }
    if is_optional {
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
    if of.trim() == "context.params" && shape.is_ambiguous(name) {
        return Some(ambiguous(name, name_span));
    }
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
pub(super) fn misspelt(shape: &Shape, looks: &Looks, text: &str) -> Vec<Mistake> {
    let mistake = |path: &[String]| {
        let (name, of) = path.split_last()?;
        let of = of.join(".");
        let known = attributes(shape, &of);
        if known.is_empty() && of != "context.params" || known.contains(&name.as_str()) {
            return None;
        }
        let at = asked_at(text, path);
        let span = at.map_or(0..text.len(), |at| at..at + name.len());
        if of == "context.params" && shape.is_ambiguous(name) {
            return Some(ambiguous(name, span));
        }
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
    let odd = looks.asks_oddly().then(|| {
        let message =
            "it is asked of something else than a part of `context` whether it has an attribute";
        Mistake::error(0..text.len(), message)
            .help("write the part of the context itself, as in `context.params has ref`")
    });
    looks.asked().filter_map(mistake).chain(odd).collect()
}

/// Where the last part of what is asked for stands: `context.params has ref`, or `context has params.ref`.
fn asked_at(text: &str, path: &[String]) -> Option<usize> {
    (1..path.len()).rev().find_map(|split| {
        let (of, asked) = path.split_at_checked(split)?;
        let written = format!("{} has {}", of.join("."), asked.join("."));
        let last = path.last()?.len();
        text.find(&written).map(|at| at + written.len() - last)
    })
}

/// A parameter of which it is not known what it is.
fn ambiguous(name: &str, span: Range<usize>) -> Mistake {
    let message = format!("parameter `{name}` has different types in different tasks");
    let help = format!(
        "give `{name}` one type in every task, or name the task that is meant in the head, as in `resource == Task::\"deploy-docs\"`"
    );
    Mistake::error(span, message).help(help)
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
