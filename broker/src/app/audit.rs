//! Puts the audit log together: its directory, its key, its store.

use std::path::Path;
use std::sync::Arc;

use crate::adapters::log_directory::LogDirectory;
use crate::config::{BrokerConfig, audit_key};
use crate::operations::audit_log::{AuditLog, LogIdentity, LogParts};
use crate::ports::clock::Clock;
use crate::ports::log_files::{CheckpointSigner, LogFiles};
use crate::ports::random::Random;
use crate::ports::store::{Store, StoreError};

/// What the log shares with the rest of the broker.
pub(super) struct Shared<'a> {
    pub(super) store: &'a Arc<dyn Store>,
    pub(super) clock: &'a Arc<dyn Clock>,
    pub(super) random: &'a dyn Random,
    pub(super) origin: String,
    pub(super) epoch: Vec<u8>,
}

/// The log, not looked at yet, and its files.
pub(super) fn open(
    config: &BrokerConfig,
    shared: Shared<'_>,
) -> Result<(Arc<AuditLog>, LogDirectory), StoreError> {
    let files = LogDirectory::new(&config.audit_directory);
    let is_new = shared.store.tree()?.is_none() && matches!(files.checkpoint(), Ok(None));
    let signer = signer(&config.audit_key, is_new, shared.random);
    let log = AuditLog::new(LogParts {
        store: Arc::clone(shared.store),
        files: Arc::new(files.clone()),
        clock: Arc::clone(shared.clock),
        identity: LogIdentity {
            origin: shared.origin,
            epoch: shared.epoch,
            signer,
        },
    });
    Ok((Arc::new(log), files))
}

/// The key; a new one only where there is no log that another would have signed.
fn signer(
    path: &Path,
    is_new: bool,
    random: &dyn Random,
) -> Result<Arc<dyn CheckpointSigner>, String> {
    if is_new && !path.exists() {
        audit_key::create(path, random).map_err(|error| {
            format!(
                "cannot make the key of the audit log, `{}`: {error}",
                path.display()
            )
        })?;
        tracing::info!(audit.key_file = %path.display(), "made the key of the audit log");
    }
    match audit_key::read(path) {
        Ok(key) => Ok(Arc::new(key)),
        Err(error) => Err(format!("the key of the audit log: {error}")),
    }
}

#[cfg(test)]
mod tests;
