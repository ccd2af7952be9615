//! What the kernel says of the other end of a connection.

use std::os::unix::net::UnixStream;

use nix::sys::socket::{getsockopt, sockopt};

use crate::error::AgentError;

/// Tries whether this kernel names peers by pidfd, which every caller is known by.
pub(crate) fn check_kernel() -> Result<(), AgentError> {
    let pair = UnixStream::pair().map_err(AgentError::Kernel)?;
    match getsockopt(&pair.0, sockopt::PeerPidfd) {
        Ok(_) => Ok(()),
        Err(errno) => Err(AgentError::Kernel(errno.into())),
    }
}
