//! One value of a table, read as what it should be.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::meant::{self, Meant};
use super::section::Section;
use crate::domain::policy::declared::Located;
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::duration::{meant_duration, parse_duration};
use crate::domain::policy::report::{Reference, Report};
use crate::domain::policy::source::{Place, SourceText};

const MAX_LINE_BYTES: usize = 512;
const MAX_NAME_BYTES: usize = 64;

/// A key, with a value that can be written there: what a remedy shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key<'a> {
    pub(super) name: &'a str,
    pub(super) example: &'static str,
    /// What its values refer to.
    pub(super) reference: Option<Reference>,
}

/// The value of a key.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) text: &'a SourceText<'a>,
    pub(super) key: Key<'a>,
    pub(super) value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Key<'a> {
    pub(super) const fn new(name: &'a str, example: &'static str) -> Self {
        Self {
            name,
            example,
            reference: None,
        }
    }

    /// A key whose values are names that policy declares.
    pub(super) const fn referring(self, reference: Reference) -> Self {
        Self {
            name: self.name,
            example: self.example,
            reference: Some(reference),
        }
    }

    /// Reports what is wrong with the key, with a remedy that shows its example.
    pub(super) fn report(&self, finding: Diagnostic, report: &mut Report) {
        match self.reference {
            Some(reference) => report.push_reference(reference, finding),
            None => report.push(finding),
        }
    }
}

impl<'a> Entry<'a> {
    pub(super) fn place(&self) -> Place {
        self.text.place(self.value.span())
    }

