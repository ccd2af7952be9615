//! A decision of the audit log, explained by the policy of that day.

use std::path::Path;

use taskpass_broker::config::policy_files;
use taskpass_broker::domain::policy::SourceFile;
use taskpass_broker::domain::policy::tools::explain::explain;
use taskpass_broker::domain::policy::tools::recorded::{Given, Recorded};
use taskpass_broker::domain::policy::tools::replay::differences;
use taskpass_proto::v1::{GetAuditRecordRequest, GetPolicyRequest, GetPolicyResponse};

use super::view::{Explained, Past};
use crate::admin::{self, failed, wire};
use crate::commands::audit::RecordId;
use crate::commands::policy::loaded::{Loaded, compile};
use crate::context::Context;
use crate::failure::Failure;

/// As large as the sources of a policy can be.
const MAX_POLICY_BYTES: usize = 80 * 1024 * 1024;

/// Fetches the record and the policies, and explains.
pub(super) async fn explained(
    record: RecordId,
    facts: Option<&Path>,
    context: &Context,
) -> Result<Explained, Failure> {
    let client = admin::connect(&context.admin_socket()).await?;
    let mut client = client.max_decoding_message_size(MAX_POLICY_BYTES);
    let request = GetAuditRecordRequest {
        key: Some(record.into()),
    };
    let found = client
        .get_audit_record(request)
        .await
        .map_err(failed("cannot read the audit record"))?;
    let record = found.into_inner().record.unwrap_or_default();
    let number = record.number;
    let cannot = || Failure::new(format!("cannot explain record {number}"));
    let recorded =
        Recorded::read(&record.subject, &record.task, &record.details).map_err(|why| {
            cannot().why(why).remedy(format!(
                "`taskpass audit show {number}` shows what there is"
            ))
        })?;
    let mut sources = async |policy: String| {
        let found = client.get_policy(GetPolicyRequest { policy }).await;
        found
            .map(tonic::Response::into_inner)
            .map_err(failed("cannot fetch the policy of that day"))
    };
    let then = load(sources(record.policy.clone()).await?, facts)?;
    let now = load(sources(String::new()).await?, facts)?;
    let explanation = explain(&then.policy, &recorded.input);
    let again = Given::of(&explanation.decision);
    let today = Given::of(&now.policy.decide(&recorded.input.request()));
    let past = Past {
        number,
        at: wire::moment(record.at),
        decision: record.decision_id,
        reproduced: again == recorded.result,
        policy_today: now.policy.hash().to_string(),
        today: differences(&recorded.result, &today),
    };
    Ok(Explained::new(recorded.input, explanation).of_the_past(past))
}

fn load(sources: GetPolicyResponse, facts: Option<&Path>) -> Result<Loaded, Failure> {
    let facts = match (facts, sources.installation) {
        (Some(path), _) => policy_files::read_one(path)
            .map_err(|error| Failure::usage("cannot read the installation's facts").why(error))?,
        (None, Some(file)) => SourceFile::new(file.name, file.content),
        (None, None) => {
            return Err(
                Failure::new("the installation's facts of that day were not kept, as an older version of the broker decided")
                    .remedy("name a file that has them with --installation"),
            );
        }
    };
    let files = sources.files.into_iter();
    let files: Vec<_> = files
        .map(|file| SourceFile::new(file.name, file.content))
        .collect();
    compile(&files, facts)
}
