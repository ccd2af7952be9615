//! What an agent costs on its node.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::getuid;
use tokio::time::{interval, timeout};

use super::BenchError;
use super::load::Process;
use crate::local::Agent;
use crate::local::wire::{Anchor, OpenJob};
use crate::sockets::{Kind, Socket};
use crate::stage::files::AgentFile;
use crate::stage::{self, Stage};

const NAME: &str = "agent";
/// It is up by then.
const PATIENCE: Duration = Duration::from_secs(20);

/// An agent under test, a process of its own.
pub(super) struct AgentProcess {
    child: Child,
    local: Agent,
}

impl AgentProcess {
    /// Starts one, and waits until it answers.
    pub(super) async fn start(stage: &Stage, broker: SocketAddr) -> Result<Self, BenchError> {
        let workload = stage::workload("bench/agent")?;
        let config = stage.write_agent(&AgentFile {
            name: NAME,
            workload: &workload,
            uid: getuid().as_raw(),
            broker,
        })?;
        let log = File::create(stage.folder().join("agent.log"))?;
        let child = Command::new(std::env::current_exe()?)
            .arg("agent")
            .arg("--config")
            .arg(config)
            .args(["--log", "warn"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let local = Agent::at(Socket {
            kind: Kind::Agent,
            path: stage.folder().join(format!("{NAME}.sock")),
            named: true,
        });
        let agent = Self { child, local };
        let answers = async {
            let mut ticks = interval(Duration::from_millis(20));
            while agent.local.status().await.is_err() {
                ticks.tick().await;
            }
        };
        let up = timeout(PATIENCE, answers).await;
        up.map_err(|_| BenchError::Said("the agent did not come up".to_owned()))?;
        Ok(agent)
    }

    /// Its resident memory with this many jobs of one credential each.
    pub(super) async fn resident_bytes_with(&self, jobs: usize) -> Result<usize, BenchError> {
        let job = OpenJob {
            task: "bench".to_owned(),
            params: BTreeMap::new(),
            credentials: vec![],
            anchor: Anchor::Ttl,
            max_duration_seconds: None,
        };
        for _ in 0..jobs {
            let opened = self.local.open_job(&job).await;
            opened.map_err(|error| BenchError::Said(error.to_string()))?;
        }
        Process::of(self.child.id()).resident_bytes()
    }
}

impl Drop for AgentProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
