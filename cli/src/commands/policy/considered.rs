//! What a decision considered, a line each.

use taskpass_broker::domain::policy::{
    ConsideredCredential, ConsideredGrant, CredentialVerdict, Decision, FailedCondition,
};

/// The grants with the first condition that failed, and the credentials with what became of them.
pub(super) fn lines(decision: &Decision) -> Vec<String> {
    let grants = decision.grants.iter().map(grant);
    let credentials = decision.credentials.iter().map(credential);
    grants.chain(credentials).collect()
}

/// A grant with the first condition that failed.
pub(super) fn grant(considered: &ConsideredGrant) -> String {
    let (grant, place) = (&considered.grant, &considered.place);
    match &considered.failed {
        None => format!("grant {grant} ({place}): applies"),
        Some(failed) => format!("grant {grant} ({place}): {}", condition(failed)),
    }
}

/// A credential with what became of it.
pub(super) fn credential(considered: &ConsideredCredential) -> String {
    let (name, place) = (&considered.name, &considered.place);
    format!(
        "credential {name} ({place}): {}",
        verdict(&considered.verdict)
    )
}

/// A condition that was not met.
fn condition(failed: &FailedCondition) -> String {
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
fn verdict(verdict: &CredentialVerdict) -> String {
    match verdict {
        CredentialVerdict::Permitted => "given".to_owned(),
        CredentialVerdict::NotWanted => "not asked for".to_owned(),
        CredentialVerdict::OtherEnvironment { environment } => {
            format!("belongs to environment `{environment}`, and the workload does not")
        }
        CredentialVerdict::OutsideInstallation { what } => {
            format!("the installation does not allow {what} in its environment")
        }
        CredentialVerdict::ScopeNotGranted { scope, granted } => {
            format!("has no scope {scope:?}, only `{}`", granted.join("`, `"))
        }
        CredentialVerdict::ClaimInvalid {
            claim,
            template,
            value,
        } => {
            format!("its claim `{claim}`, `{template}`, gave {value:?}, which is no claim's text")
        }
        CredentialVerdict::ScopeInvalid { template, value } => {
            format!("its scope `{template}` gave {value:?}, which is not one scope")
        }
    }
}
