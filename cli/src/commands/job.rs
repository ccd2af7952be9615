//! `taskpass job`: lists, shows and closes jobs.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use taskpass_identity::SpiffeId;
use taskpass_proto::ids::JobId;
use taskpass_proto::v1::{EndJobRequest, GetJobRequest, JobState, ListJobsRequest};

use crate::admin::ending::{Ended, until_confirmed};
use crate::admin::job::{Job, JobDetails, Jobs};
use crate::admin::{self, failed};
use crate::commands::own_jobs::{OwnJob, OwnJobs};
use crate::commands::pages::Limit;
use crate::context::{Context, block_on};
use crate::durations;
use crate::exit::{self, Exit};
use crate::failure::Failure;

const LIST_EXAMPLES: &str = "\
Examples:
  taskpass job list --state open
  taskpass job list --subject spiffe://acme.example/prod/ci/docs/runner --task deploy-docs
  taskpass job list --mine
  taskpass job list --output json | jq -r '.jobs[].job'";

const SHOW_EXAMPLES: &str = "\
Examples:
  taskpass job show job_01k8m5v4x8e2rr9t6cz1j3q7yd
  taskpass job show $TASKPASS_JOB_ID --mine";

const CLOSE_EXAMPLES: &str = "\
Examples:
  taskpass job close job_01k8m5v4x8e2rr9t6cz1j3q7yd --note 'runaway build'
  taskpass job close $TASKPASS_JOB_ID --mine";

/// Lists, shows and closes jobs
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists jobs, newest first
    #[command(after_long_help = format!("{LIST_EXAMPLES}\n\n{}", exit::CODES))]
    List(List),
    /// Shows one job with its leases
    #[command(after_long_help = format!("{SHOW_EXAMPLES}\n\n{}", exit::CODES))]
    Show(Show),
    /// Ends a job and takes back everything that it was handed
    #[command(after_long_help = format!("{CLOSE_EXAMPLES}\n\n{}", exit::CODES))]
    Close(Close),
}

/// The command line of `job list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Asks the agent for your own jobs, instead of the broker for everybody's
    #[arg(long, conflicts_with_all = ["subject", "task", "state"])]
    mine: bool,

    /// Only jobs of this workload
    #[arg(long, value_name = "SPIFFE_ID")]
    subject: Option<SpiffeId>,

    /// Only jobs of this task
    #[arg(long, value_name = "TASK")]
    task: Option<String>,

    /// Only jobs in this state
    #[arg(long, value_name = "STATE", value_enum)]
    state: Option<State>,

    #[command(flatten)]
    limit: Limit,
}

/// States to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    /// Waits for an approval.
    Pending,
    /// Open.
    Open,
    /// Ended.
    Ended,
}

/// The command line of `job show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The job
    #[arg(value_name = "JOB")]
    job: JobId,

    /// Asks the agent, which knows your own open jobs
    #[arg(long)]
    mine: bool,
}

/// The command line of `job close`.
#[derive(Debug, Args)]
pub(crate) struct Close {
    /// The job
    #[arg(value_name = "JOB")]
    job: JobId,

    /// Asks the agent to close one of your own jobs, instead of the broker as an operator
    #[arg(long, conflicts_with = "note")]
    mine: bool,

    /// Why; recorded in the audit log
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    note: String,

    /// How long to wait until everything is taken back
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = durations::parse)]
    wait: Duration,
}

/// Performs the command.
pub(crate) fn perform(command: Command, context: &Context) -> Result<Exit, Failure> {
    block_on(async {
        match command {
            Command::List(list) if list.mine => list_own(context).await,
            Command::List(list) => list.perform(context).await,
            Command::Show(show) if show.mine => show_own(show.job, context).await,
            Command::Show(show) => show.perform(context).await,
            Command::Close(close) if close.mine => close_own(&close, context).await,
            Command::Close(close) => close.perform(context).await,
        }
    })
}

impl List {
    async fn perform(self, context: &Context) -> Result<Exit, Failure> {
        let mut client = admin::connect(&context.admin_socket()).await?;
        let (mut jobs, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = ListJobsRequest {
                subject: self
                    .subject
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                task: self.task.clone().unwrap_or_default(),
                state: self
                    .state
                    .map_or(JobState::Unspecified, JobState::from)
                    .into(),
                page_size: self.limit.page_size(jobs.len()),
                page_token,
            };
            let page = client
                .list_jobs(request)
                .await
                .map_err(failed("cannot list the jobs"))?
                .into_inner();
            page_token = page.next_page_token;
            jobs.extend(page.jobs.into_iter().map(Job::from));
            if page_token.is_empty() || self.limit.is_reached(jobs.len()) {
                break;
            }
        }
        let more = self.limit.cut(&mut jobs) || !page_token.is_empty();
        context.output.show(&Jobs { jobs, more })?;
        Ok(Exit::Fine)
    }
}

impl Show {
    async fn perform(self, context: &Context) -> Result<Exit, Failure> {
        let mut client = admin::connect(&context.admin_socket()).await?;
        let request = GetJobRequest {
            job_id: self.job.to_string(),
        };
        let found = client
            .get_job(request)
            .await
            .map_err(failed("cannot show the job"))?;
        context.output.show(&JobDetails::from(found.into_inner()))?;
        Ok(Exit::Fine)
    }
}

impl Close {
    async fn perform(self, context: &Context) -> Result<Exit, Failure> {
        let client = admin::connect(&context.admin_socket()).await?;
        let request = EndJobRequest {
            job_id: self.job.to_string(),
            note: self.note,
        };
        let ended = until_confirmed(request.job_id.clone(), self.wait, || {
            let (mut client, request) = (client.clone(), request.clone());
            async move {
                let answer = client
                    .end_job(request)
                    .await
                    .map_err(failed("the job was not ended"))?;
                let answer = answer.into_inner();
                Ok((answer.progress(), answer.cause()))
            }
        })
        .await?;
        context.output.show(&ended)?;
        Ok(ended.exit())
    }
}

impl From<State> for JobState {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Open => Self::Open,
            State::Ended => Self::Ended,
        }
    }
}

async fn list_own(context: &Context) -> Result<Exit, Failure> {
    let agent = context.agent();
    let found = agent.jobs().await;
    let found = found.map_err(|error| error.failure("cannot list your jobs", agent.socket()))?;
    context.output.show(&OwnJobs { jobs: found.jobs })?;
    Ok(Exit::Fine)
}

async fn show_own(job: JobId, context: &Context) -> Result<Exit, Failure> {
    let agent = context.agent();
    let found = agent.job(&job.to_string()).await;
    let found = found.map_err(|error| error.failure("cannot show the job", agent.socket()))?;
    context.output.show(&OwnJob(found))?;
    Ok(Exit::Fine)
}

async fn close_own(close: &Close, context: &Context) -> Result<Exit, Failure> {
    let (agent, job) = (context.agent(), close.job.to_string());
    let closed = agent.close_job(&job, None, close.wait).await;
    let closed = closed.map_err(|error| error.failure("the job was not closed", agent.socket()))?;
    let ended = Ended::of_agent(job, closed);
    context.output.show(&ended)?;
    Ok(ended.exit())
}
