//! `taskpass workload`: bans workloads, and lifts bans.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use taskpass_identity::SpiffeId;
use taskpass_proto::v1::{BanRequest, ListBansRequest, UnbanRequest, ban_request, unban_request};

use crate::admin::ban::{Ban as BanShown, Banned, Bans, Lifted};
use crate::admin::{self, failed, wire};
use crate::context::{Context, block_on};
use crate::durations;
use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::timestamps;

const BAN_EXAMPLES: &str = "\
Examples:
  taskpass workload ban spiffe://acme.example/prod/ci/docs/runner --note 'compromised runner'
  taskpass workload ban spiffe://acme.example/agents/triage --for 1h --note 'loops on errors'
  taskpass workload ban --holder 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 \\
    --note 'node was stolen'";

const UNBAN_EXAMPLES: &str = "\
Examples:
  taskpass workload unban spiffe://acme.example/prod/ci/docs/runner --note 'rebuilt'";

const LIST_EXAMPLES: &str = "\
Examples:
  taskpass workload list
  taskpass workload list --output json";

/// Bans workloads, and lifts bans
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Refuses every call of a workload or a holder, and ends its jobs
    #[command(after_long_help = format!("{BAN_EXAMPLES}\n\n{}", exit::CODES))]
    Ban(Ban),
    /// Lifts a ban
    #[command(after_long_help = format!("{UNBAN_EXAMPLES}\n\n{}", exit::CODES))]
    Unban(Unban),
    /// Lists what is banned
    #[command(after_long_help = format!("{LIST_EXAMPLES}\n\n{}", exit::CODES))]
    List,
}

/// Who is banned.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("target").required(true).args(["workload", "holder"]))]
pub(crate) struct Target {
    /// The workload
    #[arg(value_name = "SPIFFE_ID")]
    workload: Option<SpiffeId>,

    /// One agent or client, as `taskpass job show` names it: 64 hexadecimal digits
    #[arg(long, value_name = "HASH", value_parser = holder)]
    holder: Option<String>,
}

/// The command line of `workload ban`.
#[derive(Debug, Args)]
pub(crate) struct Ban {
    #[command(flatten)]
    target: Target,

    /// Why; recorded in the audit log and shown to operators
    #[arg(long, value_name = "TEXT")]
    note: String,

    /// For how long; for good when neither --for nor --until is given
    #[arg(long = "for", value_name = "DURATION", value_parser = durations::parse, conflicts_with = "until")]
    length: Option<Duration>,

    /// Until when, for instance 2026-11-03T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = timestamps::parse)]
    until: Option<Timestamp>,
}

/// The command line of `workload unban`.
#[derive(Debug, Args)]
pub(crate) struct Unban {
    #[command(flatten)]
    target: Target,

    /// Why; recorded in the audit log
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    note: String,
}

/// Performs the command.
pub(crate) fn perform(command: Command, context: &Context) -> Result<Exit, Failure> {
    block_on(async {
        match command {
            Command::Ban(ban) => ban.perform(context).await,
            Command::Unban(unban) => unban.perform(context).await,
            Command::List => list(context).await,
        }
    })
}

impl Ban {
    async fn perform(self, context: &Context) -> Result<Exit, Failure> {
        let until = match self.length {
            Some(length) => Some(after(context.output.now(), length)?),
            None => self.until,
        };
        let mut client = admin::connect(&context.admin_socket()).await?;
        let target = match self.target.name()? {
            Named::Workload(id) => ban_request::Target::SpiffeId(id),
            Named::Holder(hash) => ban_request::Target::Holder(hash),
        };
        let request = BanRequest {
            target: Some(target),
            until: until.map(wire::to_wire),
            note: self.note,
        };
        let banned = client
            .ban(request)
            .await
            .map_err(failed("the ban was not recorded"))?;
        let ended_jobs = banned.into_inner().ended_jobs;
        context.output.show(&Banned { until, ended_jobs })?;
        Ok(Exit::Fine)
    }
}

impl Unban {
    async fn perform(self, context: &Context) -> Result<Exit, Failure> {
        let mut client = admin::connect(&context.admin_socket()).await?;
        let target = match self.target.name()? {
            Named::Workload(id) => unban_request::Target::SpiffeId(id),
            Named::Holder(hash) => unban_request::Target::Holder(hash),
        };
        let request = UnbanRequest {
            target: Some(target),
            note: self.note,
        };
        client
            .unban(request)
            .await
            .map_err(failed("the ban was not lifted"))?;
        context.output.show(&Lifted { lifted: true })?;
        Ok(Exit::Fine)
    }
}

/// Exactly one of the two.
enum Named {
    Workload(String),
    Holder(String),
}

impl Target {
    fn name(&self) -> Result<Named, Failure> {
        match (&self.workload, &self.holder) {
            (Some(id), None) => Ok(Named::Workload(id.to_string())),
            (None, Some(hash)) => Ok(Named::Holder(hash.clone())),
            _ => Err(Failure::usage("name a workload or a holder")),
        }
    }
}

async fn list(context: &Context) -> Result<Exit, Failure> {
    let mut client = admin::connect(&context.admin_socket()).await?;
    let found = client
        .list_bans(ListBansRequest {})
        .await
        .map_err(failed("cannot list the bans"))?;
    let bans = found
        .into_inner()
        .bans
        .into_iter()
        .map(BanShown::from)
        .collect();
    context.output.show(&Bans { bans })?;
    Ok(Exit::Fine)
}

/// The point in time that is this long after now.
fn after(now: Timestamp, length: Duration) -> Result<Timestamp, Failure> {
    SignedDuration::try_from(length)
        .and_then(|length| now.checked_add(length))
        .map_err(|error| Failure::usage("the ban is too long").why(error))
}

/// Reads the hash of a holder's secret: 64 hexadecimal digits, in lower case.
fn holder(text: &str) -> Result<String, String> {
    let text = text.to_ascii_lowercase();
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(text)
    } else {
        Err("a holder is 64 hexadecimal digits; `taskpass job show` prints it".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_64_hexadecimal_digits() {
        let upper = "AB".repeat(32);
        assert_eq!(holder(&upper), Ok("ab".repeat(32)));
        for bad in ["", "ab", &"zz".repeat(32), &"ab".repeat(33)] {
            assert!(holder(bad).is_err(), "{bad}");
        }
    }
}
