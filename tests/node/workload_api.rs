//! SVIDs from a SPIFFE Workload API: `dev` offers one, agents take theirs from one, good or bad.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustls_pki_types::UnixTime;
use serde_json::{Value, json};
use taskpass_identity::ca::CertificateAuthority;

use crate::support::http;
use crate::support::installation::{BROKER, Installation, write_private};
use crate::support::local::Local;
use crate::support::process::Process;
use crate::support::{eventually, go_client, python};

const CI: &str = "spiffe://acme.example/prod/ci/docs";

fn client(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/clients")
        .join(name)
}

/// A running `taskpass dev` in a folder of its own.
struct Dev {
    folder: tempfile::TempDir,
    broker: String,
    _process: Process,
}

impl Dev {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut arguments = vec!["dev", "--free-ports", "--svid-ttl", "10s"];
        let inside = folder.path().join("dev");
        arguments.extend(["--dir", inside.to_str().unwrap()]);
        arguments.extend(["--workload", "prod/ci/docs", "--workload", "prod/docs-api"]);
        let mut process = Process::start(&arguments, &log);
        let broker = eventually("dev says where its broker is", || {
            process.must_run();
            let said = process.log();
            let line = said.lines().find_map(|line| line.strip_prefix("Broker "));
            let address = line.map(|line| line.trim().split(',').next().unwrap().to_owned());
            async move { address }
        })
        .await;
        Self {
            folder,
            broker,
            _process: process,
        }
    }

    /// Runs a client to its end and answers its lines.
    fn run(&self, command: &mut Command) -> Vec<Value> {
        let socket = self.folder.path().join("dev/spiffe@workload-api.sock");
        let output = command
            .env(
                "SPIFFE_ENDPOINT_SOCKET",
                format!("unix://{}", socket.display()),
            )
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let wrong = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}{wrong}");
        let lines = said.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_go_library_is_a_client_of_dev() {
    let dev = Dev::start().await;
    let both = json!([CI, "spiffe://acme.example/prod/docs-api"]);
    // With the SVID that it got, Go's own TLS meets the broker's, before and after a rotation.
    let said = dev.run(Command::new(go_client()).arg(&dev.broker).arg(BROKER));
    assert_eq!(said[0]["ids"], both);
    assert_eq!(said[0]["hints"], json!(["prod/ci/docs", "prod/docs-api"]));
    assert_eq!(said[1]["called"], BROKER);
    assert_eq!(said[2]["rotated"], CI);
    assert_eq!(said[3]["called"], BROKER);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_python_library_is_a_client_of_dev() {
    let dev = Dev::start().await;
    let mut command = Command::new(python());
    command.arg(client("workload_api_client.py"));
    let said = dev.run(command.arg(&dev.broker).arg(BROKER));
    let both = json!([CI, "spiffe://acme.example/prod/docs-api"]);
    assert_eq!(said[0]["ids"], both);
    assert_eq!(said[1]["called"], BROKER);
    assert_eq!(said[2]["rotated"], CI);
    assert_eq!(said[3]["called"], BROKER);
}

/// A server in Python that says what it is told to.
pub(super) struct Misbehaving {
    folder: tempfile::TempDir,
    child: Child,
}

impl Misbehaving {
    pub(super) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(python())
            .arg(client("misbehaving_workload_api.py"))
            .arg(folder.path().join("api.sock"))
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "serves\n");
        Self { folder, child }
    }

    pub(super) fn endpoint(&self) -> String {
        format!("unix://{}", self.folder.path().join("api.sock").display())
    }

    /// Stops in the middle of everything: what stands says no more, and what connects is not answered.
    pub(super) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(super) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    pub(super) fn say(&self, how: &str, svids: &[Value]) {
        let path = self.folder.path().join("say.json");
        let beside = path.with_extension("new");
        let text = json!({ "how": how, "svids": svids }).to_string();
        fs::write(&beside, text).unwrap();
        fs::rename(beside, path).unwrap();
    }

    /// Issues an SVID, `late` seconds ago, and answers how it is told of.
    pub(super) fn svid(&self, ca: &CertificateAuthority, id: &str, late: u64) -> Value {
        let at = UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs() - late));
        let hour = Duration::from_secs(3600);
        let issued = ca.issue(&id.parse().unwrap(), hour, at).unwrap();
        let number = fs::read_dir(self.folder.path()).unwrap().count();
        let path = |what: &str| self.folder.path().join(format!("{number}.{what}"));
        fs::write(path("pem"), &issued.certificates_pem).unwrap();
        write_private(&path("key"), &issued.private_key_pem);
        fs::write(path("roots"), ca.certificate_pem()).unwrap();
        json!({
            "spiffe_id": id, "hint": "docs",
            "certificates": path("pem"), "key": path("key"), "bundle": path("roots"),
        })
    }
}

impl Drop for Misbehaving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An agent of a broker, whose SVID comes from a Workload API.
pub(super) async fn agent(broker: &Installation, endpoint: &str) -> Process {
    let uid = rustix::process::geteuid().as_raw();
    let (folder, address) = (broker.folder.path().display(), broker.workload);
    let toml = format!(
        r#"socket = "{folder}/agent.sock"
state = "{folder}/agent.state"
[broker]
address = "{address}"
spiffe_id = "{BROKER}"
bundle = "{folder}/bundle.pem"
[[identity]]
workload_api = "{endpoint}"
hint = "docs"
uids = [{uid}]
"#
    );
    fs::write(broker.path("agent.toml"), toml).unwrap();
    broker.start_agent("agent").await
}

