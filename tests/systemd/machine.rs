//! A machine of its own with a real systemd, as far as namespaces make one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::support::eventually;
use crate::support::process::{BINARY, Process};

const SYSTEMD: &str = "/lib/systemd/systemd";

/// A machine that is gone with its test.
pub(super) struct Machine {
    /// `unshare`, which takes systemd along when it dies.
    outside: Process,
    /// systemd, as this machine counts processes.
    init: u32,
    _folder: TempDir,
}

impl Machine {
    /// Boots with files of its own laid over this machine's; says why where that cannot be done here.
    pub(super) async fn boot(files: impl FnOnce(&Path)) -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("it needs root".to_owned());
        }
        if !Path::new(SYSTEMD).exists() {
            return Err(format!("there is no {SYSTEMD}"));
        }
        let folder = tempfile::tempdir().unwrap();
        let laid_over = folder.path().join("files");
        fs::create_dir(&laid_over).unwrap();
        files(&laid_over);
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup"]);
        command.args(["--fork", "--kill-child", "sh"]);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/systemd/boot.sh"));
        command.arg(folder.path()).arg(BINARY);
        let log = folder.path().join("boot.log");
        let mut outside = Process::start_command(&mut command, &log);
        let init = eventually("systemd is up, or cannot be", || {
            let found = if outside.has_exited() {
                Some(Err(outside.log()))
            } else {
                child_of(outside.pid())
                    .filter(|init| is_running(*init))
                    .map(Ok)
            };
            async move { found }
        })
        .await?;
        Ok(Self {
            outside,
            init,
            _folder: folder,
        })
    }

    /// Runs a line of shell inside.
    pub(super) fn run(&self, line: &str) -> Output {
        assert!(is_alive(self.init), "{}", self.outside.log());
        inside(self.init).args(["sh", "-c", line]).output().unwrap()
    }

    /// What a line of shell writes, which must succeed.
    pub(super) fn must(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(
            output.status.success(),
            "{line}: {output:?}\n{}",
            self.journal()
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits until a line of shell succeeds.
    pub(super) async fn until(&self, line: &str) {
        eventually(line, || {
            let succeeded = self.run(line).status.success();
            async move { succeeded.then_some(()) }
        })
        .await;
    }

    fn journal(&self) -> String {
        let output = self.run(
            "journalctl --no-pager --output=cat --lines=40 --unit='taskpass-*' --unit=deploy-docs",
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn inside(init: u32) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--target", &init.to_string()]);
    command.args(["--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup"]);
    command.stdin(Stdio::null());
    command
}

fn child_of(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_ascii_whitespace().next()?.parse().ok()
}

/// Whether systemd has taken the shell's place, and has started what it starts.
fn is_running(init: u32) -> bool {
    let program: Option<PathBuf> = fs::read_link(format!("/proc/{init}/exe")).ok();
    let booted = program.is_some_and(|program| program.ends_with("systemd"));
    booted && {
        let asked = inside(init)
            .args(["systemctl", "is-system-running"])
            .output();
        // `degraded`: a unit of this machine failed; ours will say so themselves.
        asked.is_ok_and(|said| said.stdout == b"running\n" || said.stdout == b"degraded\n")
    }
}

fn is_alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}
