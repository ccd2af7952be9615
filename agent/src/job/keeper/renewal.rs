//! When renewals are asked for, and what their answers mean.

use std::sync::Arc;
use std::time::Duration;

use taskpass_proto::ids::JobId;
use taskpass_proto::reason::Reason;
use taskpass_proto::v1;

use super::Keeper;
use super::life::Life;
use super::outcome::Outcome;
use crate::broker::CallError;
use crate::clock::Instant;
use crate::job::held::Held;
use crate::job::messages::JobError;

impl Keeper {
    /// Renews what is due, drops what is over.
    pub(super) fn look(&mut self) {
        let now = self.parts.clock.since_boot();
        let mut renewals = Vec::new();
        let mut over = Vec::new();
        for (id, job) in &mut self.jobs {
            if !matches!(job.life, Life::Open) {
                continue;
            }
            if job.view.borrow().ends_at.is_some_and(|end| end <= now) {
                over.push(*id);
                continue;
            }
            job.view.send_if_modified(|view| {
                let mut changed = false;
                for held in &mut view.credentials {
                    changed |= held.drop_if_over(now);
                    if held.is_due(now) {
                        held.renewing = true;
                        renewals.push((*id, job.identity, held.lease.clone(), held.generation));
                    }
                }
                changed
            });
        }
        for id in over {
            self.close(id, v1::Cause::JobClosed, None);
        }
        for (id, identity, lease, generation) in renewals {
            let holder = Some(self.parts.holder.clone());
            let request = v1::RenewRequest {
                lease_id: lease.clone(),
                holder,
                generation,
                binding: None,
            };
            let broker = Arc::clone(&self.parts.broker);
            self.under_way.spawn(async move {
                let result = broker.renew(identity, request).await;
                Outcome::Renewed {
                    id,
                    lease,
                    asked_at: now,
                    result,
                }
            });
        }
    }

    /// Renews every lease of an open job now.
    pub(super) fn renew_now(&mut self, id: JobId, uid: u32) -> Result<(), JobError> {
        let now = self.parts.clock.since_boot();
        let job = self.open_job(id, uid)?;
        job.view.send_modify(|view| {
            for held in &mut view.credentials {
                held.renew_at = now;
            }
        });
        self.look();
        Ok(())
    }

    pub(super) fn renewed(
        &mut self,
        id: JobId,
        lease: &str,
        asked_at: Instant,
        result: Result<v1::RenewResponse, CallError>,
    ) {
        let now = self.parts.clock.since_boot();
        let spread = self.parts.random.fraction();
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        if !matches!(job.life, Life::Open) {
            return;
        }
        let mut over = false;
        job.view.send_modify(|view| {
            let ends_at = view.ends_at;
            let Some(held) = view.credentials.iter_mut().find(|held| held.lease == lease) else {
                return;
            };
            let renewed = result.map(|renewed| renewed.credential);
            match renewed {
                Ok(Some(issued)) => match Held::new(issued, asked_at, ends_at, spread) {
                    Some(next) => *held = next,
                    None => held.put_off(Duration::ZERO, now, spread),
                },
                Ok(None) => held.put_off(Duration::ZERO, now, spread),
                Err(error) => over = renewal_failed(held, &error, now, spread),
            }
        });
        let held = job
            .view
            .borrow()
            .credentials
            .iter()
            .find(|held| held.lease == lease)
            .cloned();
        if let Some(held) = held {
            held.remember(id, &self.parts.journal);
        }
        if over {
            self.close(id, v1::Cause::JobClosed, None);
        }
    }
}

/// What a failed renewal means. Answers whether the job is over.
fn renewal_failed(held: &mut Held, error: &CallError, now: Instant, spread: f64) -> bool {
    if let Some(at_least) = error.worth_repeating() {
        held.put_off(at_least, now, spread);
        return false;
    }
    held.renewing = false;
    let CallError::Refused(refusal) = error else {
        return false;
    };
    match (refusal.reason, refusal.current_generation) {
        // The answer to an earlier renewal was lost: go on from where the broker is.
        (Reason::GenerationMismatch, Some(current)) => {
            held.generation = current;
            held.renew_at = now;
            false
        }
        _ if error.is_job_over() => true,
        // It was taken back, and is worth nothing any more.
        (Reason::LeaseEnded | Reason::LeaseUnknown, _) => {
            tracing::warn!(lease.id = held.lease, "the lease is over");
            held.token = None;
            held.give_up(refusal);
            false
        }
        _ => {
            tracing::warn!(
                lease.id = held.lease,
                error.reason = refusal.reason.code(),
                "not renewed; the credential is served until its end"
            );
            held.give_up(refusal);
            false
        }
    }
}
