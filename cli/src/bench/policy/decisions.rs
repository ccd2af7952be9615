//! How long a decision takes, and how many a replay makes.

use std::time::{Duration, Instant};

use serde_json::json;
use taskpass_broker::domain::policy::Policy;
use taskpass_broker::domain::policy::tools::input::Input;
use taskpass_broker::domain::policy::tools::replay::{Record, Replay};

use super::BenchError;
use super::generate::{self, Size};

/// Requests of one round, and rounds.
const REQUESTS: usize = 5_000;
const ROUNDS: usize = 5;

/// Decisions by two policies, measured in turns.
pub(super) struct Both {
    pub(super) small: Times,
    pub(super) large: Times,
}

/// How long decisions took.
pub(super) struct Times {
    pub(super) grants: usize,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
}

/// Decides as many requests by each policy, in turns.
pub(super) fn times(small: (&Policy, Size), large: (&Policy, Size)) -> Result<Both, BenchError> {
    let requests = |size| -> Result<Vec<Input>, BenchError> {
        (0..REQUESTS).map(|n| generate::request(size, n)).collect()
    };
    let (for_small, for_large) = (requests(small.1)?, requests(large.1)?);
    let (mut of_small, mut of_large) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        decide(small.0, &for_small, &mut of_small)?;
        decide(large.0, &for_large, &mut of_large)?;
    }
    Ok(Both {
        small: Times::of(small.0, of_small),
        large: Times::of(large.0, of_large),
    })
}

/// How many recorded decisions a second are read, decided again and compared.
#[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub(super) fn replayed_per_second(
    policy: &Policy,
    size: Size,
    each: Duration,
) -> Result<f64, BenchError> {
    let mut recorded = Vec::with_capacity(REQUESTS);
    for number in 0..REQUESTS {
        let input = generate::request(size, number)?;
        let decision = policy.decide(&input.request());
        let details = json!({
            "decision": decision,
            "parameters": input.parameters,
            "wanted": input.wanted,
            "holder": "0123456789abcdef",
        });
        recorded.push((input.workload.to_string(), input.task, details.to_string()));
    }
    let mut replay = Replay::new(policy);
    let mut count = 0_u32;
    let began = Instant::now();
    while began.elapsed() < each {
        for (workload, task, details) in &recorded {
            count += 1;
            replay.take(Record {
                number: count.into(),
                event: "job.opened",
                workload,
                task,
                decision: "",
                details,
            });
        }
    }
    let took = began.elapsed();
    let summary = replay.finish().summary;
    if summary.different > 0 || summary.decided != u64::from(count) {
        let what = format!("a replay of its own decisions differs: {summary:?}");
        return Err(BenchError::Said(what));
    }
    Ok(f64::from(count) / took.as_secs_f64())
}

#[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn decide(policy: &Policy, inputs: &[Input], times: &mut Vec<Duration>) -> Result<(), BenchError> {
    for input in inputs {
        let request = input.request();
        let began = Instant::now();
        let decision = policy.decide(&request);
        times.push(began.elapsed());
        if let Err(denied) = decision.allowed() {
            return Err(BenchError::Said(denied.explanation.clone()));
        }
    }
    Ok(())
}

impl Times {
    fn of(policy: &Policy, mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |part: usize| times.get(times.len() * part / 100).copied();
        Self {
            grants: policy.grant_count(),
            p50: at(50).unwrap_or_default(),
            p99: at(99).unwrap_or_default(),
        }
    }
}
