//! The commands for operators, against a broker's administration.

use serde_json::Value;
use taskpass_proto::v1::GetStatusResponse;
use taskpass_proto::v1::get_status_response::Problem;

use super::fake_agent::{FakeAgent, JOB};
use super::fake_broker::{FakeBroker, LEASE, SUBJECT, away};
use super::{stderr, stdout, taskpass};

fn table(broker: &FakeBroker, arguments: &[&str]) -> String {
    let output = broker.taskpass(arguments).output().unwrap();
    assert_eq!(
        (output.status.code(), stderr(&output)),
        (Some(0), ""),
        "{arguments:?}"
    );
    without_dates(stdout(&output))
}

fn json(broker: &FakeBroker, arguments: &[&str]) -> Value {
    let output = broker
        .taskpass(arguments)
        .arg("--output=json")
        .output()
        .unwrap();
    assert_eq!(
        (output.status.code(), stderr(&output)),
        (Some(0), ""),
        "{arguments:?}"
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The text with the dates left out, which change from run to run.
fn without_dates(text: &str) -> String {
    let line = |line: &str| match (line.split_once(" 20"), line.split_once(" UTC (")) {
        (Some((before, _)), Some((_, after))) => format!("{before} DATE ({after}"),
        (Some((before, _)), None) if line.ends_with(" UTC") => format!("{before} DATE"),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn jobs_are_a_table_for_people_and_a_document_for_programs() {
    let broker = FakeBroker::start();
    insta::assert_snapshot!(table(&broker, &["job", "list"]), @r"
    JOB                             TASK         SUBJECT                                    STATE  OPENED      END     LEASES
    job_01k8m5v4x8e2rr9t6cz1j3q7yd  deploy-docs  spiffe://acme.example/prod/ci/docs/runner  open   2h 30m ago  in 25m  1
    ");
    insta::assert_snapshot!(table(&broker, &["job", "list", "--task", "none"]), @"no jobs; `taskpass run --task TASK -- COMMAND` opens one");
    let document = json(&broker, &["job", "list"]);
    assert_eq!(document["jobs"][0]["job"], JOB);
    assert_eq!(document["jobs"][0]["state"], "open");
    assert_eq!(document["more"], false);
}

#[test]
fn a_job_is_shown_with_its_leases_and_what_can_be_said_of_taking_them_back() {
    let broker = FakeBroker::start();
    insta::assert_snapshot!(table(&broker, &["job", "show", JOB]), @r"
    job              job_01k8m5v4x8e2rr9t6cz1j3q7yd
    task             deploy-docs
    parameters       ref=main
    subject          spiffe://acme.example/prod/ci/docs/runner
    state            open
    opened           DATE (2h 30m ago)
    ends by          DATE (in 25m)
    liveness         heartbeat
    policy           p1
    holder           abababababababababababababababababababababababababababababababab
    reported caller  /usr/bin/taskpass (pid 4711, uid 1000, gid 1000) on node-7

    LEASE                               CREDENTIAL  SUBJECT                                    STATE             END      STOPS WORKING
    lease_01k8m5v4x8e2rr9t6cz1j3q7yd_1  docs-api    spiffe://acme.example/prod/ci/docs/runner  ended (operator)  25m ago  within 30s
    ");
    let document = json(&broker, &["job", "show", JOB]);
    assert_eq!(document["params"]["ref"], "main");
    assert_eq!(document["leases"][0]["lease"], LEASE);
    assert_eq!(document["leases"][0]["revocability"]["kind"], "bounded");
}

#[test]
fn an_unknown_job_is_a_negative_answer() {
    let broker = FakeBroker::start();
    let line = ["job", "show", "job_01h455vb4pex5vsknk084sn02q"];
    let output = broker.taskpass(&line).output().unwrap();
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""));
    insta::assert_snapshot!(stderr(&output), @r"
    error: cannot show the job: JOB_UNKNOWN
      why: there is none with this id
      try: check the id; `taskpass job list` shows the jobs, with --mine your own
    ");
}

#[test]
fn a_close_is_asked_for_until_it_is_confirmed() {
    let broker = FakeBroker::start();
    *broker.script().pending.lock().unwrap() = 1;
    let said = table(&broker, &["job", "close", JOB, "--note", "runaway"]);
    assert_eq!(said, format!("{JOB} has ended (operator): confirmed"));
    assert_eq!(
        *broker.script().notes.lock().unwrap(),
        ["runaway", "runaway"]
    );
}

#[test]
fn a_revocation_that_stays_pending_is_no_polite_success() {
    let broker = FakeBroker::start();
    *broker.script().pending.lock().unwrap() = u32::MAX;
    let line = ["lease", "revoke", LEASE, "--wait", "1ms"];
    let output = broker.taskpass(&line).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("pending"), "{output:?}");
}

#[test]
fn leases_are_listed_and_shown_with_their_revocability() {
    let broker = FakeBroker::start();
    insta::assert_snapshot!(table(&broker, &["lease", "list"]), @r"
    LEASE                               CREDENTIAL  SUBJECT                                    STATE             END      STOPS WORKING
    lease_01k8m5v4x8e2rr9t6cz1j3q7yd_1  docs-api    spiffe://acme.example/prod/ci/docs/runner  ended (operator)  25m ago  within 30s
    ");
    insta::assert_snapshot!(table(&broker, &["lease", "show", LEASE]), @r"
    lease          lease_01k8m5v4x8e2rr9t6cz1j3q7yd_1
    job            job_01k8m5v4x8e2rr9t6cz1j3q7yd
    subject        spiffe://acme.example/prod/ci/docs/runner
    credential     docs-api
    issuer         jwt
    audience       https://docs.acme.example
    scopes         docs:write
    state          ended (operator)
    generation     2
    issued         DATE (2h 30m ago)
    expires        DATE
    ended          DATE (25m ago)
    stops working  within 30s
    ");
    let document = json(&broker, &["lease", "list"]);
    assert_eq!(document["leases"][0]["revocability"]["seconds"], 30.0);
}

#[test]
fn workloads_are_banned_with_a_note_and_an_end() {
    let broker = FakeBroker::start();
    let line = [
        "workload", "ban", SUBJECT, "--note", "loops", "--for", "90m",
    ];
    assert_eq!(
        table(&broker, &line),
        "banned until DATE (in 1h 30m); 2 jobs were ended"
    );
    table(
        &broker,
        &["workload", "unban", "--holder", &"ab".repeat(32)],
    );
    let holder = "ab".repeat(32);
    assert_eq!(
        *broker.script().bans.lock().unwrap(),
        [
            format!("ban Some(SpiffeId({SUBJECT:?})) \"loops\" true"),
            format!("unban Some(Holder({holder:?})) \"\""),
        ]
    );
    let output = broker
        .taskpass(&["workload", "ban", SUBJECT])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "a ban needs a note");
    insta::assert_snapshot!(table(&broker, &["workload", "list"]), @r"
    BANNED                                     SINCE    UNTIL   BY     WHY
    spiffe://acme.example/prod/ci/docs/runner  25m ago  lifted  uid 0  compromised\nrunner
    ");
}

#[test]
fn audit_records_are_listed_over_pages_and_shown_without_touching_the_terminal() {
    let broker = FakeBroker::start();
    let numbers = |arguments: &[&str]| {
        let document = json(&broker, arguments);
        let records = document["records"].as_array().unwrap().clone();
        let numbers: Vec<_> = records
            .iter()
            .map(|record| record["number"].as_u64().unwrap())
            .collect();
        (numbers, document["next_position"].clone())
    };
    assert_eq!(
        numbers(&["audit", "list"]),
        (vec![5, 4, 3, 2, 1], Value::Null)
    );
    assert_eq!(
        numbers(&["audit", "list", "--limit", "2"]),
        (vec![5, 4], 4.into())
    );
    assert_eq!(
        numbers(&["audit", "list", "--limit", "2", "--position", "4"]),
        (vec![3, 2], 2.into())
    );
    let shown = table(&broker, &["audit", "show", "dec_4"]);
    assert!(
        !shown.contains('\u{9b}') && !shown.contains('\u{1b}'),
        "{shown}"
    );
    insta::assert_snapshot!(shown, @r#"
    number    4
    at        DATE (25m ago)
    event     job.denied
    outcome   PARAMETER_INVALID
    subject   spiffe://acme.example/prod/ci/docs/runner
    task      deploy-docs
    policy    p1
    decision  dec_4

    {
      "parameter": "ref",
      "value": "\u001b[2J\u{9b}"
    }
    "#);
}

#[test]
fn a_list_that_goes_on_says_with_which_command() {
    let broker = FakeBroker::start();
    let said = table(
        &broker,
        &["audit", "list", "--limit", "2", "--event", "job.denied"],
    );
    let next = "there is more: taskpass audit list --event job.denied --limit 2 --position 4";
    assert!(said.ends_with(next), "{said}");
}

#[test]
fn what_is_no_id_no_event_and_no_time_is_a_wrong_command_line() {
    let lines: [(&[&str], &str); 7] = [
        (&["audit", "show", "foo"], "`dec_…`"),
        (&["audit", "list", "--event", "nonsense"], "lease.renewed"),
        (&["audit", "list", "--subject", "foo"], "`spiffe://`"),
        (&["job", "list", "--subject", "foo"], "`spiffe://`"),
        (&["lease", "list", "--subject", "foo"], "`spiffe://`"),
        (
            &["audit", "erase", "--before", "yesterday", "--note", "x"],
            "`2026-11-03`",
        ),
        (&["audit", "erase", "--before", "2026-01-01"], "--note"),
    ];
    for (line, said) in lines {
        let output = taskpass(line).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{line:?}");
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
    }
}

#[test]
fn a_socket_of_the_other_kind_is_told_apart() {
    let (fake_broker, fake_agent) = (FakeBroker::start(), FakeAgent::start());
    let (broker, agent) = (fake_broker.socket(), fake_agent.socket());
    let table: [(&str, _, &[&str], &str); 2] = [
        (
            "--agent-socket",
            broker,
            &["job", "list", "--mine"],
            "--agent-socket names the socket of the agent",
        ),
        (
            "--admin-socket",
            agent,
            &["job", "list"],
            "check that --admin-socket names its socket",
        ),
    ];
    for (flag, socket, line, remedy) in table {
        let output = taskpass(line).arg(flag).arg(socket).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(remedy), "{}", stderr(&output));
    }
}

#[test]
fn usage_names_no_socket_that_only_the_environment_sets() {
    let mut command = taskpass(&["run"]);
    command
        .env("TASKPASS_AGENT_SOCKET", "/a")
        .env("TASKPASS_ADMIN_SOCKET", "/b");
    let output = command.output().unwrap();
    let usage = stderr(&output)
        .lines()
        .find(|line| line.starts_with("Usage:"));
    assert_eq!(
        usage,
        Some("Usage: taskpass run [OPTIONS] --task <TASK> -- <COMMAND>...")
    );
}

#[test]
fn status_without_anything_says_where_it_looked() {
    let output = taskpass(&["status"]).output().unwrap();
    let said = stdout(&output);
    let looked = "an agent is here, at `/run/taskpass/agent.sock`, nor a broker, at `/run/taskpass/admin.sock`";
    assert!(
        said.contains(looked) && said.contains("taskpass dev"),
        "{said}"
    );
}

#[test]
fn files_that_are_not_there_are_told_so() {
    let table: [(&[&str], &str); 3] = [
        (
            &["store", "check", "nowhere.db"],
            "there is no file `nowhere.db`",
        ),
        (
            &["store", "restore", "nowhere.db", "--into", "new.db"],
            "there is no file `nowhere.db`",
        ),
        (
            &["audit", "verify", ".", "--key", "nofile.vkey"],
            "neither a verifier key nor a file that is there",
        ),
    ];
    for (line, why) in table {
        let output = taskpass(line).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{line:?}");
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
    }
}

#[test]
fn your_own_jobs_are_asked_of_the_agent() {
    let agent = FakeAgent::start();
    let say = |line: &[&str]| {
        let output = agent.taskpass(line).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        stdout(&output).to_owned()
    };
    insta::assert_snapshot!(say(&["job", "list", "--mine"]), @r"
    JOB                             TASK         STATE  OPENED   END
    job_01k8m5v4x8e2rr9t6cz1j3q7yd  deploy-docs  open   25m ago  in 29m
    ");
    insta::assert_snapshot!(without_dates(&say(&["job", "show", "--mine", JOB])), @r"
    job      job_01k8m5v4x8e2rr9t6cz1j3q7yd
    task     deploy-docs
    state    open
    ends by  DATE (in 29m)

    CREDENTIAL  LEASE                               GENERATION  SCOPES      EXPIRES    STOPS WORKING
    docs-api    lease_01k8m5v4x8e2rr9t6cz1j3q7yd_1  1           docs:write  in 4m 59s  at once
    ");
    insta::assert_snapshot!(say(&["job", "close", "--mine", JOB]), @"job_01k8m5v4x8e2rr9t6cz1j3q7yd has ended (job_closed): confirmed");
}

#[test]
fn status_tells_what_is_wrong_and_how_to_mend_it() {
    let (broker, agent) = (FakeBroker::start(), FakeAgent::start());
    let status = |problems: Vec<Problem>| {
        *broker.script().status.lock().unwrap() = GetStatusResponse {
            version: "0.1.0".to_owned(),
            issuer: "https://taskpass.acme.example".to_owned(),
            spiffe_id: "spiffe://acme.example/taskpass/broker".to_owned(),
            svid_expires_at: Some(away(1530)),
            policy: "p1".to_owned(),
            policy_loaded_at: Some(away(-1530)),
            open_jobs: 3,
            sessions: 2,
            started_at: Some(away(-9030)),
            ready: problems.is_empty(),
            problems,
            ..GetStatusResponse::default()
        };
        let mut command = broker.taskpass(&["status", "--agent-socket"]);
        let output = command.arg(agent.socket()).output().unwrap();
        (output.status.code(), without_dates(stdout(&output)))
    };
    let (code, text) = status(Vec::new());
    assert_eq!(code, Some(0));
    insta::assert_snapshot!(text, @r"
    agent       version 0.1.0
      started   DATE (2h 30m ago)
      broker    spiffe://acme.example/taskpass/broker at broker.acme.example:8440, connected
      you       uid 1000, which speaks for no workload
      jobs      1
      identity  spiffe://acme.example/prod/ci/docs/runner, SVID until DATE (in 25m)

    broker           version 0.1.0, ready
      started        DATE (2h 30m ago)
      identity       spiffe://acme.example/taskpass/broker
      SVID until     DATE (in 25m)
      issuer         https://taskpass.acme.example
      policy         p1
      policy loaded  DATE (25m ago)
      open jobs      3
      sessions       2

    all is well
    ");
    let (code, text) = status(vec![Problem {
        what: "the store is full".to_owned(),
        remedy: "free some space in /var/lib/taskpass".to_owned(),
    }]);
    assert_eq!(code, Some(1));
    assert!(
        text.ends_with("problem: the store is full\n  try: free some space in /var/lib/taskpass"),
        "{text}"
    );
}

#[test]
fn status_without_agent_and_broker_says_what_to_try() {
    let line = ["status", "--agent-socket", "/no/such/agent.sock"];
    let output = taskpass(&line).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(stdout(&output), @r"
    agent: does not answer

    broker: not on this machine

    problem: cannot reach the agent at `/no/such/agent.sock`: there is no such socket
      try: start it with `taskpass agent`, or name its socket with --agent-socket or TASKPASS_AGENT_SOCKET
    ");
}
