//! A policy of any size, the same for the same numbers: what teams of an organisation would write.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use taskpass_broker::domain::policy::Circumstances;
use taskpass_broker::domain::policy::tools::input::Input;
use taskpass_broker::domain::time::UnixMillis;

use super::BenchError;

/// Tasks of one team, which stand in one file.
const TEAM: usize = 100;
/// A guardrail of its own for every so manieth task.
const GUARDED: usize = 10;
/// Kinds of grants; a task has them in turns.
const KINDS: usize = 5;
/// Saturday, 2026-11-21 at noon, UTC.
const NOON: u64 = 1_795_262_400;

const FACTS: &str = "\
max_ttl = \"1h\"
max_duration = \"8h\"
issuer.local = { kind = \"jwt\" }

[ceiling.prod]
max_ttl = \"30m\"
";

const SHARED: &str = "\
[audience.api]
uri = \"https://api.acme.example\"

[environment.prod]
workloads = \"spiffe://acme.example/prod/**\"

[environment.dev]
workloads = \"spiffe://acme.example/dev/**\"
";

const FOR_EVERYBODY: &str = "\
@id(\"exposed\")
forbid(principal, action, resource)
when { context.risk.exposed };
";

/// How large a policy is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) tasks: usize,
    pub(super) grants: usize,
}

/// Writes `policy/` with tests in it, and `installation.toml` beside it.
pub(super) fn write(at: &Path, size: Size, cases: usize) -> Result<(), BenchError> {
    let policy = at.join("policy");
    fs::create_dir_all(policy.join("team"))?;
    fs::write(at.join("installation.toml"), FACTS)?;
    fs::write(policy.join("shared.toml"), SHARED)?;
    let mut guardrails = FOR_EVERYBODY.to_owned();
    for team in 0..size.tasks.div_ceil(TEAM) {
        let mut text = team_credentials(team);
        for number in team * TEAM..size.tasks.min((team + 1) * TEAM) {
            push_task(&mut text, size, number)?;
            if number % GUARDED == 0 {
                push_guardrail(&mut guardrails, number)?;
            }
        }
        fs::write(policy.join(format!("team/{team}.toml")), text)?;
    }
    fs::write(policy.join("guardrails.cedar"), guardrails)?;
    fs::write(policy.join("all.test.toml"), tests(size, cases)?)?;
    Ok(())
}

/// A request that the policy allows, another one for each number.
pub(super) fn request(size: Size, number: usize) -> Result<Input, BenchError> {
    // A prime, so that every task has its turn, and never the next one in memory.
    let task = number.wrapping_mul(7_919) % size.tasks.max(1);
    let kind = number % grants_of(size, task).clamp(1, KINDS);
    let parameters = [("ref", format!("refs/heads/release-{task}/{number}"))];
    Ok(Input {
        workload: workload(task, kind).parse()?,
        task: name(task),
        parameters: parameters
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        wanted: Vec::new(),
        circumstances: Circumstances::opening(UnixMillis::new(NOON * 1000)),
    })
}

fn name(task: usize) -> String {
    format!("team-{}/task-{task}", task / TEAM)
}

fn grants_of(size: Size, task: usize) -> usize {
    let (each, rest) = (
        size.grants / size.tasks.max(1),
        size.grants % size.tasks.max(1),
    );
    each + usize::from(task < rest)
}

/// A workload that the grant of this kind is for.
fn workload(task: usize, kind: usize) -> String {
    let team = task / TEAM;
    let path = match kind {
        0 => format!("prod/team-{team}/job-{task}/main"),
        1 => format!("prod/team-{team}/job-{task}/nightly/1"),
        2 => format!("dev/team-{team}/job-{task}/try/1"),
        3 => format!("prod/ops/team-{team}/oncall-{task}"),
        _ => format!("prod/team-{team}/agents/agent-{task}"),
    };
    format!("spiffe://acme.example/{path}")
}

