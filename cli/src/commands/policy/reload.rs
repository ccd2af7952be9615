//! `taskpass policy reload`: has the broker read its policy files now.

use serde::Serialize;
use taskpass_proto::v1::ReloadPolicyRequest;
use tonic::{Code, Status};

use crate::admin::{self, failed};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::page::GOOD;
use crate::output::{Page, View};

pub(super) const EXAMPLES: &str = "\
Examples:
  taskpass policy reload
  taskpass policy reload --output json

The broker looks at its files every second by itself; this waits for the outcome and fails when
they are refused.";

/// Asks the broker and shows what came of it.
pub(super) async fn perform(context: &Context) -> Result<Exit, Failure> {
    let mut client = admin::connect(&context.admin_socket()).await?;
    let answer = client
        .reload_policy(ReloadPolicyRequest {})
        .await
        .map_err(refused)?
        .into_inner();
    context.output.show(&Reloaded {
        policy: answer.policy,
        changed: answer.changed,
    })?;
    Ok(Exit::Fine)
}

/// The failure of a reload: files with several mistakes have a line for each.
fn refused(status: Status) -> Failure {
    let what = "the policy was not loaded; the one before stays in force";
    if status.code() == Code::FailedPrecondition && status.message().contains('\n') {
        let lines = format!("\n{}", status.message());
        return failed(what)(status).why_with_excerpt(lines);
    }
    failed(what)(status)
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Reloaded {
    /// Hash of the policy in force.
    policy: String,
    changed: bool,
}

impl View for Reloaded {
    fn text(&self, page: &mut Page) {
        let what = if self.changed {
            "in force now"
        } else {
            "in force as before"
        };
        page.styled(GOOD, &format!("policy {} is {what}", self.policy));
    }
}
