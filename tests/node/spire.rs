//! A real SPIRE, configured as in `examples/spire`, whose SVIDs and authorities rotate while jobs run.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustls::time_provider::DefaultTimeProvider;
use serde_json::{Value, json};
use taskpass_identity::source::workload_api::{self, Selection, Settings, Watcher};
use taskpass_identity::tls::TlsIdentity;
use taskpass_identity::workload_api::Endpoint;
use taskpass_proto::v1::{EndProgress, IntrospectRequest};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Code;

#[allow(
    clippy::disallowed_methods,
    reason = "an example, which reads the clock itself"
)]
#[path = "../../examples/direct-client/client.rs"]
mod direct_client;

use crate::support::client::{Client, Refused, token, wanted};
use crate::support::installation::{BROKER, Installation, POLICY, Plan, TRUST_DOMAIN};
use crate::support::local::Local;
use crate::support::process::Process;
use crate::support::{eventually, tool};

const AGENTS: &str = "spiffe://acme.example/prod/ci/docs";
const DIRECT: &str = "spiffe://acme.example/prod/ci/direct";
const VERIFIER: &str = "spiffe://acme.example/prod/docs-api";
const NODE: &str = "spiffe://acme.example/node";
/// What is waited for: so many SVIDs, and so many sets of roots, which SPIRE changes at half the life of an
/// authority.
const SVIDS: usize = 5;
const BUNDLES: usize = 3;
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn svids_and_authorities_of_a_real_spire_rotate_without_a_failed_call() {
    let spire = Spire::start().await;
    for id in [BROKER, AGENTS, DIRECT, VERIFIER] {
        spire.entry(id);
    }
    spire.entry_with_hint("spiffe://acme.example/prod/ci/hinted", "direct");
    let mut broker = broker_of(&spire).await;
    let _agent = agent_of(&spire, &broker).await;
    let mut tasks = JoinSet::new();
    let mut direct = client_of(&spire, &broker, DIRECT, &mut tasks).await;
    let mut verifier = client_of(&spire, &broker, VERIFIER, &mut tasks).await;
    let mut local = Local::connect(&broker.path("agent.sock")).await;

    let (kept, _) = local.open(json!({ "type": "connection" })).await;
    let calls = async {
        while !has_rotated(&broker) {
            broker.broker.must_run();
            let (job, of_agent) = local.open(json!({ "type": "ttl" })).await;
            let mut request = direct.request("deploy-docs");
            request.credentials = vec![wanted("docs-api")];
            let opened = sent(async || direct.open(request.clone()).await).await;
            let lease = &opened.credentials[0].lease_id;
            let renewed = sent(async || direct.renew(lease, 1).await).await;
            for token in [&of_agent, token(&opened.credentials[0]), token(&renewed)] {
                assert!(is_active(&mut verifier, token).await);
            }
            let path = format!("/v1/jobs/{job}?wait_seconds=20");
            let (status, closed) = local.call("DELETE", &path, &Value::Null).await;
            let told = (status, &closed["state"]);
            assert_eq!(told, (200, &json!("confirmed")), "{closed}");
            let closed = sent(async || direct.close(&opened.job_id).await).await;
            assert_eq!(closed.progress(), EndProgress::Confirmed);
            assert!(!is_active(&mut verifier, &of_agent).await);
        }
    };
    tokio::time::timeout(PATIENCE, calls)
        .await
        .expect("SPIRE rotates");
    let (status, job) = local.get(&format!("/v1/jobs/{kept}")).await;
    assert_eq!((status, &job["state"]), (200, &json!("open")), "{job}");
    let generation = job["credentials"][0]["generation"].as_u64();
    assert!(
        generation.is_some_and(|generation| generation > 1),
        "never renewed: {job}"
    );
    let log = broker.broker.log();
    assert!(!log.contains("has a problem"), "{log}");

    let places = direct_client::Places {
        workload_api: Endpoint::parse(&spire.endpoint()).unwrap(),
        identity: Selection::Hint("direct".to_owned()),
        broker: broker.workload,
        broker_id: BROKER.parse().unwrap(),
    };
    let had = direct_client::perform(places).await.unwrap();
    assert_eq!(had, ["docs-api", "tickets-api"]);
}

/// Calls, and once more what never left because the connection ended just then: gRPC for Go does so by itself.
async fn sent<T>(mut call: impl AsyncFnMut() -> Result<T, Refused>) -> T {
    match call().await {
        Err(refused) if refused.code == Code::Cancelled => call().await.unwrap(),
        called => called.unwrap(),
    }
}

async fn is_active(verifier: &mut Client, token: &str) -> bool {
    let request = IntrospectRequest {
        token: token.into(),
    };
    let ask = async || Ok(verifier.grpc.introspect(request.clone()).await?);
    sent(ask).await.into_inner().active
}

/// A SPIRE server and agent in a folder of their own.
struct Spire {
    folder: tempfile::TempDir,
    _server: Process,
    _agent: Process,
}

