//! Every example is run or loaded.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::client::{bound, token};
use crate::support::installation::{BROKER, Installation, write_svid};
use crate::support::process::BINARY;
use crate::support::python;

const CI: &str = "spiffe://acme.example/prod/ci/docs";
const SERVER: &str = "spiffe://acme.example/prod/docs-api";

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples")
        .join(name)
}

/// The example's resource server, which dies with its test.
struct ResourceServer {
    child: Child,
    url: String,
}

impl ResourceServer {
    fn start(broker: &Installation) -> Self {
        Self::with(broker, &[])
    }

    fn with(broker: &Installation, more: &[&str]) -> Self {
        write_svid(&broker.authority, &broker.path("server"), SERVER);
        let mut child = Command::new(python())
            .arg(example("resource-server/server.py"))
            .args(["--issuer", &format!("http://{}", broker.public)])
            .args(["--audience", "https://docs.acme.example"])
            .args([
                "--broker",
                &broker.workload.to_string(),
                "--broker-id",
                BROKER,
            ])
            .arg("--certificate")
            .arg(broker.path("server.pem"))
            .arg("--key")
            .arg(broker.path("server.key"))
            .arg("--bundle")
            .arg(broker.path("bundle.pem"))
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port = line.trim().rsplit(' ').next().unwrap().to_owned();
        Self {
            child,
            url: match more {
                ["--mutual-tls"] => format!("https://127.0.0.1:{port}/"),
                _ => format!("http://127.0.0.1:{port}/"),
            },
        }
    }

    /// Status and body for a token.
    fn ask(&self, token: &str) -> (String, String) {
        self.ask_as(token, &[])
    }

    /// The same as a client of more arguments to `curl`.
    fn ask_as(&self, token: &str, client: &[&str]) -> (String, String) {
        let output = Command::new("curl")
            .args(client)
            .args(["--silent", "--write-out", "\n%{http_code}", "--header"])
            .arg(format!("Authorization: Bearer {token}"))
            .arg(&self.url)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.to_owned(), body.to_owned())
    }
}

impl Drop for ResourceServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn an_independent_jwt_library_verifies_tokens_through_discovery() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let opened = client.open(client.request("deploy-docs")).await.unwrap();
    let by_name = |name| token(opened.credentials.iter().find(|c| c.name == name).unwrap());
    let server = ResourceServer::start(&broker);
    let (status, body) = server.ask(by_name("docs-api"));
    assert_eq!(status, "200", "{body}");
    assert!(body.contains(CI) && body.contains("deploy-docs"), "{body}");
    // Another audience, a changed signature, no token at all.
    assert_eq!(server.ask(by_name("tickets-api")).0, "401");
    let mut changed = by_name("docs-api").to_owned();
    let last = changed.pop().unwrap();
    changed.push(if last == 'A' { 'Q' } else { 'A' });
    assert_eq!(server.ask(&changed).0, "401");
    assert_eq!(server.ask("nonsense").0, "401");
    client.close(&opened.job_id).await.unwrap();
    let (status, body) = server.ask(by_name("docs-api"));
    assert_eq!(status, "401");
    assert!(body.contains("has ended"), "{body}");
}

#[tokio::test]
async fn a_stolen_bound_token_is_refused_by_a_resource_server() {
    let broker = Installation::start().await;
    for (files, id) in [
        ("client", CI),
        ("thief", "spiffe://acme.example/prod/thief"),
    ] {
        write_svid(&broker.authority, &broker.path(files), id);
    }
    let mut client = broker.client_with_files("client").await;
    let mut request = client.request("deploy-docs");
    let thumbprint = broker.thumbprint_of_files("client");
    request.credentials = vec![bound("docs-api", thumbprint)];
    let opened = client.open(request).await.unwrap();
    let stolen = token(&opened.credentials[0]);
    let server = ResourceServer::with(&broker, &["--mutual-tls"]);
    // The server's SVID has no DNS name; who it is does not matter here.
    let ask = |files: &str| {
        let (certificate, key) = (
            broker.path(&format!("{files}.pem")),
            broker.path(&format!("{files}.key")),
        );
        let client = [
            "--insecure",
            "--cert",
            certificate.to_str().unwrap(),
            "--key",
            key.to_str().unwrap(),
        ];
        server.ask_as(stolen, &client)
    };
    let (status, body) = ask("client");
    assert_eq!(status, "200", "{body}");
    let (status, body) = ask("thief");
    assert_eq!(status, "401");
    assert!(body.contains("another certificate"), "{body}");
    let (status, body) = server.ask_as(stolen, &["--insecure"]);
    assert_eq!(status, "401");
    assert!(body.contains("presented none"), "{body}");
    // A server that knows no certificates takes no bound token either.
    let plain = ResourceServer::start(&broker);
    assert_eq!(plain.ask(stolen).0, "401");
}

