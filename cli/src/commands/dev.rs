//! `taskpass dev`: broker, agent and certificate authority in one process.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use taskpass_identity::SpiffeId;

use crate::context::Context;
use crate::daemon;
use crate::dev::{self, Folder, Options, Running};
use crate::durations;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::log::LogArguments;
use crate::service_manager::ServiceManager;
use crate::stage::{self, Ports};

const LONG_ABOUT: &str = "\
Runs a broker, an agent and a certificate authority in one process, for development: real mutual TLS, a \
store that survives, policy files that are reloaded as they change. No root token, nothing to unseal.

Everything lies in one folder that only you can read. You are the workload `ci/docs` of `acme.example` \
unless --workload says otherwise; the sample policy grants it the task `deploy-docs`.

Other SPIFFE programs of yours find a Workload API in the folder, with X.509-SVIDs and bundles from the \
same authority: several identities where --workload is given several times, each with its path as its hint. Set \
SPIFFE_ENDPOINT_SOCKET as the greeting says: with that name of the socket the libraries for Go and for Python work.";

const EXAMPLES: &str = "\
Examples:
  taskpass dev
  taskpass dev --dir /tmp/taskpass-dev --workload agents/researcher
  taskpass dev --workload ci/docs --workload docs-api --svid-ttl 30s

Exit codes:
  0 stopped as asked; 1 failed; 128+n a second signal n did not wait for the end.
  More: `taskpass help exit-codes`";

/// The command line of `dev`.
#[derive(Debug, Args)]
#[command(
    about = "Runs everything in one process, for development",
    long_about = LONG_ABOUT,
    after_long_help = EXAMPLES
)]
pub(crate) struct Arguments {
    #[arg(
        long,
        value_name = "DIR",
        help = "The folder [default: `$XDG_STATE_HOME/taskpass/dev`, else `~/.local/state/taskpass/dev`]"
    )]
    dir: Option<PathBuf>,

    /// The path of the workload that you are; more of them are known to the Workload API
    #[arg(long, value_name = "PATH", default_value = "ci/docs", value_parser = workload)]
    workload: Vec<SpiffeId>,

    /// How long SVIDs live; they are renewed at half of it
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = svid_ttl)]
    svid_ttl: Duration,

    /// Listens on free ports instead of 8440, 8443 and 9440; needs a new folder each time
    #[arg(long)]
    free_ports: bool,

    #[command(flatten)]
    log: LogArguments,
}

/// Performs the command.
pub(crate) fn perform(arguments: Arguments, context: &Context) -> Result<Exit, Failure> {
    let folder = arguments
        .dir
        .or_else(|| default_folder(&context.environment));
    let folder = folder.ok_or_else(|| {
        Failure::usage("there is no home directory to keep the folder in")
            .remedy("name one: --dir DIR")
    })?;
    let folder = std::path::absolute(&folder)
        .map_err(|error| Failure::new("cannot find the folder").why(error))?;
    arguments.log.start()?;
    let options = Options {
        // INVARIANT: taken before anything is written, so that nothing of a running one is spoilt.
        folder: Folder::take(&folder)?,
        workloads: arguments.workload,
        svid_ttl: arguments.svid_ttl,
        ports: ports(arguments.free_ports)?,
    };
    let manager = ServiceManager::of(&context.environment);
    daemon::run("`taskpass dev`", &manager, |shutdown, ready| {
        let greet = |running: &Running| {
            greet(running);
            let _ = ready.send(());
        };
        dev::run(options, shutdown, greet)
    })
}

/// Where to listen; the fixed ports must be free.
fn ports(free: bool) -> Result<Ports, Failure> {
    if free {
        return Ports::free()
            .map_err(|error| Failure::new("cannot find ports to listen on").why(error));
    }
    let ports = dev::ports();
    match ports.taken() {
        None => Ok(ports),
        Some((address, error)) => Err(Failure::new(format!("cannot listen on {address}"))
            .why(error)
            .remedy("stop what listens there, or take free ports and a new folder: --free-ports --dir DIR")),
    }
}

/// The workload of a path below the trust domain.
fn workload(path: &str) -> Result<SpiffeId, String> {
    if let Some(rest) = path.strip_prefix('/') {
        return Err(format!("write it without the leading `/`: `{rest}`"));
    }
    stage::workload(path).map_err(|error| format!("{error}; write it as `ci/docs`"))
}

/// At least ten seconds, so that programs get to know an SVID before it is replaced.
fn svid_ttl(text: &str) -> Result<Duration, String> {
    let ttl = durations::parse(text)?;
    if ttl < Duration::from_secs(10) {
        return Err("at least 10s".to_owned());
    }
    Ok(ttl)
}

/// As the XDG Base Directory Specification has it.
fn default_folder(environment: &Environment) -> Option<PathBuf> {
    let home = || {
        environment
            .directory("HOME")
            .map(|home| home.join(".local/state"))
    };
    Some(
        environment
            .directory("XDG_STATE_HOME")
            .or_else(home)?
            .join("taskpass/dev"),
    )
}

/// Tells where everything is; a script reads it as well as a person.
fn greet(running: &Running) {
    let Running {
        agent_socket,
        admin_socket,
        workload_api,
        policy,
        workload,
        ports,
    } = running;
    let greeting = format!(
        "\
taskpass dev is up. In another terminal:

  export TASKPASS_AGENT_SOCKET={agent}
  export TASKPASS_ADMIN_SOCKET={admin}
  export SPIFFE_ENDPOINT_SOCKET=unix://{workload_api}
  taskpass run --task deploy-docs --param ref=refs/heads/main -- \\
    sh -c 'ls -l $TASKPASS_CREDENTIALS_DIR'

You are     {workload}
Policy      {policy} (reloaded as it changes)
Broker      {broker}, discovery at http://{public}, metrics at http://{operations}/metrics",
        agent = agent_socket.display(),
        admin = admin_socket.display(),
        workload_api = workload_api.display(),
        policy = policy.display(),
        broker = ports.workload,
        public = ports.public,
        operations = ports.operations,
    );
    // Whoever closed standard output has seen enough.
    let _ = writeln!(std::io::stdout(), "{greeting}");
}
