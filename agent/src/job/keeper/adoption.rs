//! What was there before a start is taken up again, or closed; and what is handed to the next agent.

use std::collections::BTreeMap;
use std::sync::Arc;

use taskpass_proto::ids::JobId;
use taskpass_proto::v1;

use super::Keeper;
use super::life::Life;
use crate::hand_over::package::{HandedEnd, HandedJob, HandedJobs};
use crate::job::held::Held;
use crate::job::view::{JobView, Stage};
use crate::journal::{Ending, Remembered};
use crate::watch::process::Process;

/// What a start finds.
#[derive(Debug, Default)]
pub struct Found {
    /// By the journal, what may exist at the broker.
    pub remembered: BTreeMap<JobId, Remembered>,
    /// What the agent before handed over; none after a restart.
    pub handed: Option<HandedJobs>,
}

impl Keeper {
    /// The jobs for the next agent, beside what is in the journal.
    pub fn hand_over(&self) -> HandedJobs {
        let open = self
            .jobs
            .values()
            .filter(|job| matches!(job.life, Life::Open));
        let ended = self.ended.iter();
        HandedJobs {
            open: open.map(|job| HandedJob::of(&job.view.borrow())).collect(),
            ended: ended
                .map(|(id, uid, cause)| HandedEnd::of(*id, *uid, *cause))
                .collect(),
        }
    }

    /// Takes up everything that is found.
    pub(super) fn adopt(&mut self, found: Found) {
        let Found { remembered, handed } = found;
        let Some(handed) = handed else {
            for (id, record) in remembered {
                self.take_up(id, &record);
            }
            return;
        };
        self.ended = handed
            .ended
            .into_iter()
            .filter_map(HandedEnd::read)
            .collect();
        let open = handed.open.into_iter();
        let mut open: BTreeMap<JobId, HandedJob> =
            open.filter_map(|job| Some((job.id()?, job))).collect();
        for (id, record) in remembered {
            self.take_over(id, &record, open.remove(&id));
        }
    }

    /// Goes on with a job from before a restart if its processes are the same; closes it otherwise.
    fn take_up(&mut self, id: JobId, record: &Remembered) {
        if !self.insert_again(id, record, |view| view) {
            return;
        }
        match same_processes(record) {
            Ok(processes) if processes.is_empty() || record.is_of_connection => {
                self.close(id, v1::Cause::JobClosed, None);
            }
            Ok(processes) => {
                tracing::info!(job.id = %id, "job taken up again");
                self.watch_all(id, processes);
            }
            Err(ending) => self.close(id, ending.cause(), ending.exit_status),
        }
    }

    /// Goes on with a job of the agent before, with its tokens and whatever it is tied to. What was not open
    /// there is closed: whoever asked for it has had no answer.
    fn take_over(&mut self, id: JobId, record: &Remembered, handed: Option<HandedJob>) {
        let is_open = handed.is_some();
        let complete = |view| match handed {
            Some(handed) => handed.complete(view),
            None => view,
        };
        if !self.insert_again(id, record, complete) {
            return;
        }
        match same_processes(record) {
            Ok(processes) if is_open => self.watch_all(id, processes),
            Ok(_) => self.close(id, v1::Cause::JobClosed, None),
            Err(ending) => self.close(id, ending.cause(), ending.exit_status),
        }
    }

    /// Says whether somebody on this node can still speak for it.
    fn insert_again(
        &mut self,
        id: JobId,
        record: &Remembered,
        complete: impl FnOnce(JobView) -> JobView,
    ) -> bool {
        let mut names = self.parts.identities.iter();
        let Some(identity) = names.position(|(name, _)| *name == record.identity) else {
            // Its heartbeat ends it.
            tracing::warn!(job.id = %id, job.identity = record.identity, "a job's identity is gone");
            self.parts.journal.gone(id);
            return false;
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
        self.insert(id, identity, complete(view), Life::Open);
        true
    }

    fn watch_all(&mut self, id: JobId, processes: Vec<Process>) {
        for process in processes {
            self.watch(id, Arc::new(process));
        }
    }
}

/// The processes that a job from before is tied to, if they are all still the same; otherwise how it ends.
fn same_processes(record: &Remembered) -> Result<Vec<Process>, Ending> {
    if let Some(ending) = record.ending {
        return Err(ending);
    }
    let processes = record.processes.iter().map(|it| Process::again(*it));
    let same = processes.collect::<Result<_, _>>();
    same.map_err(|_| Ending::new(v1::Cause::ProcessExited, None))
}
