//! `[task.NAME]` and `[[task.NAME.grant]]`.

use std::collections::BTreeMap;
use std::sync::Arc;

use taskpass_proto::limits::{MAX_LEASES_PER_JOB, MAX_PARAMETERS};
use toml::de::DeValue;

use super::entry::{Entry, Key, is_name};
use super::parameter;
use super::section::Section;
use crate::domain::policy::declared::{DeclaredGrant, DeclaredTask, Located};
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::parameter::Parameter;
use crate::domain::policy::report::{Reference, Report};
use crate::domain::policy::snapshot::GrantMode;
use crate::domain::policy::suggest::suggest;
use crate::domain::policy::template::is_parameter_name;

const OWNER: Key<'static> = Key::new("owner", "\"docs-platform@acme.example\"");
const PURPOSE: Key<'static> = Key::new("purpose", "\"publish the documentation site\"");
const PARAMS: Key<'static> = Key::new("params", "{ ref = { type = \"path\" } }");
const MAX_DURATION: Key<'static> = Key::new("max_duration", "\"30m\"");
const GRANT: Key<'static> = Key::new(
    "grant",
    "[{ workload = \"spiffe://acme.example/prod/ci/*\", credentials = [\"docs-api\"] }]",
);
const WORKLOAD: Key<'static> = Key::new("workload", "\"spiffe://acme.example/prod/ci/*\"");
const CREDENTIALS: Key<'static> =
    Key::new("credentials", "[\"docs-api\"]").referring(Reference::Credential);
const MAX_TTL: Key<'static> = Key::new("max_ttl", "\"5m\"");
const MAX_LIVE_JOBS: Key<'static> = Key::new("max_live_jobs", "100");
const MODE: Key<'static> = Key::new("mode", "\"audit\"");
const WHEN: Key<'static> = Key::new("when", "'context.params.ref == \"refs/heads/main\"'");
const UNLESS: Key<'static> = Key::new("unless", "'context.time.weekday > 5'");
const DEFAULT_MAX_LIVE_JOBS: u32 = 100;

/// What a later version evaluates in grants.
const NOT_EVALUATED: &[&str] = &["approval", "approvals"];
const MODES: [GrantMode; 2] = [GrantMode::Enforce, GrantMode::Audit];

pub(super) fn task(name: &str, mut section: Section<'_>, report: &mut Report) -> DeclaredTask {
    // Grants without their task, which are told as that.
    let is_headless = section.has_only(GRANT.name);
    // `[task.ci.build]` is no task `ci`, which is told below.
    let is_nested = section.has_tables_besides(&[PARAMS.name, GRANT.name]);
    if is_nested {
        report.set_partial();
    }
    let mut line = |key| {
        let entry = if is_headless || is_nested {
            section.optional(key)
        } else {
            section.required(key, report)
        };
        entry.and_then(|entry| entry.line(report))
    };
    let [owner, purpose] = [line(OWNER), line(PURPOSE)];
    let errors = report.error_count();
    let parameters = section
        .optional(PARAMS)
        .map(|entry| parameters(name, entry, report))
        .unwrap_or_default();
    let has_whole_parameters = report.error_count() == errors;
    let max_duration = section
        .optional(MAX_DURATION)
        .and_then(|entry| entry.duration(report));
    let grants = section
        .optional(GRANT)
        .map(|entry| grants(name, entry, report))
        .unwrap_or_default();
    section.finish_with(|key, value| quoted_name(name, key, value), report);
    DeclaredTask {
        is_headless,
        has_whole_parameters,
        owner,
        purpose,
        parameters,
        max_duration,
        grants,
    }
}

fn parameters(
    task: &str,
    entry: Entry<'_>,
    report: &mut Report,
) -> BTreeMap<Arc<str>, Option<Located<Parameter>>> {
    let mut parameters = BTreeMap::new();
    let Some(section) = entry.table(format!("the parameters of task `{task}`"), report) else {
        return parameters;
    };
    let children = section.children("{ type = \"token\" }");
    if children.len() > MAX_PARAMETERS {
        let message = format!("task `{task}` has more than {MAX_PARAMETERS} parameters");
        let help = "no request may hold more: put several values into one, or split the task";
        report.push(Diagnostic::error(section.place.clone(), message).help(help));
    }
    for (name, entry) in children {
        if !is_parameter_name(name.value) {
            let message = "a parameter's name is 1 to 64 of `a-z`, `0-9`, `_` and `-`";
            let help = "for instance `params.ref = { type = \"path\" }`";
            report.push(Diagnostic::error(name.place.clone(), message).help(help));
        }
        let what = format!("parameter `{}` of task `{task}`", name.value.escape_debug());
        let parameter = entry
            .table(what, report)
            .and_then(|section| parameter::parameter(section.named_at(name.place.clone()), report));
        let located = parameter.map(|parameter| Located::new(parameter, name.place));
        parameters.insert(name.value.into(), located);
    }
    parameters
}

fn grants(task: &str, entry: Entry<'_>, report: &mut Report) -> Vec<DeclaredGrant> {
    if let DeValue::Table(_) = entry.value.get_ref() {
        let message = format!("the grants of task `{task}` are a list of tables");
        let help = format!(
            "write the header with two brackets: `[[task.{}.grant]]`",
            in_header(task)
        );
        report.push(Diagnostic::error(entry.place(), message).help(help));
        return Vec::new();
    }
    let what = |number| format!("grant {number} of task `{task}`");
    let sections = entry.tables(what, report);
    sections
        .into_iter()
        .map(|section| grant(section, report))
        .collect()
}

