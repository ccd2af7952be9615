//! `taskpass demo`: the main job, for real, in a temporary folder and on free ports, in a few seconds.
//!
//! A broker, two agents and every job are processes of their own, of this very binary. The demo itself
//! plays the resource server: it takes the tokens that jobs send it, and asks the broker with an SVID of
//! its own whether they are active. It succeeds only if everything that it tells has happened.
//!
//! - [`actors`]: the processes
//! - [`job`]: what runs as the job
//! - [`resource_server`]: takes tokens, and asks the broker about them
//! - [`transcript`]: what is told

mod actors;
pub(crate) mod job;
mod resource_server;
mod transcript;

use std::path::Path;
use std::time::{Duration, Instant};

use self::actors::{Actors, Failed};
use self::resource_server::{ResourceServer, Visit};
use self::transcript::Transcript;
use crate::stage::Stage;

/// How long a step may take before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(20);
/// The demo's agents beat every second, and three seconds of silence end a job.
const BEAT: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(3);

const POLICY: &str = r#"# A sample policy; `taskpass policy check` looks for mistakes.

[task.deploy-docs]
owner = "docs-platform@acme.example"
purpose = "publish the documentation site"
params.ref = { type = "path", pattern = "refs/heads/(main|release/[a-z0-9.-]+)" }
max_duration = "30m"

[[task.deploy-docs.grant]]
workload = "spiffe://acme.example/ci/docs"
credentials = ["docs-api"]

[credential.docs-api]
issuer = "local"
audience = "docs"
scopes = ["docs:write"]
ttl = "6s"
environment = "any"

[audience.docs]
uri = "https://docs.acme.example"
verifiers = ["spiffe://acme.example/docs-api"]
"#;

const INSTALLATION: &str = r#"# Facts that hold for the whole installation, whatever a policy says.
max_ttl = "1h"
max_duration = "8h"

[issuer.local]
kind = "jwt"
"#;

/// What the demo was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// Show what the processes log.
    pub(crate) verbose: bool,
    /// Leave the folder in place.
    pub(crate) keep: bool,
}

/// Runs the demo; `true` if everything happened that it tells.
pub(crate) async fn run(options: Options) -> Result<bool, Failed> {
    let folder = tempfile::Builder::new()
        .prefix("taskpass-demo-")
        .tempdir()?;
    let path = folder.path().to_owned();
    if options.keep {
        // From here on nobody removes it.
        let _ = folder.keep();
    }
    let mut tell = Transcript::new();
    let outcome = play(&path, options, &mut tell).await;
    match &outcome {
        Ok(()) => tell.end(),
        Err(error) => tell.failed(error),
    }
    if options.keep {
        tell.note(&format!("the folder stays: {}", path.display()));
    }
    Ok(outcome.is_ok())
}

async fn play(folder: &Path, options: Options, tell: &mut Transcript) -> Result<(), Failed> {
    tell.title("Taskpass: a credential that lives exactly as long as the task that needs it");
    let stage = Stage::open(folder)?;
    stage.write_policy(POLICY, INSTALLATION)?;
    let mut actors = Actors::start(&stage, options.verbose).await?;
    let server = ResourceServer::start(&stage, actors.broker()).await?;
    tell.note("a broker, two agents and a resource server are up, each with an SVID of its own");

    works_while_the_job_runs(&mut actors, &server, tell).await?;
    gone_after_a_kill_of_the_job(&mut actors, &server, tell).await?;
    gone_after_a_kill_of_the_agent(&mut actors, &server, tell).await?;
    denied_without_a_grant(&actors, tell).await?;
    actors.stop().await;
    Ok(())
}

