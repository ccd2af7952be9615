//! A holder's stream: its live jobs up, ended jobs down.

use taskpass_proto::ids::JobId;
use taskpass_proto::refusal::Refusal;
use tokio::sync::mpsc;

use super::Operations;
use super::gate::{Caller, HolderClaim, superseded};
use super::notices::JobEnded;
use crate::domain::cause::Cause;
use crate::domain::job::Owner;
use crate::domain::session::Heard;
use crate::ports::store::sessions::Session;

/// Jobs of a greeting that are looked at before other calls have their turn.
const LOOKS_AT_ONCE: usize = 64;

/// The first message of a stream.
#[derive(Debug, Clone)]
pub struct Hello {
    /// Who says so.
    pub holder: HolderClaim,
    /// Every job that the holder believes to be live, those being opened included.
    pub live_jobs: Vec<JobId>,
    /// The machine's name, as reported.
    pub host: String,
}

/// A stream that was greeted.
#[derive(Debug)]
pub struct Greeted {
    /// Whose it is.
    pub stream: HolderStream,
    /// Of the announced jobs, those that are not open, with the cause where it is known.
    pub gone: Vec<(JobId, Option<Cause>)>,
    /// Jobs that somebody else ends from now on.
    pub ended: mpsc::Receiver<JobEnded>,
}

/// A holder with an open stream.
#[derive(Debug, Clone)]
pub struct HolderStream {
    owner: Owner,
    incarnation: u64,
    host: String,
}

impl Operations {
    /// Whether a holder has been heard of before, as far as can be told: while the store cannot be read, it has.
    ///
    /// The stream of one that has jobs is never refused for the number of calls. A holder that nobody knows
    /// leaves a row and a session behind, and is counted like any call that asks.
    pub fn knows_holder(&self, caller: &Caller, holder: &HolderClaim) -> bool {
        let owner = Owner {
            subject: caller.subject.clone(),
            holder: holder.secret.hash(),
        };
        let is_live = self.sessions.lock().knows(&owner);
        is_live
            || self
                .store
                .session(&owner)
                .map_or(true, |known| known.is_some())
    }

    /// Begins a stream: the announced jobs are expected to be announced from now on.
    pub async fn greet(&self, caller: &Caller, hello: Hello) -> Result<Greeted, Refusal> {
        let owner = self.admit_holder(caller, &hello.holder).await?;
        let incarnation = hello.holder.incarnation;
        // Subscribed before the jobs are looked at: an end in between is told twice rather than never.
        let ended = self.notices.subscribe(&owner);
        let mut gone = Vec::new();
        for (looked_at, job) in hello.live_jobs.iter().enumerate() {
            if looked_at % LOOKS_AT_ONCE == 0 {
                // A long list must not hold up other calls.
                tokio::task::yield_now().await;
            }
            let known = self
                .store
                .job(*job)
                .map_err(|error| self.store_failed(&error))?;
            let known = known.filter(|known| known.job.owner == owner);
            match known.map(|known| known.job.ended()) {
                Some(None) => {}
                Some(Some(end)) => gone.push((*job, Some(end.cause))),
                // Not open yet, perhaps: only the holder knows whether its request is still under way.
                None => gone.push((*job, None)),
            }
        }
        let stream = HolderStream {
            owner,
            incarnation,
            host: hello.host,
        };
        self.sessions
            .lock()
            .greet(&stream.owner, hello.live_jobs, self.clock.since_boot());
        self.record_session(&stream).await;
        Ok(Greeted {
            stream,
            gone,
            ended,
        })
    }

    /// Takes a beat.
    pub async fn beat(&self, stream: &HolderStream, opened: Vec<JobId>) -> Result<(), Refusal> {
        let now = self.clock.since_boot();
        let heard = {
            let mut sessions = self.sessions.lock();
            let heard = sessions.hear(&stream.owner, stream.incarnation, now);
            sessions.announce(&stream.owner, opened);
            heard
        };
        if heard == Heard::Superseded {
            return Err(superseded());
        }
        if self
            .bans
            .load()
            .on_holder(stream.owner.holder, self.now())
            .is_some()
        {
            return Err(Refusal::new(
                taskpass_proto::reason::Reason::WorkloadBanned,
                "this holder is banned; ask an operator",
            ));
        }
        self.record_session(stream).await;
        Ok(())
    }

    /// Rewrites the holder's row when it is due. A failure costs nothing: memory knows better.
    async fn record_session(&self, stream: &HolderStream) {
        if !self
            .sessions
            .lock()
            .take_record_due(&stream.owner, self.clock.since_boot())
        {
            return;
        }
        let session = Session {
            owner: stream.owner.clone(),
            incarnation: stream.incarnation,
            last_seen: self.now(),
            host: stream.host.clone(),
        };
        if let Err(error) = self.store.touch(session).await {
            tracing::warn!(%error, "a holder's row was not rewritten");
        }
    }
}
