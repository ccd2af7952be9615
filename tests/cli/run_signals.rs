//! `run` beside a command that lives for a while: signals, renewals, and an early end.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command};

use rustix::fs::inotify;
use rustix::process::{Pid, Signal, kill_process};

use super::fake_agent::FakeAgent;

/// Waits for a signal and says so; the sleeper holds none of our pipes.
const WAITER: &str = r#"
    for s in HUP INT QUIT TERM USR1 USR2; do trap "echo got $s; kill \$!; exit 9" $s; done
    sleep 60 >/dev/null 2>&1 &
    echo "$TASKPASS_CREDENTIALS_DIR"
    wait
"#;

/// A started `run` whose command has said where its files are.
struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
    files: PathBuf,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        Self {
            child,
            lines,
            files: PathBuf::from(line.trim()),
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end: exit code, the rest of its output, and its standard error.
    fn finish(mut self) -> (Option<i32>, String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        self.lines.read_to_string(&mut out).unwrap();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut err)
            .unwrap();
        (self.child.wait().unwrap().code(), out, err)
    }
}

/// Waits until something of these happens to a file of this name in the directory.
struct Eyes(rustix::fd::OwnedFd);

impl Eyes {
    fn on(directory: &Path, what: inotify::WatchFlags) -> Self {
        let eyes = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
        inotify::add_watch(&eyes, directory, what).unwrap();
        Self(eyes)
    }

    fn see(&self, name: &str) {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.0, &mut buffer);
        while reader
            .next()
            .unwrap()
            .file_name()
            .and_then(|n| n.to_str().ok())
            != Some(name)
        {}
    }
}

#[test]
fn signals_are_passed_on_and_the_commands_answer_is_passed_back() {
    let agent = FakeAgent::start();
    let table = [
        (Signal::TERM, "got TERM\n"),
        (Signal::HUP, "got HUP\n"),
        (Signal::USR1, "got USR1\n"),
        (Signal::USR2, "got USR2\n"),
        (Signal::INT, "got INT\n"),
    ];
    for (signal, said) in table {
        let mut command = agent.run(&[], &["sh", "-c", WAITER]);
        // Out of the foreground of whatever terminal the tests run in.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let running = Running::start(command);
        running.signal(signal);
        let (code, out, _) = running.finish();
        assert_eq!((code, out.as_str()), (Some(9), said));
        assert!(agent.nothing_is_left());
        assert_eq!(agent.calls().last().unwrap().body["exit_status"], 9);
    }
}

#[test]
fn a_renewed_credential_replaces_its_file_as_a_whole() {
    let agent = FakeAgent::start();
    let running = Running::start(agent.run(&[], &["sh", "-c", WAITER]));
    let file = running.files.join("docs-api");
    let mut old = fs::File::open(&file).unwrap();
    let eyes = Eyes::on(&running.files, inotify::WatchFlags::MOVED_TO);
    agent.renew("docs-api", "second");
    eyes.see("docs-api");
    assert_eq!(fs::read_to_string(&file).unwrap(), "second");
    let mut text = String::new();
    old.read_to_string(&mut text).unwrap();
    assert_eq!(text, "first");
    running.signal(Signal::TERM);
    assert_eq!(running.finish().0, Some(9));
}

#[test]
fn an_early_end_removes_the_files_and_lets_the_command_go_on() {
    let agent = FakeAgent::start();
    let running = Running::start(agent.run(&[], &["sh", "-c", WAITER]));
    let eyes = Eyes::on(&running.files, inotify::WatchFlags::DELETE);
    agent.end("operator");
    eyes.see("docs-api");
    assert!(running.files.exists());
    running.signal(Signal::TERM);
    let (code, _, err) = running.finish();
    assert_eq!(code, Some(9));
    assert!(err.contains("has ended (operator)"), "{err}");
    assert!(agent.nothing_is_left());
}

#[test]
fn an_early_end_terminates_the_command_where_that_was_asked_for() {
    let agent = FakeAgent::start();
    let options = ["--on-revoke", "terminate"];
    let running = Running::start(agent.run(&options, &["sh", "-c", WAITER]));
    agent.end("heartbeat_lost");
    let (code, out, err) = running.finish();
    assert_eq!((code, out.as_str()), (Some(9), "got TERM\n"));
    assert!(err.contains("has ended (heartbeat_lost)"), "{err}");
}

#[test]
fn a_credential_that_is_not_renewed_is_told_once_and_its_file_goes_when_it_expires() {
    let agent = FakeAgent::start();
    let running = Running::start(agent.run(&[], &["sh", "-c", WAITER]));
    let eyes = Eyes::on(&running.files, inotify::WatchFlags::DELETE);
    agent.renew_no_more("TASK_NOT_GRANTED", 0.2);
    eyes.see("docs-api");
    running.signal(Signal::TERM);
    let (code, _, err) = running.finish();
    assert_eq!(code, Some(9));
    let told = "credential `docs-api` is not renewed (TASK_NOT_GRANTED): no more";
    assert_eq!(err.matches(told).count(), 1, "{err}");
    assert!(agent.nothing_is_left());
}

#[test]
fn a_credential_that_is_taken_back_terminates_the_command_where_that_was_asked_for() {
    let agent = FakeAgent::start();
    let options = ["--on-revoke", "terminate"];
    let running = Running::start(agent.run(&options, &["sh", "-c", WAITER]));
    agent.renew_no_more("LEASE_ENDED", 200.0);
    let (code, out, err) = running.finish();
    assert_eq!((code, out.as_str()), (Some(9), "got TERM\n"));
    assert!(err.contains("is not renewed (LEASE_ENDED)"), "{err}");
}

#[test]
fn an_end_that_comes_with_the_commands_own_is_not_early() {
    let agent = FakeAgent::start();
    let mut command = agent.run(
        &[],
        &["sh", "-c", "echo $TASKPASS_CREDENTIALS_DIR; read line"],
    );
    command.stdin(std::process::Stdio::piped());
    let mut running = Running::start(command);
    let eyes = Eyes::on(&running.files, inotify::WatchFlags::DELETE);
    agent.end("job_closed");
    eyes.see("docs-api");
    drop(running.child.stdin.take());
    let (code, _, err) = running.finish();
    assert_eq!((code, err.as_str()), (Some(1), ""));
}

#[test]
fn a_run_that_is_killed_leaves_files_that_the_next_one_removes() {
    let agent = FakeAgent::start();
    let mut running =
        Running::start(agent.run(&[], &["sh", "-c", "echo $TASKPASS_CREDENTIALS_DIR"]));
    running.child.wait().unwrap();
    let script = "echo $TASKPASS_CREDENTIALS_DIR; read line";
    let mut command = agent.run(&[], &["sh", "-c", script]);
    command.stdin(std::process::Stdio::piped());
    let mut running = Running::start(command);
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    assert!(running.files.join("docs-api").exists());
    let next = agent.run(&[], &["true"]).status().unwrap();
    assert_eq!(next.code(), Some(0));
    assert!(agent.nothing_is_left());
}
