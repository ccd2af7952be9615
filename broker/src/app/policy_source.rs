//! Brings policy from its files into force: at the start, on a signal, and when the files change.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::config::policy_files;
use crate::domain::policy::{Diagnostic, Installation, Policy, SourceFile};
use crate::operations::Operations;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// When files that have changed are looked at again: longer than whoever writes them in place takes between
/// emptying a file and filling it.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Where policy comes from.
pub struct PolicySource {
    files: Arc<Files>,
    state: Mutex<State>,
}

/// The files of a policy.
struct Files {
    directory: PathBuf,
    installation: PathBuf,
}

/// The policy's files, and behind them the installation's; or why they cannot be read.
type Look = Result<Vec<SourceFile>, String>;

/// What became of the files so far.
#[derive(Default)]
struct State {
    /// What there is no more to be done with: it is in force, or was refused for what it says.
    settled: Option<Look>,
    /// What the last look found, if that was something else: it counts once it is found again.
    found: Option<Look>,
    /// A good policy that the store could not keep, and its files.
    unkept: Option<(Vec<SourceFile>, Arc<Policy>)>,
}

impl PolicySource {
    /// Policy from a directory, checked against the installation's facts.
    pub fn new(directory: PathBuf, installation: PathBuf) -> Self {
        Self {
            files: Arc::new(Files {
                directory,
                installation,
            }),
            state: Mutex::new(State::default()),
        }
    }

    /// Reads, compiles and installs at once. A bad file changes nothing; the error says where and what to do.
    pub async fn reload(&self, operations: &Operations) -> Result<bool, String> {
        let mut state = self.state.lock().await;
        let look = self.aside(Files::read).await;
        state.found = None;
        self.put_in_force(look, &mut state, operations).await
    }

    /// Reloads whenever the files have changed and lie still, until `shutdown`.
    pub async fn watch(self: Arc<Self>, operations: Arc<Operations>, shutdown: CancellationToken) {
        let mut pause = Duration::ZERO;
        loop {
            tokio::select! {
                () = sleep(pause) => {}
                () = shutdown.cancelled() => return,
            }
            pause = self.step(&operations).await;
        }
    }

    /// Looks once, and says when to look again.
    ///
    /// INVARIANT: nothing comes into force that was read only once. It may be half of what somebody is writing,
    /// and half a policy can be a good one: an empty file of guardrails forbids nothing.
    pub(super) async fn step(&self, operations: &Operations) -> Duration {
        let mut state = self.state.lock().await;
        let (settled, found) = (state.settled.clone(), state.found.take());
        let looked = self.aside(move |files| {
            let look = files.read();
            let is_settled = settled.as_ref() == Some(&look);
            let is_still = found.as_ref() == Some(&look);
            Ok((look, is_settled, is_still))
        });
        match looked.await.unwrap_or_else(|why| (Err(why), false, true)) {
            (_, true, _) => LOOK_EVERY,
            (look, false, false) => {
                state.found = Some(look);
                LOOK_AGAIN_AFTER
            }
            (look, false, true) => {
                // Whether it worked is in the log, the status and the metrics.
                let _ = self.put_in_force(look, &mut state, operations).await;
                LOOK_EVERY
            }
        }
    }

    async fn put_in_force(
        &self,
        look: Look,
        state: &mut State,
        operations: &Operations,
    ) -> Result<bool, String> {
        let unkept = state.unkept.take();
        let (files, policy) = match self.compiled(&look, unkept).await {
            Ok(compiled) => compiled,
            Err(why) => {
                state.settled = Some(look);
                operations.refuse_policy(why.clone()).await;
                return Err(why);
            }
        };
        match operations.install_policy(Arc::clone(&policy)).await {
            Ok(changed) => {
                state.settled = Some(look);
                Ok(changed)
            }
            Err(error) => {
                // INVARIANT: a good policy is settled only once it is in force; otherwise a stricter one would
                // wait for somebody to notice.
                state.settled = None;
                state.unkept = Some((files, policy));
                Err(operations.postpone_policy(&error))
            }
        }
    }

    /// The policy that the files are, compiled once however often it is tried to keep it.
    async fn compiled(
        &self,
        look: &Look,
        unkept: Option<(Vec<SourceFile>, Arc<Policy>)>,
    ) -> Result<(Vec<SourceFile>, Arc<Policy>), String> {
        let files = look.clone()?;
        self.aside(move |_| match unkept {
            Some((known, policy)) if known == files => Ok((known, policy)),
            Some(_) | None => {
                let policy = compile(&files)?;
                Ok((files, Arc::new(policy)))
            }
        })
        .await
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
    fn read(&self) -> Look {
        let policy = policy_files::read(&self.directory);
        let installation = policy_files::read_one(&self.installation);
        match (policy, installation) {
            (Ok(mut files), Ok(installation)) => {
                files.push(installation);
                Ok(files)
            }
            (policy, installation) => Err(policy
                .err()
                .into_iter()
                .chain(installation.err())
                .map(|error| error.to_string())
                .collect::<Vec<_>>()
                .join("\n")),
        }
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