impl Spire {
    /// As in the example, but that everything lives shorter.
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("server")).unwrap();
        let port = free_port().to_string();
        for name in ["server.conf", "agent.conf"] {
            let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/spire");
            let text = fs::read_to_string(example.join(name)).unwrap();
            let text = text
                .replace("/tmp/taskpass-spire", folder.path().to_str().unwrap())
                .replace("8081", &port)
                .replace(
                    "default_x509_svid_ttl = \"1m\"",
                    "default_x509_svid_ttl = \"20s\"",
                )
                .replace("ca_ttl = \"1h\"", "ca_ttl = \"1m\"");
            fs::write(folder.path().join(name), text).unwrap();
        }
        let run = |name: &str, more: &[&str]| {
            let mut command = Command::new(tool(&format!("spire-{name}")));
            let config = folder.path().join(format!("{name}.conf"));
            command.arg("run").arg("-config").arg(config).args(more);
            Process::start_command(&mut command, &folder.path().join(format!("{name}.log")))
        };
        let mut server = run("server", &[]);
        eventually("SPIRE's server is healthy", || {
            server.must_run();
            let is_healthy = ask(folder.path(), &["healthcheck"]).is_some();
            async move { is_healthy.then_some(()) }
        })
        .await;
        let roots = ask(folder.path(), &["bundle", "show"]).unwrap();
        fs::write(folder.path().join("bundle.pem"), roots).unwrap();
        let said = ask(folder.path(), &["token", "generate", "-spiffeID", NODE]).unwrap();
        let agent = run(
            "agent",
            &["-joinToken", said.split_whitespace().nth(1).unwrap()],
        );
        Self {
            folder,
            _server: server,
            _agent: agent,
        }
    }

    /// Gives this user an identity.
    fn entry(&self, id: &str) {
        self.entry_with_hint(id, "");
    }

    fn entry_with_hint(&self, id: &str, hint: &str) {
        let user = format!("unix:uid:{}", rustix::process::geteuid().as_raw());
        let command = [
            ["entry", "create"],
            ["-parentID", NODE],
            ["-selector", &user],
            ["-spiffeID", id],
            ["-hint", hint],
        ];
        ask(self.folder.path(), &command.concat()).unwrap();
    }

    fn endpoint(&self) -> String {
        format!("unix://{}", self.folder.path().join("agent.sock").display())
    }
}

/// A port that nobody listens on; the listener that found it is gone.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// What SPIRE's server says to an operator, if it does as told.
fn ask(folder: &Path, command: &[&str]) -> Option<String> {
    let output = Command::new(tool("spire-server"))
        .args(command)
        .arg("-socketPath")
        .arg(folder.join("server.sock"))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    output.status.success().then_some(said)
}

/// A broker that takes everything from SPIRE.
async fn broker_of(spire: &Spire) -> Installation {
    let policy = POLICY.replace("ttl = \"5m\"", "ttl = \"30s\"");
    let mut broker = Installation::with(Plan {
        policy: &policy,
        ..Plan::default()
    })
    .await;
    broker.broker.stop();
    let line = format!("workload_api = \"{}\"", spire.endpoint());
    let toml = fs::read_to_string(broker.path("broker.toml")).unwrap();
    let files = "certificate = \"broker.pem\"\nkey = \"broker.key\"";
    assert!(toml.contains(files) && toml.contains("bundle = \"bundle.pem\""));
    let toml = toml.replace(files, &line);
    let toml = toml.replace("bundle = \"bundle.pem\"", &line);
    fs::write(broker.path("broker.toml"), toml).unwrap();
    fs::remove_file(broker.path("broker.log")).unwrap();
    broker.restart().await;
    broker
}

/// An agent that takes everything from SPIRE.
async fn agent_of(spire: &Spire, broker: &Installation) -> Process {
    let uid = rustix::process::geteuid().as_raw();
    let (folder, address, api) = (
        broker.folder.path().display(),
        broker.workload,
        spire.endpoint(),
    );
    let toml = format!(
        r#"socket = "{folder}/agent.sock"
state = "{folder}/agent.state"
[broker]
address = "{address}"
spiffe_id = "{BROKER}"
workload_api = "{api}"
[[identity]]
workload_api = "{api}"
spiffe_id = "{AGENTS}"
uids = [{uid}]
"#
    );
    fs::write(broker.path("agent.toml"), toml).unwrap();
    broker.start_agent("agent").await
}

/// A workload that calls the broker itself, and takes everything from SPIRE.
async fn client_of(
    spire: &Spire,
    broker: &Installation,
    id: &str,
    tasks: &mut JoinSet<()>,
) -> Client {
    let settings = || Settings {
        endpoint: Endpoint::parse(&spire.endpoint()).unwrap(),
        time: Arc::new(DefaultTimeProvider),
        patience: workload_api::PATIENCE,
    };
    let selection = Selection::SpiffeId(id.parse().unwrap());
    let (svids, svid_watcher) = workload_api::svid(settings(), selection).await.unwrap();
    let domains = BTreeSet::from([TRUST_DOMAIN.parse().unwrap()]);
    let (bundles, bundle_watcher) = workload_api::bundles(settings(), domains).await.unwrap();
    let mut keep = |watcher: Watcher| tasks.spawn(watcher.run(CancellationToken::new()));
    keep(svid_watcher);
    keep(bundle_watcher);
    let identity = TlsIdentity {
        svids: Arc::new(svids),
        bundles: Arc::new(bundles),
        time: Arc::new(DefaultTimeProvider),
    };
    Client::connect(broker.workload, &identity).await
}

/// Whether the broker has seen everything rotate.
fn has_rotated(broker: &Installation) -> bool {
    let log = broker.broker.log();
    let times = |what: &str| log.matches(what).count();
    times("svid taken over") >= SVIDS && times("bundle taken over") >= BUNDLES
}
