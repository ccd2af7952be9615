//! Starts the command, stays beside it, and cleans up after it.

use std::future::pending;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, getuid};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep_until, timeout};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::local::Agent;
use crate::local::wire::{Credential, NotRenewed, OpenedJob, Progress};
use crate::output::{Output, printable};
use crate::run::arguments::{Arguments, OnRevoke, Plan};
use crate::run::directory::{Directory, usual_places};
use crate::run::kept::{Kept, Over};
use crate::run::signals::{self, Signals};
use crate::run::watch::{Change, Watch};
use crate::run::{opening, standing_keys};

/// How long to wait for the broker's word that everything is taken back.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// How long an ended job's command may take to end before that is called early.
const GRACE: Duration = Duration::from_millis(500);

/// Performs `run`.
pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, Failure> {
    let plan = arguments.plan()?;
    if plan.warns {
        warn_of_standing_keys(&plan, context);
    }
    let agent = context.agent();
    let mut signals =
        Signals::catch().map_err(|error| Failure::new("cannot catch signals").why(error))?;
    let usual = usual_places(&context.environment, getuid().as_raw());
    let directory = Directory::create(&plan.place, &usual)?;
    let opened = Instant::now();
    let job = tokio::select! {
        opened = opening::open(&agent, &plan.job, plan.patience, &context.output) => opened?,
        // A job that opens after this ends with this process, which is its anchor.
        signal = signals.next() => return Ok(Exit::Signal(signal.as_raw())),
    };
    let supervisor = Supervisor {
        plan: &plan,
        agent: &agent,
        output: &context.output,
        job: &job,
        directory: &directory,
        opened,
    };
    let outcome = supervisor.command(&mut signals).await;
    drop(directory);
    close(&agent, &job.job, &outcome, &context.output).await;
    outcome
}

/// What the time between the job's opening and its closing needs.
struct Supervisor<'a> {
    plan: &'a Plan,
    agent: &'a Agent,
    output: &'a Output,
    job: &'a OpenedJob,
    directory: &'a Directory,
    /// Before the job was asked for: a credential never seems to live longer than it does.
    opened: Instant,
}

