//! Brings policy from its files into force: at the start, on a signal, and when the files change.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::config::policy_files::{self, SourceError};
use crate::domain::policy::{Installation, Policy, SourceFile};
use crate::operations::Operations;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where policy comes from.
pub struct PolicySource {
    directory: PathBuf,
    installation: PathBuf,
    seen: Mutex<Option<Vec<SourceFile>>>,
}

impl PolicySource {
    /// Policy from a directory, checked against the installation's facts.
    pub fn new(directory: PathBuf, installation: PathBuf) -> Self {
        Self {
            directory,
            installation,
            seen: Mutex::new(None),
        }
    }

    /// Reads, compiles and installs. A bad file changes nothing; the error says where and what to do.
    pub async fn reload(&self, operations: &Operations) -> Result<bool, String> {
        let mut seen = self.seen.lock().await;
        let files = self.read().map_err(|error| error.to_string());
        let outcome = match files {
            Ok(files) => {
                let outcome = self.install(&files, operations).await;
                *seen = Some(files);
                outcome
            }
            Err(error) => Err(error),
        };
        if let Err(why) = &outcome {
            operations.refuse_policy(why.clone()).await;
        }
        outcome
    }

    /// The file with the installation's facts, as it was read last.
    pub async fn installation(&self) -> Option<SourceFile> {
        self.seen.lock().await.as_ref()?.last().cloned()
    }

    /// Reloads whenever the files have changed, until `shutdown`.
    pub async fn watch(self: Arc<Self>, operations: Arc<Operations>, shutdown: CancellationToken) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = shutdown.cancelled() => return,
            }
            if self.has_changed().await {
                // Whether it worked is in the log, the status and the metrics.
                let _ = self.reload(&operations).await;
            }
        }
    }

    async fn has_changed(&self) -> bool {
        let seen = self.seen.lock().await;
        match (self.read(), seen.as_ref()) {
            (Ok(files), Some(seen)) => files != *seen,
            (Ok(_), None) | (Err(_), _) => true,
        }
    }

    async fn install(&self, files: &[SourceFile], operations: &Operations) -> Result<bool, String> {
        let Some((installation, policy)) = files.split_last() else {
            return Err("no policy files were found".to_owned());
        };
        let installation = Installation::parse(installation).map_err(|errors| shown(&errors))?;
        let policy = Policy::compile(policy, &installation).map_err(|errors| shown(&errors))?;
        operations
            .install_policy(policy)
            .await
            .map_err(|error| error.to_string())
    }

    /// The policy's files, and behind them the installation's.
    fn read(&self) -> Result<Vec<SourceFile>, SourceError> {
        let mut files = policy_files::read(&self.directory)?;
        files.push(policy_files::read_one(&self.installation)?);
        Ok(files)
    }
}

fn shown(errors: &[crate::domain::policy::Diagnostic]) -> String {
    errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
