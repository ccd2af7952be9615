//! An agent that answers as it is told, and remembers what it was asked.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::stream;
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::taskpass;

pub(super) const JOB: &str = "job_01k8m5v4x8e2rr9t6cz1j3q7yd";

/// A running agent. It ends when it is dropped.
pub(super) struct FakeAgent {
    home: TempDir,
    script: Arc<Script>,
    _runtime: Runtime,
}

/// A request that it received.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) line: String,
    pub(super) body: Value,
}

struct Script {
    calls: Mutex<Vec<Call>>,
    credentials: Mutex<Vec<Value>>,
    refusal: Mutex<Option<(u16, Value)>>,
    knows_no_process: AtomicBool,
    close_state: Mutex<&'static str>,
    /// Lines of the event stream; an empty one ends it.
    events: watch::Sender<Vec<String>>,
}

impl FakeAgent {
    /// Starts an agent that grants `docs-api` to everybody.
    pub(super) fn start() -> Self {
        Self::start_in(TempDir::new().unwrap())
    }

    /// The same with its socket in a directory that exists already.
    pub(super) fn start_in(home: TempDir) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let script = Arc::new(Script {
            calls: Mutex::default(),
            credentials: Mutex::new(vec![credential("docs-api", "first", 1)]),
            refusal: Mutex::default(),
            knows_no_process: AtomicBool::new(false),
            close_state: Mutex::new("confirmed"),
            events: watch::Sender::new(Vec::new()),
        });
        let router = Router::new().fallback(answer).with_state(script.clone());
        let listener = {
            let _guard = runtime.enter();
            UnixListener::bind(socket_in(home.path())).unwrap()
        };
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self {
            home,
            script,
            _runtime: runtime,
        }
    }

    /// A command line that asks this agent.
    pub(super) fn taskpass(&self, arguments: &[&str]) -> Command {
        let mut command = taskpass(arguments);
        command.env("TASKPASS_AGENT_SOCKET", socket_in(self.home.path()));
        command
    }

    /// Its socket.
    pub(super) fn socket(&self) -> PathBuf {
        socket_in(self.home.path())
    }

    /// `taskpass run` with credential files below [`Self::files`].
    pub(super) fn run(&self, options: &[&str], command: &[&str]) -> Command {
        let files = self.files();
        let fixed = ["--task", "deploy-docs", "--allow-disk", "--credentials-dir"];
        let mut line = vec!["run"];
        line.extend(fixed);
        line.push(files.to_str().unwrap());
        line.extend(options);
        line.push("--");
        line.extend(command);
        self.taskpass(&line)
    }

    /// Where `run` makes its directories.
    pub(super) fn files(&self) -> PathBuf {
        let files = self.home.path().join("files");
        std::fs::create_dir_all(&files).unwrap();
        files
    }

    /// Whether no credential file and no directory for them is left.
    pub(super) fn nothing_is_left(&self) -> bool {
        std::fs::read_dir(self.files()).unwrap().next().is_none()
    }

    /// What it was asked so far, without requests for events, which come when they come.
    pub(super) fn calls(&self) -> Vec<Call> {
        let calls = self.script.calls.lock().unwrap();
        let wanted = |call: &&Call| !call.line.contains("/events");
        calls.iter().filter(wanted).cloned().collect()
    }

    /// Grants these credentials instead.
    pub(super) fn grant(&self, credentials: &[(&str, &str)]) {
        *self.script.credentials.lock().unwrap() = credentials
            .iter()
            .map(|(name, token)| credential(name, token, 1))
            .collect();
    }

    /// Refuses to open jobs from now on.
    pub(super) fn refuse(&self, status: u16, reason: &str, detail: &str) {
        *self.script.refusal.lock().unwrap() = Some((
            status,
            json!({
                "type": "about:blank", "title": "refused", "status": status,
                "detail": detail, "reason": reason, "correlation_id": "dec_7",
            }),
        ));
    }

    /// Opens jobs again.
    pub(super) fn relent(&self) {
        *self.script.refusal.lock().unwrap() = None;
    }

    /// Answers `pending` to every close.
    pub(super) fn leave_closes_pending(&self) {
        *self.script.close_state.lock().unwrap() = "pending";
    }

    /// Ties jobs to no process from now on: it looks only once the process is gone.
    pub(super) fn look_too_late(&self) {
        self.script.knows_no_process.store(true, Ordering::Relaxed);
    }

    /// Announces that the lease of `docs-api` is renewed no more; its token is good for this long.
    pub(super) fn renew_no_more(&self, reason: &str, seconds: f64) {
        let mut credential = credential("docs-api", "last", 1);
        credential["expires_in"] = json!(seconds);
        let why = json!({"name": "", "lease": credential["lease"], "reason": reason, "detail": "no more"});
        let event =
            json!({"event": "credentials", "credentials": [credential], "not_renewed": [why]});
        self.script.tell(event.to_string());
        self.script.tell(event.to_string());
    }

    /// Announces a renewed token.
    pub(super) fn renew(&self, name: &str, token: &str) {
        let event = json!({"event": "credentials", "credentials": [credential(name, token, 2)]});
        self.script.tell(event.to_string());
    }

    /// Announces the end of the job.
    pub(super) fn end(&self, cause: &str) {
        self.script
            .tell(json!({"event": "ended", "cause": cause}).to_string());
    }
}

