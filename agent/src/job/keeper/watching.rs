//! The processes that a job is tied to.

use std::sync::Arc;

use taskpass_proto::ids::JobId;

use super::Keeper;
use super::outcome::Outcome;
use crate::job::messages::JobError;
use crate::journal::Durable;
use crate::watch::process::Process;

impl Keeper {
    /// Ties an open job to one more process.
    pub(super) fn add_process(
        &mut self,
        id: JobId,
        uid: u32,
        process: Arc<Process>,
    ) -> Result<Durable, JobError> {
        self.open_job(id, uid)?;
        let journalled = self.parts.journal.process(id, process.started());
        self.watch(id, process);
        Ok(journalled)
    }

    pub(super) fn watch(&mut self, id: JobId, process: Arc<Process>) {
        let watch = self.under_way.spawn(async move {
            // A watch that fails ends the job: nobody would see the exit.
            let _ = process.exited().await;
            Outcome::Exited { id }
        });
        if let Some(job) = self.jobs.get_mut(&id) {
            job.watches.push(watch);
        }
    }
}
