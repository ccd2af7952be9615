//! The `pattern` of a parameter: a regular expression, which may read like something else.

use super::entry::{Entry, quoted};
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::lint::Lint;
use crate::domain::policy::parameter::ParameterKind;
use crate::domain::policy::report::Report;
use crate::domain::policy::value_pattern::ValuePattern;

/// What is surprising about a pattern: what it says, and what was likely meant.
struct Surprise {
    says: String,
    help: String,
    meant: Option<String>,
}

/// Reads a pattern, and warns where it does not say what it seems to.
pub(super) fn value_pattern(
    entry: Entry<'_>,
    kind: &ParameterKind,
    report: &mut Report,
) -> Option<ValuePattern> {
    let pattern = entry.parsed::<ValuePattern>(report)?;
    if let Some(surprise) = surprise(pattern.value.as_str(), kind) {
        let doubt =
            Diagnostic::warning(Lint::PatternSurprise, pattern.place.clone(), surprise.says);
        report.push(match surprise.meant {
            Some(meant) => {
                let meant = quoted(&meant);
                doubt
                    .help(format!("write `pattern = {meant}`"))
                    .fix(pattern.place, meant)
            }
            None => doubt.help(surprise.help),
        });
    }
    Some(pattern.value)
}

fn surprise(pattern: &str, kind: &ParameterKind) -> Option<Surprise> {
    if pattern.trim().is_empty() {
        return Some(Surprise::of(
            "the pattern takes no value: it is empty",
            "remove it, or say what a value is",
        ));
    }
    let characters: Vec<_> = Characters::new(pattern).collect();
    doubled(pattern)
        .or_else(|| slashes(pattern))
        .or_else(|| listed(pattern, &characters, kind))
        .or_else(|| glob(pattern, &characters))
        .or_else(|| any_character(pattern, &characters))
        .or_else(|| impossible(&characters, kind))
}

/// `v[0-9]+\\\\.[0-9]+`, escaped for a string that has no escapes.
fn doubled(pattern: &str) -> Option<Surprise> {
    let has_doubled = ["\\\\.", "\\\\d", "\\\\w"]
        .iter()
        .any(|escape| pattern.contains(escape));
    has_doubled.then(|| Surprise {
        says: "in this pattern, `\\\\` is a backslash, which no value has".to_owned(),
        help: String::new(),
        meant: Some(pattern.replace("\\\\", "\\")),
    })
}

/// `/^main$/`, as other languages write a regular expression.
fn slashes(pattern: &str) -> Option<Surprise> {
    let inner = pattern.strip_prefix('/')?.strip_suffix('/')?;
    let inner = inner.strip_prefix('^').unwrap_or(inner);
    Some(Surprise {
        says: "no value begins and ends with `/`: the pattern is written without them".to_owned(),
        help: String::new(),
        meant: Some(inner.strip_suffix('$').unwrap_or(inner).to_owned()),
    })
}

/// `main,release`, where no value has a comma.
fn listed(pattern: &str, characters: &[(usize, char)], kind: &ParameterKind) -> Option<Surprise> {
    let has_comma = characters.iter().any(|(_, character)| *character == ',');
    // `{1,64}` is a number of times.
    let is_list = has_comma && !pattern.contains('{') && !matches!(kind, ParameterKind::Text);
    is_list.then(|| Surprise {
        says: "no value of this type has a `,`: alternatives are joined by `|`".to_owned(),
        help: String::new(),
        meant: Some(
            pattern
                .split(',')
                .map(str::trim)
                .collect::<Vec<_>>()
                .join("|"),
        ),
    })
}

/// `release/*` and `v*`, as file names are matched.
fn glob(pattern: &str, characters: &[(usize, char)]) -> Option<Surprise> {
    let mut stars = characters.windows(2).filter_map(|pair| match pair {
        [(_, before), (at, '*')] if before.is_alphanumeric() || "-_/".contains(*before) => {
            Some((*before, *at))
        }
        _ => None,
    });
    let (before, at) = stars.next_back()?;
    let (head, tail) = pattern.split_at_checked(at)?;
    let tail = tail.get(1..)?;
    let (any, tail) = match tail.strip_prefix('*') {
        // `feature/**` is whatever lies below.
        Some(tail) => (".+", tail),
        None if before == '/' => ("[^/]+", tail),
        None => (".*", tail),
    };
    let meant = format!("{head}{any}{tail}");
    Some(Surprise {
        says: format!("in a regular expression, `{before}*` is any number of `{before}`"),
        help: String::new(),
        meant: Some(meant),
    })
}

