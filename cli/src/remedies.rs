//! What to try after a refusal: one line for each reason. The long form is `docs/reasons.md`.

use taskpass_proto::reason::Reason;

/// What to try when a call was refused for this reason with this message.
pub(crate) fn remedy_of(code: &str, message: &str) -> Option<String> {
    let general = remedy(code)?;
    let named = match code {
        "PARAMETER_MISSING" => parameter(message).map(|name| format!("add `--param {name}=VALUE`")),
        _ => None,
    };
    Some(named.unwrap_or_else(|| general.to_owned()))
}

/// The parameter that a message begins with: "parameter `ref` is missing".
fn parameter(message: &str) -> Option<&str> {
    let (name, _) = message.strip_prefix("parameter `")?.split_once('`')?;
    Some(name)
}

/// What to try when a call was refused for this reason, or `None` for a reason unknown here.
pub(crate) fn remedy(code: &str) -> Option<&'static str> {
    Reason::from_code(code)
        .map(of_broker)
        .or_else(|| of_agent(code))
}

fn of_broker(reason: Reason) -> &'static str {
    match reason {
        Reason::SvidRefused => {
            "rotate the workload's SVID; the broker needs the bundle of its trust domain"
        }
        Reason::WorkloadBanned => {
            "an operator sees why with `taskpass workload list`, and lifts it with `taskpass workload unban`"
        }
        Reason::Superseded => {
            "stop the older agent; if there is only one, give it a new state directory"
        }
        Reason::RoleRequired => "ask an operator for the role, in the broker's configuration",
        Reason::RequestInvalid => "correct the field that is named",
        Reason::RequestTooLarge => "pass a reference instead of the content",
        Reason::JobIdTime => "set this machine's clock",
        Reason::JobIdReused => "make a new job id for each job",
        Reason::SubjectProofUnsupported => "connect with the workload's own SVID",
        Reason::BindingUnsupported => {
            "ask the broker directly with the workload's own SVID, or without the binding"
        }
        Reason::BindingMismatch => {
            "bind to the certificate that you connect with; after a rotation, renew with the new one"
        }
        Reason::ConfirmationRequired => "wait as long as it says, or say that it is meant: `--now`",
        Reason::Unimplemented => "use a newer broker",
        Reason::TaskNotGranted => "ask the task's owner for a grant, and check the task's name",
        Reason::ParameterMissing => "add `--param NAME=VALUE`",
        Reason::ParameterUndeclared => {
            "check the parameter's name; only declared ones are accepted"
        }
        Reason::ParameterInvalid => "give a value that the task's policy accepts",
        Reason::CredentialNotGranted => "ask for a credential that the task grants",
        Reason::ScopeNotGranted => "ask for scopes that the credential has",
        Reason::Forbidden => "ask the policy's owner; a rule forbids it",
        Reason::ApprovalRequired => "ask an approver",
        Reason::NotAVerifier => {
            "ask the owner of the policy to name this workload among the audience's `verifiers`"
        }
        Reason::JobUnknown => {
            "check the id; `taskpass job list` shows the jobs, with --mine your own"
        }
        Reason::JobEnded => "start a new job; `taskpass job show ID` says why it ended",
        Reason::LeaseUnknown => "check the id; `taskpass lease list` shows the leases",
        Reason::LeaseEnded => "start a new job; `taskpass lease show ID` says why it ended",
        Reason::GenerationMismatch => "use the newest token; another renewal came first",
        Reason::RateLimited => "slow down; is something looping?",
        Reason::LiveJobsLimit => {
            "close jobs that are done, or ask the task's owner to raise `max_live_jobs`"
        }
        Reason::JobLeasesLimit => "renew a lease instead of asking for a new one",
        Reason::StoreUnavailable => {
            "an operator sees what is wrong with `taskpass status` at the broker"
        }
        Reason::IssuerUnavailable => {
            "try again later; an operator sees the target with `taskpass status`"
        }
        Reason::PolicyUnavailable => {
            "an operator loads a policy; `taskpass policy check DIR` finds its errors"
        }
        Reason::ShuttingDown => "try again; the next broker answers",
        Reason::ClockUncertain => "an operator checks the time service of the broker's machine",
        Reason::Internal | Reason::Unspecified => "report it with the broker's log line of this id",
    }
}

/// The agent's own reasons.
fn of_agent(code: &str) -> Option<&'static str> {
    let remedy = match code {
        "CALLER_NOT_MAPPED" => {
            "add your uid or gid to an `[[identity]]` in agent.toml; `taskpass status` shows who you are"
        }
        "CALLER_AMBIGUOUS" => {
            "let exactly one `[[identity]]` in agent.toml match you; `taskpass status` shows who you are"
        }
        "BROKER_UNREACHABLE" => {
            "`taskpass status` shows what the agent sees; `taskpass run --wait-broker 30s` waits for it"
        }
        "SVID_UNAVAILABLE" => "see `taskpass status`: the agent has no valid SVID for you",
        "JOURNAL_UNAVAILABLE" => {
            "whoever runs the agent looks into its log, and at its state directory: is the disk full?"
        }
        "AGENT_STOPPING" => "start the agent again, then try again",
        _ => return None,
    };
    Some(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_parameter_is_named_where_the_message_does() {
        let table = [
            ("parameter `ref` is missing", "add `--param ref=VALUE`"),
            ("something is missing", "add `--param NAME=VALUE`"),
            ("parameter `", "add `--param NAME=VALUE`"),
        ];
        for (message, expected) in table {
            assert_eq!(
                remedy_of("PARAMETER_MISSING", message).as_deref(),
                Some(expected)
            );
        }
    }

    #[test]
    fn every_reason_has_a_short_remedy() {
        let agents = [
            "CALLER_NOT_MAPPED",
            "CALLER_AMBIGUOUS",
            "BROKER_UNREACHABLE",
            "REQUEST_INVALID",
            "JOB_UNKNOWN",
            "SVID_UNAVAILABLE",
            "JOURNAL_UNAVAILABLE",
            "AGENT_STOPPING",
        ];
        for code in Reason::all().map(Reason::code).chain(agents) {
            let text = remedy(code).unwrap_or_else(|| panic!("`{code}` has no remedy"));
            assert!(text.len() <= 110 && !text.ends_with('.'), "{code}: {text}");
        }
        assert_eq!(remedy("NO_SUCH_REASON"), None);
    }
}
