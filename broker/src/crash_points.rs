//! Named points at which the tests have the broker killed, as by `kill -9`.
//!
//! They are compiled in with the feature `crash-points` alone. The shipped program does not have it: only the
//! tests of the command line depend on the broker with it, and a test looks that nothing else does.

/// A point that a test can name. `Point::name`, compiled in with the feature alone, is what it writes into
/// `TASKPASS_CRASH_AT`, with `:n` behind it for the n-th time that the point is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "each is the name of a place in the code, and of nothing else"
)]
pub enum Point {
    GroupHalf,
    CommitBefore,
    CommitAfter,
    ReplyBefore,
    KeysHalf,
    PolicyHalf,
    MigrationHalf,
    CheckpointBefore,
    CheckpointAfter,
    ExpiryBetween,
    PendingEnd,
    RestoredHalf,
    EpochHalf,
    BackupHalf,
    RestoreHalf,
}

/// Kills the process if this is where it is to die.
#[cfg(not(feature = "crash-points"))]
pub fn reach(_: Point) {}

#[cfg(feature = "crash-points")]
pub use compiled_in::reach;

#[cfg(feature = "crash-points")]
mod compiled_in {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    use super::Point;

    impl Point {
        /// What a test calls it.
        fn name(self) -> &'static str {
            match self {
                Self::GroupHalf => "group.half",
                Self::CommitBefore => "commit.before",
                Self::CommitAfter => "commit.after",
                Self::ReplyBefore => "reply.before",
                Self::KeysHalf => "keys.half",
                Self::PolicyHalf => "policy.half",
                Self::MigrationHalf => "migration.half",
                Self::CheckpointBefore => "checkpoint.before",
                Self::CheckpointAfter => "checkpoint.after",
                Self::ExpiryBetween => "expiry.between",
                Self::PendingEnd => "pending.end",
                Self::RestoredHalf => "restored.half",
                Self::EpochHalf => "epoch.half",
                Self::BackupHalf => "backup.half",
                Self::RestoreHalf => "restore.half",
            }
        }
    }

    struct Planned {
        name: String,
        left: AtomicU64,
    }

    /// Kills the process if this is where it is to die.
    pub fn reach(point: Point) {
        let Some(planned) = planned() else { return };
        if planned.name != point.name() || planned.left.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        let _ = kill_process(getpid(), Signal::KILL);
        loop {
            std::thread::park();
        }
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "a test has no other way to tell it, and the shipped program does not have this"
    )]
    fn planned() -> Option<&'static Planned> {
        static PLANNED: OnceLock<Option<Planned>> = OnceLock::new();
        let read = || {
            let plan = std::env::var("TASKPASS_CRASH_AT").ok()?;
            let (name, times) = plan.split_once(':').unwrap_or((&plan, "1"));
            Some(Planned {
                name: name.to_owned(),
                left: AtomicU64::new(times.parse().ok()?),
            })
        };
        PLANNED.get_or_init(read).as_ref()
    }
}
