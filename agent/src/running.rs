//! The two parts of an agent that an upgrade stops: the local face, and the keeper of the jobs.

use std::io;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::hand_over::package::{HandedConnection, Package};
use crate::hand_over::predecessor::Descriptors;
use crate::holder::Holder;
use crate::job::keeper::Keeper;
use crate::local_api::connection::Halt;
use crate::local_api::listener::LocalListener;
use crate::local_api::routes::{self, Local};

/// How long a stop waits for the broker to confirm the ends of all jobs.
pub(crate) const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Both of them, running.
pub(crate) struct Running {
    face: JoinSet<Option<LocalListener>>,
    keeping: JoinSet<Option<Keeper>>,
    halt: Halt,
    rest: CancellationToken,
}

/// Both of them, standing still: nothing is read, nothing happens to any job.
pub(crate) struct Standing {
    pub(crate) listener: LocalListener,
    pub(crate) keeper: Keeper,
}

impl Running {
    /// Starts them, or goes on with them.
    pub(crate) fn start(standing: Standing, local: &Local) -> Self {
        let Standing { listener, keeper } = standing;
        let (halt, rest) = (Halt::default(), CancellationToken::new());
        let local = Local {
            leaving: halt.leave.clone(),
            ..local.clone()
        };
        let jobs = local.jobs.clone();
        let (mut face, mut keeping) = (JoinSet::new(), JoinSet::new());
        keeping.spawn(keeper.run(rest.clone()));
        face.spawn(listener.serve(routes::router(local), jobs, halt.clone()));
        Self {
            face,
            keeping,
            halt,
            rest,
        }
    }

    /// Answers what is under way, and stands still. `None`: a part has failed.
    pub(crate) async fn stand_still(mut self) -> Option<Standing> {
        // The face first: what it is still answering needs the keeper.
        self.halt.leave.cancel();
        let listener = self.face.join_next().await?.ok()??;
        self.rest.cancel();
        let keeper = self.keeping.join_next().await?.ok()??;
        Some(Standing { listener, keeper })
    }

    /// Ends the local face: from now on nobody is answered.
    pub(crate) async fn close_face(&mut self) {
        self.halt.stop.cancel();
        while self.face.join_next().await.is_some() {}
    }

    /// Ends the keeper.
    pub(crate) async fn shut_down(mut self) {
        self.keeping.shutdown().await;
    }
}

impl Standing {
    /// All that another agent needs to go on.
    pub(crate) fn pack(&self) -> Package {
        let connections = self.listener.parked().iter().map(HandedConnection::of);
        Package {
            socket: self.listener.path().to_owned(),
            jobs: self.keeper.hand_over(),
            connections: connections.collect(),
        }
    }

    /// The descriptors that go with it, in the same order.
    pub(crate) fn descriptors(&self, holder: &Holder) -> io::Result<Descriptors> {
        use std::os::fd::AsFd;
        let connections = self.listener.parked().iter().map(|parked| {
            let stream = parked.stream.stream().as_fd().try_clone_to_owned()?;
            Ok([stream, parked.peer.process.pidfd()?])
        });
        Ok(Descriptors {
            listener: self.listener.as_fd().try_clone_to_owned()?,
            lock: holder.lock().as_fd().try_clone_to_owned()?,
            connections: connections.collect::<io::Result<_>>()?,
        })
    }
}
