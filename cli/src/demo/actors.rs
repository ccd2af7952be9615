//! The demo's processes: each is this very binary.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::{BEAT, LIMIT, PATIENCE};
use crate::stage::files::{AgentFile, BrokerFile};
use crate::stage::{self, Ports, Stage, StageError};

/// How often something that is coming up is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Something that the demo tells did not happen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// The folder could not be set up.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The machine.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Anything else.
    #[error("{0}")]
    Said(String),
}

impl Failed {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self::Said(what.into())
    }
}

impl From<taskpass_identity::spiffe_id::InvalidSpiffeId> for Failed {
    fn from(error: taskpass_identity::spiffe_id::InvalidSpiffeId) -> Self {
        Self::Stage(error.into())
    }
}

/// A broker, and two agents: one for a workload with a grant, one for a workload without.
pub(super) struct Actors {
    binary: PathBuf,
    folder: PathBuf,
    ports: Ports,
    verbose: bool,
    broker: Child,
    agent: Child,
    other: Child,
}

/// A `taskpass run` under way.
pub(super) struct Running(Child);

impl Actors {
    pub(super) async fn start(stage: &Stage, verbose: bool) -> Result<Self, Failed> {
        let binary = std::env::current_exe()?;
        let ports = Ports::free()?;
        let broker = stage.write_broker(&BrokerFile {
            ports,
            admin_socket: "admin.sock",
            heartbeat: BEAT,
            limit: LIMIT,
            calls_per_second: 200,
        })?;
        let uid = rustix::process::geteuid().as_raw();
        let agent = |name, workload| {
            stage.write_agent(&AgentFile {
                name,
                workload,
                uid,
                broker: ports.workload,
            })
        };
        let (with_grant, without) = (stage::workload("ci/docs")?, stage::workload("ci/other")?);
        let docs = agent("docs", &with_grant)?;
        let other = agent("other", &without)?;
        let folder = stage.folder().to_owned();
        let start = |kind: &str, name: &str, config: &Path| {
            let mut command = Command::new(&binary);
            command
                .arg(kind)
                .arg("--config")
                .arg(config)
                .kill_on_drop(true)
                .stdin(Stdio::null());
            if verbose {
                command.stderr(Stdio::inherit()).stdout(Stdio::inherit());
            } else {
                let log = File::create(folder.join(format!("{name}.log")))?;
                command.stdout(log.try_clone()?).stderr(log);
            }
            command.spawn()
        };
        let mut actors = Self {
            broker: start("broker", "broker", &broker)?,
            agent: start("agent", "agent-docs", &docs)?,
            other: start("agent", "agent-other", &other)?,
            binary: binary.clone(),
            folder: folder.clone(),
            ports,
            verbose,
        };
        actors.wait_until_up().await?;
        Ok(actors)
    }

    /// The broker's workload port.
    pub(super) fn broker(&self) -> SocketAddr {
        self.ports.workload
    }

    /// Starts `taskpass run` with the demo's job, which goes to the resource server.
    pub(super) fn run_job(&self, server: SocketAddr) -> Result<Running, Failed> {
        let mut command = self.task("run", "docs");
        command.args(["--task", "deploy-docs", "--param", "ref=refs/heads/main"]);
        if Self::uses_disk() {
            command
                .arg("--allow-disk")
                .arg("--credentials-dir")
                .arg(&self.folder);
        }
        command
            .arg("--")
            .arg(&self.binary)
            .args(["demo-job", "--server", &server.to_string()]);
        if !self.verbose {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        }
        Ok(Running(command.spawn()?))
    }

    /// Asks for the same task as a workload that no grant names.
    pub(super) async fn ask_without_a_grant(&self) -> Result<Output, Failed> {
        let mut command = self.task("token", "other");
        command.args(["--task", "deploy-docs", "--param", "ref=refs/heads/main"]);
        command.args(["--color", "never"]);
        let output = timeout(PATIENCE, command.output()).await;
        Ok(output.map_err(|_| Failed::new("`taskpass token` did not answer"))??)
    }

    pub(super) fn agent_pid(&self) -> Result<u32, Failed> {
        self.agent
            .id()
            .ok_or_else(|| Failed::new("the agent has exited by itself"))
    }

    /// `kill -9`. Answers when it was dead.
    #[allow(clippy::disallowed_methods, reason = "the demo measures what it shows")]
    pub(super) async fn kill_agent(&mut self) -> Result<std::time::Instant, Failed> {
        self.agent.start_kill()?;
        let at = std::time::Instant::now();
        self.agent.wait().await?;
        Ok(at)
    }

    /// Lets everybody finish.
    pub(super) async fn stop(mut self) {
        for child in [&mut self.other, &mut self.broker] {
            if let Some(pid) = child
                .id()
                .and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()))
            {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
        }
        for child in [&mut self.other, &mut self.broker] {
            let _ = timeout(PATIENCE, child.wait()).await;
        }
    }

    fn task(&self, command: &str, agent: &str) -> Command {
        let mut task = Command::new(&self.binary);
        task.arg(command)
            .arg("--agent-socket")
            .arg(self.socket(agent));
        task.kill_on_drop(true).stdin(Stdio::null());
        task
    }

    fn socket(&self, agent: &str) -> PathBuf {
        self.folder.join(format!("{agent}.sock"))
    }

    /// Whether this machine has no memory-backed place for the demo's credentials.
    fn uses_disk() -> bool {
        !Path::new("/dev/shm").is_dir()
    }

    async fn wait_until_up(&mut self) -> Result<(), Failed> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let named = [
                ("broker", &mut self.broker),
                ("agent-docs", &mut self.agent),
                ("agent-other", &mut self.other),
            ];
            for (name, child) in named {
                if let Some(status) = child.try_wait()? {
                    let log = std::fs::read_to_string(self.folder.join(format!("{name}.log")));
                    return Err(Failed::new(format!(
                        "the {name} exited with {status}:\n{}",
                        log.unwrap_or_default()
                    )));
                }
            }
            if self.is_ready().await {
                return Ok(());
            }
            sleep(LOOK_EVERY).await;
        }
        Err(Failed::new(
            "the broker or an agent did not come up in time",
        ))
    }

    /// Whether the broker says that it is ready, and both agents have their sockets.
    async fn is_ready(&self) -> bool {
        let sockets = ["docs", "other"]
            .iter()
            .all(|name| self.socket(name).exists());
        sockets && ready(self.ports.operations).await.unwrap_or(false)
    }
}

impl Running {
    pub(super) async fn expect_success(self, patience: Duration) -> Result<(), Failed> {
        self.expect_exit(0, patience).await
    }

    /// `taskpass run` passes the job's own exit code on.
    pub(super) async fn expect_exit(self, code: i32, patience: Duration) -> Result<(), Failed> {
        let Self(mut child) = self;
        let status: ExitStatus = timeout(patience, child.wait())
            .await
            .map_err(|_| Failed::new("`taskpass run` did not end with its job"))??;
        if status.code() == Some(code) {
            return Ok(());
        }
        Err(Failed::new(format!(
            "`taskpass run` ended with {status} and not with {code}"
        )))
    }
}

/// Asks `/readyz`.
async fn ready(address: SocketAddr) -> io::Result<bool> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let request = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.starts_with("HTTP/1.1 200"))
}
