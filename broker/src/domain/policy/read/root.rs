//! The tables of a policy file: `[KIND.NAME]`, each with a name of its own.

use std::sync::Arc;

use toml::de::DeValue;

use super::entry::{Entry, Key, NAME_RULE, is_name};
use super::section::Section;
use super::task::in_header;
use super::{AUDIENCE, CREDENTIAL, ENVIRONMENT, IDENTITY, TASK, is_task_name};
use crate::domain::policy::declared::Located;
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::report::Report;

const KINDS: [Key<'static>; 5] = [TASK, CREDENTIAL, ENVIRONMENT, AUDIENCE, IDENTITY];

/// Reports headers of misspelt tables (`[tasks.a]`), each in its place. What they hold is read all the same.
pub(super) fn misspelt_tables(root: &mut Section<'_>, report: &mut Report) {
    // What belongs into test files is told as that.
    let known = [KINDS.map(|key| key.name).as_slice(), &["test", "table"]].concat();
    for (wrong, right) in root.misspelt(&known) {
        let content = root.text.content();
        let (mut start, mut is_below) = (0, false);
        for line in content.split_inclusive('\n') {
            let inner = line.trim_start().trim_start_matches('[').trim_start();
            let at = start + line.len() - inner.len();
            start += line.len();
            is_below |= line.trim_start().starts_with('[');
            let is_header = line.trim_start().starts_with('[') || !is_below;
            let ends = |rest: &str| rest.trim_start().starts_with(['.', ']', '=']);
            if is_header && inner.strip_prefix(wrong).is_some_and(ends) {
                let place = root.text.place(at..at + wrong.len());
                let message = format!("unknown key `{wrong}` in a policy file");
                let finding = Diagnostic::error(place.clone(), message).label("not known here");
                report.push(
                    finding
                        .help(format!("did you mean `{right}`?"))
                        .fix(place, right),
                );
            }
        }
        report.set_partial();
    }
}

/// The tables below `[KEY.…]` with their names; those with an impossible name are reported, and read all the
/// same, for what else is wrong with them.
pub(super) fn named<'a>(
    root: &mut Section<'a>,
    key: Key<'static>,
    is_valid: fn(&str) -> bool,
    report: &mut Report,
) -> Vec<(Located<Arc<str>>, Section<'a>)> {
    let mut sections: Vec<(Located<Arc<str>>, Section<'a>)> = Vec::new();
    let known = [KINDS.map(|key| key.name).as_slice(), &["test", "table"]].concat();
    let misspelt = root.names_like(key.name, &known);
    let entries: Vec<_> = root
        .optional(key)
        .into_iter()
        .chain(
            misspelt
                .into_iter()
                .filter_map(|name| root.value(name, key)),
        )
        .collect();
    for entry in entries {
        for (name, entry) in children(entry, report) {
            // Split between a right and a misspelt header.
            if sections
                .iter()
                .any(|(other, _)| *other.value == *name.value)
            {
                continue;
            }
            if !is_valid(name.value) {
                report.push(bad_name(key, &name));
                report.set_partial();
            }
            let what = format!("{} `{}`", key.name, name.value.escape_debug());
            if let Some(section) = entry.table(what, report) {
                let section = section.named_at(name.place.clone());
                sections.push((name.map(Arc::from), section));
            }
        }
    }
    sections
}

/// The tables of one kind with their names; none where the name is missing: `[task]`.
fn children<'a>(entry: Entry<'a>, report: &mut Report) -> Vec<(Located<&'a str>, Entry<'a>)> {
    let kind = entry.key.name;
    let Some(tables) = entry.table(kind.to_owned(), report) else {
        return Vec::new();
    };
    let children = tables.children("{ … }");
    let is_table = |entry: &Entry<'_>| matches!(entry.value.get_ref(), DeValue::Table(_));
    // `[[task.a]]`, and not a key such as `scopes = []`.
    let is_list = |entry: &Entry<'_>| match entry.value.get_ref() {
        DeValue::Array(items) => {
            let mut items = items.iter().map(toml::Spanned::get_ref);
            items.len() > 0 && items.all(|item| matches!(item, DeValue::Table(_)))
        }
        _ => false,
    };
    let (lists, children): (Vec<_>, Vec<_>) =
        children.into_iter().partition(|(_, entry)| is_list(entry));
    for (name, _) in lists {
        report.set_partial();
        let header = format!("{kind}.{}", in_header(name.value));
        let message =
            format!("`[[{header}]]` makes a list of it, and there is one {kind} of a name");
        report.push(
            Diagnostic::error(name.place, message)
                .help(format!("write the header with one bracket: `[{header}]`")),
        );
    }
    if children.iter().all(|(_, entry)| is_table(entry)) {
        return children;
    }
    // What stands below such a header belongs to a table that has no name yet.
    report.set_partial();
    let place = entry.place();
    let finding = Diagnostic::error(place.clone(), format!("this {kind} has no name"));
    let grants = children
        .iter()
        .find(|(_, entry)| match entry.value.get_ref() {
            DeValue::Table(table) => table.contains_key("grant"),
            _ => false,
        });
    let is_header = entry
        .text
        .content()
        .get(place.span.clone())
        .is_some_and(|raw| raw.starts_with('['));
    report.push(match grants {
        Some((name, _)) if is_header => {
            let header = format!("[{kind}.{}]", in_header(name.value));
            finding.help(format!("write `{header}`")).fix(place, header)
        }
        _ => finding.help(format!(
            "write `[{kind}.NAME]`, for instance `[{kind}.docs-api]`"
        )),
    });
    Vec::new()
}

fn bad_name(key: Key<'_>, name: &Located<&str>) -> Diagnostic {
    let (rule, example) = if key.name == TASK.name {
        (
            "a task's name is segments of `a-z`, `0-9` and `-` joined by `/`, at most 128 bytes",
            "for instance `[task.deploy-docs]` or `[task.\"ci/build\"]`".to_owned(),
        )
    } else {
        (NAME_RULE, format!("for instance `[{}.docs]`", key.name))
    };
    let finding = Diagnostic::error(name.place.clone(), rule);
    let plain = name
        .value
        .to_ascii_lowercase()
        .replace(['_', ' '], "-")
        .replace("//", "/");
    let is_name = if key.name == TASK.name {
        is_task_name(&plain)
    } else {
        is_name(&plain)
    };
    if is_name {
        let plain = in_header(&plain);
        return finding
            .help(format!("write `{plain}`"))
            .fix(name.place.clone(), plain);
    }
    finding.help(example)
}
