//! The one place that tells gRPC callers why not.

use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;
use tonic::Status;

/// Counts a refusal and puts it on the wire.
///
/// By value, so that it serves as `map_err(refused)`.
#[allow(
    clippy::needless_pass_by_value,
    reason = "serves as the argument of `map_err`"
)]
pub fn refused(refusal: Refusal) -> Status {
    let reason = refusal.reason.code();
    metrics::counter!("taskpass_refusals_total", "reason" => reason).increment(1);
    refusal.to_status()
}

/// The answer to a call that is part of the contract and not of this version.
pub fn unimplemented(call: &str) -> Status {
    let message = format!("`{call}` is not part of this version");
    refused(Refusal::new(Reason::Unimplemented, message))
}
