//! The demo's resource server: takes the tokens that jobs bring, and asks the broker about them over
//! mutual TLS (RFC 7662), with an SVID of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use serde::Deserialize;
use std::sync::Arc;
use taskpass_identity::source::files::{self, SvidPaths};
use taskpass_identity::tls::{Alpn, TlsIdentity};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::actors::Failed;
use crate::stage::{self, Stage, TRUST_DOMAIN};

/// Takes tokens.
pub(super) struct ResourceServer {
    listener: TcpListener,
    address: SocketAddr,
    broker: SocketAddr,
    tls: TlsConnector,
    connection: Mutex<Option<Connection>>,
}

/// A job that came.
pub(super) struct Visit {
    pid: i32,
    lines: Lines<BufReader<OwnedReadHalf>>,
    writer: OwnedWriteHalf,
}

/// What the broker says of an active token.
#[derive(Debug, Deserialize)]
pub(super) struct Facts {
    #[serde(rename = "aud")]
    pub(super) audience: String,
    pub(super) scope: String,
    pub(super) jti: String,
}

#[derive(Deserialize)]
struct Answer {
    active: bool,
    #[serde(flatten)]
    facts: Option<Facts>,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    _driver: JoinSet<()>,
}

impl ResourceServer {
    pub(super) async fn start(stage: &Stage, broker: SocketAddr) -> Result<Self, Failed> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let svid = stage.svid_files("docs-api");
        stage
            .authority
            .issue(&svid, &stage::workload("docs-api")?)?;
        let paths = SvidPaths {
            certificate: svid.with_extension("pem"),
            private_key: svid.with_extension("key"),
        };
        let said = |error: &dyn std::fmt::Display| Failed::new(error.to_string());
        let time = Arc::new(rustls::time_provider::DefaultTimeProvider);
        let (svids, _) = files::svid(paths, Arc::clone(&time) as _).map_err(|e| said(&e))?;
        let domain = TRUST_DOMAIN.parse()?;
        let bundle = [(domain, stage.folder().join("bundle.pem"))];
        let (bundles, _) = files::bundles(bundle.into()).map_err(|e| said(&e))?;
        let identity = TlsIdentity {
            svids: Arc::new(svids),
            bundles: Arc::new(bundles),
            time,
        };
        let config = identity.client_config(stage::broker_id()?, Alpn::Http1);
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            broker,
            tls: Arc::new(config.map_err(|e| said(&e))?).into(),
            connection: Mutex::new(None),
        })
    }

    /// Where jobs bring their tokens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for a job.
    pub(super) async fn next_visit(&self, patience: Duration) -> Result<Visit, Failed> {
        let accepted = timeout(patience, self.listener.accept()).await;
        let (stream, _) = accepted.map_err(|_| Failed::new("no job came in time"))??;
        let (reader, writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        let pid = lines.next_line().await?.and_then(|line| line.parse().ok());
        let pid = pid.ok_or_else(|| Failed::new("the job did not say who it is"))?;
        Ok(Visit { pid, lines, writer })
    }

    /// Insists that the broker says: active.
    pub(super) async fn expect_active(&self, token: &str) -> Result<Facts, Failed> {
        let answer = self.ask(token).await?;
        answer.ok_or_else(|| {
            Failed::new("the broker says that the token of a live job is not active")
        })
    }

    /// Asks until the broker says: not active. Answers how long after `ended` that was.
    #[allow(clippy::disallowed_methods, reason = "the demo measures what it shows")]
    pub(super) async fn wait_until_refused(
        &self,
        token: &str,
        ended: Instant,
        patience: Duration,
    ) -> Result<Duration, Failed> {
        while ended.elapsed() < patience {
            if self.ask(token).await?.is_none() {
                return Ok(ended.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Err(Failed::new("the token of a dead job is still active"))
    }

    async fn ask(&self, token: &str) -> Result<Option<Facts>, Failed> {
        let mut connection = self.connection.lock().await;
        let open = match connection.take().filter(|open| !open.sender.is_closed()) {
            Some(open) => open,
            None => self.connect().await?,
        };
        let open = connection.insert(open);
        let said = |error: hyper::Error| Failed::new(format!("asking the broker: {error}"));
        let request = Request::post("/introspect")
            .header("host", "taskpass")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::from(format!("token={token}")))
            .map_err(|error| Failed::new(error.to_string()))?;
        open.sender.ready().await.map_err(said)?;
        let response = open.sender.send_request(request).await.map_err(said)?;
        let status = response.status();
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(said)?
            .to_bytes();
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|_| Failed::new(format!("the broker answered {status}")))?;
        Ok(answer.facts.filter(|_| answer.active))
    }

    async fn connect(&self) -> Result<Connection, Failed> {
        let stream = TcpStream::connect(self.broker).await?;
        stream.set_nodelay(true)?;
        let stream = self
            .tls
            .connect(ServerName::from(self.broker.ip()), stream)
            .await?;
        let shaken = handshake(TokioIo::new(stream)).await;
        let (sender, driver) = shaken.map_err(|error| Failed::new(error.to_string()))?;
        let mut driving = JoinSet::new();
        driving.spawn(async move { drop(driver.await) });
        Ok(Connection {
            sender,
            _driver: driving,
        })
    }
}

impl Visit {
    /// The job's process.
    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// The next token that it brings.
    pub(super) async fn token(&mut self) -> Result<String, Failed> {
        let line = timeout(super::PATIENCE, self.lines.next_line()).await;
        let line = line.map_err(|_| Failed::new("the job brought no token in time"))??;
        line.ok_or_else(|| Failed::new("the job went away without a token"))
    }

    /// Tells it that it is done.
    pub(super) async fn say_done(&mut self) -> Result<(), Failed> {
        Ok(self.writer.write_all(b"done\n").await?)
    }

    /// Waits until its process has closed the connection: with a kill, the moment of its death.
    #[allow(clippy::disallowed_methods, reason = "the demo measures what it shows")]
    pub(super) async fn gone(&mut self, patience: Duration) -> Result<Instant, Failed> {
        let end = async { while let Ok(Some(_)) = self.lines.next_line().await {} };
        let ended = timeout(patience, end).await;
        ended.map_err(|_| Failed::new("the job did not end in time"))?;
        Ok(Instant::now())
    }

    /// `kill -9`. Answers when it was dead.
    pub(super) async fn kill(&mut self) -> Result<Instant, Failed> {
        let pid = rustix::process::Pid::from_raw(self.pid);
        let pid = pid.ok_or_else(|| Failed::new("the job has no process id"))?;
        rustix::process::kill_process(pid, rustix::process::Signal::KILL)
            .map_err(std::io::Error::from)?;
        self.gone(super::PATIENCE).await
    }
}
