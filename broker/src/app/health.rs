//! Whether the broker can serve, and what is wrong, each with what to do about it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::domain::clock_guard::ClockState;
use crate::domain::time::UnixMillis;
use crate::operations::Operations;
use crate::operations::policy_in_force::Fault;

/// Looks at everything that can be wrong.
pub struct Health {
    operations: Arc<Operations>,
    svid: Box<dyn Fn() -> SvidHealth + Send + Sync>,
    draining: CancellationToken,
    notice: Option<String>,
}

/// The broker's own SVID.
#[derive(Debug, Clone)]
pub struct SvidHealth {
    /// Its end.
    pub expires_at: UnixMillis,
    /// Whether a Workload API has taken it back.
    pub is_withdrawn: bool,
    /// What to do where it has expired.
    pub remedy: &'static str,
    /// What is wrong with where it, or the bundles, come from.
    pub problem: Option<taskpass_identity::source::Problem>,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
    /// Whether the broker can serve all the same.
    pub serves: bool,
}

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whether the broker can serve.
    pub ready: bool,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

impl Health {
    /// Looks at these.
    pub fn new(
        operations: Arc<Operations>,
        svid: Box<dyn Fn() -> SvidHealth + Send + Sync>,
        draining: CancellationToken,
    ) -> Self {
        Self {
            operations,
            svid,
            draining,
            notice: None,
        }
    }

    /// The same with something that operators are told until the next start; the broker serves.
    pub fn with_notice(mut self, notice: Option<String>) -> Self {
        self.notice = notice;
        self
    }

    /// The broker's own SVID.
    pub fn svid(&self) -> SvidHealth {
        (self.svid)()
    }

    /// Looks now.
    pub fn report(&self) -> Report {
        let found = [
            self.draining(),
            self.clock(),
            self.policy(),
            self.refused_policy(),
            self.store(),
            self.audit_log(),
            self.late_audit_log(),
            self.damaged_audit_log(),
            self.pending_ends(),
            self.noticed(),
            self.own_svid(),
            self.svid_source(),
        ];
        let problems: Vec<Problem> = found.into_iter().flatten().collect();
        Report {
            ready: problems.iter().all(|problem| problem.serves),
            problems,
        }
    }

