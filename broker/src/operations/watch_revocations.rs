//! Tells a verifier what no longer counts: a snapshot, and then whatever ends, read by number.
//!
//! Nothing waits in memory for a slow verifier: it is told where it stands from the store, page by page, and
//! what it was too slow for has expired by itself.

use std::sync::Arc;
use std::time::Duration;

use ring::digest::{Context, SHA256};
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;
use tokio::sync::watch;

use super::Operations;
use super::gate::Caller;
use crate::domain::revocation::{NumberedRevocation, Revocation};
use crate::ports::store::StoreError;

/// How often a verifier that has everything is told so.
pub const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// How often some of the feed is looked through for what is over.
pub const PRUNE_EVERY: Duration = Duration::from_secs(1);
/// Entries that are looked at before others have their turn.
const PAGE: usize = 500;

/// Where a verifier goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position {
    /// After this number; 0 from the start.
    pub after: u64,
    /// The epoch that came with it.
    pub epoch: Vec<u8>,
}

/// What a verifier is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A part of everything up to a number.
    Snapshot {
        /// Up to here, once no more follows.
        number: u64,
        /// What has not expired.
        entries: Vec<NumberedRevocation>,
        /// Whether another part follows.
        more: bool,
        /// Names the position together with `number`.
        epoch: Vec<u8>,
    },
    /// Something ended.
    Entry(NumberedRevocation),
    /// Nothing else has, up to this number.
    Progress(u64),
    /// The position means nothing here; a snapshot follows.
    Reset,
}

/// What is told at once.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// In this order.
    pub told: Vec<Told>,
    /// Whether there was nothing more to tell; then it is time to wait.
    pub is_caught_up: bool,
}

/// One verifier's way through the feed.
pub struct RevocationWatch {
    operations: Arc<Operations>,
    audiences: Vec<String>,
    position: u64,
    pending_told: u64,
    stage: Stage,
    newest: watch::Receiver<u64>,
    pending: watch::Receiver<u64>,
}

/// Where a verifier is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It is to be told that its position means nothing.
    Lost,
    /// It is told everything.
    Snapshot,
    /// It goes on, and does not know yet that it has everything.
    Resuming,
    /// It has everything.
    Live,
}

impl Operations {
    /// Begins to tell a verifier what no longer counts of the tokens of its audiences.
    pub fn watch_revocations(
        self: &Arc<Self>,
        caller: &Caller,
        from: &Position,
    ) -> Result<RevocationWatch, Refusal> {
        let audiences = self.audiences_of(caller)?;
        let newest = self.store.newest_revocation();
        let known = from.epoch == self.epoch_for(&audiences) && from.after <= *newest.borrow();
        let stage = match (from.after, known) {
            (0, _) => Stage::Snapshot,
            (_, true) => Stage::Resuming,
            (_, false) => Stage::Lost,
        };
        Ok(RevocationWatch {
            operations: Arc::clone(self),
            audiences,
            position: if known { from.after } else { 0 },
            pending_told: 0,
            stage,
            newest,
            pending: self.pending_ends.count(),
        })
    }

    /// Looks through some of the feed, from `after` on, and forgets what is over. Answers where to go on.
    pub async fn prune_revocations(&self, after: u64) -> Result<u64, StoreError> {
        self.store.prune_revocations(self.now(), after).await
    }

    /// The audiences that a caller verifies tokens of today, in order.
    fn audiences_of(&self, caller: &Caller) -> Result<Vec<String>, Refusal> {
        let policy = self.policy_or_refuse()?;
        let mut audiences: Vec<String> = policy
            .verifier_audiences(&caller.subject)
            .map(str::to_owned)
            .collect();
        audiences.sort_unstable();
        audiences.dedup();
        if audiences.is_empty() {
            return Err(Refusal::new(
                Reason::NotAVerifier,
                "policy names this workload as a verifier of no audience",
            ));
        }
        Ok(audiences)
    }

    /// What numbers mean something under: this store, and these audiences. Whoever verifies for one more has
    /// not been told of what ended there before.
    fn epoch_for(&self, audiences: &[String]) -> Vec<u8> {
        let mut context = Context::new(&SHA256);
        context.update(&self.settings.epoch);
        for audience in audiences {
            context.update(b"\n");
            context.update(audience.as_bytes());
        }
        context.finish().as_ref().to_vec()
    }
}

impl RevocationWatch {
    /// What is to be told now; with `progress`, also that it is everything.
    ///
    /// Looks at today's policy first: the caller is refused once it verifies nothing, and begins again once
    /// its audiences are others.
    pub fn next(&mut self, caller: &Caller, progress: bool) -> Result<Batch, Refusal> {
        let audiences = self.operations.audiences_of(caller)?;
        if audiences != self.audiences {
            self.audiences = audiences;
            self.stage = Stage::Lost;
        }
        let mut told = Vec::new();
        if self.stage == Stage::Lost {
            told.push(Told::Reset);
            self.position = 0;
            self.pending_told = 0;
            self.stage = Stage::Snapshot;
        }
        // INVARIANT: marked as seen before anything is read, so that whatever comes during the read wakes.
        self.newest.mark_unchanged();
        let pending = *self.pending.borrow_and_update();
        told.extend(self.pending_after(pending));
        let is_caught_up = self.read(progress, &mut told)?;
        Ok(Batch { told, is_caught_up })
    }

    /// Completes when there may be more to tell; `false` when there never will be.
    pub async fn changed(&mut self) -> bool {
        tokio::select! {
            newest = self.newest.changed() => newest.is_ok(),
            pending = self.pending.changed() => pending.is_ok(),
        }
    }

    /// Ends in effect that the store did not take yet. They come again with a number.
    fn pending_after(&mut self, pending: u64) -> Vec<Told> {
        let ends = &self.operations.pending_ends;
        let waiting = ends.revocations_after(self.pending_told);
        self.pending_told = pending;
        let entries = waiting.into_iter().filter(|r| self.is_told(r));
        entries
            .map(|revocation| {
                Told::Entry(NumberedRevocation {
                    number: 0,
                    revocation,
                })
            })
            .collect()
    }

    fn read(&mut self, progress: bool, told: &mut Vec<Told>) -> Result<bool, Refusal> {
        let store = &self.operations.store;
        let page = store
            .revocations(self.position, PAGE)
            .map_err(|error| self.operations.store_failed(&error))?;
        self.position = page.through;
        let mut entries = page.entries;
        let now = self.operations.now();
        entries.retain(|entry| entry.revocation.until > now && self.is_told(&entry.revocation));
        match self.stage {
            Stage::Lost | Stage::Snapshot => {
                told.push(Told::Snapshot {
                    number: page.through,
                    entries,
                    more: !page.is_complete,
                    epoch: self.operations.epoch_for(&self.audiences),
                });
            }
            Stage::Resuming | Stage::Live => {
                told.extend(entries.into_iter().map(Told::Entry));
                if page.is_complete && (progress || self.stage == Stage::Resuming) {
                    told.push(Told::Progress(page.through));
                }
            }
        }
        if page.is_complete {
            self.stage = Stage::Live;
        }
        Ok(page.is_complete)
    }

    fn is_told(&self, revocation: &Revocation) -> bool {
        self.audiences.contains(&revocation.audience)
    }
}
