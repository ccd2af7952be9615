//! Commands as processes of their own: how long they take, and how much memory.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::super::load::Process;
use super::BenchError;

/// How often a process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What a process cost.
pub(super) struct Cost {
    pub(super) took: Duration,
    pub(super) peak_bytes: usize,
}

/// Runs `taskpass policy COMMAND DIRECTORY`, which has to succeed.
#[allow(
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock, and waits for a process"
)]
pub(super) fn policy(command: &str, directory: &Path) -> Result<Cost, BenchError> {
    let began = Instant::now();
    let mut child = Command::new(std::env::current_exe()?)
        .args(["policy", command])
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()?;
    let process = Process::of(child.id());
    let mut peak_bytes = 0;
    loop {
        // One that has just ended has no memory any more.
        peak_bytes = process.peak_bytes().unwrap_or_default().max(peak_bytes);
        if let Some(status) = child.try_wait()? {
            let took = began.elapsed();
            return if status.success() {
                Ok(Cost { took, peak_bytes })
            } else {
                Err(BenchError::Said(format!("`policy {command}` failed")))
            };
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