    /// Sets the gauges that only a look can tell.
    pub fn gauge(&self) {
        let report = self.report();
        let svid_ends = u32::try_from(self.svid().expires_at.as_seconds()).unwrap_or(u32::MAX);
        metrics::gauge!("taskpass_svid_expires_at_seconds").set(f64::from(svid_ends));
        metrics::gauge!("taskpass_ready").set(f64::from(u8::from(report.ready)));
        let store_works = self.operations.store_trouble().is_none();
        metrics::gauge!("taskpass_store_works").set(f64::from(u8::from(store_works)));
        let pending = u32::try_from(self.operations.pending_ends()).unwrap_or(u32::MAX);
        metrics::gauge!("taskpass_pending_ends").set(f64::from(pending));
        let live = u32::try_from(self.operations.live_sessions()).unwrap_or(u32::MAX);
        metrics::gauge!("taskpass_live_holders").set(f64::from(live));
        if let Ok(open) = self.operations.open_jobs() {
            let open = u32::try_from(open).unwrap_or(u32::MAX);
            metrics::gauge!("taskpass_open_jobs").set(f64::from(open));
        }
        self.gauge_audit_log();
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "a gauge of records is exact up to 2^52"
    )]
    fn gauge_audit_log(&self) {
        let status = self.operations.audit_log().status();
        metrics::gauge!("taskpass_audit_tree_size").set(status.size as f64);
        metrics::gauge!("taskpass_audit_unsequenced_records").set(status.unsequenced as f64);
        metrics::gauge!("taskpass_audit_broken").set(f64::from(u8::from(status.trouble.is_some())));
        metrics::gauge!("taskpass_audit_damaged_files").set(status.damaged.len() as f64);
        if let Some(at) = status.signed_at {
            let age = self.operations.now().since(at);
            metrics::gauge!("taskpass_audit_checkpoint_age_seconds").set(age.as_secs_f64());
        }
    }

    fn draining(&self) -> Option<Problem> {
        self.draining.is_cancelled().then(|| {
            problem(
                "the broker is shutting down",
                "wait for the next one",
                false,
            )
        })
    }

    fn clock(&self) -> Option<Problem> {
        match self.operations.clock_state() {
            ClockState::Steady => None,
            ClockState::Stepped { steady_in } => Some(problem(
                format!(
                    "the clock stepped; nothing is issued and nothing expires for {} s more",
                    steady_in.as_secs()
                ),
                "check the machine's time service",
                false,
            )),
        }
    }

    fn policy(&self) -> Option<Problem> {
        self.operations.policy().is_none().then(|| {
            problem(
                "no policy is loaded, so nothing is granted",
                "run `taskpass policy check` on the policy directory",
                false,
            )
        })
    }

    fn refused_policy(&self) -> Option<Problem> {
        let refused = self.operations.policy_status().refused?;
        Some(match refused.fault {
            Fault::Files => problem(
                format!("the newest policy files were refused: {}", refused.why),
                "run `taskpass policy check` on the policy directory; the policy before stays in force",
                true,
            ),
            Fault::Store(kind) => problem(
                format!("the newest policy could not be kept: {}", refused.why),
                format!("{}; the policy before stays in force", kind.remedy()),
                true,
            ),
        })
    }

    fn store(&self) -> Option<Problem> {
        match self.operations.store_trouble() {
            None => None,
            Some(error) => Some(problem(error.to_string(), error.kind.remedy(), false)),
        }
    }

    fn audit_log(&self) -> Option<Problem> {
        let trouble = self.operations.audit_log().status().trouble?;
        let what = format!(
            "the audit log is broken, and nothing is issued: {}",
            trouble.what
        );
        Some(problem(what, trouble.remedy, false))
    }

    fn late_audit_log(&self) -> Option<Problem> {
        let (since, why) = self.operations.audit_log().status().late?;
        Some(problem(
            format!("no checkpoint of the audit log could be published since {since}: {why}"),
            "mend the disk of `[audit] directory`, or its permissions; records are kept in the store",
            true,
        ))
    }

    fn damaged_audit_log(&self) -> Option<Problem> {
        let damaged = self.operations.audit_log().status().damaged;
        let first = damaged.first()?;
        Some(problem(
            format!(
                "{} published files of the audit log are not what its records give, the first `{first}`",
                damaged.len()
            ),
            "find out who changed them; remove the files and restart the broker to have them written again",
            true,
        ))
    }

    fn pending_ends(&self) -> Option<Problem> {
        let pending = self.operations.pending_ends();
        (pending > 0).then(|| {
            problem(
                format!("{pending} ends of jobs are in effect and not recorded yet"),
                "they are repeated until the store takes them",
                true,
            )
        })
    }

    fn noticed(&self) -> Option<Problem> {
        let notice = self.notice.clone()?;
        let remedy =
            "ban and retire again what was banned and retired since; `docs/store.md` has the list";
        Some(problem(notice, remedy, true))
    }

    fn own_svid(&self) -> Option<Problem> {
        let svid = self.svid();
        let expired = svid.expires_at <= self.operations.now();
        let what = match (svid.is_withdrawn, expired) {
            (true, _) => "the broker's SVID was taken back",
            (false, true) => "the broker's SVID has expired",
            (false, false) => return None,
        };
        Some(problem(what, svid.remedy, false))
    }

    fn svid_source(&self) -> Option<Problem> {
        self.svid().problem.map(|found| {
            problem(
                format!("no newer SVID or bundle is taken: {}", found.what),
                found.remedy,
                true,
            )
        })
    }
}

fn problem(what: impl Into<String>, remedy: impl Into<String>, serves: bool) -> Problem {
    Problem {
        what: what.into(),
        remedy: remedy.into(),
        serves,
    }
}
