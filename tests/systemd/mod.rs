//! The units in examples/systemd: what systemd itself says of them, and what can be tried without it.

mod machine;
mod units;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use taskpass_proto::v1;
use tempfile::TempDir;

use crate::support::eventually;
use crate::support::installation::Installation;
use crate::support::operator::Operator;
use crate::support::process::{BINARY, Process};

const CI: &str = "spiffe://acme.example/prod/ci/docs";
const DAEMONS: [&str; 2] = ["taskpass-broker.service", "taskpass-agent.service"];
const UNITS: [&str; 3] = [DAEMONS[0], DAEMONS[1], "deploy-docs.service"];
/// Tenths of systemd's ten points of exposure.
const MOST_EXPOSED: u32 = 20;

fn unit(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples/systemd")
        .join(name);
    fs::read_to_string(path).unwrap()
}

/// What a unit sets, by name; a setting that stands there twice has two values.
fn settings(unit: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut settings = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in unit.lines().filter_map(|line| line.split_once('=')) {
        if !name.starts_with('#') {
            settings.entry(name).or_default().push(value);
        }
    }
    settings
}

/// The units with the binary under test in the place of the installed ones.
fn installed() -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &&str| {
        let text = unit(name)
            .replace("/usr/bin/taskpass", BINARY)
            .replace("/usr/local/bin/deploy-docs", "/bin/true");
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let paths = UNITS.iter().map(put).collect();
    (folder, paths)
}

fn analyze(arguments: &[&str], units: &[PathBuf]) -> Output {
    let command = Command::new("systemd-analyze")
        .args(arguments)
        .args(units)
        .stdin(Stdio::null())
        .output();
    command.expect("`systemd-analyze` is missing; `./check --setup` installs it")
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let (_folder, paths) = installed();
    let output = analyze(&["verify", "--man=no"], &paths);
    let said = String::from_utf8_lossy(&output.stderr);
    let names = |line: &&str| UNITS.iter().any(|unit| line.contains(unit));
    let complaints: Vec<&str> = said.lines().filter(names).collect();
    assert!(output.status.success() && complaints.is_empty(), "{said}");
}

#[test]
fn the_daemons_are_hardly_exposed() {
    let (_folder, paths) = installed();
    let threshold = format!("--threshold={MOST_EXPOSED}");
    for path in &paths[..DAEMONS.len()] {
        let output = analyze(
            &["security", "--offline=true", "--no-pager", &threshold],
            std::slice::from_ref(path),
        );
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {said}", path.display());
    }
}

#[test]
fn the_commands_of_the_units_are_commands_of_ours() {
    for name in UNITS {
        let unit = unit(name);
        let settings = settings(&unit);
        let commands = ["ExecStartPre", "ExecStart", "ExecReload"];
        let lines = commands
            .iter()
            .filter_map(|name| settings.get(name))
            .flatten();
        for line in lines.filter_map(|line| line.strip_prefix("/usr/bin/taskpass ")) {
            let ours = line.split(" -- ").next().unwrap();
            let words = ours.split(' ').chain(["--help"]);
            let output = Command::new(BINARY)
                .args(words)
                .stdin(Stdio::null())
                .output()
                .unwrap();
            assert!(output.status.success(), "{name}: {line}: {output:?}");
        }
    }
}

#[test]
fn a_watched_daemon_feeds_the_watchdog_and_stops_in_time() {
    for name in DAEMONS {
        let unit = unit(name);
        let settings = settings(&unit);
        assert_eq!(settings["Type"], ["notify"], "{name}");
        assert_eq!(settings["WatchdogSec"], ["30s"], "{name}");
        // An upgrade and SO_PEERCRED rest on these.
        assert_eq!(settings["NotifyAccess"], ["main"], "{name}");
        assert_eq!(settings["PrivateUsers"], ["no"], "{name}");
    }
}

/// A service manager that listens.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn at(path: PathBuf) -> Self {
        let socket = UnixDatagram::bind(&path).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        Self { socket, path }
    }

    /// The next thing that it is told, the watchdog's ticks aside.
    fn hears(&self) -> String {
        loop {
            let said = self.hears_anything();
            if said != "WATCHDOG=1" {
                return said;
            }
        }
    }

    fn hears_anything(&self) -> String {
        let mut bytes = [0; 256];
        let length = self.socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    fn start(&self, arguments: &[&str], log: &Path) -> Process {
        let mut command = Command::new(BINARY);
        command.args(arguments).env("NOTIFY_SOCKET", &self.path);
        command.env("WATCHDOG_USEC", "200000");
        Process::start_command(&mut command, log)
    }
}

