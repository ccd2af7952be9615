//! Reloads of a broker that is under load.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::super::caller::{self, Caller};
use super::super::{Broker, POLICY};
use super::generate::{self, Size};
use super::{BenchError, said};
use crate::stage::Stage;

/// Callers that open jobs meanwhile.
const CALLERS: usize = 8;
/// Reloads at least, however long they take.
const AT_LEAST: usize = 3;

/// What became of calls while a broker reloaded.
pub(super) struct Reloaded {
    pub(super) reloads: usize,
    pub(super) calls: usize,
    pub(super) refused: usize,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
}

/// Opens jobs at a broker while its policy, of this size, is replaced again and again.
#[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub(super) async fn under_load(
    folder: &Path,
    size: Size,
    each: Duration,
) -> Result<Reloaded, BenchError> {
    let stage = Stage::open(folder)?;
    generate::write(folder, size, 1)?;
    let changing = folder.join("policy/bench.toml");
    fs::write(&changing, POLICY)?;
    let broker = Broker::start(&stage, "").await?;
    let identity = caller::identity(&stage, "bench/job")?;
    let is_over = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for caller in Caller::many(CALLERS, broker.ports.workload, &identity)? {
        callers.spawn(open_until(caller, Arc::clone(&is_over)));
    }
    let (began, mut reloads) = (Instant::now(), 0);
    while began.elapsed() < each || reloads < AT_LEAST {
        let beside = folder.join("bench.new");
        fs::write(&beside, format!("# reload {reloads}\n{POLICY}"))?;
        fs::rename(&beside, &changing)?;
        let admin = folder.join("admin.sock");
        tokio::task::spawn_blocking(move || reload(&admin))
            .await
            .map_err(said)??;
        reloads += 1;
    }
    is_over.store(true, Ordering::Relaxed);
    let (mut times, mut refused) = (Vec::new(), 0);
    for (took, not) in callers.join_all().await {
        times.extend(took);
        refused += not;
    }
    let p50 = super::super::load::median(&mut times);
    Ok(Reloaded {
        reloads,
        calls: times.len() + refused,
        refused,
        p50,
        p99: times.get(times.len() * 99 / 100).copied().unwrap_or(p50),
    })
}

/// How long each call took, and how many were refused.
#[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
async fn open_until(mut caller: Caller, is_over: Arc<AtomicBool>) -> (Vec<Duration>, usize) {
    let (mut times, mut refused) = (Vec::new(), 0);
    while !is_over.load(Ordering::Relaxed) {
        let before = Instant::now();
        match caller.open().await {
            Ok(_) => times.push(before.elapsed()),
            Err(_) => refused += 1,
        }
    }
    (times, refused)
}

fn reload(admin: &Path) -> Result<(), BenchError> {
    let output = Command::new(std::env::current_exe()?)
        .args(["policy", "reload", "--admin-socket"])
        .arg(admin)
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(said(String::from_utf8_lossy(&output.stderr)))
    }
}
