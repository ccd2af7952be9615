//! Our enumerations and the wire's.

use taskpass_proto::v1;

use crate::domain::cause::Cause;
use crate::domain::job::{Anchor, Liveness};
use crate::domain::lease::LeaseState;
use crate::domain::revocability::Revocability;

/// The wire's word for a cause.
pub fn cause(cause: Cause) -> v1::Cause {
    match cause {
        Cause::JobClosed => v1::Cause::JobClosed,
        Cause::ProcessExited => v1::Cause::ProcessExited,
        Cause::HeartbeatLost => v1::Cause::HeartbeatLost,
        Cause::Ttl => v1::Cause::Ttl,
        Cause::MaxDuration => v1::Cause::MaxDuration,
        Cause::Operator => v1::Cause::Operator,
        Cause::PolicyChanged => v1::Cause::PolicyChanged,
        Cause::WorkloadBanned => v1::Cause::WorkloadBanned,
        Cause::Exposure => v1::Cause::Exposure,
        Cause::ParentEnded => v1::Cause::ParentEnded,
        Cause::Abandoned => v1::Cause::Abandoned,
        Cause::StoreRestored => v1::Cause::StoreRestored,
    }
}

/// The wire's word for a cause that may be absent.
pub fn optional_cause(optional: Option<Cause>) -> i32 {
    optional.map_or(v1::Cause::Unspecified, cause).into()
}

/// The wire's word for a lease's state.
pub fn lease_state(state: LeaseState) -> v1::LeaseState {
    match state {
        LeaseState::Intent => v1::LeaseState::Intent,
        LeaseState::Active(_) => v1::LeaseState::Active,
        LeaseState::Revoking { .. } => v1::LeaseState::Revoking,
        LeaseState::Ended { .. } => v1::LeaseState::Ended,
    }
}

/// The wire's word for a job's liveness.
pub fn liveness(liveness: Liveness) -> v1::Liveness {
    match liveness {
        Liveness::None => v1::Liveness::None,
        Liveness::Heartbeat => v1::Liveness::Heartbeat,
    }
}

/// Our word for a job's liveness.
pub fn liveness_from(wire: i32) -> Option<Liveness> {
    match v1::Liveness::try_from(wire).ok()? {
        v1::Liveness::Unspecified | v1::Liveness::None => Some(Liveness::None),
        v1::Liveness::Heartbeat => Some(Liveness::Heartbeat),
    }
}

/// Our word for an anchor.
pub fn anchor_from(wire: i32) -> Option<Anchor> {
    match v1::Anchor::try_from(wire).ok()? {
        v1::Anchor::Unspecified | v1::Anchor::Ttl => Some(Anchor::Ttl),
        v1::Anchor::Process => Some(Anchor::Process),
        v1::Anchor::Connection => Some(Anchor::Connection),
    }
}

/// Our word for the cause with which a holder closes its job.
pub fn closing_cause_from(wire: i32) -> Option<Cause> {
    match v1::Cause::try_from(wire).ok()? {
        v1::Cause::Unspecified | v1::Cause::JobClosed => Some(Cause::JobClosed),
        v1::Cause::ProcessExited => Some(Cause::ProcessExited),
        _ => None,
    }
}

/// How the wire tells revocability.
pub fn revocability(revocability: Revocability) -> v1::Revocability {
    use v1::revocability::{ExpiryOnly, Immediate, Kind};
    let kind = match revocability {
        Revocability::Immediate => Kind::Immediate(Immediate {}),
        Revocability::Bounded(within) => Kind::Bounded(taskpass_proto::time::to_wire(within)),
        Revocability::ExpiryOnly => Kind::ExpiryOnly(ExpiryOnly {}),
    };
    v1::Revocability { kind: Some(kind) }
}
