//! `taskpass lease`: lists, shows and revokes leases.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use taskpass_identity::SpiffeId;
use taskpass_proto::ids::{JobId, LeaseId};
use taskpass_proto::v1::{GetLeaseRequest, LeaseState, ListLeasesRequest, RevokeLeaseRequest};

use crate::admin::ending::until_confirmed;
use crate::admin::lease::{Lease, Leases};
use crate::admin::{self, failed};
use crate::commands::pages::Limit;
use crate::context::{Context, block_on};
use crate::durations;
use crate::exit::{self, Exit};
use crate::failure::Failure;

const LIST_EXAMPLES: &str = "\
Examples:
  taskpass lease list --state active
  taskpass lease list --job job_01k8m5v4x8e2rr9t6cz1j3q7yd
  taskpass lease list --state revoking --output json";

const SHOW_EXAMPLES: &str = "\
Examples:
  taskpass lease show lease_01k8m5v4x8e2rr9t6cz1j3q7yd_1";

const REVOKE_EXAMPLES: &str = "\
Examples:
  taskpass lease revoke lease_01k8m5v4x8e2rr9t6cz1j3q7yd_1 --note 'token seen in a build log'
  taskpass lease revoke lease_01k8m5v4x8e2rr9t6cz1j3q7yd_1 --wait 1m && echo gone";

/// Lists, shows and revokes leases
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists leases, newest first
    #[command(after_long_help = format!("{LIST_EXAMPLES}\n\n{}", exit::CODES))]
    List(List),
    /// Shows one lease
    #[command(after_long_help = format!("{SHOW_EXAMPLES}\n\n{}", exit::CODES))]
    Show(Show),
    /// Takes one credential back, all its generations; its job lives on
    #[command(after_long_help = format!("{REVOKE_EXAMPLES}\n\n{}", exit::CODES))]
    Revoke(Revoke),
}

/// The command line of `lease list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only leases of this job
    #[arg(long, value_name = "JOB")]
    job: Option<JobId>,

    /// Only leases of this workload
    #[arg(long, value_name = "SPIFFE_ID")]
    subject: Option<SpiffeId>,

    /// Only leases in this state
    #[arg(long, value_name = "STATE", value_enum)]
    state: Option<State>,

    #[command(flatten)]
    limit: Limit,
}

/// States to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    /// Recorded before the target is touched.
    Intent,
    /// Handed out.
    Active,
    /// Ended here, being taken back at the target.
    Revoking,
    /// Ended.
    Ended,
}

/// The command line of `lease show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The lease
    #[arg(value_name = "LEASE")]
    lease: LeaseId,
}

/// The command line of `lease revoke`.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The lease
    #[arg(value_name = "LEASE")]
    lease: LeaseId,

    /// Why; recorded in the audit log
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    note: String,

    /// How long to wait until it is taken back
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = durations::parse)]
    wait: Duration,
}

/// Performs the command.
pub(crate) fn perform(command: Command, context: &Context) -> Result<Exit, Failure> {
    block_on(async {
        match command {
            Command::List(list) => list.perform(context).await,
            Command::Show(show) => show.perform(context).await,
            Command::Revoke(revoke) => revoke.perform(context).await,
        }
    })
}

impl List {
    async fn perform(self, context: &Context) -> Result<Exit, Failure> {
        let mut client = admin::connect(&context.admin_socket()).await?;
        let (mut leases, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = ListLeasesRequest {
                subject: self
                    .subject
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                job_id: self.job.map(|job| job.to_string()).unwrap_or_default(),
                state: self
                    .state
                    .map_or(LeaseState::Unspecified, LeaseState::from)
                    .into(),
                page_size: self.limit.page_size(leases.len()),
                page_token,
            };
            let page = client
                .list_leases(request)
                .await
                .map_err(failed("cannot list the leases"))?
                .into_inner();
            page_token = page.next_page_token;
            leases.extend(page.leases.into_iter().map(Lease::from));
            if page_token.is_empty() || self.limit.is_reached(leases.len()) {
                break;
            }
        }
        let more = self.limit.cut(&mut leases) || !page_token.is_empty();
        context.output.show(&Leases { leases, more })?;
        Ok(Exit::Fine)
    }
}

impl Show {
    async fn perform(self, context: &Context) -> Result<Exit, Failure> {
        let mut client = admin::connect(&context.admin_socket()).await?;
        let request = GetLeaseRequest {
            lease_id: self.lease.to_string(),
        };
        let found = client
            .get_lease(request)
            .await
            .map_err(failed("cannot show the lease"))?;
        let lease = found.into_inner().lease.unwrap_or_default();
        context.output.show(&Lease::from(lease))?;
        Ok(Exit::Fine)
    }
}

impl Revoke {
    async fn perform(self, context: &Context) -> Result<Exit, Failure> {
        let client = admin::connect(&context.admin_socket()).await?;
        let request = RevokeLeaseRequest {
            lease_id: self.lease.to_string(),
            note: self.note,
        };
        let ended = until_confirmed(request.lease_id.clone(), self.wait, || {
            let (mut client, request) = (client.clone(), request.clone());
            async move {
                let answer = client
                    .revoke_lease(request)
                    .await
                    .map_err(failed("the lease was not revoked"))?
                    .into_inner();
                Ok((answer.progress(), answer.cause()))
            }
        })
        .await?;
        context.output.show(&ended)?;
        Ok(ended.exit())
    }
}

impl From<State> for LeaseState {
    fn from(state: State) -> Self {
        match state {
            State::Intent => Self::Intent,
            State::Active => Self::Active,
            State::Revoking => Self::Revoking,
            State::Ended => Self::Ended,
        }
    }
}
