//! Faults of a disk, made with `strace`: chosen system calls on one file fail, are slow, or kill.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A fault that lasts until it is dropped.
pub(crate) struct Fault {
    strace: Child,
}

impl Fault {
    /// Injects `what` (see `strace(1)`, `-e inject`) into the calls of a process on the file at `path`.
    ///
    /// Panics where `strace` is missing: `./check --setup` installs it.
    pub(crate) fn inject(pid: u32, path: &Path, what: &str) -> Self {
        let mut strace = Command::new("strace")
            .args(["-f", "-p", &pid.to_string(), "-o", "/dev/null", "-P"])
            .arg(path)
            .args([
                "-e",
                "trace=pwrite64,write,fsync,fdatasync,ftruncate,pread64",
            ])
            .args(["-e", &format!("inject={what}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("this test needs strace: type `./check --setup`");
        let mut said = BufReader::new(strace.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("attached") {
            line.clear();
            let read = said.read_line(&mut line).unwrap();
            assert!(read > 0, "strace cannot attach; is ptrace permitted here?");
        }
        // It goes on talking of threads that come and go.
        std::thread::spawn(move || said.read_to_end(&mut Vec::new()));
        Self { strace }
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.strace.id().cast_signed()).unwrap();
        // It detaches, and the process goes on unharmed.
        let _ = kill_process(pid, Signal::TERM);
        let _ = self.strace.wait();
    }
}
