//! What is given: the request, put together from a table or from the columns of one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use taskpass_identity::SpiffeId;
use toml::de::DeValue;

use super::circumstances::{self, JOB, Life, REPORTED, RISK};
use crate::domain::job::Reported;
use crate::domain::policy::circumstances::{Circumstances, Risk};
use crate::domain::policy::declared::Located;
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::read::entry::{Entry, Key};
use crate::domain::policy::read::section::Section;
use crate::domain::policy::report::Report;
use crate::domain::policy::request::Wanted;
use crate::domain::policy::source::Place;
use crate::domain::policy::tools::input::Input;
use crate::domain::time::UnixMillis;

const WORKLOAD: Key<'static> = Key::new("workload", "\"spiffe://acme.example/prod/ci/docs\"");
const TASK: Key<'static> = Key::new("task", "\"deploy-docs\"");
const PARAMS: Key<'static> = Key::new("params", "{ ref = \"main\" }");
const CREDENTIALS: Key<'static> = Key::new("credentials", "[\"docs-api\"]");
const SCOPES: Key<'static> = Key::new("scopes", "[\"docs:read\"]");
const LIFETIME: Key<'static> = Key::new("lifetime", "\"5m\"");
const TIME: Key<'static> = Key::new("time", "\"2026-11-23T09:00:00Z\"");
/// The columns that are not named after something else.
const COLUMNS: [Key<'static>; 4] = [WORKLOAD, TASK, CREDENTIALS, TIME];
/// Before the name of a parameter.
const PARAMETER: &str = "params.";

/// A request that is not complete yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Given {
    workload: Option<SpiffeId>,
    task: Option<String>,
    parameters: BTreeMap<String, String>,
    wanted: Vec<Wanted>,
    /// When it is asked; midnight of 1970-01-01, a Thursday, unless it is said.
    at: UnixMillis,
    life: Life,
    risk: Risk,
    reported: Option<Reported>,
    /// Whether something was there and could not be read.
    is_broken: bool,
}

impl Given {
    /// The same with what a table says.
    pub(super) fn with_section(mut self, mut section: Section<'_>, report: &mut Report) -> Self {
        for key in COLUMNS {
            if let Some(entry) = section.optional(key) {
                self.set(key.name, entry, report);
            }
        }
        if let Some(entry) = section.optional(PARAMS)
            && let Some(parameters) = entry.table("`params`".to_owned(), report)
        {
            for (name, entry) in parameters.children("\"main\"") {
                self.set_parameter(name.value, entry, report);
            }
        }
        let mut below = |key: Key<'static>| {
            let entry = section.optional(key)?;
            entry.table(format!("`{}`", key.name), report)
        };
        let (job, risk, reported) = (below(JOB), below(RISK), below(REPORTED));
        if let Some(job) = job {
            self.life = Life::read(job, report);
        }
        if let Some(risk) = risk {
            self.risk = circumstances::risk(risk, report);
        }
        if let Some(reported) = reported {
            self.reported = Some(circumstances::reported(reported, report));
        }
        section.finish(report);
        self
    }

    /// Whether a column of this name gives a part of the request.
    pub(super) fn is_column(name: &str) -> bool {
        COLUMNS.iter().any(|key| key.name == name) || name.starts_with(PARAMETER)
    }

    /// Gives the part that a column is for. An empty list gives nothing.
    pub(super) fn set(&mut self, column: &str, entry: Entry<'_>, report: &mut Report) {
        if let Some(parameter) = column.strip_prefix(PARAMETER) {
            self.set_parameter(parameter, entry, report);
        } else if is_nothing(entry) {
            self.wanted.clear();
        } else if column == WORKLOAD.name {
            let entry = Entry {
                key: WORKLOAD,
                ..entry
            };
            self.workload = entry.parsed(report).map(|workload| workload.value);
            self.is_broken |= self.workload.is_none();
        } else if column == TASK.name {
            let entry = Entry { key: TASK, ..entry };
            self.task = entry.string(report).map(|task| task.value.to_owned());
            self.is_broken |= self.task.is_none();
        } else if column == TIME.name {
            self.set_time(Entry { key: TIME, ..entry }, report);
        } else {
            let key = CREDENTIALS;
            self.wanted = wanted(Entry { key, ..entry }, report);
        }
    }

    /// The whole request; reported at `place` when something is missing.
    pub(super) fn finish(self, place: &Place, report: &mut Report) -> Option<Input> {
        let missing = [
            (self.workload.is_none(), WORKLOAD),
            (self.task.is_none(), TASK),
        ];
        for (is_missing, Key { name, example, .. }) in missing {
            if is_missing && !self.is_broken {
                let message = format!("no `{name}` is given");
                let help = format!("add `given.{name} = {example}`");
                report.push(Diagnostic::error(place.clone(), message).help(help));
            }
        }
        let (at, job) = self.life.facts(self.at);
        Some(Input {
            workload: self.workload?,
            task: self.task?,
            parameters: self.parameters,
            wanted: self.wanted,
            circumstances: Circumstances {
                at,
                job,
                risk: self.risk,
                reported: self.reported,
            },
        })
    }

    fn set_time(&mut self, entry: Entry<'_>, report: &mut Report) {
        let at = entry.parsed::<Timestamp>(report);
        let at = at.and_then(|at| u64::try_from(at.value.as_millisecond()).ok());
        match at {
            Some(at) => self.at = UnixMillis::new(at),
            None => self.is_broken = true,
        }
    }

    fn set_parameter(&mut self, name: &str, entry: Entry<'_>, report: &mut Report) {
        if is_nothing(entry) {
            self.parameters.remove(name);
        } else if let Some(value) = scalar(entry, report) {
            self.parameters.insert(name.to_owned(), value.value);
        } else {
            self.is_broken = true;
        }
    }
}

