//! The agent as a holder: its secret, and how often it was started.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use taskpass_proto::holder::HolderSecret;
use zeroize::Zeroizing;

use crate::random::{Random, RandomFailed};

const SECRET: &str = "holder";
const INCARNATION: &str = "incarnation";
const LOCK: &str = "lock";

/// This start of the agent.
#[derive(Debug)]
pub struct Holder {
    /// Known to the broker by its hash.
    pub secret: HolderSecret,
    /// From 1, raised at each start.
    pub incarnation: u64,
    /// Held while the agent runs: two agents with one state would supersede each other.
    lock: File,
    state: PathBuf,
}

/// The state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HolderError {
    /// A file or directory.
    #[error("cannot use the state `{}`: {source}", path.display())]
    State {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may look into it.
    #[error("others may enter the state directory `{}` (mode {mode:04o}); run `chmod 0700` on it", path.display())]
    OpenToOthers {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Another agent has it.
    #[error("another agent uses the state directory `{}`; give each agent its own", .0.display())]
    InUse(PathBuf),
    /// A file that was changed.
    #[error("`{}` is damaged; remove it, and the jobs of this agent end by themselves", .0.display())]
    Damaged(PathBuf),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomFailed),
}

impl Holder {
    /// Takes up the holder of a state directory, or makes a new one. Durable before anything is sent.
    pub fn start(state: &Path, random: &Random) -> Result<Self, HolderError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| HolderError::State { path, source }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(state)
            .map_err(failed(state))?;
        let metadata = fs::metadata(state).map_err(failed(state))?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let path = state.to_owned();
            return Err(HolderError::OpenToOthers { path, mode });
        }
        let lock_path = state.join(LOCK);
        let lock = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&lock_path);
        let lock = lock.map_err(failed(&lock_path))?;
        lock.try_lock()
            .map_err(|_| HolderError::InUse(state.to_owned()))?;
        Self::locked(state, lock, random)
    }

    /// The same for a state directory whose lock was handed over. The holder of before is not disturbed: what
    /// is raised here counts only once the broker hears of it.
    pub fn locked(state: &Path, lock: File, random: &Random) -> Result<Self, HolderError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| HolderError::State { path, source }
        };
        let secret_path = state.join(SECRET);
        if !secret_path.exists() {
            let secret = Zeroizing::new(random.bytes::<32>()?);
            let text = Zeroizing::new(HEXLOWER.encode(secret.as_slice()));
            write_durably(&secret_path, text.as_bytes()).map_err(failed(&secret_path))?;
        }
        let text = fs::read_to_string(&secret_path).map(Zeroizing::new);
        let text = text.map_err(failed(&secret_path))?;
        let bytes = HEXLOWER
            .decode(text.trim().as_bytes())
            .map(Zeroizing::new)
            .ok();
        let secret = bytes.and_then(|bytes| HolderSecret::from_bytes(&bytes).ok());
        let secret = secret.ok_or(HolderError::Damaged(secret_path))?;

        let count_path = state.join(INCARNATION);
        let before = match fs::read_to_string(&count_path) {
            Ok(text) => text
                .trim()
                .parse()
                .map_err(|_| HolderError::Damaged(count_path.clone()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0_u64,
            Err(error) => return Err(failed(&count_path)(error)),
        };
        let incarnation = before.saturating_add(1);
        let text = format!("{incarnation}\n");
        write_durably(&count_path, text.as_bytes()).map_err(failed(&count_path))?;
        Ok(Self {
            secret,
            incarnation,
            lock,
            state: state.to_owned(),
        })
    }

    /// Its state directory.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The lock of the state directory; every copy holds it.
    pub fn lock(&self) -> &File {
        &self.lock
    }

    /// The same for the wire.
    pub fn to_wire(&self) -> taskpass_proto::v1::Holder {
        taskpass_proto::v1::Holder {
            secret: self.secret.expose().to_vec(),
            incarnation: self.incarnation,
        }
    }
}

/// Writes beside, syncs, and renames: after a power cut there is the old content or the new.
pub(crate) fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let _ = fs::remove_file(&beside);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_start_keeps_the_secret_and_raises_the_count() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let random = Random::default();
        let first = Holder::start(&state, &random).unwrap();
        assert_eq!(first.incarnation, 1);
        assert!(matches!(
            Holder::start(&state, &random),
            Err(HolderError::InUse(_))
        ));
        let secret = first.secret.clone();
        drop(first);
        let second = Holder::start(&state, &random).unwrap();
        assert_eq!((second.incarnation, second.secret == secret), (2, true));
        drop(second);
        fs::write(state.join(SECRET), "nonsense").unwrap();
        assert!(matches!(
            Holder::start(&state, &random),
            Err(HolderError::Damaged(_))
        ));
    }

    #[test]
    fn the_secret_is_readable_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let _holder = Holder::start(&state, &Random::default()).unwrap();
        for path in [state.clone(), state.join(SECRET)] {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0);
        }
    }

    #[test]
    fn a_directory_that_others_may_enter_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        drop(Holder::start(&state, &Random::default()).unwrap());
        fs::set_permissions(&state, fs::Permissions::from_mode(0o750)).unwrap();
        let error = Holder::start(&state, &Random::default())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("0750") && error.contains("chmod 0700"),
            "{error}"
        );
    }
}
