//! What a decision considered, a line each.

use taskpass_broker::domain::policy::{CredentialVerdict, Decision, FailedCondition};

/// The grants with the first condition that failed, and the credentials with what became of them.
pub(super) fn lines(decision: &Decision) -> Vec<String> {
    let grants = decision.grants.iter().map(|considered| {
        let (grant, place) = (&considered.grant, &considered.place);
        match &considered.failed {
            None => format!("grant {grant} ({place}): applies"),
            Some(failed) => format!("grant {grant} ({place}): {}", condition(failed)),
        }
    });
    let credentials = decision.credentials.iter().map(|considered| {
        let (name, place) = (&considered.name, &considered.place);
        let verdict = verdict(&considered.verdict);
        format!("credential {name} ({place}): {verdict}")
    });
    grants.chain(credentials).collect()
}

/// A condition that was not met.
pub(super) fn condition(failed: &FailedCondition) -> String {
    let value = match &failed.value {
        Some(value) => format!("it is {value:?}"),
        None => "it is missing".to_owned(),
    };
    format!(
        "`{}` has to be {}, and {value}",
        failed.condition, failed.expected
    )
}

/// What became of a credential.
pub(super) fn verdict(verdict: &CredentialVerdict) -> String {
    match verdict {
        CredentialVerdict::Permitted => "given".to_owned(),
        CredentialVerdict::NotWanted => "not asked for".to_owned(),
        CredentialVerdict::OtherEnvironment { environment } => {
            format!("belongs to environment `{environment}`, and the workload does not")
        }
        CredentialVerdict::ScopeNotGranted { scope, granted } => {
            format!("has no scope {scope:?}, only `{}`", granted.join("`, `"))
        }
        CredentialVerdict::ScopeInvalid { template, value } => {
            format!("its scope `{template}` gave {value:?}, which is not one scope")
        }
    }
}
