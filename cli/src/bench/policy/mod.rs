//! `taskpass bench policy`: what a large policy costs, beside a small one in the same run.
//!
//! - [`generate`]: the policy, its tests, and requests that it decides
//! - [`decisions`]: how long a decision takes, and how many a replay makes
//! - [`commands`]: what `policy check` and `policy test` take as processes of their own
//! - [`reload`]: whether calls are refused while a broker reloads

mod commands;
mod decisions;
mod generate;
mod reload;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use taskpass_broker::config::policy_files;
use taskpass_broker::domain::policy::tools::cases;
use taskpass_broker::domain::policy::{Diagnostic, Installation, Policy, SourceFile};

use self::generate::Size;
use super::BenchError;
use super::figures::{Figure, Figures};
use super::load::Process;

/// How many grants the small policy has that decisions are compared with.
const SMALL: usize = 10;
/// How many tests are run.
const CASES: usize = 1_000;

/// What is measured.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Tasks of the large policy.
    pub(crate) tasks: usize,
    /// Its grants.
    pub(crate) grants: usize,
    /// How long figures that have no end of their own are measured.
    pub(crate) each: Duration,
    /// Where the large policy is written to, to be kept; it must not be there yet.
    pub(crate) into: Option<PathBuf>,
}

/// Measures, telling `progress` what comes next.
#[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub(crate) async fn run(
    plan: &Plan,
    mut progress: impl FnMut(&str),
) -> Result<Figures, BenchError> {
    let folder = tempfile::Builder::new()
        .prefix("taskpass-bench-")
        .tempdir()?;
    let large_at = match &plan.into {
        Some(directory) => {
            std::fs::create_dir(directory)?;
            directory.clone()
        }
        None => folder.path().join("large"),
    };
    let size = Size {
        tasks: plan.tasks,
        grants: plan.grants,
    };
    progress(&format!(
        "writing a policy of {} tasks and {} grants",
        size.tasks, size.grants
    ));
    generate::write(&large_at, size, CASES)?;
    let per_task = size.grants.div_ceil(size.tasks.max(1)).max(1);
    let small_size = Size {
        tasks: SMALL.div_ceil(per_task),
        grants: SMALL,
    };
    let small_at = folder.path().join("small");
    generate::write(&small_at, small_size, 1)?;
    let mut figures = Figures::default();

    progress("loading it");
    let (small, _) = load(&small_at)?;
    let own = Process::of(std::process::id());
    let before = own.resident_bytes()?;
    let began = Instant::now();
    let (large, bytes) = load(&large_at)?;
    let took = began.elapsed();
    let grown = own.resident_bytes()?.saturating_sub(before);
    figures.add(Figure::count("tasks", large.task_count()));
    figures.add(Figure::count("grants", large.grant_count()));
    figures.add(Figure::count("guardrails", large.guardrails().len()));
    figures.add(Figure::bytes("files", bytes));
    figures.add(Figure::seconds("load: read, check, index", took).at_most(3.0));
    figures.add(Figure::bytes("memory of the loaded policy", grown).at_most(400.0));

    progress("`policy check`, as a process of its own");
    let check = commands::policy("check", &large_at.join("policy"))?;
    figures.add(Figure::seconds("policy check", check.took).at_most(5.0));
    let peak = Figure::bytes("policy check, peak memory", check.peak_bytes);
    figures.add(peak.at_most(400.0));

    progress("decisions");
    let times = decisions::times((&small, small_size), (&large, size))?;
    let (small, large_times) = (times.small, times.large);
    let name = |grants: usize, what: &str| format!("decision, {grants} grants, {what}");
    figures.add(Figure::time(&name(small.grants, "p50"), small.p50));
    figures.add(Figure::time(&name(small.grants, "p99"), small.p99));
    let (p50, p99) = (large_times.p50, large_times.p99);
    figures.add(Figure::time(&name(large_times.grants, "p50"), p50));
    figures.add(Figure::time(&name(large_times.grants, "p99"), p99).at_most(50.0));
    let ratio = p50.as_secs_f64() / small.p50.as_secs_f64();
    figures.add(Figure::ratio("decision, large ÷ small, p50", ratio).at_most(1.5));

    progress("`policy test`");
    let files = policy_files::read_tests(&large_at.join("policy")).map_err(said)?;
    let began = Instant::now();
    let cases = cases::read_cases(&files).map_err(|found| mistakes(&found))?;
    let failed = cases
        .iter()
        .find(|case| !cases::run(&large, case).has_passed());
    let took = began.elapsed();
    if let Some(failed) = failed {
        return Err(BenchError::Said(format!("test failed: {}", failed.name)));
    }
    figures.add(Figure::count("tests", cases.len()));
    figures.add(Figure::seconds("tests read and run", took).at_most(1.0));
    let test = commands::policy("test", &large_at.join("policy"))?;
    figures.add(Figure::seconds("policy test, loading included", test.took));

    progress("replay");
    let rate = decisions::replayed_per_second(&large, size, plan.each)?;
    figures.add(Figure::rate("replay", rate).at_least(20_000.0));
    drop(large);

    progress("reloads while jobs are opened");
    let reloaded = reload::under_load(&folder.path().join("stage"), size, plan.each).await?;
    figures.add(Figure::count("reloads under load", reloaded.reloads));
    figures.add(Figure::count("calls meanwhile", reloaded.calls));
    figures.add(Figure::count("calls refused", reloaded.refused).at_most(0.0));
    figures.add(Figure::time("OpenJob while reloading, p50", reloaded.p50));
    figures.add(Figure::time("OpenJob while reloading, p99", reloaded.p99));
    Ok(figures)
}

/// Reads and compiles a policy with the facts beside it; answers how many bytes it has, too.
fn load(at: &Path) -> Result<(Policy, usize), BenchError> {
    let facts = policy_files::read_one(&at.join("installation.toml")).map_err(said)?;
    let facts = Installation::parse(&facts).map_err(|found| mistakes(&found))?;
    let files = policy_files::read(&at.join("policy")).map_err(said)?;
    let bytes = files.iter().map(|file: &SourceFile| file.bytes.len()).sum();
    let policy = Policy::compile(&files, &facts).map_err(|found| mistakes(&found))?;
    match policy.warnings().first() {
        None => Ok((policy, bytes)),
        Some(warning) => Err(said(warning)),
    }
}

fn mistakes(found: &[Diagnostic]) -> BenchError {
    let first = found.first().map(ToString::to_string);
    BenchError::Said(first.unwrap_or_default())
}

fn said(error: impl std::fmt::Display) -> BenchError {
    BenchError::Said(error.to_string())
}