/// `[]`: the row has nothing in this column.
pub(super) fn is_nothing(entry: Entry<'_>) -> bool {
    matches!(entry.value.get_ref(), DeValue::Array(items) if items.is_empty())
}

/// A value as it travels: a string, or a number or a boolean in its one spelling.
fn scalar(entry: Entry<'_>, report: &mut Report) -> Option<Located<String>> {
    match entry.value.get_ref() {
        DeValue::Integer(_) => Some(entry.integer(report)?.map(|number| number.to_string())),
        DeValue::Boolean(value) => Some(Located::new(value.to_string(), entry.place())),
        DeValue::String(_)
        | DeValue::Float(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => Some(entry.string(report)?.map(str::to_owned)),
    }
}

/// Names, or a table of names with scopes and lifetimes.
fn wanted(entry: Entry<'_>, report: &mut Report) -> Vec<Wanted> {
    let DeValue::Table(_) = entry.value.get_ref() else {
        let names = entry.strings(report).unwrap_or_default();
        return names
            .into_iter()
            .map(|name| Wanted::whole(name.value))
            .collect();
    };
    let Some(section) = entry.table("`credentials`".to_owned(), report) else {
        return Vec::new();
    };
    let one = |(name, entry): (Located<&str>, Entry<'_>)| {
        let what = format!("credential `{}`", name.value.escape_debug());
        let mut section = entry.table(what, report)?;
        let scopes = section
            .optional(SCOPES)
            .and_then(|entry| entry.strings(report))
            .unwrap_or_default();
        let lifetime = section
            .optional(LIFETIME)
            .and_then(|entry| entry.duration(report));
        section.finish(report);
        Some(Wanted {
            name: name.value.to_owned(),
            scopes: scopes.into_iter().map(|s| s.value.to_owned()).collect(),
            lifetime: lifetime.map(|lifetime| lifetime.value),
        })
    };
    let children = section.children("{ scopes = [\"docs:read\"], lifetime = \"5m\" }");
    children.into_iter().filter_map(one).collect()
}
