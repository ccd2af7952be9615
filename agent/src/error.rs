//! Why the agent does not start, or stops by itself.

use std::io;
use std::path::PathBuf;

use taskpass_identity::SpiffeId;
use taskpass_identity::source::origin::OriginError;

use crate::broker::grpc::CannotConnect;
use crate::config::ConfigError;
use crate::hand_over::successor::NotHandedOver;

/// Why the agent does not start, or stops by itself.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An SVID or the bundle cannot be had.
    #[error(transparent)]
    Identity(#[from] OriginError),
    /// Two identities are one workload.
    #[error("identities {first} and {second} are both `{id}`; join them into one `[[identity]]`")]
    SameWorkload {
        /// Which workload.
        id: SpiffeId,
        /// The first of the two, counted from 1 as they stand in the file.
        first: usize,
        /// The other.
        second: usize,
    },
    /// The SVID cannot serve TLS.
    #[error(transparent)]
    Tls(#[from] CannotConnect),
    /// Something in the state directory cannot be used.
    #[error("cannot use the agent's state in `{}`: {why}", path.display())]
    State {
        /// The directory, or the file in it.
        path: PathBuf,
        /// What is wrong and what to do about it.
        why: String,
    },
    /// Another agent works with the same state.
    #[error(
        "another agent uses the state directory `{}`; stop it, or set another `state`",
        .0.display()
    )]
    StateInUse(PathBuf),
    /// Another agent listens there.
    #[error(
        "another agent answers at `{}`; stop it, or set another `socket`",
        .0.display()
    )]
    SocketInUse(PathBuf),
    /// The socket cannot be made.
    #[error("cannot listen at `{}`: {why}", path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// What is wrong and what to do about it.
        why: String,
    },
    /// The kernel does not say who local callers are.
    #[error("this kernel does not name local callers by pidfd ({0}); the agent needs Linux 6.5")]
    Kernel(io::Error),
    /// The system's source of randomness failed.
    #[error("the system's source of randomness failed; nothing can be started without it")]
    Random,
    /// The agent that runs goes on.
    #[error("the agent that runs goes on and has not handed over: {0}")]
    NotHandedOver(NotHandedOver),
    /// Its callers would not find the new one.
    #[error(
        "the agent that runs listens at `{}`, and the configuration says `{}`; a socket moves with a restart, \
         not with an upgrade", from.display(), to.display()
    )]
    SocketMoved {
        /// Where it is.
        from: PathBuf,
        /// Where it should be.
        to: PathBuf,
    },
    /// A part of the agent ended by itself.
    #[error("a bug: a part of the agent ended by itself; see its log")]
    Broken,
    /// A newer start of the same holder has taken over.
    #[error(
        "the broker knows a newer start of this agent, which holds its jobs now; if no other agent \
         runs with a copy of the state directory `{}`, remove that directory and start again",
        .0.display()
    )]
    Superseded(PathBuf),
}
