//! How long a token still passes at a resource server after its end, measured at a verifier that listens to the
//! stream of revocations.
//!
//! Each end is measured from before it is asked for until the verifier refuses the token, which is looked at
//! every millisecond: the figure holds the whole way there, the durable mark included, and one end is under way
//! at a time.

use std::io;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use taskpass_identity::tls::TlsIdentity;
use taskpass_verifier::{Refused, Settings, Verifier, open};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::BenchError;
use super::caller::Caller;
use crate::stage::files::AgentFile;
use crate::stage::{self, Ports, Stage};

/// Anything that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a verifier is asked whether it refuses yet.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// As many ends as are measured, at most.
const ENDS: usize = 1000;
/// Fewer make no p99.
const AT_LEAST: usize = 100;

/// Half of the tokens pass for no longer than the first, all but one in a hundred than the second.
pub(super) struct Passes {
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    /// How many ends were measured.
    pub(super) ends: usize,
}

/// A resource server, as far as this is about it.
pub(super) struct Server {
    verifier: Verifier,
    _keeper: JoinSet<()>,
}

impl Server {
    /// Connects to the broker, and waits until tokens can be checked.
    pub(super) async fn start(ports: Ports, identity: &TlsIdentity) -> Result<Self, BenchError> {
        let issuer = format!("http://{}", ports.public);
        let broker = ports.workload.to_string();
        let settings = Settings::new(broker, stage::broker_id()?, issuer, super::AUDIENCE);
        let opened = open(settings, identity);
        let (verifier, keeper) = opened.map_err(|error| BenchError::Said(error.to_string()))?;
        let mut keepers = JoinSet::new();
        keepers.spawn(keeper.run(CancellationToken::new()));
        timeout(PATIENCE, verifier.ready())
            .await
            .map_err(|_| late("the verifier is not ready"))?;
        Ok(Self {
            verifier,
            _keeper: keepers,
        })
    }

    /// Jobs that are closed, one after the other.
    #[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
    pub(super) async fn closed(
        &self,
        one: &mut Caller,
        each: Duration,
    ) -> Result<Passes, BenchError> {
        let mut times = Vec::new();
        let began = Instant::now();
        while times.len() < AT_LEAST || (began.elapsed() < each && times.len() < ENDS) {
            let opened = one.open().await?;
            let token = opened.credentials.first().map(|c| c.secret.clone());
            let token = String::from_utf8(token.unwrap_or_default())
                .map_err(|_| late("a token is no text"))?;
            self.passes(&token)?;
            let asked = Instant::now();
            let (closed, refused) = tokio::join!(one.close(&opened.job_id), self.refuses(&token));
            closed?;
            times.push(refused?.duration_since(asked));
        }
        Ok(Passes::of(times))
    }

    /// Commands under `taskpass run` that exit: the agent sees it, closes the job, and the verifier hears of it.
    #[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
    pub(super) async fn exited(&self, node: &Node) -> Result<Passes, BenchError> {
        let mut times = Vec::new();
        while times.len() < AT_LEAST {
            let mut job = node.run()?;
            let mut said = String::new();
            let out = job.stdout.take().ok_or_else(|| late("no output"))?;
            let line = timeout(PATIENCE, BufReader::new(out).read_line(&mut said)).await;
            line.map_err(|_| late("a job did not begin"))??;
            let token = said.trim();
            self.passes(token)?;
            // The command waits for the end of its input, and exits.
            let mut input = job.stdin.take().ok_or_else(|| late("no input"))?;
            let exits = Instant::now();
            input.shutdown().await?;
            drop(input);
            let refused = self.refuses(token).await?;
            times.push(refused.duration_since(exits));
            timeout(PATIENCE, job.wait())
                .await
                .map_err(|_| late("a job did not end"))??;
        }
        Ok(Passes::of(times))
    }

    fn passes(&self, token: &str) -> Result<(), BenchError> {
        let checked = self.verifier.check(token);
        checked.map(drop).map_err(|refused| {
            BenchError::Said(format!("a token was refused before its end: {refused}"))
        })
    }

    /// When the token was refused.
    #[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
    async fn refuses(&self, token: &str) -> Result<Instant, BenchError> {
        let refused = async {
            loop {
                match self.verifier.check(token) {
                    Err(Refused::Revoked) => return Ok(Instant::now()),
                    Err(other) => return Err(BenchError::Said(other.to_string())),
                    Ok(_) => tokio::time::sleep(LOOK_EVERY).await,
                }
            }
        };
        timeout(PATIENCE, refused)
            .await
            .map_err(|_| late("a token was not refused"))?
    }
}

impl Passes {
    fn of(mut times: Vec<Duration>) -> Self {
        let ends = times.len();
        let p50 = super::load::median(&mut times);
        let p99 = times.get(ends * 99 / 100).copied().unwrap_or(p50);
        Self { p50, p99, ends }
    }
}

/// A node with an agent, on which jobs run.
pub(super) struct Node {
    folder: std::path::PathBuf,
    _agent: Child,
}

impl Node {
    /// Starts the agent.
    pub(super) async fn start(stage: &Stage, broker: SocketAddr) -> Result<Self, BenchError> {
        let config = stage.write_agent(&AgentFile {
            name: "bench",
            workload: &stage::workload("bench/node")?,
            uid: rustix::process::geteuid().as_raw(),
            broker,
        })?;
        let folder = stage.folder().to_owned();
        let log = std::fs::File::create(folder.join("agent.log"))?;
        let agent = Command::new(std::env::current_exe()?)
            .args(["agent", "--config"])
            .arg(config)
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let this = Self {
            folder,
            _agent: agent,
        };
        let socket = this.socket();
        let up = async {
            while tokio::net::UnixStream::connect(&socket).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, up)
            .await
            .map_err(|_| late("the agent did not come up"))?;
        Ok(this)
    }

    fn socket(&self) -> std::path::PathBuf {
        self.folder.join("bench.sock")
    }

    /// A job whose command prints its token and waits for the end of its input.
    fn run(&self) -> io::Result<Child> {
        Command::new(std::env::current_exe()?)
            .args([
                "run",
                "--task",
                "bench",
                "--allow-disk",
                "--credentials-dir",
            ])
            .arg(&self.folder)
            .args(["--", "sh", "-c", SCRIPT])
            .env("TASKPASS_AGENT_SOCKET", self.socket())
            .kill_on_drop(true)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
    }
}

const SCRIPT: &str = r#"cat "$TASKPASS_CREDENTIALS_DIR/token"; echo; read -r _; exit 0"#;

fn late(what: &str) -> BenchError {
    BenchError::Said(what.to_owned())
}
