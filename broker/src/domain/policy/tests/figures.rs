//! What a large policy costs. A measurement, not a test: run it with
//! `cargo test --release -p taskpass-broker --lib policy::tests::figures -- --ignored --nocapture`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it measures, and prints what came out"
)]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::*;

/// Grants a task.
const GRANTS: usize = 5;

/// A set of tasks with five grants each, of which two have conditions, and a guardrail for every tenth task.
fn generate(tasks: usize, grants: usize) -> Vec<SourceFile> {
    let mut files = Vec::new();
    let mut shared = String::from(
        "[audience.api]\nuri = \"https://api.acme.example\"\n[environment.prod]\nworkloads = [\"spiffe://acme.example/prod/**\"]\n",
    );
    for team in 0..tasks.div_ceil(100) {
        writeln!(
            shared,
            "[credential.team-{team}]\nissuer = \"local\"\naudience = \"api\"\nscopes = [\"team-{team}:${{params.ref}}\"]\nttl = \"10m\"\nenvironment = \"prod\""
        )
        .unwrap();
    }
    files.push(SourceFile::new("shared.toml", shared.into_bytes()));
    let mut guardrails = String::from(
        "@id(\"exposed\")\nforbid(principal, action, resource) when { context.risk.exposed };\n",
    );
    for chunk in 0..tasks.div_ceil(100) {
        let mut text = String::new();
        for task in chunk * 100..tasks.min((chunk + 1) * 100) {
            writeln!(
                text,
                "[task.\"team-{chunk}/task-{task}\"]\nowner = \"team-{chunk}@acme.example\"\npurpose = \"task {task}\"\nparams.ref = {{ type = \"token\" }}\nparams.count = {{ type = \"integer\", optional = true }}"
            )
            .unwrap();
            for grant in 0..grants {
                let condition = match grant {
                    0 => format!(
                        "when = 'context.params.ref == \"release-{}\"'\n",
                        task % 500
                    ),
                    1 => {
                        "unless = 'context.time.weekday > 5 && context.time.hour > 20'\n".to_owned()
                    }
                    _ => String::new(),
                };
                writeln!(
                    text,
                    "[[task.\"team-{chunk}/task-{task}\".grant]]\nworkload = \"spiffe://acme.example/prod/team-{chunk}/job-{task}/{grant}\"\ncredentials = [\"team-{chunk}\"]\n{condition}"
                )
                .unwrap();
            }
            if task % 10 == 0 {
                writeln!(guardrails, "forbid(principal, action, resource == Task::\"team-{chunk}/task-{task}\") when {{ context.params.ref == \"blocked\" }};").unwrap();
            }
        }
        files.push(SourceFile::new(
            format!("team-{chunk}.toml"),
            text.into_bytes(),
        ));
    }
    files.push(SourceFile::new("guardrails.cedar", guardrails.into_bytes()));
    files
}

/// Median and 99th percentile of decisions over a policy of this many tasks.
fn decisions(policy: &Policy, tasks: usize) -> (Duration, Duration) {
    let mut times = Vec::new();
    for round in 0..20_000_usize {
        let task = (round * 7919) % tasks;
        let subject = format!(
            "spiffe://acme.example/prod/team-{}/job-{task}/{}",
            task / 100,
            round % 2
        );
        let (subject, name) = (
            subject.parse().unwrap(),
            format!("team-{}/task-{task}", task / 100),
        );
        let parameters = parameters(&[("ref", &format!("release-{}", task % 500))]);
        let request = Request {
            subject: &subject,
            task: &name,
            parameters: &parameters,
            wanted: &[],
            circumstances: &at(NOON),
        };
        let start = Instant::now();
        let decision = policy.decide(&request);
        times.push(start.elapsed());
        assert!(decision.allowed().is_ok(), "{decision:?}");
    }
    times.sort();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

#[test]
#[ignore = "a measurement of minutes without --release"]
fn figures_of_ten_thousand_tasks_and_fifty_thousand_grants() {
    for tasks in [2, 10_000] {
        let files = generate(tasks, GRANTS);
        let start = Instant::now();
        let policy = Policy::compile(&files, &installation())
            .unwrap_or_else(|findings| panic!("{}", lines(&findings)));
        let load = start.elapsed();
        let (p50, p99) = decisions(&policy, tasks);
        println!(
            "{tasks} tasks, {} grants, {} guardrails: load {load:?}, decision p50 {p50:?}, p99 {p99:?}",
            policy.grant_count(),
            policy.guardrails().len(),
        );
    }
}
