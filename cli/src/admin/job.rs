//! How a job is shown.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use taskpass_proto::v1::{GetJobResponse, JobSummary};

use crate::admin::lease::{self, Lease};
use crate::admin::wire;
use crate::output::{Page, View};

/// A job in a list.
#[derive(Debug, Serialize)]
pub(crate) struct Job {
    #[serde(rename = "job")]
    id: String,
    task: String,
    subject: String,
    state: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    cause: String,
    opened_at: Option<Timestamp>,
    ends_by: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    liveness: String,
    lease_count: u32,
}

/// A list of jobs, newest first.
#[derive(Debug, Serialize)]
pub(crate) struct Jobs {
    /// The jobs.
    pub(crate) jobs: Vec<Job>,
    /// Whether there are more than were asked for.
    pub(crate) more: bool,
}

/// Everything about one job.
#[derive(Debug, Serialize)]
pub(crate) struct JobDetails {
    #[serde(flatten)]
    job: Job,
    params: BTreeMap<String, String>,
    policy: String,
    holder: String,
    reported: Option<Reported>,
    leases: Vec<Lease>,
}

/// The caller as its agent reported it, not proven.
#[derive(Debug, Serialize)]
struct Reported {
    host: String,
    uid: u32,
    gid: u32,
    pid: u32,
    executable: String,
}

impl Job {
    /// State and cause: `open`, `ended (job_closed)`.
    fn state(&self) -> String {
        lease::with_cause(&self.state, &self.cause)
    }

    fn end(&self) -> Option<Timestamp> {
        self.ended_at.or(self.ends_by)
    }
}

impl From<JobSummary> for Job {
    fn from(wire: JobSummary) -> Self {
        Self {
            id: wire.job_id,
            task: wire.task,
            subject: wire.subject,
            state: wire::job_state(wire.state),
            cause: wire::cause(wire.cause),
            opened_at: wire::moment(wire.opened_at),
            ends_by: wire::moment(wire.ends_by),
            ended_at: wire::moment(wire.ended_at),
            liveness: wire::liveness(wire.liveness),
            lease_count: wire.leases,
        }
    }
}

impl From<GetJobResponse> for JobDetails {
    fn from(wire: GetJobResponse) -> Self {
        Self {
            job: wire.job.unwrap_or_default().into(),
            params: wire.parameters.into_iter().collect(),
            policy: wire.policy,
            holder: wire.holder,
            reported: wire.reported.map(|caller| Reported {
                host: caller.host,
                uid: caller.uid,
                gid: caller.gid,
                pid: caller.pid,
                executable: caller.executable,
            }),
            leases: wire.leases.into_iter().map(Lease::from).collect(),
        }
    }
}

impl View for Jobs {
    fn text(&self, page: &mut Page) {
        if self.jobs.is_empty() {
            page.line("no jobs; `taskpass run --task TASK -- COMMAND` opens one");
            return;
        }
        let rows = self.jobs.iter().map(|job| {
            [
                job.id.clone(),
                job.task.clone(),
                job.subject.clone(),
                job.state(),
                page.when(job.opened_at),
                page.when(job.end()),
                job.lease_count.to_string(),
            ]
        });
        let rows = rows.collect();
        page.table(
            ["JOB", "TASK", "SUBJECT", "STATE", "OPENED", "END", "LEASES"],
            rows,
        );
        page.more(self.more);
    }
}

impl View for JobDetails {
    fn text(&self, page: &mut Page) {
        let params: Vec<_> = self
            .params
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let job = &self.job;
        let facts = [
            ("job", job.id.clone()),
            ("task", job.task.clone()),
            ("parameters", params.join(" ")),
            ("subject", job.subject.clone()),
            ("state", job.state()),
            ("opened", page.moment(job.opened_at)),
            ("ends by", page.planned(job.ends_by, job.ended_at)),
            ("ended", page.moment(job.ended_at)),
            ("liveness", job.liveness.clone()),
            ("policy", self.policy.clone()),
            ("holder", self.holder.clone()),
            (
                "reported caller",
                self.reported
                    .as_ref()
                    .map(Reported::line)
                    .unwrap_or_default(),
            ),
        ];
        page.facts(facts);
        page.gap();
        lease::table(&self.leases, page);
    }
}

impl Reported {
    fn line(&self) -> String {
        let Self {
            host,
            uid,
            gid,
            pid,
            executable,
        } = self;
        format!("{executable} (pid {pid}, uid {uid}, gid {gid}) on {host}")
    }
}
