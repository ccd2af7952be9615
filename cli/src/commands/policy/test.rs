//! `taskpass policy test`: runs the tests beside a policy.

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use taskpass_broker::config::policy_files;
use taskpass_broker::domain::policy::tools::cases::{
    self, Case, Coverage, Mismatch, Outcome, read_cases, unknown_names,
};
use taskpass_broker::domain::policy::{Diagnostic, Severity, SourceFile};
use taskpass_broker::domain::time::UnixMillis;

use super::findings::{self, Finding};
use super::loaded::{self, Location, all_mistakes};
use super::{considered, plural};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::page::{ERROR, FAINT, GOOD};
use crate::output::{Page, View};

pub(super) const EXAMPLES: &str = "\
Examples:
  taskpass policy test policy/
  taskpass policy test policy/ --filter \"main branch\"
  taskpass policy test policy/ --min-coverage 100
  taskpass policy test policy/ --output json | jq '.failed[].place'

Tests stand beside the policy, in files whose names end with `.test.toml`:
  [[test]]
  name = \"the main branch may be published\"
  given.workload = \"spiffe://acme.example/prod/ci/docs/1\"
  given.task = \"deploy-docs\"
  given.params.ref = \"refs/heads/main\"
  expect = \"allow docs-site\"

Exit codes:
  0 all passed; 1 a test failed, or --min-coverage is not reached; 2 a file has a mistake
  More: `taskpass help exit-codes`";

/// The command line of `policy test`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    location: Location,

    /// Runs only tests whose names hold this text; then coverage is not measured
    #[arg(long, value_name = "TEXT", conflicts_with = "min_coverage")]
    filter: Option<String>,

    /// Fails when tests touch fewer of the grants and guardrails than this, in percent
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    min_coverage: Option<u8>,
}

/// Performs the command.
pub(super) fn perform(arguments: &Arguments, context: &Context) -> Result<Exit, Failure> {
    let directory = &arguments.location.directory;
    let loaded = arguments.location.load()?;
    let files = policy_files::read_tests(directory)
        .map_err(|error| Failure::usage("cannot read the tests").why_with_excerpt(error))?;
    let files: Vec<_> = files
        .into_iter()
        .map(|file| loaded::shown(directory, file))
        .collect();
    let mut cases = read_cases(&files).map_err(|found| wrong(&found, &files))?;
    if let Some(text) = &arguments.filter {
        cases.retain(|case| case.name.contains(text));
    }
    if cases.is_empty() {
        let failure = Failure::usage("there are no tests to run");
        return Err(match &arguments.filter {
            Some(_) => failure.remedy("leave out --filter"),
            None => failure.remedy("write some into a file whose name ends with `.test.toml`"),
        });
    }
    let (errors, warnings): (Vec<_>, Vec<_>) = unknown_names(&loaded.policy, &cases)
        .into_iter()
        .partition(|finding| finding.severity == Severity::Error);
    if !errors.is_empty() {
        return Err(wrong(&errors, &files));
    }
    let outcomes: Vec<_> = cases
        .iter()
        .map(|case| cases::run(&loaded.policy, case))
        .collect();
    let coverage = match arguments.filter {
        Some(_) => None,
        None => Some(Coverage::of(&loaded.policy, &outcomes)),
    };
    let report = Report {
        warnings: warnings.iter().map(Finding::from).collect(),
        rendered: warnings
            .iter()
            .map(|one| findings::render(one, &files))
            .collect(),
        ..Report::new(&outcomes, coverage, arguments.min_coverage)
    };
    context.output.show(&report)?;
    Ok(report.exit())
}

/// The failure that tests with mistakes make.
fn wrong(found: &[Diagnostic], files: &[SourceFile]) -> Failure {
    all_mistakes("the tests have", found, files)
        .remedy("correct them, and run `taskpass policy test` again")
}

/// What became of the tests.
#[derive(Debug, Serialize)]
struct Report {
    passed: usize,
    failed: Vec<Failed>,
    /// Names that the policy does not have, of tests that expect so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Finding>,
    #[serde(skip)]
    rendered: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<Coverage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_coverage: Option<u8>,
}

