//! Asks the broker to open a job, again and again for a while: the id makes it one job.

use std::sync::Arc;
use std::time::Duration;

use taskpass_proto::v1;
use tokio::time::{Instant, sleep};

use crate::broker::{Broker, CallError};
use crate::random::Random;
use crate::renewal::wait_after_failure;

/// How long a caller waits for a broker that is away.
const PATIENCE: Duration = Duration::from_secs(3);

/// Opens a job, or says why not.
pub(super) async fn open(
    broker: Arc<dyn Broker>,
    identity: usize,
    request: v1::OpenJobRequest,
    random: Random,
) -> Result<v1::OpenJobResponse, CallError> {
    let give_up = Instant::now() + PATIENCE;
    let mut failures = 0;
    loop {
        let error = match broker.open_job(identity, request.clone()).await {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        let Some(at_least) = error.worth_repeating() else {
            return Err(error);
        };
        let wait = wait_after_failure(failures, random.fraction()).max(at_least);
        if Instant::now() + wait >= give_up {
            return Err(error);
        }
        sleep(wait).await;
        failures += 1;
    }
}

/// Closes a job: repeated until the broker confirms it, however long that takes.
pub(super) async fn close(
    broker: Arc<dyn Broker>,
    identity: usize,
    request: v1::CloseJobRequest,
    random: Random,
) -> v1::Cause {
    let mut failures = 0;
    loop {
        let wait = match broker.close_job(identity, request.clone()).await {
            Ok(closed) if closed.progress() == v1::EndProgress::Confirmed => return closed.cause(),
            Ok(_) => Duration::ZERO,
            // Banned: the broker has ended the job itself. Malformed: it never opened it.
            Err(error) if error.worth_repeating().is_none() => return v1::Cause::Unspecified,
            Err(error) => error.worth_repeating().unwrap_or_default(),
        };
        sleep(wait_after_failure(failures, random.fraction()).max(wait)).await;
        failures = failures.saturating_add(1);
    }
}
