//! A whole installation in one folder: a certificate authority, SVIDs, configurations, policy.
//!
//! `taskpass dev`, `taskpass demo` and `taskpass bench` set theirs up with it. Real installations get
//! their SVIDs from SPIRE or another SPIFFE implementation and are configured by hand.
//!
//! - [`authority`]: the certificate authority of the folder, and the SVIDs that it issues
//! - [`files`]: configuration and policy

pub(crate) mod authority;
pub(crate) mod files;

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use ring::rand::{SecureRandom, SystemRandom};
use taskpass_identity::SpiffeId;
use taskpass_identity::spiffe_id::InvalidSpiffeId;

use self::authority::Authority;
use self::files::{AgentFile, BrokerFile};

/// The trust domain of every stage.
pub(crate) const TRUST_DOMAIN: &str = "acme.example";

/// An installation in a folder.
pub(crate) struct Stage {
    folder: PathBuf,
    /// Issues the SVIDs.
    pub(crate) authority: Authority,
}

/// Where a staged broker listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    /// Workloads.
    pub(crate) workload: SocketAddr,
    /// Discovery and the key set.
    pub(crate) public: SocketAddr,
    /// Health and metrics.
    pub(crate) operations: SocketAddr,
}

/// The stage could not be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StageError {
    /// A file or folder.
    #[error("cannot write `{}`: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The certificate authority.
    #[error(transparent)]
    Authority(#[from] taskpass_identity::ca::CaError),
    /// What the authority issued cannot be read.
    #[error("what the certificate authority issued is no PEM")]
    Pem,
    /// A workload's name.
    #[error(transparent)]
    Id(#[from] InvalidSpiffeId),
    /// No free port.
    #[error("no free port on the loopback interface: {0}")]
    Port(io::Error),
    /// No randomness.
    #[error("the system's source of randomness failed")]
    Random,
}

impl Ports {
    /// The first of them that cannot be listened on now, and why.
    pub(crate) fn taken(&self) -> Option<(SocketAddr, io::Error)> {
        [self.workload, self.public, self.operations]
            .into_iter()
            .find_map(|address| Some((address, TcpListener::bind(address).err()?)))
    }

    /// Three ports that nobody listens on at the moment.
    pub(crate) fn free() -> Result<Self, StageError> {
        // Held together, so that the three differ.
        let listeners: Vec<TcpListener> = (0..3)
            .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .collect::<Result<_, _>>()
            .map_err(StageError::Port)?;
        let mut addresses = listeners.iter().map(TcpListener::local_addr);
        let none = || Err(io::ErrorKind::AddrNotAvailable.into());
        let mut next = || {
            addresses
                .next()
                .unwrap_or_else(none)
                .map_err(StageError::Port)
        };
        Ok(Self {
            workload: next()?,
            public: next()?,
            operations: next()?,
        })
    }
}

impl Stage {
    /// Takes a folder, private to its owner, and the authority that it holds or a new one.
    pub(crate) fn open(folder: &Path) -> Result<Self, StageError> {
        make_folder(folder)?;
        for inside in ["svids", "policy", "agents"] {
            make_folder(&folder.join(inside))?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            authority: Authority::open(folder)?,
        })
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes `broker.toml` with everything that it names, and answers where it is.
    pub(crate) fn write_broker(&self, broker: &BrokerFile<'_>) -> Result<PathBuf, StageError> {
        let key = self.folder.join("seal.key");
        if !key.exists() {
            write_private(&key, new_sealing_key()?.as_bytes())?;
        }
        let id = broker_id()?;
        self.authority.issue(&self.svid_files("broker"), &id)?;
        let path = self.folder.join("broker.toml");
        write(&path, broker.to_toml(&id).as_bytes())?;
        Ok(path)
    }

    /// Writes the policy in the place of another.
    pub(crate) fn replace_policy(&self, policy: &str) -> Result<(), StageError> {
        write(&self.folder.join("policy/policy.toml"), policy.as_bytes())
    }

    /// Writes the policy and the installation's facts, unless they are there.
    pub(crate) fn write_policy(&self, policy: &str, installation: &str) -> Result<(), StageError> {
        let files = [
            ("policy/policy.toml", policy),
            ("installation.toml", installation),
        ];
        for (name, content) in files {
            let path = self.folder.join(name);
            if !path.exists() {
                write(&path, content.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Writes the configuration of an agent that speaks for one workload to one user.
    pub(crate) fn write_agent(&self, agent: &AgentFile<'_>) -> Result<PathBuf, StageError> {
        self.authority
            .issue(&self.svid_files(agent.name), agent.workload)?;
        let path = self
            .folder
            .join("agents")
            .join(format!("{}.toml", agent.name));
        write(&path, agent.to_toml(&self.folder, &broker_id()?).as_bytes())?;
        Ok(path)
    }

    /// The two files of an SVID, without their endings.
    pub(crate) fn svid_files(&self, name: &str) -> PathBuf {
        self.folder.join("svids").join(name)
    }
}

/// The SPIFFE ID of a staged broker.
pub(crate) fn broker_id() -> Result<SpiffeId, InvalidSpiffeId> {
    workload("taskpass/broker")
}

/// A workload of the stage's trust domain.
pub(crate) fn workload(path: &str) -> Result<SpiffeId, InvalidSpiffeId> {
    format!("spiffe://{TRUST_DOMAIN}/{path}").parse()
}

#[allow(
    clippy::disallowed_methods,
    reason = "this is where a stage's randomness comes in"
)]
fn new_sealing_key() -> Result<String, StageError> {
    let mut key = zeroize::Zeroizing::new([0; 32]);
    SystemRandom::new()
        .fill(key.as_mut_slice())
        .map_err(|_| StageError::Random)?;
    Ok(HEXLOWER.encode(key.as_slice()))
}

fn make_folder(path: &Path) -> Result<(), StageError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| StageError::File {
        path: path.to_owned(),
        source,
    })
}

fn write(path: &Path, content: &[u8]) -> Result<(), StageError> {
    fs::write(path, content).map_err(|source| StageError::File {
        path: path.to_owned(),
        source,
    })
}

/// Writes beside and renames, so that nobody reads half a file; only the owner reads it at all.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), StageError> {
    let failed = |source| StageError::File {
        path: path.to_owned(),
        source,
    };
    let beside = path.with_extension("new");
    let _ = fs::remove_file(&beside);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside);
    file.and_then(|mut file| file.write_all(content))
        .map_err(failed)?;
    fs::rename(&beside, path).map_err(failed)
}
