//! The process at the other end of a Unix socket.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::{PeerCredentials, PeerPidfd};

use crate::watch::process::Process;

/// A local caller, as the kernel knows it.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its process.
    pub process: Arc<Process>,
    /// Path of its executable; empty when it cannot be read. For the record only.
    pub executable: String,
}

/// Whether this kernel names local callers by pidfd, as Linux does since 6.5.
pub fn check_kernel() -> io::Result<()> {
    let (_ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    Peer::of(&theirs).map(drop)
}

impl Peer {
    /// Asks the kernel who is at the other end.
    ///
    /// `SO_PEERPIDFD` (Linux 6.5) names the very process that connected: a number could be another's by now.
    pub fn of(socket: &impl AsFd) -> io::Result<Self> {
        let credentials = getsockopt(socket, PeerCredentials)?;
        let pidfd: OwnedFd = getsockopt(socket, PeerPidfd)?;
        let pid = u32::try_from(credentials.pid()).unwrap_or_default();
        // A process of another pid namespace shows as 0: it cannot be told from any other.
        if pid == 0 {
            let message = "the caller is in another pid namespace";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        let process = Arc::new(Process::of_pidfd(pid, pidfd)?);
        let executable = std::fs::read_link(format!("/proc/{pid}/exe"));
        let executable = executable.map(|path| path.to_string_lossy().into_owned());
        // What was read is its own only if it still lives.
        let executable = executable
            .ok()
            .filter(|_| !process.has_exited())
            .unwrap_or_default();
        Ok(Self {
            uid: credentials.uid(),
            gid: credentials.gid(),
            process,
            executable,
        })
    }
}
