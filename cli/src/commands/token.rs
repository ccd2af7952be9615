//! `taskpass token`: prints one token for a task.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use taskpass_proto::ids::JobId;
use taskpass_proto::task_name::TaskName;

use crate::context::{Context, block_on};
use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::local::Agent;
use crate::local::wire::{Anchor, Credential};
use crate::output::{Page, View};
use crate::request::{self, CredentialArguments, ParameterArguments};

const LONG_ABOUT: &str = "\
Prints one token for a task, and nothing else: it is meant for `$(…)` and for programs that ask for a \
token whenever they need one.

The job that it opens ends after --ttl (5 minutes unless told otherwise), or with the process that \
--pid names. With --job the token is issued to a job that is open already, and ends with it. What needs \
a token for as long as it runs is better started with `taskpass run`.";

const EXAMPLES: &str = "\
Examples:
  curl -H \"Authorization: Bearer $(taskpass token --task read-tickets)\" https://tickets.acme.example
  taskpass token --task deploy-docs --param ref=refs/heads/main \\
    --credential docs-api --scope docs:write
  taskpass token --task read-tickets --pid $$ --output json
  taskpass token --job $TASKPASS_JOB_ID --credential docs-api";

/// How long the job lives when nothing was said.
const DEFAULT_TTL: Duration = Duration::from_secs(300);
const CLOSE_WAIT: Duration = Duration::from_secs(2);
const WHAT: &str = "no token was issued";

/// The command line of `token`.
#[derive(Debug, Args)]
#[command(
    about = "Prints one token for a task",
    long_about = LONG_ABOUT,
    after_long_help = format!("{EXAMPLES}\n\n{}", exit::CODES),
    group = clap::ArgGroup::new("whence").required(true).args(["task", "job"])
)]
pub(crate) struct Arguments {
    /// The task to do
    #[arg(long, value_name = "TASK")]
    task: Option<TaskName>,

    /// Issues the token to this open job, instead of opening one
    #[arg(long, value_name = "ID", requires = "credentials", conflicts_with_all = ["params", "pid", "ttl"])]
    job: Option<JobId>,

    #[command(flatten)]
    params: ParameterArguments,

    #[command(flatten)]
    credentials: CredentialArguments,

    /// Ends the job when this process ends
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pid: Option<u32>,

    /// Ends the job after this long [default: 5m, or the task's own limit with --pid]
    #[arg(long, value_name = "DURATION", value_parser = request::ttl)]
    ttl: Option<Duration>,
}

/// Performs the command.
pub(crate) fn perform(arguments: &Arguments, context: &Context) -> Result<Exit, Failure> {
    block_on(async {
        let agent = context.agent();
        let issued = match &arguments.job {
            Some(job) => issue(&agent, *job, &arguments.credentials).await?,
            None => open(&agent, arguments).await?,
        };
        context.output.show(&issued)?;
        Ok(Exit::Fine)
    })
}

#[derive(Serialize)]
struct Issued {
    job: String,
    #[serde(flatten)]
    credential: Credential,
}

impl View for Issued {
    fn text(&self, page: &mut Page) {
        page.line(self.credential.token.reveal());
    }
}

async fn issue(
    agent: &Agent,
    job: JobId,
    credentials: &CredentialArguments,
) -> Result<Issued, Failure> {
    let job = job.to_string();
    let mut wanted = credentials.wanted()?;
    let (Some(one), true) = (wanted.pop(), wanted.is_empty()) else {
        return Err(Failure::usage("one call prints one token").remedy("name one --credential"));
    };
    let name = one.name.clone();
    let issued = agent
        .issue(&job, &[one])
        .await
        .map_err(|error| error.failure(WHAT, agent.socket()))?;
    // The agent answers with all that the job holds; the newest lease comes last.
    let credential = issued.credentials.into_iter().rfind(|one| one.name == name);
    let credential = credential.ok_or_else(|| Failure::new(WHAT).why("the agent sent none"))?;
    Ok(Issued { job, credential })
}

async fn open(agent: &Agent, arguments: &Arguments) -> Result<Issued, Failure> {
    let Some(task) = &arguments.task else {
        return Err(Failure::usage("no task to do").remedy("add `--task NAME`"));
    };
    let (anchor, ttl) = match arguments.pid {
        Some(pid) => (Anchor::Process { pid }, arguments.ttl),
        None => (Anchor::Ttl, arguments.ttl.or(Some(DEFAULT_TTL))),
    };
    let request = request::job(task, &arguments.params, &arguments.credentials, anchor, ttl)?;
    if request.credentials.len() > 1 {
        return Err(Failure::usage("one call prints one token").remedy("name one --credential"));
    }
    let opened = agent
        .open_job(&request)
        .await
        .map_err(|error| error.failure(WHAT, agent.socket()))?;
    match the_only_one(opened.credentials) {
        Ok(credential) => Ok(Issued {
            job: opened.job,
            credential,
        }),
        Err(failure) => {
            // Nobody will use them; if this fails they end with the job's time.
            let _ = agent.close_job(&opened.job, None, CLOSE_WAIT).await;
            Err(failure)
        }
    }
}

fn the_only_one(credentials: Vec<Credential>) -> Result<Credential, Failure> {
    let names: Vec<_> = credentials
        .iter()
        .map(|one| format!("`{}`", one.name))
        .collect();
    let mut credentials = credentials.into_iter();
    match (credentials.next(), credentials.next()) {
        (Some(credential), None) => Ok(credential),
        (None, _) => Err(Failure::new(WHAT).why("the task grants no credential")),
        (Some(_), Some(_)) => Err(Failure::usage(format!(
            "the task grants {} tokens",
            names.len()
        ))
        .why(names.join(", "))
        .remedy("name one with --credential")),
    }
}
