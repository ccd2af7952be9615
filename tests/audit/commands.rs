//! `audit export`, `audit erase` and `audit key`, from one end to the other.

use std::fs;

use super::log::{audit, audit_text, busy_broker, open_jobs, verify, wait_for};
use crate::support::operator::Operator;

#[tokio::test]
async fn an_export_verifies_offline_whole_and_in_part() {
    let broker = busy_broker().await;
    let vkey = audit_text(&broker, &["key"]);
    open_jobs(&broker, 160).await;
    wait_for(&broker, 322).await;
    let kept = broker.path("kept");
    fs::write(&kept, audit_text(&broker, &["checkpoint"])).unwrap();
    let kept = kept.to_str().unwrap();
    let whole = broker.path("whole.jsonl");
    let whole = whole.to_str().unwrap();
    audit_text(&broker, &["export", "--file", whole]);
    let (code, report) = verify(&[whole, "--key", &vkey, "--checkpoint", kept]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["details"]["checked"], report["records_checked"]);
    assert_eq!(report["consistent_with"][0], kept);

    for (first, last) in [
        ("1", "1"),
        ("1", "256"),
        ("2", "300"),
        ("257", "320"),
        ("300", "300"),
    ] {
        let part = broker.path("part.jsonl");
        let part = part.to_str().unwrap();
        audit_text(
            &broker,
            &["export", "--first", first, "--last", last, "--file", part],
        );
        let (code, report) = verify(&[part, "--key", &vkey]);
        assert_eq!(code, 0, "{first} {last}: {report:#}");
        let count: u64 = last.parse::<u64>().unwrap() + 1 - first.parse::<u64>().unwrap();
        assert_eq!(report["records_checked"], count);
    }
    let beyond = audit(&broker, &["export", "--first", "5000", "--last", "6000"]);
    assert_eq!(beyond.status.code(), Some(1));

    // Each way to change a file is found, and the record is named.
    let text = fs::read_to_string(whole).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let without = |n: usize| [&lines[..n], &lines[n + 1..]].concat().join("\n");
    let mut swapped = lines.clone();
    swapped.swap(40, 41);
    let table = [
        (without(40), "record 40", "it is missing"),
        (swapped.join("\n"), "record 40", "it is missing: record 41"),
        (lines[..100].join("\n"), "record 100", "cut off"),
        (
            text.replacen("policy.loaded", "policy.changed", 1),
            "record 1",
            "it was changed",
        ),
        (
            text.replacen("\"details\":\"{", "\"details\":\"{ ", 1),
            "record 1",
            "its details were changed",
        ),
        (
            text.replacen("\"first\":1,", "\"first\":2,", 1),
            "",
            "its header",
        ),
    ];
    let forged = broker.path("forged.jsonl");
    for (content, record, what) in table {
        fs::write(&forged, content.trim_end().to_owned() + "\n").unwrap();
        let (code, report) = verify(&[forged.to_str().unwrap(), "--key", &vkey]);
        let finding = &report["findings"][0];
        let named = finding["record"].as_u64().map(|n| format!("record {n}"));
        assert_eq!(code, 1, "{report:#}");
        assert_eq!(named.unwrap_or_default(), record, "{report:#}");
        assert!(
            finding["what"].as_str().unwrap().contains(what),
            "{report:#}"
        );
    }
}

#[tokio::test]
async fn erased_details_are_gone_it_is_recorded_and_everything_still_verifies() {
    let broker = busy_broker().await;
    let vkey = audit_text(&broker, &["key"]);
    open_jobs(&broker, 16).await;
    let mut operator = Operator::connect(&broker).await;
    let opened = operator.events("job.opened").await;
    let (job, number) = (opened[3].job_id.clone(), opened[3].number);
    assert!(opened[3].details.contains("holder"));
    let unexplained = audit(&broker, &["erase", "--job", &job, "--note", " "]);
    let said = String::from_utf8_lossy(&unexplained.stderr);
    assert!(said.contains("mandatory for erasing"), "{said}");
    let said = audit_text(&broker, &["erase", "--job", &job, "--note", "case 17"]);
    assert_eq!(said, "the details of 2 records were erased\n");
    let mut operator = Operator::connect(&broker).await;
    assert!(
        operator
            .of_job(&job)
            .await
            .iter()
            .all(|record| record.details.is_empty())
    );
    let recorded = operator.events("audit.details_erased").await.remove(0);
    assert!(recorded.details.contains("case 17"), "{}", recorded.details);

    let size = wait_for(&broker, recorded.number).await;
    assert!(size > number);
    let proof = broker.path("erased.tlog-proof");
    let proof = proof.to_str().unwrap();
    audit_text(&broker, &["prove", &number.to_string(), "--file", proof]);
    let (code, report) = verify(&["--proof", proof, "--key", &vkey]);
    assert_eq!(
        (code, &report["details"]["erased"]),
        (0, &1.into()),
        "{report:#}"
    );
    let file = broker.path("all.jsonl");
    let file = file.to_str().unwrap();
    audit_text(&broker, &["export", "--file", file]);
    let (code, report) = verify(&[file, "--key", &vkey]);
    assert_eq!(
        (code, &report["details"]["erased"]),
        (0, &2.into()),
        "{report:#}"
    );
}

#[tokio::test]
async fn a_key_is_made_by_command_and_a_log_never_gets_a_new_one_by_itself() {
    let mut broker = busy_broker().await;
    let made = broker.path("made.key");
    let made = made.to_str().unwrap();
    audit_text(&broker, &["key", "--create", made]);
    let again = audit(&broker, &["key", "--create", made]);
    assert_eq!(again.status.code(), Some(1));

    wait_for(&broker, 1).await;
    broker.broker.stop();
    fs::rename(broker.path("audit.key"), broker.path("lost.key")).unwrap();
    broker.restart_unready();
    let why = super::tampering::unready(&mut broker).await;
    assert!(
        why.contains("audit.key") && why.contains("nothing is issued"),
        "{why}"
    );
    assert!(!broker.path("audit.key").exists());
    broker.broker.stop();
    // Another key is not the one that signed it.
    fs::copy(made, broker.path("audit.key")).unwrap();
    broker.restart_unready();
    let why = super::tampering::unready(&mut broker).await;
    assert!(why.contains("not signed by the given key"), "{why}");
    broker.broker.stop();
    fs::rename(broker.path("lost.key"), broker.path("audit.key")).unwrap();
    broker.restart().await;
}