/// A test that failed.
#[derive(Debug, Serialize)]
struct Failed {
    name: String,
    /// `file:line:column`.
    place: String,
    task: String,
    workload: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    params: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    credentials: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Timestamp>,
    mismatches: Vec<Mismatch>,
    /// What was considered: the grants with what failed, the credentials with what became of them.
    considered: Vec<String>,
}

impl Failed {
    fn new(outcome: &Outcome<'_>) -> Self {
        let Case {
            name, place, given, ..
        } = outcome.case;
        Self {
            name: name.clone(),
            place: place.to_string(),
            task: given.task.clone(),
            workload: given.workload.to_string(),
            params: given.parameters.clone(),
            credentials: given.wanted.iter().map(|one| one.name.clone()).collect(),
            time: Some(given.circumstances.at)
                .filter(|at| *at != UnixMillis::default())
                .and_then(|at| i64::try_from(at.as_millis()).ok())
                .and_then(|at| Timestamp::from_millisecond(at).ok()),
            mismatches: outcome.mismatches.clone(),
            considered: considered::lines(&outcome.decision),
        }
    }
}

impl Failed {
    /// What is given, the values of a row among it.
    fn given(&self) -> String {
        let mut given = format!("workload {}, task {}", self.workload, self.task);
        for (name, value) in &self.params {
            given.extend([", params.", name, " = ", &format!("{value:?}")]);
        }
        if !self.credentials.is_empty() {
            given.extend([", credentials ", &self.credentials.join(" ")]);
        }
        if let Some(time) = self.time {
            given.extend([", time ", &time.to_string()]);
        }
        given
    }
}

impl Report {
    fn new(outcomes: &[Outcome<'_>], coverage: Option<Coverage>, min: Option<u8>) -> Self {
        let failed: Vec<_> = outcomes
            .iter()
            .filter(|outcome| !outcome.has_passed())
            .map(Failed::new)
            .collect();
        Self {
            passed: outcomes.len() - failed.len(),
            failed,
            warnings: Vec::new(),
            rendered: Vec::new(),
            coverage,
            min_coverage: min,
        }
    }

    fn lacks_coverage(&self) -> bool {
        match (&self.coverage, self.min_coverage) {
            (Some(coverage), Some(min)) => coverage.percent() < min,
            _ => false,
        }
    }

    fn exit(&self) -> Exit {
        if self.failed.is_empty() && !self.lacks_coverage() {
            Exit::Fine
        } else {
            Exit::Negative
        }
    }
}

impl View for Report {
    fn text(&self, page: &mut Page) {
        for warning in &self.rendered {
            page.rendered(warning);
            page.line("");
        }
        for failed in &self.failed {
            page.styled(ERROR, &format!("failed: {}", failed.name));
            page.line(&format!("  --> {}", failed.place));
            page.line(&format!("  given: {}", failed.given()));
            for mismatch in &failed.mismatches {
                page.line(&format!("  {}:", mismatch.what));
                page.line(&format!("    expected: {}", mismatch.expected));
                page.line(&format!("    got:      {}", mismatch.got));
            }
            for line in &failed.considered {
                page.styled(FAINT, &format!("  {line}"));
            }
            page.line("");
        }
        if let Some(coverage) = &self.coverage {
            for rule in &coverage.untouched {
                page.line(&format!("no test touches {} ({})", rule.name, rule.place));
            }
            page.line(&format!(
                "coverage: {} of {} rules, {} %",
                coverage.touched,
                coverage.rules,
                coverage.percent()
            ));
            if self.lacks_coverage() {
                let least = self.min_coverage.unwrap_or_default();
                page.styled(ERROR, &format!("coverage is below {least} %"));
            }
        }
        let passed = format!("{} passed", plural((self.passed, "test")));
        if self.failed.is_empty() {
            page.styled(GOOD, &passed);
        } else {
            page.styled(ERROR, &format!("{passed}, {} failed", self.failed.len()));
        }
    }
}
