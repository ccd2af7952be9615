//! Follows a job's changes for as long as it lives, across restarts of the agent.

use std::future::pending;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::local::events::Events;
use crate::local::wire::{Credential, Event, NotRenewed};
use crate::local::{Agent, LocalError};

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A change of the job.
#[derive(Debug)]
pub(super) enum Change {
    /// The credentials as they stand now, and those of which no newer ones will come.
    Credentials(Vec<Credential>, Vec<NotRenewed>),
    /// The job has ended, for this cause where it is known.
    Ended(Option<String>),
}

/// The job's changes.
pub(super) struct Watch {
    agent: Agent,
    job: String,
    state: State,
}

enum State {
    Connected(Events),
    /// Not connected; the next try is at this time.
    Away {
        next: Instant,
        pause: Duration,
    },
    /// The job has ended, nothing more will come.
    Over,
}

impl Watch {
    /// Follows a job of this agent.
    pub(super) fn new(agent: Agent, job: String) -> Self {
        let state = State::Away {
            next: Instant::now(),
            pause: FIRST_PAUSE,
        };
        Self { agent, job, state }
    }

    /// The next change; never returns after the end. Cancelling it loses nothing.
    pub(super) async fn next(&mut self) -> Change {
        loop {
            let change = match &mut self.state {
                State::Over => pending().await,
                State::Connected(events) => {
                    if let Ok(Some(event)) = events.next().await {
                        read(event)
                    } else {
                        self.state = away(FIRST_PAUSE);
                        None
                    }
                }
                State::Away { next, pause } => {
                    let (next, pause) = (*next, *pause);
                    sleep_until(next).await;
                    self.connect(pause).await
                }
            };
            if let Some(change) = change {
                if matches!(change, Change::Ended(_)) {
                    self.state = State::Over;
                }
                return change;
            }
        }
    }

    async fn connect(&mut self, pause: Duration) -> Option<Change> {
        match self.agent.events(&self.job).await {
            Ok(events) => {
                self.state = State::Connected(events);
                None
            }
            // The agent does not know the job any more: it has ended while nobody watched.
            Err(error) if error.reason() == Some("JOB_UNKNOWN") => Some(Change::Ended(None)),
            Err(LocalError::Answer(_)) => {
                // An agent that does not speak this language will not learn it.
                self.state = State::Over;
                None
            }
            Err(_) => {
                self.state = away(pause);
                None
            }
        }
    }
}

fn away(pause: Duration) -> State {
    State::Away {
        next: Instant::now() + pause,
        pause: pause.saturating_mul(2).min(LONGEST_PAUSE),
    }
}

/// What an event means here; events of later versions mean nothing.
fn read(event: Event) -> Option<Change> {
    match event.kind.as_str() {
        "ended" => Some(Change::Ended(event.cause)),
        _ if event.credentials.is_empty() && event.not_renewed.is_empty() => None,
        _ => Some(Change::Credentials(event.credentials, event.not_renewed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(json: &str) -> Option<Change> {
        read(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn events_are_understood_and_unknown_ones_passed_over() {
        assert!(matches!(
            event(r#"{"event":"ended","cause":"heartbeat_lost"}"#),
            Some(Change::Ended(Some(cause))) if cause == "heartbeat_lost"
        ));
        assert!(matches!(
            event(r#"{"event":"ended"}"#),
            Some(Change::Ended(None))
        ));
        assert!(event(r#"{"event":"credentials","credentials":[]}"#).is_none());
        assert!(event(r#"{"event":"weather","rain":true}"#).is_none());
    }
}
