//! A process, held by its pidfd, so that its number cannot become another's.

use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A process that can be waited for.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    pidfd: OwnedFd,
    started: Started,
}

/// What tells a process from a later one with the same number, also after a restart of the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Started {
    /// Its number.
    pub pid: u32,
    /// Clock ticks since boot: field 22 of `/proc/PID/stat`.
    pub at_ticks: u64,
}

impl Process {
    /// Takes a pidfd that the kernel handed out for this very process.
    pub fn of_pidfd(pid: u32, pidfd: OwnedFd) -> io::Result<Self> {
        let started = Started {
            pid,
            at_ticks: start_ticks(pid)?,
        };
        let process = Self {
            pid,
            pidfd,
            started,
        };
        // The start time that was read is its own only if it still lives.
        if process.has_exited() {
            Err(no_such_process())
        } else {
            Ok(process)
        }
    }

    /// Takes hold of a process of this user by its number.
    pub fn of_user(pid: u32, uid: u32) -> io::Result<Self> {
        let number = Pid::from_raw(pid.cast_signed()).ok_or_else(no_such_process)?;
        let process = Self::of_pidfd(pid, pidfd_open(number, PidfdFlags::empty())?)?;
        let owner = user_of(pid)?;
        if process.has_exited() {
            return Err(no_such_process());
        }
        if owner == uid {
            Ok(process)
        } else {
            Err(io::ErrorKind::PermissionDenied.into())
        }
    }

    /// Takes hold of a process again, if it is still the same.
    pub fn again(started: Started) -> io::Result<Self> {
        let number = Pid::from_raw(started.pid.cast_signed()).ok_or_else(no_such_process)?;
        let process = Self::of_pidfd(started.pid, pidfd_open(number, PidfdFlags::empty())?)?;
        if process.started == started {
            Ok(process)
        } else {
            Err(no_such_process())
        }
    }

    /// Takes over a process that another agent held. It may have exited since.
    pub fn handed(started: Started, pidfd: OwnedFd) -> Self {
        Self {
            pid: started.pid,
            pidfd,
            started,
        }
    }

    /// A further hold of it.
    pub fn pidfd(&self) -> io::Result<OwnedFd> {
        self.pidfd.try_clone()
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What tells it from a later one with the same number.
    pub fn started(&self) -> Started {
        self.started
    }

    /// Whether it has exited.
    pub fn has_exited(&self) -> bool {
        let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0)
    }

    /// Waits until it has exited.
    #[allow(
        deprecated,
        reason = "the other constructor is unsafe; an owned descriptor is sound here"
    )]
    pub async fn exited(&self) -> io::Result<()> {
        let fd = AsyncFd::with_interest(self.pidfd.try_clone()?, Interest::READABLE)?;
        fd.readable().await.map(drop)
    }
}

fn start_ticks(pid: u32) -> io::Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The command in parentheses may hold anything, further parentheses included.
    let after = stat.rsplit_once(')').map(|(_, after)| after);
    let ticks = after.and_then(|after| after.split_ascii_whitespace().nth(19)?.parse().ok());
    ticks.ok_or_else(no_such_process)
}

/// The real user of a process.
fn user_of(pid: u32) -> io::Result<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let uid = line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok());
    uid.ok_or_else(no_such_process)
}

fn no_such_process() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "there is no such process any more")
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[tokio::test]
    async fn sees_a_killed_process_exit_and_not_before() {
        let mut child = Command::new("sleep")
            .arg("60")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let uid = rustix::process::getuid().as_raw();
        let process = Process::of_user(child.id(), uid).unwrap();
        assert!(!process.has_exited());
        assert_eq!(Process::again(process.started()).unwrap().pid(), child.id());
        let later = Started {
            at_ticks: process.started().at_ticks + 1,
            ..process.started()
        };
        assert!(
            Process::again(later).is_err(),
            "the same number, and another process"
        );
        child.kill().unwrap();
        process.exited().await.unwrap();
        assert!(process.has_exited());
        child.wait().unwrap();
        assert!(Process::of_user(child.id(), uid).is_err());
    }

    #[test]
    fn refuses_a_process_of_another_user() {
        let uid = rustix::process::getuid().as_raw();
        let error = Process::of_user(std::process::id(), uid + 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }
}
