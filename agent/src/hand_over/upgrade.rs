//! An upgrade that the old agent begins: it starts its own program anew, which then asks to take over.

use std::ffi::OsString;
use std::fmt;
use std::future::pending;
use std::io;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep_until};

use super::predecessor::{Ask, Successor};
use super::wire;

/// The new agent has taken over by then, or is killed.
pub(super) const START_PATIENCE: Duration = Duration::from_secs(60);

/// How this agent is started anew.
#[derive(Clone)]
pub struct Relaunch {
    /// The program, as it was named: by now there may be another one.
    pub program: OsString,
    /// Its arguments, so that it takes over.
    pub arguments: Vec<OsString>,
    /// Tells the service manager which process is the agent from now on.
    pub announce: Arc<dyn Fn(u32) + Send + Sync>,
}

/// An upgrade that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgraded {
    /// The process that was the agent.
    pub from_pid: u32,
    /// Its version.
    pub from_version: String,
    /// The process that is the agent.
    pub pid: u32,
    /// Its version.
    pub version: String,
}

/// Somebody who asked for an upgrade and waits for what comes of it.
#[derive(Debug)]
pub struct Operator(UnixStream);

/// The upgrades of an agent: one at a time.
#[derive(Debug)]
pub struct Upgrades {
    relaunch: Option<Relaunch>,
    under_way: Option<Upgrade>,
}

/// An upgrade under way.
#[derive(Debug)]
struct Upgrade {
    operator: Operator,
    child: Child,
    give_up: Instant,
}

impl fmt::Debug for Relaunch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relaunch")
            .field("program", &self.program)
            .field("arguments", &self.arguments)
            .finish_non_exhaustive()
    }
}

impl Operator {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self(stream)
    }

    /// Says what came of it.
    pub fn answer(self, outcome: &Result<Upgraded, String>) {
        // Whoever asked may have gone.
        let _ = wire::send(&self.0, outcome);
    }
}

impl Upgrades {
    /// Upgrades of an agent that is started so.
    pub fn new(relaunch: Option<Relaunch>) -> Self {
        Self {
            relaunch,
            under_way: None,
        }
    }

    /// Takes a question; answers who wants to take over.
    pub fn hear(&mut self, ask: Ask) -> Option<Successor> {
        let operator = match ask {
            Ask::TakeOver(successor) => return Some(successor),
            Ask::Upgrade(operator) => operator,
        };
        let refused = match (&self.relaunch, &self.under_way) {
            (None, _) => "this agent cannot start another one",
            (Some(_), Some(_)) => "an upgrade is under way",
            (Some(relaunch), None) => {
                tracing::info!(agent.program = ?relaunch.program, "starting the next agent");
                self.under_way = Upgrade::begin(operator, relaunch);
                return None;
            }
        };
        operator.answer(&Err(refused.to_owned()));
        None
    }

    /// Waits until the agent that was started has failed, for ever if none was. Cancelling it loses nothing.
    pub async fn failed(&mut self) {
        let Some(upgrade) = &mut self.under_way else {
            return pending().await;
        };
        let why = upgrade.failed().await;
        tracing::error!(error.message = why, "no upgrade; this agent goes on");
        self.failed_with(why);
    }

    /// An upgrade has failed, if one is under way.
    pub fn failed_with(&mut self, why: String) {
        if let Some(mut upgrade) = self.under_way.take() {
            let _ = upgrade.child.start_kill();
            upgrade.operator.answer(&Err(why));
        }
    }

    /// A successor has taken over, whoever started it.
    pub fn done(&mut self, successor: &Successor) {
        if let Some(relaunch) = &self.relaunch {
            (relaunch.announce)(successor.pid);
        }
        let upgraded = Upgraded {
            from_pid: std::process::id(),
            from_version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: successor.pid,
            version: successor.version.clone(),
        };
        if let Some(upgrade) = self.under_way.take() {
            upgrade.operator.answer(&Ok(upgraded));
        }
    }
}

impl Upgrade {
    /// Starts the new agent. Until it asks to take over, nothing has changed.
    fn begin(operator: Operator, relaunch: &Relaunch) -> Option<Self> {
        let child = Command::new(&relaunch.program)
            .args(&relaunch.arguments)
            // It names the process that the service manager watches, which changes.
            .env_remove("WATCHDOG_PID")
            .stdin(Stdio::null())
            .spawn();
        match child {
            Ok(child) => Some(Self {
                operator,
                child,
                give_up: Instant::now() + START_PATIENCE,
            }),
            Err(error) => {
                operator.answer(&Err(not_started(relaunch, &error)));
                None
            }
        }
    }

    /// Waits until the new agent has failed, and says how.
    async fn failed(&mut self) -> String {
        tokio::select! {
            status = self.child.wait() => match status {
                Ok(status) => format!("the new agent ended by itself ({status}); its log says why"),
                Err(error) => format!("the new agent cannot be waited for: {error}"),
            },
            () = sleep_until(self.give_up) => {
                "the new agent did not take over in time and was killed".to_owned()
            }
        }
    }
}

fn not_started(relaunch: &Relaunch, error: &io::Error) -> String {
    let program = relaunch.program.to_string_lossy();
    format!("`{program}` cannot be started: {error}")
}