/// `v1.0`, where the dot takes any character.
fn any_character(pattern: &str, characters: &[(usize, char)]) -> Option<Surprise> {
    let next = |at: usize| {
        characters
            .iter()
            .find(|(other, _)| *other > at)
            .map(|(_, next)| *next)
    };
    let is_meant_as_dot = |at: usize| {
        let follows = pattern.get(at + 1..).and_then(|rest| rest.chars().next());
        at > 0
            && !matches!(follows, None | Some('*' | '+' | '?' | '{' | ')' | '|'))
            && next(at) != Some('.')
    };
    let dots: Vec<_> = characters
        .iter()
        .filter(|(at, character)| *character == '.' && is_meant_as_dot(*at))
        .map(|(at, _)| *at)
        .collect();
    if dots.is_empty() {
        return None;
    }
    let mut meant = String::with_capacity(pattern.len() + dots.len());
    for (at, character) in pattern.char_indices() {
        if dots.contains(&at) {
            meant.push('\\');
        }
        meant.push(character);
    }
    Some(Surprise {
        says: "in a regular expression, `.` is any character".to_owned(),
        help: String::new(),
        meant: Some(meant),
    })
}

/// Characters that no value of the type has.
fn impossible(characters: &[(usize, char)], kind: &ParameterKind) -> Option<Surprise> {
    let (name, slash) = match kind {
        ParameterKind::Token => ("token", false),
        ParameterKind::Path => ("path", true),
        _ => return None,
    };
    let is_syntax = |c: char| "\\^$.|?*+()[]{},:=!<>#&~".contains(c);
    let (_, wrong) = characters.iter().find(|(_, c)| {
        !(c.is_ascii_alphanumeric() || "._-".contains(*c) || is_syntax(*c) || (*c == '/' && slash))
    })?;
    let help = if *wrong == '/' {
        "give the parameter the type `path`".to_owned()
    } else {
        format!("remove the `{wrong}`, or give the parameter the type `text`")
    };
    Some(Surprise::of(
        &format!("no value of the type `{name}` has a `{wrong}`"),
        &help,
    ))
}

impl Surprise {
    fn of(says: &str, help: &str) -> Self {
        Self {
            says: says.to_owned(),
            help: help.to_owned(),
            meant: None,
        }
    }
}

/// The characters of a pattern that stand neither in a class nor behind a backslash.
struct Characters<'a> {
    rest: std::str::CharIndices<'a>,
    in_class: bool,
}

impl<'a> Characters<'a> {
    fn new(pattern: &'a str) -> Self {
        Self {
            rest: pattern.char_indices(),
            in_class: false,
        }
    }
}

impl Iterator for Characters<'_> {
    type Item = (usize, char);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (at, character) = self.rest.next()?;
            match character {
                '\\' => {
                    self.rest.next();
                }
                '[' => self.in_class = true,
                ']' if self.in_class => {
                    self.in_class = false;
                    return Some((at, character));
                }
                _ if self.in_class => {}
                _ => return Some((at, character)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_reads_like_something_else() {
        let table = [
            ("release/*", Some("release/[^/]+")),
            ("feature/**", Some("feature/.+")),
            ("/^main$/", Some("main")),
            ("main,release", Some("main|release")),
            (r"v[0-9]+\\.[0-9]+", Some(r"v[0-9]+\.[0-9]+")),
            ("v*", Some("v.*")),
            ("feature-*", Some("feature-.*")),
            ("v1.2", Some(r"v1\.2")),
            ("release/[0-9]+.[0-9]+", Some(r"release/[0-9]+\.[0-9]+")),
            ("main|release/[0-9]+\\.[0-9]+", None),
            ("^main$", None),
            ("refs/heads/.*", None),
            ("[a-z0-9.-]+", None),
            ("(a|b).+", None),
            ("[A-Z]*", None),
            (".*", None),
            ("(web|api|docs)-[a-z0-9-]+", None),
        ];
        for (pattern, expected) in table {
            let found = surprise(pattern, &ParameterKind::Path);
            assert_eq!(
                found.and_then(|found| found.meant).as_deref(),
                expected,
                "{pattern}"
            );
        }
        for (pattern, kind, is_told) in [
            ("main ", ParameterKind::Path, true),
            ("a/b", ParameterKind::Token, true),
            ("a/b", ParameterKind::Path, false),
            ("", ParameterKind::Token, true),
            ("a b", ParameterKind::Text, false),
        ] {
            assert_eq!(surprise(pattern, &kind).is_some(), is_told, "{pattern}");
        }
    }
}