impl Supervisor<'_> {
    /// Starts the command and returns how it ended.
    async fn command(&self, signals: &mut Signals) -> Result<Exit, Failure> {
        for credential in &self.job.credentials {
            self.directory.put(credential)?;
        }
        let mut child = self
            .prepare()?
            .spawn()
            .map_err(|error| self.not_started(&error))?;
        let command = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
            .ok_or_else(|| Failure::new("the command has no process id"))?;
        self.tie(&mut child, command).await;
        let status = self.stay(&mut child, command, signals).await;
        status
            .map(Exit::of_command)
            .map_err(|error| Failure::new("cannot wait for the command").why(error))
    }

    fn prepare(&self) -> Result<Command, Failure> {
        let mut command = Command::new(&self.plan.program);
        command
            .args(&self.plan.arguments)
            .env("TASKPASS_CREDENTIALS_DIR", self.directory.path())
            .env("TASKPASS_JOB_ID", &self.job.job);
        if let Some(socket) = self.agent.socket().named_path() {
            // `taskpass token --job` in the command asks the same agent.
            command.env("TASKPASS_AGENT_SOCKET", socket);
        }
        for variable in &self.plan.variables {
            let credential = self.credential(&variable.credential)?;
            command.env(&variable.name, credential.token.reveal());
        }
        Ok(command)
    }

    fn credential(&self, name: &str) -> Result<&Credential, Failure> {
        let all = &self.job.credentials;
        all.iter().find(|one| one.name == name).ok_or_else(|| {
            let granted: Vec<_> = all.iter().map(|one| format!("`{}`", one.name)).collect();
            Failure::new(format!("the task grants no credential `{name}`")).why(match &*granted {
                [] => "it grants none".to_owned(),
                granted => format!("it grants {}", granted.join(", ")),
            })
        })
    }

    /// Ties the job to the command too, so that it ends with the command even if this process is stopped.
    async fn tie(&self, child: &mut Child, command: Pid) {
        let pid = u32::try_from(command.as_raw_nonzero().get()).unwrap_or(0);
        // INVARIANT: nobody has waited for the command yet, so its id is still its own.
        let Err(error) = self.agent.add_anchor(&self.job.job, pid).await else {
            return;
        };
        // A command that has exited meanwhile is no process to tie to, and needs none.
        if !matches!(child.try_wait(), Ok(Some(_))) {
            self.output.warn(&printable(&format!(
                "the job is tied to `taskpass run` only, not to the command: {error}"
            )));
        }
    }

    /// Passes signals on and takes renewals in until the command ends.
    async fn stay(
        &self,
        child: &mut Child,
        command: Pid,
        signals: &mut Signals,
    ) -> io::Result<ExitStatus> {
        let mut watch = Watch::new(self.agent.clone(), self.job.job.clone());
        let mut kept = Kept::new(&self.job.credentials, self.opened);
        loop {
            let next_end = kept.next_end();
            let change = tokio::select! {
                biased;
                status = child.wait() => return status,
                signal = signals.next() => {
                    signals::pass_on(signal, command);
                    continue;
                }
                change = watch.next() => change,
                () = until(next_end) => {
                    self.give_up(kept.take_over(Instant::now()), command);
                    continue;
                }
            };
            match change {
                Change::Credentials(credentials, not_renewed) => {
                    let now = Instant::now();
                    self.renew(&credentials);
                    kept.renewed(&credentials, now);
                    for why in not_renewed {
                        if let Some(name) = kept.refused(&why, now) {
                            self.not_renewed(&name, &why);
                        }
                    }
                }
                Change::Ended(cause) => {
                    self.directory.clear();
                    kept.clear();
                    // The job ends with the command too, and that news may be faster than the exit status.
                    if let Ok(status) = timeout(GRACE, child.wait()).await {
                        return status;
                    }
                    self.ended_early(cause.as_deref(), command);
                }
            }
        }
    }

    fn renew(&self, credentials: &[Credential]) {
        for credential in credentials {
            if let Err(failure) = self.directory.put(credential) {
                self.output.warn(&failure.summary());
            }
        }
    }

    fn not_renewed(&self, name: &str, why: &NotRenewed) {
        let NotRenewed { reason, detail, .. } = why;
        let colon = if detail.is_empty() { "" } else { ": " };
        let next = match self.plan.on_revoke {
            OnRevoke::Warn => "the command goes on without it (--on-revoke terminate would end it)",
            OnRevoke::Terminate => "the command gets SIGTERM then",
        };
        self.output.warn(&printable(&format!(
            "credential `{name}` is not renewed ({reason}){colon}{detail}; its file is removed when it is \
             worth nothing any more; {next}"
        )));
    }

    /// Removes the files of credentials that are worth nothing any more.
    fn give_up(&self, over: Vec<Over>, command: Pid) {
        let mut for_good = false;
        for one in over {
            self.directory.remove(&one.name);
            for_good |= one.for_good;
            if !one.for_good {
                self.output.warn(&printable(&format!(
                    "credential `{}` has expired before it could be renewed; its file is removed, and comes \
                     back with the next renewal",
                    one.name
                )));
            }
        }
        if for_good && self.plan.on_revoke == OnRevoke::Terminate {
            signals::send(Signal::TERM, command);
        }
    }

    fn ended_early(&self, cause: Option<&str>, command: Pid) {
        let job = &self.job.job;
        let cause = cause.map(|cause| format!(" ({cause})")).unwrap_or_default();
        let next = match self.plan.on_revoke {
            OnRevoke::Warn => {
                "the command goes on without them (--on-revoke terminate would end it)"
            }
            OnRevoke::Terminate => "sending the command SIGTERM",
        };
        self.output.warn(&printable(&format!(
            "the job {job} has ended{cause}, its credentials are taken back and their files removed; {next}"
        )));
        if self.plan.on_revoke == OnRevoke::Terminate {
            signals::send(Signal::TERM, command);
        }
    }

    fn not_started(&self, error: &io::Error) -> Failure {
        let program = self.plan.program.to_string_lossy();
        let exit = Exit::of_failed_start(error);
        let failure = Failure::new(format!("cannot run `{program}`"))
            .why(error)
            .exit(exit);
        match exit {
            Exit::NotFound => failure.remedy("check the command's name and your PATH"),
            _ => failure.remedy("check that it is a program, and that you may execute it"),
        }
    }
}

/// Waits for a point in time; for ever where there is none.
async fn until(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => pending().await,
    }
}

/// Closes the job and says so when that is not confirmed.
async fn close(agent: &Agent, job: &str, outcome: &Result<Exit, Failure>, output: &Output) {
    let status = outcome.as_ref().ok().map(|exit| exit.code());
    let doubt = match agent.close_job(job, status, CLOSE_WAIT).await {
        Ok(closed) if closed.state == Progress::Confirmed => return,
        Ok(_) => {
            "the broker has not confirmed it yet; the agent goes on asking until it does".to_owned()
        }
        // It ended with the command, and the agent has forgotten it already.
        Err(error) if error.reason() == Some("JOB_UNKNOWN") => return,
        Err(error) => format!("{error}; the job ends with this process"),
    };
    output.warn(&printable(&format!(
        "the job {job} is being closed: {doubt}"
    )));
}

fn warn_of_standing_keys(plan: &Plan, context: &Context) {
    let names = standing_keys::find(&context.environment);
    if names.is_empty() {
        return;
    }
    context.output.warn(&format!(
        "the environment handed to `{}` holds what looks like standing keys: {}. They outlive the job: \
         unset them, or silence this with --no-env-warning",
        printable(&plan.program.to_string_lossy()),
        names.join(", ")
    ));
}
