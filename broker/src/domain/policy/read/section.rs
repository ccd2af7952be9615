//! One table, and which of its keys are known.

use toml::de::{DeTable, DeValue};

use super::entry::{Entry, Key};
use super::meant;
use crate::domain::policy::declared::Located;
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::report::Report;
use crate::domain::policy::source::{Place, SourceText};
use crate::domain::policy::suggest::suggest;

/// A table that is being read: whoever asks for a key makes it known; what is not known at the end is an error.
pub(super) struct Section<'a> {
    pub(super) text: &'a SourceText<'a>,
    table: &'a DeTable<'a>,
    pub(super) place: Place,
    /// What it is, for people: "task `deploy-docs`".
    pub(super) what: String,
    known: Vec<&'static str>,
    refused: Vec<&'a str>,
}

impl<'a> Section<'a> {
    pub(super) fn new(
        text: &'a SourceText<'a>,
        table: &'a DeTable<'a>,
        place: Place,
        what: String,
    ) -> Self {
        Self {
            text,
            table,
            place,
            what,
            known: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// The same table, pointed to by its name.
    pub(super) fn named_at(self, place: Place) -> Self {
        Self { place, ..self }
    }

    pub(super) fn optional(&mut self, key: Key<'static>) -> Option<Entry<'a>> {
        self.known.push(key.name);
        let value = self.table.get(key.name)?;
        Some(Entry {
            text: self.text,
            key,
            value,
        })
    }

    pub(super) fn required(&mut self, key: Key<'static>, report: &mut Report) -> Option<Entry<'a>> {
        let entry = self.optional(key);
        // One that is misspelt is told as that.
        if entry.is_none() && !self.has_misspelt(key.name) {
            let Key { name, example, .. } = key;
            // Behind a table's header it would belong to that table.
            let place = if self.place.span.end == 0 {
                " at the top"
            } else {
                ""
            };
            let message = format!("{} has no `{name}`", self.what);
            let help = format!("add `{name} = {example}`{place}");
            let finding = Diagnostic::error(self.place.clone(), message).help(help);
            let finding = match self.text.after_header(&self.place) {
                Some(place) => finding.fix(place, format!("{name} = {example}\n")),
                None => finding,
            };
            key.report(finding, report);
        }
        entry
    }

    /// Whether a key stands there that was likely meant to be this one.
    fn has_misspelt(&self, name: &'static str) -> bool {
        let mut keys = self.table.keys().map(|key| &**key.get_ref());
        keys.any(|key| {
            !self.known.contains(&key)
                && (meant::key(key, &[name]).is_some()
                    || suggest(key, [name].into_iter()).is_some())
        })
    }

    /// Makes keys known without reading them.
    pub(super) fn pass_over(&mut self, keys: &[Key<'static>]) {
        self.known.extend(keys.iter().map(|key| key.name));
    }

    /// Whether there is no other key than this one.
    pub(super) fn has_only(&self, name: &str) -> bool {
        self.table.len() == 1 && self.table.contains_key(name)
    }

    /// Whether a table stands there that is none of these.
    pub(super) fn has_tables_besides(&self, names: &[&str]) -> bool {
        self.table.iter().any(|(key, value)| {
            matches!(value.get_ref(), DeValue::Table(_))
                && !names.contains(&&**key.get_ref())
                && suggest(key.get_ref(), names.iter().copied()).is_none()
        })
    }

    /// Keys that were likely meant to be some of these, each with what it was meant to be; nobody else reports
    /// them.
    pub(super) fn misspelt(&mut self, names: &[&'static str]) -> Vec<(&'a str, &'static str)> {
        let keys = self.table.keys().map(|key| &**key.get_ref());
        let misspelt: Vec<_> = keys
            .filter(|key| !names.contains(key))
            .filter_map(|key| Some((key, suggest(key, names.iter().copied())?)))
            .collect();
        self.refused.extend(misspelt.iter().map(|(key, _)| *key));
        misspelt
    }

    /// Keys that were likely meant to be this one of some.
    pub(super) fn names_like(&self, name: &str, names: &[&'static str]) -> Vec<&'a str> {
        let keys = self.table.keys().map(|key| &**key.get_ref());
        keys.filter(|key| !names.contains(key) && suggest(key, names.iter().copied()) == Some(name))
            .collect()
    }

    /// The value of a key by whatever name.
    pub(super) fn value(&self, name: &str, key: Key<'static>) -> Option<Entry<'a>> {
        let value = self.table.get(name)?;
        Some(Entry {
            text: self.text,
            key,
            value,
        })
    }

    /// Refuses keys that have a meaning elsewhere, or will have one in a later version.
    pub(super) fn refuse(
        &mut self,
        names: &'static [&'static str],
        why: &str,
        help: &str,
        report: &mut Report,
    ) {
        self.refused.extend(names);
        for name in names {
            if let Some((key, _)) = self.table.get_key_value(*name) {
                let place = self.text.place(key.span());
                report.push(Diagnostic::error(place, format!("`{name}` {why}")).help(help));
            }
        }
    }

    /// Every key with its value, where keys are names that the operator gives.
    pub(super) fn children(&self, example: &'static str) -> Vec<(Located<&'a str>, Entry<'a>)> {
        let child = |(key, value): (&'a toml::Spanned<toml::de::DeString<'a>>, _)| {
            let name = Located::new(&**key.get_ref(), self.text.place(key.span()));
            let key = Key::new(name.value, example);
            let entry = Entry {
                text: self.text,
                key,
                value,
            };
            (name, entry)
        };
        let mut children: Vec<_> = self.table.iter().map(child).collect();
        children.sort_by_key(|(name, _)| name.place.span.start);
        children
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self, report: &mut Report) {
        self.finish_with(|_, _| None, report);
    }

    /// As [`Section::finish`], with a remedy for some unknown keys.
    pub(super) fn finish_with(
        self,
        remedy: impl Fn(&str, &DeValue<'_>) -> Option<String>,
        report: &mut Report,
    ) {
        for (key, value) in self.table {
            let name = &**key.get_ref();
            if self.known.contains(&name) || self.refused.contains(&name) {
                continue;
            }
            let place = self.text.place(key.span());
            let message = format!("unknown key `{}` in {}", name.escape_debug(), self.what);
            let finding = Diagnostic::error(place.clone(), message).label("not known here");
            let meant = meant::key(name, &self.known)
                .filter(|meant| !self.table.contains_key(*meant))
                .or_else(|| suggest(name, self.known.iter().copied()));
            report.push(match (meant, remedy(name, value.get_ref())) {
                (Some(known), _) => finding
                    .help(format!("did you mean `{known}`?"))
                    .fix(place, known),
                (None, Some(help)) => finding.help(help),
                (None, None) => {
                    finding.help(format!("the keys here are `{}`", self.known.join("`, `")))
                }
            });
        }
    }
}