/// Has a broker take its SVID from a Workload API from now on.
pub(super) async fn take_from(broker: &mut Installation, api: &Misbehaving) {
    let toml = fs::read_to_string(broker.path("broker.toml")).unwrap();
    let files = "certificate = \"broker.pem\"\nkey = \"broker.key\"";
    assert!(toml.contains(files));
    let line = format!("workload_api = \"{}\"", api.endpoint());
    fs::write(broker.path("broker.toml"), toml.replace(files, &line)).unwrap();
    broker.broker.stop();
    broker.restart().await;
}

pub(super) async fn problems(broker: &Installation) -> String {
    let (_, status) = Local::connect(&broker.path("agent.sock"))
        .await
        .get("/v1/status")
        .await;
    status["problems"].to_string()
}

#[tokio::test]
async fn a_workload_api_that_misbehaves_is_told_of_and_the_old_svid_is_kept() {
    let broker = Installation::start().await;
    let api = Misbehaving::start();
    let foreign: CertificateAuthority = {
        let domain = "other.example".parse().unwrap();
        let year = Duration::from_secs(365 * 24 * 3600);
        CertificateAuthority::new(domain, year, UnixTime::now()).unwrap()
    };
    let svid = |late| api.svid(&broker.authority, CI, late);
    let good = svid(0);
    api.say("serve", std::slice::from_ref(&good));
    let _agent = agent(&broker, &api.endpoint()).await;
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    let of_another_leaf = {
        let mut mixed = svid(0);
        mixed["key"] = good["key"].clone();
        mixed
    };
    let foreign = api.svid(&foreign, "spiffe://other.example/prod/ci/docs", 0);
    let cases: [(&str, Vec<Value>, &str); 10] = [
        ("serve", vec![], "an empty message"),
        (
            "serve",
            vec![foreign],
            "identities of the trust domain `other.example`",
        ),
        (
            "serve",
            vec![of_another_leaf],
            "does not belong to the certificate",
        ),
        ("serve", vec![svid(7200)], "the leaf has expired"),
        ("garbage", vec![svid(0)], "no certificates in DER"),
        ("close", vec![], "it ended the stream"),
        ("unavailable", vec![], "`Unavailable`: [31mstarting"),
        ("huge", vec![svid(0)], "more than 4 MiB"),
        ("flood", vec![svid(7200)], "the leaf has expired"),
        (
            "serve",
            vec![svid(0), svid(0)],
            "several identities with the hint `docs`",
        ),
    ];
    for (how, svids, told) in cases {
        api.say(how, &svids);
        eventually(told, || async {
            problems(&broker).await.contains(told).then_some(())
        })
        .await;
        // What was good before is still in use: a job opens all the same.
        local.open(json!({ "type": "ttl" })).await;
        api.say("serve", std::slice::from_ref(&good));
        eventually("all is well again", || async {
            (problems(&broker).await == "[]").then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn what_the_workload_api_takes_back_is_not_used_for_new_connections() {
    let broker = Installation::start().await;
    let api = Misbehaving::start();
    api.say("serve", &[api.svid(&broker.authority, CI, 0)]);
    let _agent = agent(&broker, &api.endpoint()).await;
    api.say("deny", &[]);
    eventually("the agent says so", || async {
        problems(&broker)
            .await
            .contains("no identity for this process")
            .then_some(())
    })
    .await;
    api.say("serve", &[api.svid(&broker.authority, CI, 0)]);
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    eventually("all is well again", || async {
        (problems(&broker).await == "[]").then_some(())
    })
    .await;
    local.open(json!({ "type": "ttl" })).await;
}

#[tokio::test]
async fn svids_of_a_workload_api_rotate_without_a_failed_call() {
    let broker = Installation::start().await;
    let api = Misbehaving::start();
    let rotate = || api.say("serve", &[api.svid(&broker.authority, CI, 0)]);
    rotate();
    let _agent = agent(&broker, &api.endpoint()).await;
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    let (long, _) = local.open(json!({ "type": "connection" })).await;
    for round in 0..150 {
        let (job, _) = local.open(json!({ "type": "ttl" })).await;
        let path = format!("/v1/jobs/{job}?wait_seconds=20");
        let (status, closed) = local.call("DELETE", &path, &Value::Null).await;
        assert_eq!(
            (status, &closed["state"]),
            (200, &json!("confirmed")),
            "{closed}"
        );
        if round % 30 == 0 {
            rotate();
        }
    }
    let (status, job) = local.get(&format!("/v1/jobs/{long}")).await;
    assert_eq!((status, &job["state"]), (200, &json!("open")), "{job}");
}

#[tokio::test]
async fn the_broker_takes_its_own_from_a_workload_api_and_counts_its_trouble() {
    let mut broker = Installation::start().await;
    let api = Misbehaving::start();
    let good = api.svid(&broker.authority, BROKER, 0);
    api.say("serve", std::slice::from_ref(&good));
    take_from(&mut broker, &api).await;
    api.say("serve", &[api.svid(&broker.authority, BROKER, 7200)]);
    eventually("it is counted", || async {
        let (_, metrics) = http::get(broker.operations, "/metrics").await?;
        let counted = r#"taskpass_identity_problems_total{source="workload_api",why="expired"}"#;
        http::metric(&metrics, counted).filter(|count| *count > 0.0)
    })
    .await;
    // It serves all the same.
    broker.client(CI).await.open_docs().await;
    api.say("deny", &[]);
    eventually("it is not ready any more", || async {
        let (status, body) = http::get(broker.operations, "/readyz").await?;
        (status != 200 && body.contains("taken back")).then_some(())
    })
    .await;
    api.say("serve", std::slice::from_ref(&good));
    broker.wait_until_ready().await;
}
