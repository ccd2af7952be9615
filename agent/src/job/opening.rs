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

/// A job that was not opened, as far as anybody knows.
#[derive(Debug)]
pub(super) struct NotOpened {
    /// Why the last try failed.
    pub(super) error: CallError,
    /// Whether the broker may have opened it all the same, in this try or an earlier one.
    pub(super) perhaps_open: bool,
}

/// Opens a job, or says why not.
pub(super) async fn open(
    broker: Arc<dyn Broker>,
    identity: usize,
    request: v1::OpenJobRequest,
    random: Random,
) -> Result<v1::OpenJobResponse, NotOpened> {
    let give_up = Instant::now() + PATIENCE;
    let (mut failures, mut perhaps_open) = (0, false);
    loop {
        let error = match broker.open_job(identity, request.clone()).await {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        perhaps_open |= error.is_perhaps_done();
        let wait = error
            .worth_repeating()
            .map(|at_least| wait_after_failure(failures, random.fraction()).max(at_least));
        match wait.filter(|wait| Instant::now() + *wait < give_up) {
            Some(wait) => sleep(wait).await,
            None => {
                return Err(NotOpened {
                    error,
                    perhaps_open,
                });
            }
        }
        failures += 1;
    }
}

/// Closes a job: repeated until the broker confirms it, however long that takes. An end is never given up.
pub(super) async fn close(
    broker: Arc<dyn Broker>,
    identity: usize,
    request: v1::CloseJobRequest,
    random: Random,
) -> v1::Cause {
    let mut failures = 0;
    loop {
        let at_least = match broker.close_job(identity, request.clone()).await {
            Ok(closed) if closed.progress() == v1::EndProgress::Confirmed => return closed.cause(),
            Ok(_) => Duration::ZERO,
            Err(error) if error.is_job_over() => return v1::Cause::Unspecified,
            Err(error) => {
                tracing::warn!(
                    job.id = request.job_id, error.message = %error, "the end is not confirmed yet"
                );
                error.worth_repeating().unwrap_or_default()
            }
        };
        sleep(wait_after_failure(failures, random.fraction()).max(at_least)).await;
        failures = failures.saturating_add(1);
    }
}
