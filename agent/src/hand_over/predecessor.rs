//! The old agent's side: hears who asks, and hands everything over or goes on.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::package::Package;
use super::upgrade::Operator;
use super::wire::{self, Word};

/// The socket, in the state directory.
pub(super) const SOCKET: &str = "hand-over.sock";
/// Its name until it is listened to.
const HIDDEN: &str = "hand-over.new";
/// The other side says each thing within this.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// No connection could be accepted: wait this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Question {
    /// By an operator: to start the new agent.
    Upgrade,
    /// By the new agent.
    TakeOver {
        /// Its version.
        version: String,
    },
}

/// The answer to somebody who wants to take over.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Offer {
    /// The descriptors follow: the socket, the lock, and two for each connection.
    Package(Box<Package>),
    /// Not now.
    Refused {
        /// Why.
        why: String,
    },
}

/// Somebody who asks.
#[derive(Debug)]
pub enum Ask {
    /// A new agent.
    TakeOver(Successor),
    /// An operator, or a service manager on behalf of one.
    Upgrade(Operator),
}

/// A new agent that waits to take over.
#[derive(Debug, Clone)]
pub struct Successor {
    stream: Arc<UnixStream>,
    /// Its process.
    pub pid: u32,
    /// Its version.
    pub version: String,
}

/// The descriptors that go with a package, each twice open from now on.
#[derive(Debug)]
pub struct Descriptors {
    /// Of the socket of local callers.
    pub listener: OwnedFd,
    /// The lock of the state directory: it is held as long as any copy is open.
    pub lock: OwnedFd,
    /// Each connection with the process at its other end.
    pub connections: Vec<[OwnedFd; 2]>,
}

/// The new agent has not taken over.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotTaken(String);

/// Where new agents and operators ask.
#[derive(Debug)]
pub struct Asks {
    listener: UnixListener,
    hidden: PathBuf,
    path: PathBuf,
}

impl Asks {
    /// Listens in the state directory, under a name that nobody knows: the one before may still go on.
    pub fn bind(state: &Path) -> io::Result<Self> {
        let hidden = state.join(HIDDEN);
        match fs::remove_file(&hidden) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&hidden)?;
        let path = state.join(SOCKET);
        Ok(Self {
            listener,
            hidden,
            path,
        })
    }

    /// Takes the known name, once nobody else goes on.
    pub fn publish(&self) {
        if let Err(error) = fs::rename(&self.hidden, &self.path) {
            tracing::error!(%error, "this agent cannot be upgraded while it runs");
        }
    }

    /// Hears what is asked and passes it on, until nobody listens any more.
    pub async fn serve(self, asked: mpsc::Sender<Ask>) {
        let mut hearing = JoinSet::new();
        loop {
            let stream = tokio::select! {
                accepted = self.listener.accept() => if let Ok((stream, _)) = accepted {
                    stream
                } else {
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                },
                Some(_) = hearing.join_next() => continue,
                () = asked.closed() => return,
            };
            let asked = asked.clone();
            hearing.spawn_blocking(move || match stream.into_std().and_then(hear) {
                Ok(ask) => drop(asked.blocking_send(ask)),
                Err(error) => tracing::warn!(%error, "a question at the hand-over socket failed"),
            });
        }
    }
}

impl Successor {
    /// Hands everything over. Blocks. Unless it says that all of it was taken, nothing was.
    pub fn offer(&self, package: Package, descriptors: &Descriptors) -> Result<(), NotTaken> {
        let stream = &*self.stream;
        let sent = send(stream, package, descriptors);
        match sent.and_then(|()| wire::hear(stream)) {
            // INVARIANT: from here on it is the other one's. It may have gone on already, so whatever fails
            // now, this agent exits.
            Ok(Word::Taken) => {
                let _ = wire::say(stream, Word::Go);
                Ok(())
            }
            Ok(word) => Err(self.keep(&format!("it said {word:?}"))),
            Err(error) => Err(self.keep(&error.to_string())),
        }
    }

    /// Says that nothing is handed over.
    pub fn refuse(self, why: &str) {
        let why = why.to_owned();
        let _ = wire::send(&self.stream, &Offer::Refused { why });
    }

    fn keep(&self, why: &str) -> NotTaken {
        // If it still waits, it must know that it is not to go on.
        let _ = wire::say(&self.stream, Word::No);
        NotTaken(format!(
            "the new agent (pid {}) did not take over: {why}",
            self.pid
        ))
    }
}

fn send(stream: &UnixStream, package: Package, descriptors: &Descriptors) -> io::Result<()> {
    wire::send(stream, &Offer::Package(Box::new(package)))?;
    wire::send_descriptors(stream, &[descriptors.listener.as_fd()])?;
    wire::send_descriptors(stream, &[descriptors.lock.as_fd()])?;
    for connection in &descriptors.connections {
        let both: [BorrowedFd<'_>; 2] = connection.each_ref().map(AsFd::as_fd);
        wire::send_descriptors(stream, &both)?;
    }
    Ok(())
}

/// Hears what somebody wants who may ask: whoever runs under our own user could do anything to us anyway.
fn hear(stream: UnixStream) -> io::Result<Ask> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let peer = getsockopt(&stream, PeerCredentials)?;
    if peer.uid() != rustix::process::geteuid().as_raw() && peer.uid() != 0 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(match wire::receive(&stream)? {
        Question::Upgrade => Ask::Upgrade(Operator::new(stream)),
        Question::TakeOver { version } => Ask::TakeOver(Successor {
            stream: Arc::new(stream),
            pid: u32::try_from(peer.pid()).unwrap_or_default(),
            version,
        }),
    })
}
