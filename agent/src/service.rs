//! An agent that runs: until it is stopped, or until the next one has taken over.

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::broker::session::Superseded;
use crate::error::AgentError;
use crate::hand_over::predecessor::{Ask, Successor};
use crate::hand_over::upgrade::Upgrades;
use crate::holder::Holder;
use crate::journal::Journal;
use crate::local_api::routes::Local;
use crate::running::{Running, STOP_PATIENCE, Standing};

/// What an agent that runs needs, beside the parts that an upgrade stops.
pub(crate) struct Service<'a> {
    pub(crate) local: Local,
    pub(crate) journal: Journal,
    pub(crate) holder: &'a Holder,
    pub(crate) asked: mpsc::Receiver<Ask>,
    pub(crate) upgrades: Upgrades,
    pub(crate) sessions: &'a mut JoinSet<Result<(), Superseded>>,
}

enum Event {
    Stop,
    Superseded,
    Asked(Ask),
    UpgradeFailed,
}

impl Service<'_> {
    /// Serves until `shutdown`, and closes every job then; or until a successor has everything. Tells `ready`
    /// once local callers are answered.
    pub(crate) async fn run(
        mut self,
        standing: Standing,
        shutdown: CancellationToken,
        ready: oneshot::Sender<()>,
    ) -> Result<(), AgentError> {
        let mut running = Running::start(standing, &self.local);
        let _ = ready.send(());
        loop {
            match self.next(&shutdown).await {
                Event::Stop => {
                    tracing::info!("agent stops");
                    // Or the agent that was just started would find nobody, and start by itself.
                    self.upgrades
                        .failed_with("the agent is being stopped".to_owned());
                    running.close_face().await;
                    self.local.jobs.close_all(STOP_PATIENCE).await;
                    running.shut_down().await;
                    return Ok(());
                }
                Event::Superseded => {
                    running.close_face().await;
                    running.shut_down().await;
                    return Err(AgentError::Superseded(self.holder.state().to_owned()));
                }
                Event::UpgradeFailed => {}
                Event::Asked(ask) => {
                    let Some(successor) = self.upgrades.hear(ask) else {
                        continue;
                    };
                    let standing = running.stand_still().await.ok_or(AgentError::Broken)?;
                    match self.hand_over(&successor, &standing).await {
                        // INVARIANT: from here on nothing ends or says anything: the jobs are another's.
                        Ok(()) => {
                            tracing::info!(
                                successor.pid = successor.pid,
                                "the next agent has taken over"
                            );
                            self.upgrades.done(&successor);
                            return Ok(());
                        }
                        Err(why) => {
                            tracing::error!(error.message = why, "no upgrade; this agent goes on");
                            self.upgrades.failed_with(why);
                            // The other one may have replaced it.
                            let _ = self.journal.anew().wait().await;
                            running = Running::start(standing, &self.local);
                        }
                    }
                }
            }
        }
    }

    async fn next(&mut self, shutdown: &CancellationToken) -> Event {
        tokio::select! {
            () = shutdown.cancelled() => Event::Stop,
            Some(Ok(Err(Superseded))) = self.sessions.join_next() => Event::Superseded,
            () = self.upgrades.failed() => Event::UpgradeFailed,
            Some(ask) = self.asked.recv() => Event::Asked(ask),
        }
    }

    /// Hands everything to a successor. Unless it takes all of it, nothing has happened.
    async fn hand_over(&self, successor: &Successor, standing: &Standing) -> Result<(), String> {
        let everything = self.journal.everything().wait().await;
        everything.map_err(|error| format!("the journal cannot be written: {error}"))?;
        let package = standing.pack();
        let descriptors = standing.descriptors(self.holder);
        let descriptors = descriptors.map_err(|error| error.to_string())?;
        let successor = successor.clone();
        let offered = spawn_blocking(move || successor.offer(package, &descriptors)).await;
        match offered {
            Ok(offered) => offered.map_err(|not| not.to_string()),
            Err(bug) => Err(format!("a bug: {bug}")),
        }
    }
}
