//! Opens the job, and waits for the agent and the broker where that was asked for.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::failure::Failure;
use crate::local::wire::{OpenJob, OpenedJob};
use crate::local::{Agent, LocalError};
use crate::output::Output;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long an agent may take to answer, even at the end of the patience.
const ANSWER: Duration = Duration::from_secs(10);
const WHAT: &str = "the job was not opened";

/// Opens a job; for as long as `patience` allows it tries again what time may mend.
pub(super) async fn open(
    agent: &Agent,
    job: &OpenJob,
    patience: Duration,
    output: &Output,
) -> Result<OpenedJob, Failure> {
    let begin = Instant::now();
    let end = begin + patience;
    let mut tries = 0_u32;
    let mut told = String::new();
    loop {
        tries += 1;
        let error = match attempt(agent, job, end, patience).await {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        let pause = pause(tries, error.retry_after());
        let left = end.saturating_duration_since(Instant::now());
        if !error.is_passing() || left.is_zero() {
            let failure = error.failure(WHAT, agent.socket());
            return Err(match error.is_passing() {
                true if patience.is_zero() => suggest_waiting(failure, &error),
                true => failure.in_vain(&effort(tries, begin.elapsed())),
                false => failure,
            });
        }
        tell_once(&error, agent, left, &mut told, output);
        sleep(pause.min(left)).await;
    }
}

/// One try. It is not cut off as soon as the patience ends: the agent's answer says more than none.
async fn attempt(
    agent: &Agent,
    job: &OpenJob,
    end: Instant,
    patience: Duration,
) -> Result<OpenedJob, LocalError> {
    if patience.is_zero() {
        return agent.open_job(job).await;
    }
    timeout_at(end.max(Instant::now() + ANSWER), agent.open_job(job))
        .await
        .unwrap_or(Err(LocalError::Deadline(patience.max(ANSWER))))
}

/// How long to wait after this many tries: doubling, bounded, and never less than was asked for.
fn pause(tries: u32, asked: Option<Duration>) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1)));
    doubled.min(LONGEST_PAUSE).max(asked.unwrap_or_default())
}

/// The remedies of refusals say it themselves.
fn suggest_waiting(failure: Failure, error: &LocalError) -> Failure {
    match error {
        LocalError::Refused(_) => failure,
        _ => failure.also_try("`--wait-broker 30s` waits for it"),
    }
}

/// What was done in vain.
fn effort(tries: u32, tried_for: Duration) -> String {
    let seconds = tried_for.as_secs_f64();
    match tries {
        1 => format!("tried once, for {seconds:.1} s"),
        more => format!("tried {more} times in {seconds:.1} s"),
    }
}

/// Tells a person why it takes so long, once for each cause.
fn tell_once(
    error: &LocalError,
    agent: &Agent,
    left: Duration,
    told: &mut String,
    output: &Output,
) {
    let cause = error.failure(WHAT, agent.socket()).summary();
    if *told != cause {
        let seconds = left.as_secs_f64().ceil();
        output.note(&format!("{cause}; trying again for {seconds} s"));
        *told = cause;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_respect_what_was_asked_for() {
        let millis = Duration::from_millis;
        let table = [
            (1, None, millis(250)),
            (2, None, millis(500)),
            (5, None, millis(4000)),
            (6, None, millis(5000)),
            (u32::MAX, None, millis(5000)),
            (1, Some(millis(2000)), millis(2000)),
            (6, Some(millis(2000)), millis(5000)),
        ];
        for (tries, asked, expected) in table {
            assert_eq!(pause(tries, asked), expected, "{tries} {asked:?}");
        }
    }
}
