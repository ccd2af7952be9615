//! More credentials for a job that is open.

use std::sync::Arc;

use taskpass_proto::ids::JobId;
use taskpass_proto::v1;

use super::Keeper;
use super::life::Life;
use super::outcome::Outcome;
use crate::broker::CallError;
use crate::clock::Instant;
use crate::job::held::Held;
use crate::job::messages::{JobError, Reply};
use crate::job::view::JobView;

impl Keeper {
    pub(super) fn issue(
        &mut self,
        id: JobId,
        uid: u32,
        credentials: Vec<v1::CredentialRequest>,
        reply: Reply<JobView>,
    ) {
        let identity = match self.open_job(id, uid) {
            Ok(job) => job.identity,
            Err(error) => return drop(reply.send(Err(error))),
        };
        let holder = Some(self.parts.holder.clone());
        let request = v1::IssueRequest {
            job_id: id.to_string(),
            holder,
            credentials,
        };
        let broker = Arc::clone(&self.parts.broker);
        let asked_at = self.parts.clock.since_boot();
        self.under_way.spawn(async move {
            let result = broker.issue(identity, request).await;
            Outcome::Issued {
                id,
                asked_at,
                result,
                reply,
            }
        });
    }

    pub(super) fn issued(
        &mut self,
        id: JobId,
        asked_at: Instant,
        result: Result<v1::IssueResponse, CallError>,
        reply: Reply<JobView>,
    ) {
        let open = self
            .jobs
            .get_mut(&id)
            .filter(|job| matches!(job.life, Life::Open));
        let answer = match (open, result) {
            (_, Err(error)) => Err(error.into()),
            (None, Ok(_)) => Err(JobError::Unknown),
            (Some(job), Ok(issued)) => {
                let random = &self.parts.random;
                let ends_at = job.view.borrow().ends_at;
                let added: Vec<Held> = issued
                    .credentials
                    .into_iter()
                    .filter_map(|issued| Held::new(issued, asked_at, ends_at, random.fraction()))
                    .collect();
                for held in &added {
                    held.remember(id, &self.parts.journal);
                }
                job.view
                    .send_modify(|view| view.credentials.extend(added.iter().cloned()));
                Ok(JobView {
                    credentials: added,
                    ..job.view.borrow().clone()
                })
            }
        };
        let _ = reply.send(answer);
    }
}
