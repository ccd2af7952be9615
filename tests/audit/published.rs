//! What the broker publishes, as strangers see it.

use std::fs;

use super::log::{audit_text, busy_broker, open_jobs, published, stranger, verify, wait_for};
use crate::support::http;

#[tokio::test]
async fn a_stranger_verifies_tiles_checkpoints_and_proofs_over_http_and_from_files() {
    let broker = busy_broker().await;
    let vkey = audit_text(&broker, &["key"]);
    let kept = broker.path("kept");
    fs::write(&kept, audit_text(&broker, &["checkpoint"])).unwrap();
    let kept = kept.to_str().unwrap().to_owned();
    open_jobs(&broker, 400).await;
    let size = wait_for(&broker, 802).await;

    let url = format!("http://{}/audit", broker.operations);
    let seen = stranger(&["verify", &url, &vkey, &kept], "").unwrap();
    assert!(seen["size"].as_u64().unwrap() >= size);
    let events = seen["events"].as_array().unwrap();
    assert_eq!(events.iter().filter(|e| *e == "job.opened").count(), 400);
    let types = &seen["types"];
    assert_eq!(types["checkpoint"][0], "text/plain; charset=utf-8");
    assert_eq!(types["checkpoint"][1], "no-cache");
    assert_eq!(types["tile"][0], "application/octet-stream");
    assert!(types["tile"][1].as_str().unwrap().contains("immutable"));
    assert!(seen["origin"].as_str().unwrap().ends_with("/audit"));

    let log = broker.path("audit-log");
    let log = log.to_str().unwrap();
    let from_files = stranger(&["verify", log, &vkey, &kept], "").unwrap();
    assert!(from_files["size"].as_u64() >= seen["size"].as_u64());
    for number in [1_u64, 2, 256, 257, 511, 700] {
        let proof = broker.path("one.tlog-proof");
        let file = proof.to_str().unwrap();
        audit_text(&broker, &["prove", &number.to_string(), "--file", file]);
        let proven = stranger(&["proof", file, &vkey], "").unwrap();
        assert_eq!(proven["number"], number);
        assert!(proven["details"].is_string());
        let (code, report) = verify(&["--proof", file, "--key", &vkey]);
        assert_eq!((code, &report["record"]["number"]), (0, &number.into()));
    }
    for nothing in [
        "/audit/tile/0/999",
        "/audit/tile/0/../../checkpoint",
        "/audit/tile/0/0",
    ] {
        let (status, _) = http::get(broker.operations, nothing).await.unwrap();
        assert_eq!(status, 404, "{nothing}");
    }
}

#[tokio::test]
async fn kill_9_under_load_never_gives_two_logs() {
    let mut broker = busy_broker().await;
    let vkey = audit_text(&broker, &["key"]);
    let mut kept = Vec::new();
    for round in 0..4_u64 {
        open_jobs(&broker, 160).await;
        // With some of it signed and some of it not.
        wait_for(&broker, 100 * round + 50).await;
        broker.broker.kill();
        let file = broker.path(&format!("kept-{round}"));
        fs::copy(broker.path("audit-log/checkpoint"), &file).unwrap();
        kept.push(file.to_str().unwrap().to_owned());
        broker.restart().await;
    }
    wait_for(&broker, 4 * 320).await;
    let log = broker.path("audit-log");
    let log = log.to_str().unwrap();
    let mut arguments = vec![log, "--key", &vkey];
    for file in &kept {
        arguments.extend(["--checkpoint", file]);
    }
    let (code, report) = verify(&arguments);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["consistent_with"].as_array().unwrap().len(), 4);
    let mut arguments = vec!["verify", log, &vkey];
    arguments.extend(kept.iter().map(String::as_str));
    stranger(&arguments, "").unwrap();
    assert!(published(&broker).await.unwrap() > 1280);
}

#[tokio::test]
async fn every_checkpoint_is_in_the_log_output_and_the_tail_is_signed_when_it_stops() {
    let mut broker = busy_broker().await;
    open_jobs(&broker, 8).await;
    broker.broker.stop();
    let note = fs::read_to_string(broker.path("audit-log/checkpoint")).unwrap();
    let size: u64 = note.lines().nth(1).unwrap().parse().unwrap();
    assert!(size >= 17, "{note}");
    let root = note.lines().nth(2).unwrap();
    let log = broker.broker.log();
    assert!(log.contains(root) && log.contains("checkpoint"), "{log}");
}

#[tokio::test]
async fn metrics_tell_size_age_and_tail() {
    let broker = busy_broker().await;
    let size = wait_for(&broker, 1).await;
    let (_, metrics) = http::get(broker.operations, "/metrics").await.unwrap();
    let value = |name: &str| -> f64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no `{name}`"))
            .trim()
            .parse()
            .unwrap()
    };
    assert!(value("taskpass_audit_tree_size ") >= f64::from(u32::try_from(size).unwrap()));
    assert!(value("taskpass_audit_checkpoint_age_seconds ") >= 0.0);
    assert!(value("taskpass_audit_unsequenced_records ") >= 0.0);
    assert!(value("taskpass_audit_broken ").abs() < 0.5);
}
