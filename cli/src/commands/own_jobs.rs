//! How the caller's own jobs are shown, as the agent knows them.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::local::wire::{self, HeldCredential, Job};
use crate::output::{Page, View};

/// The caller's jobs.
#[derive(Debug, Serialize)]
pub(crate) struct OwnJobs {
    /// The jobs.
    pub(crate) jobs: Vec<Job>,
}

/// One of the caller's jobs.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct OwnJob(pub(crate) Job);

impl View for OwnJobs {
    fn text(&self, page: &mut Page) {
        if self.jobs.is_empty() {
            page.line("no jobs of yours; `taskpass run --task TASK -- COMMAND` opens one");
            return;
        }
        let rows = self.jobs.iter().map(|job| {
            [
                job.id.clone(),
                job.task.clone(),
                job.state.clone(),
                page.when(job.opened_at),
                page.when(end(job.ends_in, page.now())),
            ]
        });
        let rows = rows.collect();
        page.table(["JOB", "TASK", "STATE", "OPENED", "END"], rows);
    }
}

impl View for OwnJob {
    fn text(&self, page: &mut Page) {
        let job = &self.0;
        let facts = [
            ("job", job.id.clone()),
            ("task", job.task.clone()),
            ("state", job.state.clone()),
            ("opened", page.moment(job.opened_at)),
            ("ends by", page.moment(end(job.ends_in, page.now()))),
        ];
        page.facts(facts);
        page.gap();
        credentials(&job.credentials, page);
    }
}

fn credentials(credentials: &[HeldCredential], page: &mut Page) {
    if credentials.is_empty() {
        page.line("no valid credentials");
        return;
    }
    let rows = credentials.iter().map(|one| {
        [
            one.name.clone(),
            one.lease.clone(),
            one.generation.to_string(),
            one.scopes.join(" "),
            page.when(end(Some(one.expires_in), page.now())),
            one.revocability.to_string(),
        ]
    });
    let rows = rows.collect();
    page.table(
        [
            "CREDENTIAL",
            "LEASE",
            "GENERATION",
            "SCOPES",
            "EXPIRES",
            "STOPS WORKING",
        ],
        rows,
    );
}

/// The point in time that is this many seconds away.
fn end(seconds: Option<f64>, now: Timestamp) -> Option<Timestamp> {
    let away = SignedDuration::try_from(wire::seconds(seconds?)).ok()?;
    now.checked_add(away).ok()
}