fn grant(mut section: Section<'_>, report: &mut Report) -> DeclaredGrant {
    let errors = report.error_count();
    let workloads = section
        .required(WORKLOAD, report)
        .map(|entry| entry.one_or_more(report))
        .unwrap_or_default();
    let credentials = section
        .required(CREDENTIALS, report)
        .map(|entry| credentials(entry, report))
        .unwrap_or_default();
    let max_ttl = section
        .optional(MAX_TTL)
        .and_then(|entry| entry.duration(report));
    let max_live_jobs = section
        .optional(MAX_LIVE_JOBS)
        .map_or(DEFAULT_MAX_LIVE_JOBS, |entry| max_live_jobs(entry, report));
    let mode = section
        .optional(MODE)
        .map(|entry| mode(entry, report))
        .unwrap_or_default();
    let [when, unless] = [WHEN, UNLESS].map(|key| {
        let text = section.optional(key)?.string(report)?;
        Some(text.map(Arc::from))
    });
    section.refuse(
        NOT_EVALUATED,
        "is not evaluated by this version, and a rule that is silently ignored is a hole",
        "remove it; narrow the grant with its `workload`, or with a condition in `when`",
        report,
    );
    let place = section.place.clone();
    section.finish_with(|key, _| audit(key).or_else(|| elsewhere(key)), report);
    DeclaredGrant {
        is_whole: report.error_count() == errors,
        place,
        workloads,
        credentials,
        max_ttl,
        max_live_jobs,
        mode,
        when,
        unless,
    }
}

/// Keys of other tables: in TOML, what stands below a header belongs to it.
fn elsewhere(key: &str) -> Option<String> {
    let help = match key {
        "owner" | "purpose" | "max_duration" | "params" => {
            format!("`{key}` belongs to the task: move it above the first grant")
        }
        "environment" | "audience" | "issuer" | "scopes" => {
            format!("`{key}` belongs to the credential: write it below `[credential.NAME]`")
        }
        _ => return None,
    };
    Some(help)
}

/// Other words for a grant that lets nothing through.
fn audit(key: &str) -> Option<String> {
    let is_meant = [
        "audit",
        "dry_run",
        "dry-run",
        "dryrun",
        "audit_only",
        "enforce",
    ]
    .contains(&key);
    is_meant.then(|| {
        "write `mode = \"audit\"` to let nothing through and record it, or remove the key"
            .to_owned()
    })
}

fn mode(entry: Entry<'_>, report: &mut Report) -> GrantMode {
    let Some(word) = entry.string(report) else {
        return GrantMode::default();
    };
    if let Some(mode) = MODES.into_iter().find(|mode| mode.as_str() == word.value) {
        return mode;
    }
    let message = format!("unknown mode `{}`", word.value.escape_debug());
    let finding = Diagnostic::error(word.place.clone(), message);
    report.push(
        match suggest(word.value, MODES.into_iter().map(GrantMode::as_str)) {
            Some(meant) => finding.meant(word.place, meant),
            None => {
                finding.help("write `mode = \"audit\"` to try the grant out, or remove the key")
            }
        },
    );
    GrantMode::default()
}

fn credentials(entry: Entry<'_>, report: &mut Report) -> Vec<Located<Arc<str>>> {
    let names = entry.names(report);
    let mut seen = BTreeMap::new();
    for name in &names {
        if let Some(first) = seen.insert(name.value.clone(), name.place.clone()) {
            let message = format!("credential `{}` is listed twice", name.value);
            let twice = Diagnostic::error(name.place.clone(), message);
            report.push(
                twice
                    .help("remove one of the two")
                    .related(first, "first listed here"),
            );
        }
    }
    if let DeValue::Array(items) = entry.value.get_ref() {
        if items.is_empty() {
            let message = "a grant without credentials gives nothing".to_owned();
            entry.refuse::<()>(entry.place(), message, report);
        } else if items.len() > MAX_LEASES_PER_JOB {
            let message = format!(
                "a grant names at most {MAX_LEASES_PER_JOB} credentials, as many as a job may hold"
            );
            let help = "split the task into several";
            report.push(Diagnostic::error(entry.place(), message).help(help));
        }
    }
    names
}

fn max_live_jobs(entry: Entry<'_>, report: &mut Report) -> u32 {
    let Some(number) = entry.integer(report) else {
        return DEFAULT_MAX_LIVE_JOBS;
    };
    match u32::try_from(number.value) {
        Ok(number) if number > 0 => number,
        Ok(_) | Err(_) => {
            let message = "`max_live_jobs` is 1 or more".to_owned();
            entry.refuse::<()>(number.place, message, report);
            DEFAULT_MAX_LIVE_JOBS
        }
    }
}

/// `[task.ci.build]` declares a key of the task `ci`; likely the task `ci/build` was meant.
fn quoted_name(task: &str, key: &str, value: &DeValue<'_>) -> Option<String> {
    if ["credential", "environment", "audience", "identity"].contains(&key) {
        return Some(format!(
            "write `[{key}.NAME]`, a table of its own: it belongs to no task"
        ));
    }
    let is_meant = matches!(value, DeValue::Table(_)) && is_name(key);
    is_meant.then(|| format!("names with `/` are quoted: `[task.\"{task}/{key}\"]`"))
}

/// A task's name as it stands in a table's header.
pub(in crate::domain::policy) fn in_header(task: &str) -> String {
    if task.contains('/') {
        format!("\"{task}\"")
    } else {
        task.to_owned()
    }
}
