//! `taskpass status`: what is well, what is wrong, and how to mend it.
//!
//! - [`health`]: what is wrong, from what the agent and the broker say (pure)
//! - [`view`]: how it is shown

mod health;
mod view;

use std::future::Future;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use taskpass_proto::v1::GetStatusRequest;

use crate::admin::{self, failed};
use crate::context::{Context, block_on};
use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::local::status::{Problem, Status};
use crate::sockets::Socket;

use health::BrokerStatus;
use view::Report;

const LONG_ABOUT: &str = "\
Shows what is well, what is wrong, and how to mend it.

Asks the agent for its broker, its identities and who you are, and the broker for its SVID and its \
policy. Each is left out where it does not run on this machine. Exit code 1 when something is wrong.";

const EXAMPLES: &str = "\
Examples:
  taskpass status
  taskpass status --output json | jq -r '.problems[].what'
  taskpass status --admin-socket /run/taskpass-broker/admin.sock";

/// The command line of `status`.
#[derive(Debug, Args)]
#[command(
    about = "Shows what is well, what is wrong, and how to mend it",
    long_about = LONG_ABOUT,
    after_long_help = format!("{EXAMPLES}\n\n{}", exit::CODES)
)]
pub(crate) struct Arguments {}

/// One of the two parts, as far as it can be seen from here.
#[derive(Debug, Serialize)]
#[serde(tag = "seen", rename_all = "lowercase")]
enum Seen<T> {
    /// It answered.
    Reachable(T),
    /// It does not run on this machine, and nobody said that it does.
    Absent,
    /// It should be here and does not answer.
    Unreachable(Problem),
}

/// Performs the command.
pub(crate) fn perform(_: &Arguments, context: &Context) -> Result<Exit, Failure> {
    let report = block_on(async {
        let (agent, broker) = tokio::join!(ask_agent(context), ask_broker(context));
        let tried = [
            context.agent().socket().path.clone(),
            context.admin_socket().path,
        ];
        Ok(Report::new(
            agent,
            broker,
            tried.each_ref().map(PathBuf::as_path),
        ))
    })?;
    context.output.show(&report)?;
    Ok(report.exit())
}

async fn ask_agent(context: &Context) -> Seen<Status> {
    let agent = context.agent();
    let answer = async {
        let status = agent.status().await;
        status.map_err(|error| error.failure("the agent does not say how it is", agent.socket()))
    };
    look(agent.socket(), answer).await
}

async fn ask_broker(context: &Context) -> Seen<BrokerStatus> {
    let socket = context.admin_socket();
    let answer = async {
        let mut client = admin::connect(&socket).await?;
        let status = client
            .get_status(GetStatusRequest {})
            .await
            .map_err(failed("the broker does not say how it is"))?;
        Ok(BrokerStatus::from(status.into_inner()))
    };
    look(&socket, answer).await
}

async fn look<T>(socket: &Socket, answer: impl Future<Output = Result<T, Failure>>) -> Seen<T> {
    if !socket.named && !socket.path.exists() {
        return Seen::Absent;
    }
    match answer.await {
        Ok(status) => Seen::Reachable(status),
        Err(failure) => Seen::Unreachable(Problem {
            what: failure.summary(),
            remedy: failure.advice().unwrap_or_default(),
        }),
    }
}