#[tokio::test]
async fn a_runtime_gets_a_token_for_each_tool_call() {
    let broker = Installation::start().await;
    let _agent = broker.agent("agent", CI).await;
    let server = ResourceServer::start(&broker);
    let output = Command::new(python())
        .arg(example("agent-runtime/runtime.py"))
        .args([&server.url, &server.url])
        .env("TASKPASS_AGENT_SOCKET", broker.path("agent.sock"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(said.matches(CI).count(), 2, "{said}");
    assert!(said.contains("denied: TASK_NOT_GRANTED"), "{said}");
}

#[tokio::test]
async fn a_ci_step_publishes_without_a_key() {
    let broker = Installation::start().await;
    let _agent = broker.agent("agent", CI).await;
    let server = ResourceServer::start(&broker);
    let step = |reference: &str| {
        Command::new(example("ci-job/deploy.sh"))
            .env("TASKPASS", BINARY)
            .env("TASKPASS_AGENT_SOCKET", broker.path("agent.sock"))
            .env("DOCS_API", &server.url)
            .env("CI_REF", reference)
            .output()
            .unwrap()
    };
    let good = step("refs/heads/main");
    let said = String::from_utf8_lossy(&good.stdout).into_owned();
    assert!(
        good.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&good.stderr)
    );
    assert!(said.contains(CI), "{said}");
    let refused = step("refs/pull/1/merge");
    assert_eq!(refused.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("PARAMETER_INVALID"));
}

#[tokio::test]
async fn the_quick_start_shows_its_record() {
    let broker = Installation::start().await;
    let _agent = broker.agent("agent", CI).await;
    let output = Command::new(example("quick-start/job.sh"))
        .env("TASKPASS", BINARY)
        .env("TASKPASS_AGENT_SOCKET", broker.path("agent.sock"))
        .env("TASKPASS_ADMIN_SOCKET", broker.path("admin.sock"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for word in ["docs-api", "deploy-docs", "process_exited", "lease.issued"] {
        assert!(said.contains(word), "{word} is missing:\n{said}");
    }
}

#[test]
fn the_sample_configurations_and_policy_are_good() {
    let check = Command::new(BINARY)
        .args(["policy", "check"])
        .arg(example("policy"))
        .output();
    let check = check.unwrap();
    assert_eq!(
        check.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&check.stderr)
    );
    // Those for SPIRE are read to their end, up to the socket that is not there.
    for name in ["broker", "agent"] {
        let output = Command::new(BINARY)
            .args([name, "--check-config", "--config"])
            .arg(example(&format!("spire/{name}.toml")))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        let api = "the Workload API at `unix:///tmp/taskpass-spire/agent.sock`";
        assert!(said.contains(api) || said.contains("are good"), "{said}");
    }
    for name in ["broker", "agent"] {
        let output = Command::new(BINARY)
            .args([name, "--check-config", "--config"])
            .arg(example(&format!("{name}.toml")))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        // The files that it names are not there; the configuration itself is read to its end.
        assert!(said.contains("there is no such file"), "{said}");
        assert!(!said.contains("unknown field"), "{said}");
    }
}

#[test]
fn the_demo_shows_that_it_all_happened() {
    let output = Command::new(BINARY).arg("demo").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        said.contains("Everything above happened for real"),
        "{said}"
    );
    assert!(!said.contains('\u{1b}'), "colour without a terminal");
}
