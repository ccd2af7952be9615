//! A broker in a folder of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustls_pki_types::UnixTime;
use taskpass_identity::BundleSet;
use taskpass_identity::ca::CertificateAuthority;
use taskpass_identity::source::fixed::{FixedBundles, FixedSvid};
use taskpass_identity::tls::TlsIdentity;
use tempfile::TempDir;

use super::client::Client;
use super::process::{BINARY, Process};
use super::{eventually, http};

pub(crate) const TRUST_DOMAIN: &str = "acme.example";
pub(crate) const BROKER: &str = "spiffe://acme.example/taskpass/broker";

/// One task with two credentials, one short; verifiers; a person, a service and an AI agent.
pub(crate) const POLICY: &str = r#"
[task.deploy-docs]
owner = "docs-platform@acme.example"
purpose = "publish the documentation site"
params.ref = { type = "path", pattern = "refs/heads/(main|release/[a-z0-9.-]+)" }
max_duration = "30m"

[[task.deploy-docs.grant]]
workload = "spiffe://acme.example/prod/ci/*"
credentials = ["docs-api", "tickets-api"]

[task.brief]
owner = "docs-platform@acme.example"
purpose = "what must be over soon"
max_duration = "2s"

[[task.brief.grant]]
workload = "spiffe://acme.example/prod/ci/*"
credentials = ["docs-api"]

[task.few]
owner = "docs-platform@acme.example"
purpose = "few at once"
max_duration = "10m"

[[task.few.grant]]
workload = "spiffe://acme.example/prod/ci/*"
credentials = ["docs-api"]
max_live_jobs = 2

[credential.docs-api]
issuer = "local"
audience = "docs"
scopes = ["docs:read", "docs:write"]
ttl = "5m"
environment = "prod"

[credential.tickets-api]
issuer = "local"
audience = "tickets"
scopes = ["tickets:comment"]
ttl = "1m"
environment = "any"

[audience.docs]
uri = "https://docs.acme.example"
verifiers = ["spiffe://acme.example/prod/docs-api"]

[audience.tickets]
uri = "https://tickets.acme.example"

[environment.prod]
workloads = ["spiffe://acme.example/prod/**"]

[environment.dev]
workloads = ["spiffe://acme.example/dev/**"]
"#;

pub(crate) const FACTS: &str = r#"
max_ttl = "1h"
max_duration = "8h"
[issuer.local]
kind = "jwt"
"#;

/// A broker, its authority, and its folder.
pub(crate) struct Installation {
    pub(crate) folder: TempDir,
    pub(crate) authority: CertificateAuthority,
    pub(crate) broker: Process,
    pub(crate) workload: SocketAddr,
    pub(crate) public: SocketAddr,
    pub(crate) operations: SocketAddr,
}

/// What differs between installations.
#[derive(Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) policy: &'a str,
    /// `installation.toml`.
    pub(crate) facts: &'a str,
    pub(crate) heartbeat: u64,
    pub(crate) limit: u64,
    /// Lines at the end of `broker.toml`.
    pub(crate) more: &'a str,
}

impl Default for Plan<'_> {
    fn default() -> Self {
        Self {
            policy: POLICY,
            facts: FACTS,
            heartbeat: 1,
            limit: 3,
            more: "",
        }
    }
}

impl Installation {
    /// A broker with the policy above, up and ready.
    pub(crate) async fn start() -> Self {
        Self::with(Plan::default()).await
    }

    /// A broker as planned, up and ready.
    pub(crate) async fn with(plan: Plan<'_>) -> Self {
        let mut this = Self::unready(plan);
        this.wait_until_ready().await;
        this
    }