/// The socket of an agent at home in this directory.
pub(super) fn socket_in(home: &Path) -> PathBuf {
    home.join("agent.sock")
}

impl Script {
    fn tell(&self, line: String) {
        self.events.send_modify(|lines| lines.push(line + "\n"));
    }

    fn job(&self) -> Value {
        let credentials = self.credentials.lock().unwrap();
        json!({
            "job": JOB, "decision": "dec_1", "policy": "p1", "ends_in": 1799.5,
            "task": "deploy-docs", "state": "open", "anchor": {"type": "caller"},
            "credentials": &*credentials,
        })
    }
}

async fn answer(State(script): State<Arc<Script>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let line = format!("{} {}", head.method, head.uri);
    script.calls.lock().unwrap().push(Call {
        line: line.clone(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    });
    let path = head.uri.path();
    match (head.method.as_str(), path.rsplit('/').next().unwrap()) {
        ("POST", "jobs") => match script.refusal.lock().unwrap().clone() {
            Some((status, problem)) => respond(status, &problem),
            None => respond(201, &script.job()),
        },
        ("POST", "credentials") | ("GET", JOB) => respond(200, &script.job()),
        ("POST", "anchors") if script.knows_no_process.load(Ordering::Relaxed) => {
            let asked: Value = serde_json::from_slice(&body).unwrap();
            let pid = i32::try_from(asked["pid"].as_i64().unwrap()).unwrap();
            tokio::task::spawn_blocking(move || wait_for_the_end_of(pid))
                .await
                .unwrap();
            let detail = format!("pid: {pid} is no live process");
            respond(400, &json!({"detail": detail, "reason": "REQUEST_INVALID"}))
        }
        ("POST", "anchors") => respond(204, &Value::Null),
        ("GET", "events") => events(&script),
        ("GET", "jobs") => {
            let mut job = script.job();
            job["opened_at"] = json!(Timestamp::now() - SignedDuration::from_secs(1530));
            respond(200, &json!({"jobs": [job]}))
        }
        ("GET", "status") => respond(200, &status()),
        ("DELETE", _) => {
            let state = *script.close_state.lock().unwrap();
            respond(200, &json!({"state": state, "cause": "job_closed"}))
        }
        _ => respond(404, &json!({"title": line, "reason": "JOB_UNKNOWN"})),
    }
}

fn wait_for_the_end_of(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    let process = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
    let mut ends = [rustix::event::PollFd::new(
        &process,
        rustix::event::PollFlags::IN,
    )];
    rustix::event::poll(&mut ends, None).unwrap();
}

fn respond(status: u16, body: &Value) -> Response {
    let body = if status == 204 {
        String::new()
    } else {
        body.to_string()
    };
    Response::builder()
        .status(status)
        .body(Body::from(body))
        .unwrap()
}

/// All lines from the first on, then each as it comes.
fn events(script: &Script) -> Response {
    let lines = script.events.subscribe();
    let stream = stream::unfold((lines, 0), |(mut lines, next)| async move {
        let line = lines.wait_for(|all| all.len() > next).await.ok()?[next].clone();
        Some((Ok::<_, std::io::Error>(line), (lines, next + 1)))
    });
    Response::new(Body::from_stream(stream))
}

fn status() -> Value {
    json!({
        "version": "0.1.0", "started_at": Timestamp::now() - SignedDuration::from_secs(9030),
        "host": "node-7", "socket": "/run/taskpass/agent.sock", "jobs": 1,
        "broker": {
            "address": "broker.acme.example:8440", "connected": true, "error": null,
            "spiffe_id": "spiffe://acme.example/taskpass/broker",
        },
        "identities": [{
            "spiffe_id": "spiffe://acme.example/prod/ci/docs/runner", "connected": true, "error": null,
            "expires_at": Timestamp::now() + SignedDuration::from_secs(1530),
        }],
        "caller": {"uid": 1000, "gid": 1000, "pid": 4711, "spiffe_id": null},
        "problems": [],
    })
}

fn credential(name: &str, token: &str, generation: u32) -> Value {
    json!({
        "name": name, "type": "jwt", "token": token,
        "lease": "lease_01k8m5v4x8e2rr9t6cz1j3q7yd_1", "generation": generation,
        "expires_in": 299.9, "expires_at": "2026-11-03T12:05:00Z",
        "scopes": ["docs:write"], "audience": "https://docs.acme.example",
        "revocability": {"kind": "immediate"},
    })
}
