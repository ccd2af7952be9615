//! The new agent's side: asks for everything, and takes it.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use super::package::Package;
use super::predecessor::{self, PATIENCE, Question, SOCKET};
use super::upgrade::{START_PATIENCE, Upgraded};
use super::wire::{self, Word};

/// The old agent answers once all requests under way are answered.
const STANDING_STILL: Duration = Duration::from_secs(30);

/// Everything that the old agent has. It goes on itself unless this is taken.
#[derive(Debug)]
pub struct Inheritance {
    /// What goes without descriptors.
    pub package: Package,
    /// The socket of local callers.
    pub listener: UnixListener,
    /// The lock of the state directory.
    pub lock: File,
    /// Each connection with the process at its other end.
    pub connections: Vec<(UnixStream, OwnedFd)>,
    /// What makes it ours.
    pub claim: Claim,
}

/// The right to say the word.
#[derive(Debug)]
pub struct Claim(UnixStream);

/// The old agent goes on.
#[derive(Debug, thiserror::Error)]
pub enum NotHandedOver {
    /// It says why.
    #[error("{0}")]
    Refused(String),
    /// It did not say so: it may be of a version that hands over in another way.
    #[error("the talk with it failed: {0}")]
    Failed(#[from] io::Error),
    /// It thought better of it.
    #[error("it has gone on meanwhile")]
    Late,
}

impl Inheritance {
    /// Asks the agent of this state directory for everything. Blocks. `None`: there is none.
    pub fn ask(state: &Path) -> Result<Option<Self>, NotHandedOver> {
        let Some(stream) = connect(state)? else {
            return Ok(None);
        };
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_read_timeout(Some(STANDING_STILL))?;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let asked = wire::send(&stream, &Question::TakeOver { version });
        match asked.and_then(|()| Self::receive(stream)) {
            Ok(Ok(inheritance)) => Ok(Some(inheritance)),
            Ok(Err(why)) => Err(NotHandedOver::Refused(why)),
            // It has died before everything was here: there is nobody to take over from.
            Err(error) if is_end(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn receive(stream: UnixStream) -> io::Result<Result<Self, String>> {
        let package = match wire::receive(&stream)? {
            predecessor::Offer::Package(package) => *package,
            predecessor::Offer::Refused { why } => return Ok(Err(why)),
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        let [listener] = wire::receive_descriptors(&stream)?;
        let [lock] = wire::receive_descriptors(&stream)?;
        let mut connections = Vec::new();
        for _ in &package.connections {
            let [connection, process] = wire::receive_descriptors(&stream)?;
            connections.push((connection.into(), process));
        }
        Ok(Ok(Self {
            package,
            listener: listener.into(),
            lock: lock.into(),
            connections,
            claim: Claim(stream),
        }))
    }
}

impl Claim {
    /// Takes over. Blocks. Nothing may fail after this: the old agent exits.
    pub fn take(self) -> Result<(), NotHandedOver> {
        let stream = self.0;
        // If it is dead, it cannot go on.
        let _ = wire::say(&stream, Word::Taken);
        match wire::hear(&stream) {
            Ok(Word::No) => Err(NotHandedOver::Late),
            // INVARIANT: without a `no` it has either gone, or will find our word when it looks: it cannot go
            // on. Were it only very slow, the broker would tell it that a newer start has its jobs.
            Ok(Word::Go | Word::Taken) | Err(_) => Ok(()),
        }
    }
}

/// Asks the agent of this state directory to start its program anew, which then takes over. Blocks until it
/// has. `None`: there is none.
pub fn ask_to_upgrade(state: &Path) -> Result<Option<Upgraded>, NotHandedOver> {
    let Some(stream) = connect(state)? else {
        return Ok(None);
    };
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_read_timeout(Some(START_PATIENCE + STANDING_STILL))?;
    wire::send(&stream, &Question::Upgrade)?;
    let answer: Result<Upgraded, String> = wire::receive(&stream)?;
    answer.map(Some).map_err(NotHandedOver::Refused)
}

fn connect(state: &Path) -> io::Result<Option<UnixStream>> {
    match UnixStream::connect(state.join(SOCKET)) {
        Ok(stream) => Ok(Some(stream)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
            _ => Err(error),
        },
    }
}

fn is_end(error: &io::Error) -> bool {
    let ends = [
        io::ErrorKind::UnexpectedEof,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::BrokenPipe,
    ];
    ends.contains(&error.kind())
}
