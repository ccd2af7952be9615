//! A process that serves until it is told to stop.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, pending};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::service_manager::ServiceManager;

/// How long blocking work may still take after everything else has ended.
const LAST_WORK: Duration = Duration::from_secs(5);

/// Runs `serve` until it ends. SIGTERM or SIGINT asks it to stop, a second one does not wait for it. The
/// service manager hears when it is ready, that it lives, and that it stops.
pub(crate) fn run<F, E, R>(
    what: &str,
    manager: &ServiceManager,
    serve: impl FnOnce(CancellationToken, oneshot::Sender<R>) -> F,
) -> Result<Exit, Failure>
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Error + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start {what}")).why(error))?;
    let shutdown = CancellationToken::new();
    let (ready, is_ready) = oneshot::channel();
    let served = serve(shutdown.clone(), ready);
    let outcome = runtime.block_on(async {
        let _survives = survive_file_size_limit();
        // On a worker thread: the main thread only waits for signals.
        let mut task = JoinSet::new();
        task.spawn(served);
        tokio::select! {
            ended = task.join_next() => Ended::of(ended),
            interrupted = second_signal(&shutdown, manager) => interrupted,
            never = report(is_ready, manager) => match never {},
        }
    });
    runtime.shutdown_timeout(LAST_WORK);
    match outcome {
        Ended::Well => Ok(Exit::Fine),
        Ended::Interrupted(signal) => Ok(Exit::Signal(signal)),
        Ended::Failed(why) => Err(Failure::new(format!("{what} failed")).why(why)),
    }
}

enum Ended {
    Well,
    Interrupted(i32),
    Failed(String),
}

impl Ended {
    fn of<E: Error>(joined: Option<Result<Result<(), E>, tokio::task::JoinError>>) -> Self {
        match joined {
            Some(Ok(Ok(()))) | None => Self::Well,
            Some(Ok(Err(error))) => Self::Failed(with_causes(&error)),
            Some(Err(error)) => Self::Failed(format!("a bug: {error}")),
        }
    }
}

/// Tells the service manager that the service is ready, and from then on that it lives.
async fn report<R>(is_ready: oneshot::Receiver<R>, manager: &ServiceManager) -> Infallible {
    if is_ready.await.is_err() {
        return pending().await;
    }
    manager.say("READY=1");
    let Some(every) = manager.watchdog() else {
        return pending().await;
    };
    let mut ticks = interval(every);
    loop {
        ticks.tick().await;
        manager.say("WATCHDOG=1");
    }
}

/// A file that grows beyond the process's limit is an error of the write, which the store says and survives;
/// by default it is a signal that kills.
fn survive_file_size_limit() -> std::io::Result<tokio::signal::unix::Signal> {
    signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))
}

/// Cancels at the first signal, returns at the second.
async fn second_signal(shutdown: &CancellationToken, manager: &ServiceManager) -> Ended {
    let streams = signal(SignalKind::terminate())
        .and_then(|terminate| Ok((terminate, signal(SignalKind::interrupt())?)));
    let (mut terminate, mut interrupt) = match streams {
        Ok(streams) => streams,
        Err(error) => return Ended::Failed(format!("cannot catch signals: {error}")),
    };
    let mut next = async || {
        tokio::select! {
            _ = terminate.recv() => SignalKind::terminate().as_raw_value(),
            _ = interrupt.recv() => SignalKind::interrupt().as_raw_value(),
        }
    };
    next().await;
    info!("stopping; a second signal does not wait");
    manager.say("STOPPING=1");
    shutdown.cancel();
    Ended::Interrupted(next().await)
}

/// An error with everything behind it that it does not say itself.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        #[source]
        cause: io::Error,
    }

    #[test]
    fn causes_are_told_once() {
        let told = |text| {
            let cause = io::Error::other("disk full");
            with_causes(&Layer { text, cause })
        };
        assert_eq!(
            told("cannot open the store"),
            "cannot open the store: disk full"
        );
        assert_eq!(told("cannot write: disk full"), "cannot write: disk full");
    }
}
