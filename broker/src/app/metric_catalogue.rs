//! Every metric with what it says. Counters begin at 0: an increase from "not there" to 1 is none to Prometheus,
//! and the first event is the one that alarms are for.

use taskpass_proto::reason::Reason;

use crate::domain::cause::Cause;
use crate::ports::store::StoreErrorKind;

/// Why a handshake or a call was refused, as far as it is often so; the rest begins with its first event.
const SVID_TROUBLES: [&str; 4] = [
    "expired",
    "not_yet_valid",
    "unknown_issuer",
    "untrusted_domain",
];

/// What a counter is counted by.
enum By {
    Nothing,
    Label(&'static str, Vec<&'static str>),
    /// Both labels, with the pairs that are known.
    Two([&'static str; 2], Vec<[&'static str; 2]>),
}

/// Describes every metric, and lets every counter begin.
pub(super) fn register() {
    for (name, help, by) in counters() {
        metrics::describe_counter!(name, help);
        match by {
            By::Nothing => metrics::counter!(name).increment(0),
            By::Label(label, values) => {
                for value in values {
                    metrics::counter!(name, label => value).increment(0);
                }
            }
            By::Two([first, second], pairs) => {
                for [one, other] in pairs {
                    metrics::counter!(name, first => one, second => other).increment(0);
                }
            }
        }
    }
    for (name, help) in GAUGES {
        metrics::describe_gauge!(name, help);
    }
}

fn counters() -> [(&'static str, &'static str, By); 12] {
    [
        (
            "taskpass_decisions_total",
            "Decisions about jobs, credentials and renewals: allowed, or the reason of the denial",
            By::Label("outcome", [vec!["allowed"], denials()].concat()),
        ),
        (
            "taskpass_refusals_total",
            "Calls that were answered with a refusal, by reason",
            By::Label("reason", reasons()),
        ),
        (
            "taskpass_calls_refused_total",
            "Calls of callers whose SVID is not valid any more, by what is wrong with it",
            By::Label("why", SVID_TROUBLES.to_vec()),
        ),
        (
            "taskpass_handshakes_refused_total",
            "TLS handshakes that came to nothing, by why",
            By::Label(
                "why",
                [
                    &SVID_TROUBLES[..],
                    &["no_certificate", "closed", "tls", "timeout", "too_many"],
                ]
                .concat(),
            ),
        ),
        (
            "taskpass_admin_refused_total",
            "Connections to the operators' socket by users who may not administer",
            By::Nothing,
        ),
        (
            "taskpass_jobs_ended_total",
            "Jobs that ended, by cause",
            By::Label("cause", Cause::ALL.map(Cause::as_str).to_vec()),
        ),
        (
            "taskpass_heartbeats_lost_total",
            "Holders that were silent for longer than the limit",
            By::Nothing,
        ),
        (
            "taskpass_renewals_total",
            "Leases that were renewed",
            By::Nothing,
        ),
        (
            "taskpass_introspections_total",
            "Tokens that verifiers asked about: active, or not",
            By::Label("outcome", vec!["active", "inactive"]),
        ),
        (
            "taskpass_policy_loads_total",
            "Policies that were read: loaded, refused, or not kept by the store and tried again",
            By::Label("outcome", vec!["loaded", "not_kept", "refused"]),
        ),
        (
            "taskpass_store_errors_total",
            "Failures of the store, by kind",
            By::Label(
                "kind",
                StoreErrorKind::ALL.map(StoreErrorKind::as_str).to_vec(),
            ),
        ),
        (
            "taskpass_identity_problems_total",
            "Troubles with where SVIDs and bundles come from, by source and by what is wrong",
            By::Two(
                ["source", "why"],
                vec![
                    ["files", "missing"],
                    ["files", "denied"],
                    ["files", "expired"],
                    ["workload_api", "no_socket"],
                    ["workload_api", "not_connected"],
                    ["workload_api", "silent"],
                ],
            ),
        ),
    ]
}

const GAUGES: [(&str, &str); 15] = [
    ("taskpass_ready", "Whether the broker serves"),
    (
        "taskpass_svid_expires_at_seconds",
        "End of the broker's SVID, in seconds since 1970",
    ),
    (
        "taskpass_store_works",
        "Whether the store could be written the last time",
    ),
    (
        "taskpass_store_log_pages",
        "Pages of the store's write-ahead log",
    ),
    (
        "taskpass_pending_ends",
        "Ends in effect that the store could not take yet",
    ),
    ("taskpass_live_holders", "Holders that beat"),
    ("taskpass_open_jobs", "Jobs that are open"),
    (
        "taskpass_audit_tree_size",
        "Records that the last checkpoint covers",
    ),
    (
        "taskpass_audit_unsequenced_records",
        "Records that no checkpoint covers yet",
    ),
    (
        "taskpass_audit_broken",
        "Whether store and audit log do not fit",
    ),
    (
        "taskpass_audit_damaged_files",
        "Published files of the audit log that are not what its records give",
    ),
    (
        "taskpass_audit_checkpoint_age_seconds",
        "Age of the last checkpoint",
    ),
    (
        "taskpass_policy_refused",
        "Whether the newest policy files were refused, or could not be kept",
    ),
    (
        "taskpass_policy_info",
        "The policy in force: 1 for its hash",
    ),
    (
        "taskpass_policy_loaded_timestamp_seconds",
        "When the policy in force was loaded, in seconds since 1970",
    ),
];

/// Why a request is denied by a decision.
fn denials() -> Vec<&'static str> {
    [
        Reason::TaskNotGranted,
        Reason::ParameterMissing,
        Reason::ParameterUndeclared,
        Reason::ParameterInvalid,
        Reason::CredentialNotGranted,
        Reason::ScopeNotGranted,
        Reason::Forbidden,
        Reason::ApprovalRequired,
    ]
    .map(Reason::code)
    .to_vec()
}

fn reasons() -> Vec<&'static str> {
    let known = Reason::all().filter(|reason| *reason != Reason::Unspecified);
    known.map(Reason::code).collect()
}