#[tokio::test]
async fn a_daemon_says_when_it_is_ready_that_it_lives_and_that_it_stops() {
    let mut broker = Installation::start().await;
    broker.agent("agent", CI).await.stop();
    broker.broker.stop();
    for daemon in ["broker", "agent"] {
        let manager = Manager::at(broker.path(&format!("{daemon}.notify")));
        let config = broker.path(&format!("{daemon}.toml"));
        let line = [daemon, "--config", config.to_str().unwrap()];
        let mut process = manager.start(&line, &broker.path("service.log"));
        assert_eq!(manager.hears(), "READY=1");
        assert_eq!(manager.hears_anything(), "WATCHDOG=1");
        process.signal(Signal::TERM);
        assert_eq!(manager.hears(), "STOPPING=1");
        assert!(process.wait().success());
    }
}

#[tokio::test]
async fn an_upgrade_tells_which_process_is_the_agent_from_now_on() {
    let broker = Installation::start().await;
    broker.agent("agent", CI).await.stop();
    let manager = Manager::at(broker.path("notify"));
    let config = broker.path("agent.toml");
    let config = config.to_str().unwrap();
    let mut old = manager.start(&["agent", "--config", config], &broker.path("agent.log"));
    assert_eq!(manager.hears(), "READY=1");
    let mut new = manager.start(
        &["agent", "--config", config, "--take-over"],
        &broker.path("agent.log"),
    );
    let mut heard = [manager.hears(), manager.hears()];
    heard.sort();
    assert_eq!(
        heard,
        [format!("MAINPID={}", new.pid()), "READY=1".to_owned()]
    );
    assert!(old.wait().success());
    new.signal(Signal::TERM);
    assert_eq!(manager.hears(), "STOPPING=1");
    assert!(new.wait().success());
}

#[tokio::test]
async fn a_unit_that_runs_a_command_stops_it_and_ends_its_job_with_its_exit_code() {
    let broker = Installation::start().await;
    let _agent = broker.agent("agent", CI).await;
    let runtime = tempfile::Builder::new().tempdir_in("/dev/shm").unwrap();
    let folder = broker.folder.path();
    let script = format!(
        "trap 'exit 7' TERM; ls $TASKPASS_CREDENTIALS_DIR > {0}/seen; \
         printf %s $TASKPASS_JOB_ID > {0}/new; mv {0}/new {0}/job; while :; do sleep 0.05; done",
        folder.display()
    );
    let unit = unit("deploy-docs.service");
    let line = settings(&unit)["ExecStart"][0]
        .replace("${RUNTIME_DIRECTORY}", runtime.path().to_str().unwrap());
    let ours = line.strip_prefix("/usr/bin/taskpass ").unwrap();
    let ours = ours.strip_suffix(" -- /usr/local/bin/deploy-docs").unwrap();
    let mut command = Command::new(BINARY);
    command
        .args(ours.split(' '))
        .args(["--", "sh", "-c", &script]);
    command.env("TASKPASS_AGENT_SOCKET", broker.path("agent.sock"));
    let mut run = Process::start_command(&mut command, &broker.path("unit.log"));
    let job = eventually("the command runs", || {
        run.must_run();
        let job = fs::read_to_string(folder.join("job")).ok();
        async move { job }
    })
    .await;
    assert!(
        fs::read_to_string(folder.join("seen"))
            .unwrap()
            .contains("docs-api")
    );
    assert_eq!(
        fs::read_dir(runtime.path()).unwrap().count(),
        1,
        "a directory of the job"
    );
    // As `KillMode=mixed` does it.
    run.signal(Signal::TERM);
    assert_eq!(run.wait().code(), Some(7));
    assert_eq!(fs::read_dir(runtime.path()).unwrap().count(), 0);
    let shown = Operator::connect(&broker)
        .await
        .job(&job)
        .await
        .job
        .unwrap();
    assert_eq!(
        (shown.state(), shown.cause()),
        (v1::JobState::Ended, v1::Cause::ProcessExited)
    );
}
