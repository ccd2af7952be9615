//! What a decision considered, a line each.

use taskpass_broker::domain::policy::{
    ConsideredCredential, ConsideredGrant, CredentialVerdict, Decision, Environment,
    FailedCondition, ForbiddingGuardrail, GrantMode,
};

/// The grants with the first condition that failed, the guardrails that forbade, and the credentials with what
/// became of them.
pub(super) fn lines(decision: &Decision) -> Vec<String> {
    let grants = decision.grants.iter().map(grant);
    grants.chain(beyond_grants(decision)).collect()
}

/// The guardrails that forbade, and the credentials with what became of them.
pub(super) fn beyond_grants(decision: &Decision) -> impl Iterator<Item = String> {
    let guardrails = decision.guardrails.iter().map(guardrail);
    let credentials = decision.credentials.iter();
    guardrails.chain(credentials.map(|one| credential(one, &decision.environment)))
}

/// A grant with the first condition that failed.
pub(super) fn grant(considered: &ConsideredGrant) -> String {
    let (grant, place) = (&considered.grant, &considered.place);
    let what = match (&considered.failed, considered.mode) {
        (None, GrantMode::Enforce) => "applies".to_owned(),
        (None, GrantMode::Audit) => {
            "would apply, but lets nothing through in audit mode".to_owned()
        }
        (Some(failed), GrantMode::Enforce) => condition(failed),
        (Some(failed), GrantMode::Audit) => format!(
            "in audit mode, which lets nothing through, and {}",
            condition(failed)
        ),
    };
    format!("grant {grant} ({place}): {what}")
}

/// A guardrail that forbade.
fn guardrail(forbidding: &ForbiddingGuardrail) -> String {
    let ForbiddingGuardrail {
        name,
        place,
        values,
        error,
    } = forbidding;
    let what = match error {
        None => "forbids it".to_owned(),
        Some(error) => format!("could not be evaluated, which forbids it: {error}"),
    };
    let values = match values.as_str() {
        "" => String::new(),
        values => format!("; {values}"),
    };
    format!("guardrail {name} ({place}): {what}{values}")
}

/// A credential with what became of it.
fn credential(considered: &ConsideredCredential, of_workload: &Environment) -> String {
    let (name, place) = (&considered.name, &considered.place);
    let what = match (&considered.verdict, of_workload) {
        (CredentialVerdict::OtherEnvironment { environment }, Environment::Several(_)) => format!(
            "belongs to environment `{environment}`, and the workload is in {of_workload}, which gives it the credentials of none"
        ),
        (other, _) => verdict(other),
    };
    format!("credential {name} ({place}): {what}")
}

/// A condition that was not met.
fn condition(failed: &FailedCondition) -> String {
    // Of these, the value is a list of attributes with their values, or an error.
    let values = failed.value.as_deref().unwrap_or_default();
    let text: Vec<_> = failed.expected.split_whitespace().collect();
    if let ("when" | "unless", Some(error)) = (&*failed.condition, values.strip_prefix("error: ")) {
        let condition = &failed.condition;
        let text = text.join(" ");
        return format!("`{condition}` could not be evaluated, which denies: {text}; {error}");
    }
    match &*failed.condition {
        "when" => return format!("`when` is not met: {}; {values}", text.join(" ")),
        "unless" => return format!("`unless` is met: {}; {values}", text.join(" ")),
        _ => {}
    }
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