    pub(super) fn string(&self, report: &mut Report) -> Option<Located<&'a str>> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(Located::new(text, self.place())),
            other => self.mismatch("a string", other, report),
        }
    }

    /// A string that `T` can be read from.
    pub(super) fn parsed<T>(&self, report: &mut Report) -> Option<Located<T>>
    where
        T: Meant + FromStr<Err: fmt::Display>,
    {
        let text = self.string(report)?;
        self.parse(text, report)
    }

    /// Text for people: one line, not empty.
    pub(super) fn line(&self, report: &mut Report) -> Option<Located<Arc<str>>> {
        let text = self.string(report)?;
        let wrong = if text.value.trim().is_empty() {
            "is empty"
        } else if text.value.len() > MAX_LINE_BYTES {
            "is longer than 512 bytes"
        } else if text.value.chars().any(char::is_control) {
            "has a line break or a control character"
        } else {
            return Some(text.map(Arc::from));
        };
        self.refuse(text.place, format!("`{}` {wrong}", self.key.name), report)
    }

    /// The name of something: `[a-z0-9-]`, at most 64 of them.
    pub(super) fn name(&self, report: &mut Report) -> Option<Located<Arc<str>>> {
        let text = self.string(report)?;
        self.as_name(text, report)
    }

    pub(super) fn duration(&self, report: &mut Report) -> Option<Located<Duration>> {
        if let DeValue::Integer(number) = self.value.get_ref() {
            let (name, number) = (self.key.name, number.as_str());
            let message = format!("`{name}` is a text with a unit, and this is a number");
            let help =
                format!("write `{name} = \"{number}s\"` for seconds, `\"{number}m\"` for minutes");
            report.push(Diagnostic::error(self.place(), message).help(help));
            return None;
        }
        let text = self.string(report)?;
        match parse_duration(text.value) {
            Ok(duration) => Some(Located::new(duration, text.place)),
            Err(error) => self.unreadable(text.place, &error, meant_duration(text.value), report),
        }
    }

    pub(super) fn integer(&self, report: &mut Report) -> Option<Located<i64>> {
        let DeValue::Integer(number) = self.value.get_ref() else {
            return self.mismatch("an integer", self.value.get_ref(), report);
        };
        let digits = number.as_str().replace('_', "");
        match i64::from_str_radix(&digits, number.radix()) {
            Ok(number) => Some(Located::new(number, self.place())),
            Err(_) => self.refuse(
                self.place(),
                "the integer is out of range".to_owned(),
                report,
            ),
        }
    }

    pub(super) fn boolean(&self, report: &mut Report) -> Option<bool> {
        match self.value.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            other => self.mismatch("`true` or `false`", other, report),
        }
    }

    /// A list of strings.
    pub(super) fn strings(&self, report: &mut Report) -> Option<Vec<Located<&'a str>>> {
        match self.value.get_ref() {
            DeValue::Array(items) => {
                let item = |value| Self { value, ..*self };
                let item = |value| match item(value).value.get_ref() {
                    DeValue::String(text) => Some(Located::new(&**text, item(value).place())),
                    other => item(value).wrong_item(other, report),
                };
                Some(items.iter().filter_map(item).collect())
            }
            other => self.mismatch("a list of strings", other, report),
        }
    }

    /// A list of strings that `T` can be read from, without those that it cannot be read from.
    pub(super) fn parsed_list<T>(&self, report: &mut Report) -> Vec<Located<T>>
    where
        T: Meant + FromStr<Err: fmt::Display>,
    {
        let texts = self.strings(report).unwrap_or_default();
        texts
            .into_iter()
            .filter_map(|text| self.parse(text, report))
            .collect()
    }

    /// A list of names.
    pub(super) fn names(&self, report: &mut Report) -> Vec<Located<Arc<str>>> {
        let texts = self.strings(report).unwrap_or_default();
        texts
            .into_iter()
            .filter_map(|text| self.as_name(text, report))
            .collect()
    }

    /// One string or a list of strings, at least one.
    pub(super) fn one_or_more<T>(&self, report: &mut Report) -> Vec<Located<T>>
    where
        T: Meant + FromStr<Err: fmt::Display>,
    {
        match self.value.get_ref() {
            DeValue::String(_) => self.parsed(report).into_iter().collect(),
            DeValue::Array(items) if items.is_empty() => {
                let message = format!("`{}` is an empty list", self.key.name);
                self.refuse::<()>(self.place(), message, report);
                Vec::new()
            }
            DeValue::Array(_) => self.parsed_list(report),
            other => {
                self.mismatch::<()>("a string or a list of strings", other, report);
                Vec::new()
            }
        }
    }

    pub(super) fn table(&self, what: String, report: &mut Report) -> Option<Section<'a>> {
        match self.value.get_ref() {
            DeValue::Table(table) => Some(Section::new(self.text, table, self.place(), what)),
            other => self.mismatch("a table", other, report),
        }
    }

    /// A list of tables, as `[[…]]` makes it.
    pub(super) fn tables(
        &self,
        what: impl Fn(usize) -> String,
        report: &mut Report,
    ) -> Vec<Section<'a>> {
        let DeValue::Array(items) = self.value.get_ref() else {
            self.mismatch::<()>("a list of tables", self.value.get_ref(), report);
            return Vec::new();
        };
        let item = |(index, value)| Self { value, ..*self }.table(what(index + 1), report);
        items.iter().enumerate().filter_map(item).collect()
    }

    /// Reports what is wrong, with an example of what is right.
    pub(super) fn refuse<T>(
        &self,
        place: Place,
        message: String,
        report: &mut Report,
    ) -> Option<T> {
        let Key { name, example, .. } = self.key;
        let finding =
            Diagnostic::error(place, message).help(format!("for instance `{name} = {example}`"));
        self.key.report(finding, report);
        None
    }

    fn parse<T>(&self, text: Located<&str>, report: &mut Report) -> Option<Located<T>>
    where
        T: Meant + FromStr<Err: fmt::Display>,
    {
        match text.value.parse() {
            Ok(value) => Some(Located::new(value, text.place)),
            Err(error) => match (T::meant(text.value), T::help(text.value)) {
                (None, Some(help)) => {
                    report.push(Diagnostic::error(text.place, error.to_string()).help(help));
                    None
                }
                (meant, _) => self.unreadable(text.place, &error, meant, report),
            },
        }
    }

    fn as_name(&self, text: Located<&str>, report: &mut Report) -> Option<Located<Arc<str>>> {
        if is_name(text.value) {
            return Some(text.map(Arc::from));
        }
        let is_every = self.key.name == "environment" && meant::is_every(text.value);
        let meant = if is_every {
            Some("any".to_owned())
        } else {
            meant::name(text.value)
        };
        self.unreadable(text.place, &NAME_RULE, meant, report)
    }

    /// Reports a text that cannot be read, with what was likely meant.
    fn unreadable<T>(
        &self,
        place: Place,
        why: &dyn fmt::Display,
        meant: Option<String>,
        report: &mut Report,
    ) -> Option<T> {
        let Some(meant) = meant else {
            return self.refuse(place, why.to_string(), report);
        };
        let finding = Diagnostic::error(place.clone(), why.to_string());
        let meant = quoted(&meant);
        report.push(finding.help(format!("write `{meant}`")).fix(place, meant));
        None
    }

    /// Reports an entry of a list that is no string.
    fn wrong_item<T>(&self, found: &DeValue<'_>, report: &mut Report) -> Option<T> {
        let name = self.key.name;
        let message = format!(
            "the entries of `{name}` must be strings, and this is {}",
            describe(found)
        );
        let finding = Diagnostic::error(self.place(), message);
        let raw = self
            .text
            .content()
            .get(self.value.span())
            .unwrap_or_default();
        let is_plain = matches!(
            found,
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_)
        );
        report.push(if is_plain {
            let right = quoted(raw);
            finding
                .help(format!("write `{right}`"))
                .fix(self.place(), right)
        } else {
            finding.help("write each as a text, between `\"`")
        });
        None
    }

    fn mismatch<T>(&self, expected: &str, found: &DeValue<'_>, report: &mut Report) -> Option<T> {
        let message = format!(
            "`{}` must be {expected}, and is {}",
            self.key.name,
            describe(found)
        );
        let Some(right) = self.converted(expected, found) else {
            return self.refuse(self.place(), message, report);
        };
        let help = format!("write `{} = {right}`", self.key.name);
        report.push(
            Diagnostic::error(self.place(), message)
                .help(help)
                .fix(self.place(), right),
        );
        None
    }

    /// The same value, as what it should be.
    fn converted(&self, expected: &str, found: &DeValue<'_>) -> Option<String> {
        let raw = self.text.content().get(self.value.span())?;
        match (expected, found) {
            ("a list of strings", DeValue::String(text)) if text.contains(',') => {
                let parts = text.split(',').map(|part| quoted(part.trim()));
                Some(format!("[{}]", parts.collect::<Vec<_>>().join(", ")))
            }
            ("a list of strings", DeValue::String(_)) => Some(format!("[{raw}]")),
            ("a string", DeValue::Array(items))
                if items.len() > 1 && self.key.name == "environment" =>
            {
                Some("\"any\"".to_owned())
            }
            ("a string", DeValue::Array(items))
                if items.len() > 1 && ["when", "unless"].contains(&self.key.name) =>
            {
                let text = |item: &toml::Spanned<DeValue<'_>>| match item.get_ref() {
                    DeValue::String(text) => Some(text.to_string()),
                    _ => None,
                };
                let operator = if self.key.name == "when" {
                    " && "
                } else {
                    " || "
                };
                let texts: Vec<_> = items.iter().map(text).collect::<Option<_>>()?;
                Some(quoted(&texts.join(operator)))
            }
            ("a string", DeValue::Array(items)) => {
                let only = items.iter().next().filter(|_| items.len() == 1)?;
                let is_string = matches!(only.get_ref(), DeValue::String(_));
                let raw = self.text.content().get(only.span()).filter(|_| is_string);
                raw.map(ToOwned::to_owned)
            }
            ("`true` or `false`", DeValue::String(text)) => {
                match &*text.trim().to_ascii_lowercase() {
                    "true" | "yes" | "on" => Some("true".to_owned()),
                    "false" | "no" | "off" => Some("false".to_owned()),
                    _ => None,
                }
            }
            ("an integer", DeValue::String(text)) => {
                let number: i64 = text.trim().parse().ok()?;
                Some(number.to_string())
            }
            _ => None,
        }
    }
}

/// A text as TOML: between `'` where it has backslashes or quotes.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = !text.contains(['"', '\\']) && !text.chars().any(char::is_control);
    if is_plain {
        format!("\"{text}\"")
    } else if !text.contains('\'') && !text.chars().any(char::is_control) {
        format!("'{text}'")
    } else {
        let text = text.escape_debug().to_string();
        format!("\"{}\"", text.replace("\\'", "'"))
    }
}

pub(super) const NAME_RULE: &str = "a name is 1 to 64 of `a-z`, `0-9` and `-`";

pub(super) fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=MAX_NAME_BYTES).contains(&text.len()) && text.bytes().all(allowed)
}

fn describe(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