    /// A broker as planned, started.
    pub(crate) fn unready(plan: Plan<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let domain = TRUST_DOMAIN.parse().unwrap();
        let year = Duration::from_secs(365 * 24 * 3600);
        let authority = CertificateAuthority::new(domain, year, UnixTime::now()).unwrap();
        fs::write(at.join("bundle.pem"), authority.certificate_pem()).unwrap();
        write_private(&at.join("seal.key"), &"5a".repeat(32));
        fs::create_dir(at.join("policy")).unwrap();
        fs::write(at.join("policy/policy.toml"), plan.policy).unwrap();
        fs::write(at.join("installation.toml"), plan.facts).unwrap();
        let [workload, public, operations] = free_ports();
        let toml = broker_toml(&plan, workload, public, operations);
        fs::write(at.join("broker.toml"), toml).unwrap();
        write_svid(&authority, &at.join("broker"), BROKER);
        let broker = start_broker(at);
        Self {
            folder,
            authority,
            broker,
            workload,
            public,
            operations,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Waits for `/readyz`.
    pub(crate) async fn wait_until_ready(&mut self) {
        let address = self.operations;
        let broker = &mut self.broker;
        let ready = async || match http::get(address, "/readyz").await {
            Some((200, _)) => Some(()),
            _ => None,
        };
        eventually("the broker is ready", || {
            broker.must_run();
            ready()
        })
        .await;
    }

    /// Starts the broker again, which need not become ready.
    pub(crate) fn restart_unready(&mut self) {
        self.broker = start_broker(self.folder.path());
    }

    /// Waits until the broker serves, or is dead already.
    pub(crate) async fn serves_or_dies(&mut self) {
        let address = self.operations;
        let broker = &mut self.broker;
        eventually("the broker serves or dies", || {
            let dead = broker.has_exited();
            async move {
                let ready = matches!(http::get(address, "/readyz").await, Some((200, _)));
                (dead || ready).then_some(())
            }
        })
        .await;
    }

    /// Starts the broker again, after it was killed or stopped.
    pub(crate) async fn restart(&mut self) {
        self.restart_unready();
        self.wait_until_ready().await;
    }

    /// Starts the broker so that it dies at a named point (`TASKPASS_CRASH_AT`), which may be before it is ready.
    pub(crate) fn restart_to_die_at(&mut self, point: &str) {
        let mut command = self.command();
        command.env("TASKPASS_CRASH_AT", point);
        self.broker = Process::start_command(&mut command, &self.path("broker.log"));
    }

    /// What starts the broker.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(BINARY);
        command.args(["broker", "--config"]);
        command.arg(self.path("broker.toml"));
        command
    }

    /// Waits until the broker is dead, by whatever hand.
    pub(crate) async fn wait_until_dead(&mut self, what: &str) {
        let broker = &mut self.broker;
        eventually(what, || {
            let dead = broker.has_exited();
            async move { dead.then_some(()) }
        })
        .await;
    }

    /// A workload that calls the broker directly.
    pub(crate) async fn client(&self, id: &str) -> Client {
        Client::connect(self.workload, &self.identity(id)).await
    }

    /// A workload that calls with the SVID that [`write_svid`] wrote.
    pub(crate) async fn client_with_files(&self, files: &str) -> Client {
        Client::connect(self.workload, &self.identity_of_files(files)).await
    }

    /// Who a workload is by the SVID that [`write_svid`] wrote.
    pub(crate) fn identity_of_files(&self, files: &str) -> TlsIdentity {
        let read = |extension: &str| fs::read(self.path(&format!("{files}.{extension}"))).unwrap();
        let bundles = BundleSet::new([self.authority.bundle().unwrap()]).unwrap();
        let svid = taskpass_identity::X509Svid::from_pem(&read("pem"), &read("key")).unwrap();
        TlsIdentity {
            svids: Arc::new(FixedSvid::new(svid)),
            bundles: Arc::new(FixedBundles::new(bundles)),
            time: Arc::new(rustls::time_provider::DefaultTimeProvider),
        }
    }

    /// The SHA-256 of the leaf that [`write_svid`] wrote.
    pub(crate) fn thumbprint_of_files(&self, files: &str) -> [u8; 32] {
        use rustls_pki_types::CertificateDer;
        use rustls_pki_types::pem::PemObject;
        let leaf = CertificateDer::from_pem_file(self.path(&format!("{files}.pem"))).unwrap();
        let digest = ring::digest::digest(&ring::digest::SHA256, &leaf);
        digest.as_ref().try_into().unwrap()
    }

    /// The same, unless the broker is dying.
    pub(crate) async fn try_client(&self, id: &str) -> Option<Client> {
        Client::try_to_connect(self.workload, &self.identity(id)).await
    }

    /// Who a workload is and whom it trusts.
    pub(crate) fn identity(&self, id: &str) -> TlsIdentity {
        let hour = Duration::from_secs(3600);
        let issued = self
            .authority
            .issue(&id.parse().unwrap(), hour, UnixTime::now())
            .unwrap();
        let bundles = BundleSet::new([self.authority.bundle().unwrap()]).unwrap();
        TlsIdentity {
            svids: Arc::new(FixedSvid::new(issued.parse().unwrap())),
            bundles: Arc::new(FixedBundles::new(bundles)),
            time: Arc::new(rustls::time_provider::DefaultTimeProvider),
        }
    }

    /// Writes the configuration of an agent that speaks for `id` to this user, and starts it.
    pub(crate) async fn agent(&self, name: &str, id: &str) -> Process {
        let at = self.folder.path();
        write_svid(&self.authority, &at.join(name), id);
        let uid = rustix::process::geteuid().as_raw();
        let (folder, broker) = (at.display(), self.workload);
        let toml = format!(
            r#"socket = "{folder}/{name}.sock"
state = "{folder}/{name}.state"
[broker]
address = "{broker}"
spiffe_id = "{BROKER}"
bundle = "{folder}/bundle.pem"
[[identity]]
certificate = "{folder}/{name}.pem"
key = "{folder}/{name}.key"
uids = [{uid}]
"#
        );
        fs::write(at.join(format!("{name}.toml")), toml).unwrap();
        self.start_agent(name).await
    }

    /// Starts an agent that is configured.
    pub(crate) async fn start_agent(&self, name: &str) -> Process {
        let config = self.path(&format!("{name}.toml"));
        let log = self.path(&format!("{name}.log"));
        let socket = self.path(&format!("{name}.sock"));
        let mut agent = Process::start(&["agent", "--config", config.to_str().unwrap()], &log);
        eventually("the agent's socket is there", || {
            agent.must_run();
            let up = std::os::unix::net::UnixStream::connect(&socket).is_ok();
            async move { up.then_some(()) }
        })
        .await;
        agent
    }
}

/// Writes an SVID into `<files>.pem` and `<files>.key`.
pub(crate) fn write_svid(authority: &CertificateAuthority, files: &Path, id: &str) {
    let hour = Duration::from_secs(3600);
    let issued = authority
        .issue(&id.parse().unwrap(), hour, UnixTime::now())
        .unwrap();
    write_private(&files.with_extension("key"), &issued.private_key_pem);
    fs::write(files.with_extension("pem"), &issued.certificates_pem).unwrap();
}

pub(crate) fn write_private(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn start_broker(folder: &Path) -> Process {
    let config = folder.join("broker.toml");
    Process::start(
        &["broker", "--config", config.to_str().unwrap()],
        &folder.join("broker.log"),
    )
}

fn free_ports() -> [SocketAddr; 3] {
    [0; 3].map(|_| free_port())
}

/// A port below those that the kernel gives to outgoing connections: nobody takes it between two starts.
fn free_port() -> SocketAddr {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    // Test programs that run at the same time begin at different ones.
    let first = std::process::id().wrapping_mul(97);
    loop {
        let next = first.wrapping_add(ASKED.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(10_000 + next % 22_000).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

fn broker_toml(
    plan: &Plan<'_>,
    workload: SocketAddr,
    public: SocketAddr,
    operations: SocketAddr,
) -> String {
    let Plan {
        heartbeat,
        limit,
        more,
        ..
    } = plan;
    format!(
        r#"issuer = "http://{public}"
spiffe_id = "{BROKER}"
policy = "policy"
installation = "installation.toml"
[identity]
certificate = "broker.pem"
key = "broker.key"
[trust_domain."{TRUST_DOMAIN}"]
bundle = "bundle.pem"
[store]
path = "taskpass.db"
[[sealing_key]]
id = "k1"
file = "seal.key"
[listen]
workload = "{workload}"
public = "{public}"
operations = "{operations}"
admin = "admin.sock"
[heartbeat]
interval = "{heartbeat}s"
limit = "{limit}s"
{more}
"#
    )
}
