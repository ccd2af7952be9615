//! Brings policy from its files into force: at the start, on a signal, and when the files change.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::config::policy_files::{self, SourceError};
use crate::domain::policy::{Diagnostic, Installation, Policy, SourceFile};
use crate::operations::Operations;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where policy comes from.
pub struct PolicySource {
    files: Arc<Files>,
    seen: Mutex<Option<Vec<SourceFile>>>,
}

/// The files of a policy.
struct Files {
    directory: PathBuf,
    installation: PathBuf,
}

impl PolicySource {
    /// Policy from a directory, checked against the installation's facts.
    pub fn new(directory: PathBuf, installation: PathBuf) -> Self {
        Self {
            files: Arc::new(Files {
                directory,
                installation,
            }),
            seen: Mutex::new(None),
        }
    }

    /// Reads, compiles and installs. A bad file changes nothing; the error says where and what to do.
    pub async fn reload(&self, operations: &Operations) -> Result<bool, String> {
        let mut seen = self.seen.lock().await;
        let outcome = match self.aside(Files::read_and_compile).await {
            Ok((files, compiled)) => {
                *seen = Some(files);
                match compiled {
                    Ok(policy) => operations
                        .install_policy(policy)
                        .await
                        .map_err(|error| error.to_string()),
                    Err(why) => Err(why),
                }
            }
            Err(why) => Err(why),
        };
        if let Err(why) = &outcome {
            operations.refuse_policy(why.clone()).await;
        }
        outcome
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
        let Some(seen) = self.seen.lock().await.clone() else {
            return true;
        };
        let same = self.aside(move |files| Ok(files.read()? == seen)).await;
        !same.unwrap_or_default()
    }

    /// Does what takes long where it keeps no call waiting: a large policy takes seconds to compile.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Files) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let files = Arc::clone(&self.files);
        let done = tokio::task::spawn_blocking(move || work(&files)).await;
        done.map_err(|error| error.to_string())?
    }
}

impl Files {
    /// The files, and the policy that they are or why they are none.
    fn read_and_compile(&self) -> Result<(Vec<SourceFile>, Result<Policy, String>), String> {
        let files = self.read()?;
        let compiled = compile(&files);
        Ok((files, compiled))
    }

    /// The policy's files, and behind them the installation's.
    fn read(&self) -> Result<Vec<SourceFile>, String> {
        let read = || {
            let mut files = policy_files::read(&self.directory)?;
            files.push(policy_files::read_one(&self.installation)?);
            Ok(files)
        };
        read().map_err(|error: SourceError| error.to_string())
    }
}

fn compile(files: &[SourceFile]) -> Result<Policy, String> {
    let Some((installation, policy)) = files.split_last() else {
        return Err("no policy files were found".to_owned());
    };
    let installation = Installation::parse(installation).map_err(|errors| shown(&errors))?;
    Policy::compile(policy, &installation).map_err(|errors| shown(&errors))
}

fn shown(errors: &[Diagnostic]) -> String {
    errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
