//! Times and words of the wire.

use jiff::Timestamp;
use taskpass_proto::time::millis_from_timestamp;
use taskpass_proto::v1::{Cause, JobState, LeaseState, Liveness};

/// A point in time, where the wire has one that makes sense.
pub(crate) fn moment(wire: Option<prost_types::Timestamp>) -> Option<Timestamp> {
    let millis = millis_from_timestamp(&wire?)?;
    Timestamp::from_millisecond(i64::try_from(millis).ok()?).ok()
}

/// A point in time for the wire; one before 1970 becomes 1970.
pub(crate) fn to_wire(at: Timestamp) -> prost_types::Timestamp {
    let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
    taskpass_proto::time::timestamp_from_millis(millis)
}

/// A cause as the audit log spells it; empty where there is none.
pub(crate) fn cause(number: i32) -> String {
    Cause::try_from(number).map_or_else(
        |_| format!("unknown ({number})"),
        |cause| word(cause.as_str_name(), "CAUSE_"),
    )
}

/// A state of a job.
pub(crate) fn job_state(number: i32) -> String {
    JobState::try_from(number).map_or_else(
        |_| format!("unknown ({number})"),
        |state| word(state.as_str_name(), "JOB_STATE_"),
    )
}

/// A state of a lease.
pub(crate) fn lease_state(number: i32) -> String {
    LeaseState::try_from(number).map_or_else(
        |_| format!("unknown ({number})"),
        |state| word(state.as_str_name(), "LEASE_STATE_"),
    )
}

/// Whether a job outlives silence.
pub(crate) fn liveness(number: i32) -> String {
    Liveness::try_from(number).map_or_else(
        |_| format!("unknown ({number})"),
        |liveness| word(liveness.as_str_name(), "LIVENESS_"),
    )
}

fn word(name: &str, prefix: &str) -> String {
    match name.strip_prefix(prefix).unwrap_or(name) {
        "UNSPECIFIED" => String::new(),
        word => word.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_those_of_the_audit_log() {
        assert_eq!(cause(Cause::HeartbeatLost.into()), "heartbeat_lost");
        assert_eq!(cause(0), "");
        assert_eq!(cause(4711), "unknown (4711)");
        assert_eq!(job_state(JobState::Open.into()), "open");
        assert_eq!(lease_state(LeaseState::Revoking.into()), "revoking");
        assert_eq!(liveness(Liveness::Heartbeat.into()), "heartbeat");
    }

    #[test]
    fn times_survive_the_wire() {
        let at: Timestamp = "2026-11-03T12:00:00.123Z".parse().unwrap();
        assert_eq!(moment(Some(to_wire(at))), Some(at));
        assert_eq!(moment(None), None);
    }

    proptest! {
        #[test]
        fn no_time_of_the_wire_panics(seconds: i64, nanos: i32) {
            let _ = moment(Some(prost_types::Timestamp { seconds, nanos }));
        }
    }
}
