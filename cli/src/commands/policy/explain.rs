//! `taskpass policy explain`: why a request is decided as it is, today or on the day that it was made.

mod past;
mod view;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use jiff::Timestamp;
use taskpass_broker::config::policy_files;
use taskpass_broker::domain::policy::tools::explain::explain;
use taskpass_broker::domain::policy::tools::input::Input;
use taskpass_broker::domain::policy::{Circumstances, SourceFile, Wanted};
use taskpass_broker::domain::time::UnixMillis;
use taskpass_identity::SpiffeId;

use super::loaded::{all_mistakes, load};
use crate::commands::audit::RecordId;
use crate::context::{Context, block_on};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::request::{CredentialArguments, ParameterArguments};
use view::Explained;

pub(super) const EXAMPLES: &str = "\
Examples:
  taskpass policy explain policy/ --workload spiffe://acme.example/prod/ci/docs/1 \\
    --task deploy-docs --param ref=refs/heads/main
  taskpass policy explain policy/ --request request.toml
  jq .request ticket.json | taskpass policy explain policy/ --request -
  taskpass policy explain --record dec_01k8m5v4x8e2rr9t6cz1j3q7yd
  taskpass policy explain --record 4711 --output json | jq .explanation.near_misses

A request file has what stands below `given` in a test, as TOML or JSON:
  workload = \"spiffe://acme.example/prod/ci/docs/1\"
  task = \"deploy-docs\"
  params = { ref = \"refs/heads/main\" }

Exit codes:
  0 the request is allowed; 1 it is denied; 2 a file has a mistake
  More: `taskpass help exit-codes`";

/// As large as a file may be.
const MAX_REQUEST_BYTES: u64 = 1024 * 1024;

/// The command line of `policy explain`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["workload", "request", "record"]))]
pub(crate) struct Arguments {
    /// The directory of the policy files [default: the current one]
    #[arg(value_name = "DIR", conflicts_with = "record")]
    directory: Option<PathBuf>,

    /// The installation's facts [default: `installation.toml` beside DIR; with --record, the broker's]
    #[arg(long, value_name = "FILE")]
    installation: Option<PathBuf>,

    /// The workload that asks
    #[arg(long, value_name = "SPIFFE_ID", requires = "task")]
    workload: Option<SpiffeId>,

    /// The task that it asks for
    #[arg(long, value_name = "TASK", requires = "workload")]
    task: Option<String>,

    #[command(flatten)]
    params: ParameterArguments,

    #[command(flatten)]
    credentials: CredentialArguments,

    /// The time of the request, as in `2026-11-23T09:00:00Z` [default: now]
    #[arg(long, value_name = "RFC3339", requires = "workload")]
    time: Option<Timestamp>,

    /// Reads the request from a file; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["params", "credentials"])]
    request: Option<PathBuf>,

    /// Explains a decision of the audit log by the policy of that day; asks the broker
    #[arg(long, value_name = "ID", conflicts_with_all = ["params", "credentials"])]
    record: Option<RecordId>,
}

/// Performs the command.
pub(super) fn perform(arguments: Arguments, context: &Context) -> Result<Exit, Failure> {
    let facts = arguments.installation.as_deref();
    let explained = if let Some(record) = arguments.record {
        block_on(past::explained(record, facts, context))?
    } else {
        let directory = arguments.directory.clone();
        let loaded = load(&directory.unwrap_or_else(|| ".".into()), facts)?;
        let input = arguments.input(context.output.now())?;
        let explanation = explain(&loaded.policy, &input);
        Explained::new(input, explanation)
    };
    context.output.show(&explained)?;
    Ok(explained.exit())
}

impl Arguments {
    fn input(self, now: Timestamp) -> Result<Input, Failure> {
        if let Some(path) = &self.request {
            let file = request_file(path)?;
            return Input::read(&file).map_err(|found| {
                all_mistakes("the request has", &found, std::slice::from_ref(&file))
            });
        }
        let (Some(workload), Some(task)) = (self.workload, self.task) else {
            return Err(Failure::usage("no request is given").remedy("add --workload and --task"));
        };
        let wanted = self.credentials.wanted()?.into_iter().map(|one| Wanted {
            name: one.name,
            scopes: one.scopes,
            lifetime: None,
        });
        Ok(Input {
            workload,
            task,
            parameters: self.params.by_name()?,
            wanted: wanted.collect(),
            circumstances: Circumstances::opening(moment(self.time.unwrap_or(now))?),
        })
    }
}

/// The time of a decision.
fn moment(at: Timestamp) -> Result<UnixMillis, Failure> {
    let at = u64::try_from(at.as_millisecond());
    at.map(UnixMillis::new)
        .map_err(|_| Failure::usage("no request was made before 1970"))
}

fn request_file(path: &Path) -> Result<SourceFile, Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::usage("cannot read the request").why(why);
    if path.as_os_str() != "-" {
        return policy_files::read_one(path).map_err(|error| failed(&error));
    }
    let mut bytes = Vec::new();
    let read = std::io::stdin()
        .take(MAX_REQUEST_BYTES + 1)
        .read_to_end(&mut bytes);
    read.map_err(|error| failed(&error))?;
    if bytes.len() as u64 > MAX_REQUEST_BYTES {
        return Err(failed(&"it is larger than 1 MiB"));
    }
    Ok(SourceFile::new("standard input", bytes))
}
