//! Ends something and waits until that is confirmed.

use std::future::Future;
use std::time::Duration;

use serde::Serialize;
use taskpass_proto::v1::{Cause, EndProgress};
use tokio::time::{Instant, sleep};

use crate::admin::wire;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::local::wire::{Closed, Progress};
use crate::output::{Page, View};

/// Every question is an administrative call, and audited.
const PAUSE: Duration = Duration::from_secs(1);

/// How far the end of something has come.
#[derive(Debug, Serialize)]
pub(crate) struct Ended {
    /// The id of what was ended.
    id: String,
    state: Progress,
    #[serde(skip_serializing_if = "String::is_empty")]
    cause: String,
}

/// Asks for the end until it is confirmed or the time is over.
pub(crate) async fn until_confirmed<F>(
    id: String,
    wait: Duration,
    mut ask: impl FnMut() -> F,
) -> Result<Ended, Failure>
where
    F: Future<Output = Result<(EndProgress, Cause), Failure>>,
{
    let end = Instant::now() + wait;
    loop {
        let (progress, cause) = ask().await?;
        let state = match progress {
            EndProgress::Confirmed => Progress::Confirmed,
            EndProgress::Pending | EndProgress::Unspecified => Progress::Pending,
        };
        let left = end.saturating_duration_since(Instant::now());
        if state == Progress::Confirmed || left.is_zero() {
            let cause = wire::cause(cause.into());
            return Ok(Ended { id, state, cause });
        }
        sleep(PAUSE.min(left)).await;
    }
}

impl Ended {
    /// The same from the agent's answer.
    pub(crate) fn of_agent(id: String, closed: Closed) -> Self {
        Self {
            id,
            state: closed.state,
            cause: closed.cause.unwrap_or_default(),
        }
    }

    /// A politely answered end that is not confirmed is not fine.
    pub(crate) fn exit(&self) -> Exit {
        match self.state {
            Progress::Confirmed => Exit::Fine,
            Progress::Pending => Exit::Negative,
        }
    }
}

impl View for Ended {
    fn text(&self, page: &mut Page) {
        let Self { id, state, cause } = self;
        page.line(&match (state, cause.as_str()) {
            (Progress::Confirmed, "") => format!("{id} has ended: confirmed"),
            (Progress::Confirmed, cause) => format!("{id} has ended ({cause}): confirmed"),
            (Progress::Pending, _) => format!(
                "{id} is ending: pending. It is tried until it is done; ask again to see how far it is"
            ),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const WAIT: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn asks_again_until_it_is_confirmed() {
        let asked = Cell::new(0);
        let ended = until_confirmed("job_1".to_owned(), WAIT, || async {
            asked.set(asked.get() + 1);
            let progress = if asked.get() < 3 {
                EndProgress::Pending
            } else {
                EndProgress::Confirmed
            };
            Ok((progress, Cause::Operator))
        })
        .await
        .unwrap();
        assert_eq!((asked.get(), ended.exit()), (3, Exit::Fine));
        assert_eq!(ended.cause, "operator");
    }

    #[tokio::test(start_paused = true)]
    async fn pending_at_the_end_of_the_wait_is_a_negative_answer() {
        let begun = Instant::now();
        let ended = until_confirmed("job_1".to_owned(), WAIT, || async {
            Ok((EndProgress::Pending, Cause::Unspecified))
        })
        .await
        .unwrap();
        assert_eq!((ended.exit(), begun.elapsed()), (Exit::Negative, WAIT));
    }
}
