//! `taskpass policy status`: the policy in force.

use jiff::Timestamp;
use serde::Serialize;
use taskpass_proto::v1::{GetPolicyStatusRequest, GetPolicyStatusResponse};

use crate::admin::{self, failed, wire};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::page::{ERROR, WARNING};
use crate::output::{Page, View};

pub(super) const EXAMPLES: &str = "\
Examples:
  taskpass policy status
  taskpass policy status --output json | jq -r .policy
  taskpass policy status > /dev/null || echo 'the newest policy files are not in force'";

/// Asks the broker and shows its answer. Fails when the newest files are not in force.
pub(super) async fn perform(context: &Context) -> Result<Exit, Failure> {
    let mut client = admin::connect(&context.admin_socket()).await?;
    let status = client
        .get_policy_status(GetPolicyStatusRequest {})
        .await
        .map_err(failed("cannot show the policy in force"))?;
    let status = PolicyStatus::from(status.into_inner());
    context.output.show(&status)?;
    Ok(if status.is_good() {
        Exit::Fine
    } else {
        Exit::Negative
    })
}

/// The policy in force, and what is wrong with the newest files.
#[derive(Debug, Serialize)]
struct PolicyStatus {
    /// Its hash; none when no policy is in force.
    policy: Option<String>,
    loaded_at: Option<Timestamp>,
    files: Vec<String>,
    tasks: u64,
    grants: u64,
    warnings: Vec<String>,
    ends_jobs_of_withdrawn_grants: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Refused>,
}

/// Files that were not let in.
#[derive(Debug, Serialize)]
struct Refused {
    at: Option<Timestamp>,
    why: String,
}

impl PolicyStatus {
    fn is_good(&self) -> bool {
        self.policy.is_some() && self.refused.is_none()
    }
}

impl From<GetPolicyStatusResponse> for PolicyStatus {
    fn from(wire: GetPolicyStatusResponse) -> Self {
        let refused = (!wire.refused.is_empty()).then(|| Refused {
            at: wire::moment(wire.refused_at),
            why: wire.refused,
        });
        Self {
            policy: Some(wire.policy).filter(|hash| !hash.is_empty()),
            loaded_at: wire::moment(wire.loaded_at),
            files: wire.files,
            tasks: wire.tasks,
            grants: wire.grants,
            warnings: wire.warnings,
            ends_jobs_of_withdrawn_grants: wire.ends_jobs_of_withdrawn_grants,
            refused,
        }
    }
}

impl View for PolicyStatus {
    fn text(&self, page: &mut Page) {
        match &self.policy {
            None => page.styled(ERROR, "no policy is in force, so nothing is granted"),
            Some(hash) => {
                let withdrawn = if self.ends_jobs_of_withdrawn_grants {
                    "ends jobs that stand on it"
                } else {
                    "refuses the next renewal"
                };
                page.facts([
                    ("policy", hash.clone()),
                    ("in force since", page.moment(self.loaded_at)),
                    ("files", self.files.join(", ")),
                    ("tasks", self.tasks.to_string()),
                    ("grants", self.grants.to_string()),
                    ("a withdrawn grant", withdrawn.to_owned()),
                ]);
            }
        }
        for warning in &self.warnings {
            page.gap();
            page.styled(WARNING, "warning");
            for line in warning.lines() {
                page.line(line);
            }
        }
        if let Some(refused) = &self.refused {
            page.gap();
            let since = page.moment(refused.at);
            page.styled(ERROR, &format!("newer files were refused, {since}"));
            for line in refused.why.lines() {
                page.line(line);
            }
            page.line("`taskpass policy check` on the policy directory shows where; the policy before stays in force");
        }
    }
}
