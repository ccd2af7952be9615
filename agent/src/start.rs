//! What an agent starts with: its state directory and its socket, its own or those of the agent before.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;

use taskpass_proto::ids::JobId;
use tokio::net::UnixStream;

use crate::callers::Peer;
use crate::config::AgentConfig;
use crate::error::AgentError;
use crate::hand_over::package::HandedConnection;
use crate::hand_over::predecessor::Asks;
use crate::hand_over::successor::{Claim, Inheritance};
use crate::holder::{Holder, HolderError};
use crate::job::keeper::Found;
use crate::journal::{JournalFile, Remembered};
use crate::local_api::connection::Parked;
use crate::local_api::listener::LocalListener;
use crate::local_api::stream::LocalStream;
use crate::random::Random;
use crate::watch::process::Process;

/// Everything durable and bound that an agent needs. From here on it is a new start of its holder.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) holder: Holder,
    pub(crate) journal: JournalFile,
    pub(crate) found: Found,
    pub(crate) listener: LocalListener,
    pub(crate) asks: Asks,
    /// To be taken before anybody hears of this start; none if there is no agent before.
    pub(crate) claim: Option<Claim>,
}

impl Start {
    /// Starts by itself.
    pub(crate) fn alone(config: &AgentConfig, random: &Random) -> Result<Self, AgentError> {
        let holder = Holder::start(&config.state, random).map_err(state_error)?;
        let (journal, remembered) = journal(&config.state)?;
        let asks = asks(&config.state)?;
        asks.publish();
        let listener = LocalListener::bind(&config.socket, config.limits.connections)
            .map_err(|error| socket_error(&config.socket.path, &error))?;
        let found = Found {
            remembered,
            handed: None,
        };
        Ok(Self {
            holder,
            journal,
            found,
            listener,
            asks,
            claim: None,
        })
    }

    /// Starts in the place of the agent that runs with the same state, or alone if there is none.
    pub(crate) async fn in_place(
        config: &AgentConfig,
        random: &Random,
    ) -> Result<Self, AgentError> {
        let state = config.state.clone();
        let asking = tokio::task::spawn_blocking(move || Inheritance::ask(&state)).await;
        let inheritance = asking.map_err(|bug| io::Error::other(bug).into());
        match inheritance
            .and_then(|asked| asked)
            .map_err(AgentError::NotHandedOver)?
        {
            None => Self::alone(config, random),
            Some(inheritance) => Self::of(inheritance, config, random),
        }
    }

    /// Nothing here disturbs the agent before: it may still go on.
    fn of(
        inheritance: Inheritance,
        config: &AgentConfig,
        random: &Random,
    ) -> Result<Self, AgentError> {
        let Inheritance {
            package,
            listener,
            lock,
            connections,
            claim,
        } = inheritance;
        if package.socket != config.socket.path {
            return Err(AgentError::SocketMoved {
                from: package.socket,
                to: config.socket.path.clone(),
            });
        }
        let parked = package.connections.into_iter().zip(connections);
        let parked = parked
            .map(|(what, (stream, pidfd))| parked_again(what, stream, pidfd))
            .collect::<io::Result<_>>()
            .map_err(|error| socket_error(&config.socket.path, &error))?;
        let most = config.limits.connections;
        let listener = LocalListener::adopt(listener, parked, &config.socket, most)
            .map_err(|error| socket_error(&config.socket.path, &error))?;
        let holder = Holder::locked(&config.state, lock, random).map_err(state_error)?;
        let (journal, remembered) = journal(&config.state)?;
        let found = Found {
            remembered,
            handed: Some(package.jobs),
        };
        Ok(Self {
            holder,
            journal,
            found,
            listener,
            asks: asks(&config.state)?,
            claim: Some(claim),
        })
    }
}

fn parked_again(
    what: HandedConnection,
    stream: StdUnixStream,
    pidfd: OwnedFd,
) -> io::Result<Parked> {
    stream.set_nonblocking(true)?;
    let tied = what.tied.iter().map(|job| job.parse());
    Ok(Parked {
        stream: LocalStream::new(what.unread.into(), UnixStream::from_std(stream)?),
        peer: Peer {
            uid: what.uid,
            gid: what.gid,
            process: Process::handed(what.process, pidfd).into(),
            executable: what.executable,
        },
        tied: tied.collect::<Result<_, _>>().map_err(io::Error::other)?,
    })
}

fn journal(state: &Path) -> Result<(JournalFile, BTreeMap<JobId, Remembered>), AgentError> {
    JournalFile::open(state).map_err(|error| AgentError::State {
        path: state.to_owned(),
        why: format!("the journal: {error}"),
    })
}

fn asks(state: &Path) -> Result<Asks, AgentError> {
    Asks::bind(state).map_err(|error| AgentError::State {
        path: state.to_owned(),
        why: format!("the hand-over socket: {error}"),
    })
}

fn state_error(error: HolderError) -> AgentError {
    match error {
        HolderError::InUse(path) => AgentError::StateInUse(path),
        HolderError::Random(_) => AgentError::Random,
        HolderError::OpenToOthers { path, mode } => AgentError::State {
            path,
            why: format!("others may enter it (mode {mode:04o}); run `chmod 0700` on it"),
        },
        HolderError::Damaged(path) => {
            let why = "it is damaged; remove it, and the jobs of this agent end by themselves";
            AgentError::State {
                path,
                why: why.to_owned(),
            }
        }
        HolderError::State { path, source } => AgentError::State {
            path,
            why: source.to_string(),
        },
    }
}

fn socket_error(path: &Path, error: &io::Error) -> AgentError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::AddrInUse => AgentError::SocketInUse(path),
        _ => AgentError::Socket {
            path,
            why: error.to_string(),
        },
    }
}
