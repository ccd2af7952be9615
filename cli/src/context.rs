//! What every command is given.

use std::future::Future;
use std::path::{Path, PathBuf};

use crate::command_line::Globals;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::local::Agent;
use crate::output::Output;
use crate::sockets::{Kind, Socket};

/// Where to write, whom to ask, and what the environment says.
#[derive(Debug)]
pub(crate) struct Context {
    /// Where and how to write.
    pub(crate) output: Output,
    /// The environment.
    pub(crate) environment: Environment,
    agent_socket: Option<PathBuf>,
    admin_socket: Option<PathBuf>,
}

impl Context {
    /// Puts together what the command line and the environment say.
    pub(crate) fn new(globals: &Globals, output: Output, environment: Environment) -> Self {
        // Not an `env` of clap's: its usage lines would name every option that the environment sets.
        let named = |flag: Option<&PathBuf>, variable: &str| {
            let of_environment = || environment.variable(variable).map(PathBuf::from);
            flag.cloned().or_else(of_environment)
        };
        Self {
            output,
            agent_socket: named(globals.agent_socket.as_ref(), "TASKPASS_AGENT_SOCKET"),
            admin_socket: named(globals.admin_socket.as_ref(), "TASKPASS_ADMIN_SOCKET"),
            environment,
        }
    }

    /// The agent.
    pub(crate) fn agent(&self) -> Agent {
        Agent::at(self.socket(Kind::Agent, self.agent_socket.clone()))
    }

    /// The socket of the broker's administration.
    pub(crate) fn admin_socket(&self) -> Socket {
        self.socket(Kind::Admin, self.admin_socket.clone())
    }

    fn socket(&self, kind: Kind, named: Option<PathBuf>) -> Socket {
        Socket::resolve(kind, named, &self.environment, Path::exists)
    }
}

/// Runs a short command to its end on this thread.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("cannot start").why(error))?
        .block_on(work)
}
