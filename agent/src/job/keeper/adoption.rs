//! What the journal remembers is taken up again, or closed.

use std::sync::Arc;

use taskpass_proto::ids::JobId;
use taskpass_proto::v1;

use super::Keeper;
use super::life::Life;
use crate::job::held::Held;
use crate::job::view::{JobView, Stage};
use crate::journal::{Ending, Remembered};
use crate::watch::process::Process;

impl Keeper {
    /// Goes on with a job from before a restart if its processes are the same; closes it otherwise.
    pub(super) fn take_up(&mut self, id: JobId, record: &Remembered) {
        let identity = self
            .parts
            .identities
            .iter()
            .position(|(name, _)| *name == record.identity);
        let Some(identity) = identity else {
            // Nobody on this node can speak for it any more; its heartbeat ends it.
            tracing::warn!(job.id = %id, job.identity = record.identity, "a job's identity is gone");
            return self.parts.journal.gone(id);
        };
        let now = self.parts.clock.since_boot();
        let leases = record.leases.iter();
        let held = leases
            .map(|(lease, n)| Held::from_before(lease.clone(), *n, now))
            .collect();
        let view = JobView {
            id,
            uid: record.uid,
            task: record.task.clone(),
            anchor: if record.processes.is_empty() {
                "ttl"
            } else {
                "process"
            },
            stage: Stage::Open,
            decision: String::new(),
            policy: String::new(),
            opened_at_millis: id.unix_millis(),
            ends_at: None,
            credentials: held,
        };
        self.insert(id, identity, view, Life::Open);
        match same_processes(record) {
            Ok(processes) => {
                tracing::info!(job.id = %id, "job taken up again");
                for process in processes {
                    self.watch(id, Arc::new(process));
                }
            }
            Err(ending) => self.close(id, ending.cause(), ending.exit_status),
        }
    }
}

/// The processes that a job from before a restart is tied to, if it has any and they are still the same;
/// otherwise how it ends.
fn same_processes(record: &Remembered) -> Result<Vec<Process>, Ending> {
    if let Some(ending) = record.ending {
        return Err(ending);
    }
    if record.processes.is_empty() || record.is_of_connection {
        return Err(Ending::new(v1::Cause::JobClosed, None));
    }
    let processes = record.processes.iter().map(|it| Process::again(*it));
    let same = processes.collect::<Result<_, _>>();
    same.map_err(|_| Ending::new(v1::Cause::ProcessExited, None))
}