async fn works_while_the_job_runs(
    actors: &mut Actors,
    server: &ResourceServer,
    tell: &mut Transcript,
) -> Result<(), Failed> {
    tell.scene("a job gets a credential of its own, and loses it the moment it ends");
    tell.command("taskpass run --task deploy-docs --param ref=refs/heads/main -- ./deploy.sh");
    let job = actors.run_job(server.address())?;
    let mut visit = server.next_visit(PATIENCE).await?;
    let first = visit.token().await?;
    let facts = server.expect_active(&first).await?;
    tell.happened(&format!(
        "the resource server got a token for `{}` with scope `{}`, and the broker says: active",
        facts.audience, facts.scope
    ));

    let renewed = visit.token().await?;
    let second = server.expect_active(&renewed).await?;
    if second.jti == facts.jti {
        return Err(Failed::new(
            "the job came with the same token again, not with a renewed one",
        ));
    }
    tell.happened(&format!(
        "the agent renewed it while the job ran: {} became {}",
        generation(&facts.jti),
        generation(&second.jti)
    ));

    let ended = finish(&mut visit).await?;
    let refused = server.wait_until_refused(&renewed, ended, PATIENCE).await?;
    tell.happened(&format!(
        "the job ended; {} later the broker says: not active",
        ms(refused)
    ));
    job.expect_success(PATIENCE).await
}

async fn gone_after_a_kill_of_the_job(
    actors: &mut Actors,
    server: &ResourceServer,
    tell: &mut Transcript,
) -> Result<(), Failed> {
    tell.scene("the same when the job is killed");
    let job = actors.run_job(server.address())?;
    let mut visit = server.next_visit(PATIENCE).await?;
    let token = visit.token().await?;
    server.expect_active(&token).await?;
    let pid = visit.pid();
    tell.command(&format!("kill -9 {pid}          # the job"));
    let ended = visit.kill().await?;
    let refused = server.wait_until_refused(&token, ended, PATIENCE).await?;
    tell.happened(&format!(
        "{} after its death the broker says: not active",
        ms(refused)
    ));
    job.expect_exit(137, PATIENCE).await
}

async fn gone_after_a_kill_of_the_agent(
    actors: &mut Actors,
    server: &ResourceServer,
    tell: &mut Transcript,
) -> Result<(), Failed> {
    tell.scene("the same when the agent is killed, as if its node had died");
    let job = actors.run_job(server.address())?;
    let mut visit = server.next_visit(PATIENCE).await?;
    let token = visit.token().await?;
    server.expect_active(&token).await?;
    let pid = actors.agent_pid()?;
    tell.command(&format!(
        "kill -9 {pid}          # the agent; the job goes on, and nobody can close it"
    ));
    let killed = actors.kill_agent().await?;
    let refused = server.wait_until_refused(&token, killed, PATIENCE).await?;
    let limit = LIMIT.as_secs();
    tell.happened(&format!(
        "{} later (the broker allows {limit} s of silence here) it says: not active",
        ms(refused)
    ));
    let _ = visit.kill().await;
    drop(job);
    Ok(())
}

async fn denied_without_a_grant(actors: &Actors, tell: &mut Transcript) -> Result<(), Failed> {
    tell.scene("a workload without a grant gets nothing");
    tell.command("taskpass token --task deploy-docs --param ref=refs/heads/main   # as spiffe://acme.example/ci/other");
    let output = actors.ask_without_a_grant().await?;
    if output.status.code() != Some(1) {
        return Err(Failed::new(format!(
            "it exited with {} and not with 1",
            output.status
        )));
    }
    if !output.stdout.is_empty() {
        return Err(Failed::new("it printed something on standard output"));
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !said.contains("TASK_NOT_GRANTED") {
        return Err(Failed::new(format!("it said: {said}")));
    }
    tell.quote(&said);
    tell.happened("denied: TASK_NOT_GRANTED. This line of policy would allow it:");
    tell.quote(
        r#"[[task.deploy-docs.grant]]
workload = ["spiffe://acme.example/ci/docs", "spiffe://acme.example/ci/other"]"#,
    );
    Ok(())
}

/// Lets the job end by itself. Answers when it had.
async fn finish(visit: &mut Visit) -> Result<Instant, Failed> {
    visit.say_done().await?;
    visit.gone(PATIENCE).await
}

fn generation(jti: &str) -> String {
    let number = jti.rsplit_once('.').map_or("?", |(_, number)| number);
    format!("generation {number}")
}

fn ms(duration: Duration) -> String {
    format!("{} ms", duration.as_millis())
}

/// The demo's policy with an everyday lifetime, and the installation's facts: what `taskpass dev` begins with.
pub(crate) fn sample_policy() -> (String, &'static str) {
    (POLICY.replace("ttl = \"6s\"", "ttl = \"5m\""), INSTALLATION)
}