fn team_credentials(team: usize) -> String {
    format!(
        r#"[credential.team-{team}-deploy]
issuer = "local"
audience = "api"
scopes = ["deploy:team-{team}:${{params.ref}}", "read:team-{team}"]
ttl = "10m"
environment = "prod"

[credential.team-{team}-preview]
issuer = "local"
audience = "api"
scopes = ["preview:team-{team}:${{params.ref}}"]
ttl = "20m"
environment = "dev"
"#
    )
}

fn push_task(text: &mut String, size: Size, task: usize) -> Result<(), BenchError> {
    let (team, name) = (task / TEAM, name(task));
    write!(
        text,
        r#"
[task."{name}"]
owner = "team-{team}@acme.example"
purpose = "task {task} of team {team}"
max_duration = "2h"
params.ref = {{ type = "path", pattern = "refs/heads/(main|release-{task}/[a-z0-9.-]+)" }}
params.count = {{ type = "integer", min = 1, max = 9, optional = true }}
"#
    )
    .map_err(super::said)?;
    for number in 0..grants_of(size, task) {
        push_grant(text, task, number)?;
    }
    Ok(())
}

fn push_grant(text: &mut String, task: usize, number: usize) -> Result<(), BenchError> {
    let (team, name) = (task / TEAM, name(task));
    let (kind, copy) = (number % KINDS, number / KINDS);
    // Beyond one of each kind, the same once more for workloads of other names.
    let of = match copy {
        0 => format!("job-{task}"),
        copy => format!("job-{task}-{copy}"),
    };
    let (pattern, credential, rest) = match kind {
        0 => (
            format!("prod/team-{team}/{of}/main"),
            "deploy",
            format!(
                "when = '''\ncontext.params.ref == \"refs/heads/main\" ||\n  context.params.ref like \"refs/heads/release-{task}/*\"'''\n"
            ),
        ),
        1 => (
            format!("prod/team-{team}/{of}/nightly/*"),
            "deploy",
            "unless = 'context.time.weekday > 5 && context.time.hour > 20'\nmax_ttl = \"5m\"\n"
                .to_owned(),
        ),
        2 => (format!("dev/team-{team}/{of}/**"), "preview", String::new()),
        3 => (
            format!(
                "prod/ops/team-{team}/oncall{}",
                of.trim_start_matches("job")
            ),
            "deploy",
            "max_live_jobs = 5\n".to_owned(),
        ),
        _ => (
            format!(
                "prod/team-{team}/agents/agent{}",
                of.trim_start_matches("job")
            ),
            "deploy",
            "unless = 'context.params has count && context.params.count > 4'\n".to_owned(),
        ),
    };
    write!(
        text,
        "\n[[task.\"{name}\".grant]]\nworkload = \"spiffe://acme.example/{pattern}\"\ncredentials = [\"team-{team}-{credential}\"]\n{rest}"
    )
    .map_err(super::said)
}

fn push_guardrail(text: &mut String, task: usize) -> Result<(), BenchError> {
    write!(
        text,
        "\n@id(\"frozen-{task}\")\nforbid(principal, action, resource == Task::\"{}\")\nwhen {{ context.params.ref == \"refs/heads/main\" && context.time.weekday == 5 }};\n",
        name(task)
    )
    .map_err(super::said)
}

fn tests(size: Size, cases: usize) -> Result<String, BenchError> {
    let mut text = String::from(
        "[[table]]\nname = \"who gets what\"\ncolumns = [\"workload\", \"task\", \"params.ref\", \"time\", \"expect\"]\nrows = [\n",
    );
    for number in 0..cases {
        let Input {
            workload,
            task,
            parameters,
            ..
        } = request(size, number)?;
        let reference = parameters.values().next().map_or("", String::as_str);
        let is_dev = workload.as_str().contains("/dev/");
        let credential = if is_dev { "preview" } else { "deploy" };
        let team = task.split('/').next().unwrap_or_default();
        writeln!(
            text,
            "  [\"{workload}\", \"{task}\", \"{reference}\", \"2026-11-21T12:00:00Z\", \"allow {team}-{credential}\"],"
        )
        .map_err(super::said)?;
    }
    text.push_str("]\n");
    Ok(text)
}
