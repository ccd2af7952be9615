//! Many calls at once, and what they cost the broker.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tonic::Status;

use super::BenchError;
use super::caller::Caller;

/// Clock ticks of a second in `/proc`: fixed on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Calls by many callers at once.
pub(super) struct Load {
    pub(super) each: Duration,
    pub(super) process: Process,
    pub(super) callers: Vec<Caller>,
}

/// What calls took, one after the other.
pub(super) struct Times {
    pub(super) p50: Duration,
    pub(super) p99: Duration,
}

/// What a load came to.
pub(super) struct Cost {
    pub(super) calls_per_second: f64,
    pub(super) server_cpu: Duration,
}

/// The broker's process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Process(u32);

impl Load {
    /// Every caller calls again and again.
    #[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
    pub(super) async fn run<F>(
        &self,
        call: impl Fn(Caller) -> F + Clone + Send + 'static,
    ) -> Result<Cost, BenchError>
    where
        F: Future<Output = Result<(), Status>> + Send,
    {
        let done = Arc::new(AtomicU64::new(0));
        let cpu = self.process.cpu()?;
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for caller in self.callers.clone() {
            let (call, done, each) = (call.clone(), Arc::clone(&done), self.each);
            tasks.spawn(async move {
                while began.elapsed() < each {
                    call(caller.clone()).await?;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, Status>(())
            });
        }
        for outcome in tasks.join_all().await {
            outcome?;
        }
        let took = began.elapsed();
        self.cost(done.load(Ordering::Relaxed), took, cpu)
    }

    /// Each caller renews a lease of its own.
    #[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
    pub(super) async fn renewals(&self) -> Result<Cost, BenchError> {
        let mut leases = Vec::new();
        for mut caller in self.callers.clone() {
            let opened = caller.open().await?;
            let lease = opened.credentials.first().map(|c| c.lease_id.clone());
            leases.push((caller, lease.unwrap_or_default()));
        }
        let done = Arc::new(AtomicU64::new(0));
        let cpu = self.process.cpu()?;
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for (mut caller, lease) in leases {
            let (done, each) = (Arc::clone(&done), self.each);
            tasks.spawn(async move {
                let mut generation = 1;
                while began.elapsed() < each {
                    caller.renew(&lease, generation).await?;
                    generation += 1;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, Status>(())
            });
        }
        for outcome in tasks.join_all().await {
            outcome?;
        }
        let took = began.elapsed();
        self.cost(done.load(Ordering::Relaxed), took, cpu)
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "a count of calls is far below 2^52"
    )]
    fn cost(&self, calls: u64, took: Duration, cpu: Duration) -> Result<Cost, BenchError> {
        let calls = calls.max(1) as f64;
        let spent = self.process.cpu()?.saturating_sub(cpu);
        Ok(Cost {
            calls_per_second: calls / took.as_secs_f64(),
            server_cpu: spent.div_f64(calls),
        })
    }
}

impl Process {
    pub(super) fn of(pid: u32) -> Self {
        Self(pid)
    }

    /// Its memory, as it is resident.
    pub(super) fn resident_bytes(self) -> Result<usize, BenchError> {
        self.status_bytes("VmRSS:")
    }

    /// The most memory that it ever had.
    pub(super) fn peak_bytes(self) -> Result<usize, BenchError> {
        self.status_bytes("VmHWM:")
    }

    fn status_bytes(self, key: &str) -> Result<usize, BenchError> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
        kib.map(|kib| kib * 1024)
            .ok_or_else(|| BenchError::Said("a process is gone".into()))
    }

    /// What it has used of the processors, in user and system mode.
    fn cpu(self) -> Result<Duration, BenchError> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0))?;
        let after = stat
            .rsplit_once(')')
            .map(|(_, after)| after)
            .unwrap_or_default();
        let ticks = after
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|t| t.parse::<f64>().ok());
        Ok(Duration::from_secs_f64(
            ticks.sum::<f64>() / TICKS_PER_SECOND,
        ))
    }
}

/// One call after the other.
#[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub(super) async fn one_by_one(
    each: Duration,
    mut call: impl AsyncFnMut() -> Result<(), Status>,
) -> Result<Times, BenchError> {
    let mut times = Vec::new();
    let began = Instant::now();
    while began.elapsed() < each {
        let before = Instant::now();
        call().await?;
        times.push(before.elapsed());
    }
    let p50 = median(&mut times);
    let p99 = times.get(times.len() * 99 / 100).copied().unwrap_or(p50);
    Ok(Times { p50, p99 })
}

/// Sorts, and takes the middle.
pub(super) fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
