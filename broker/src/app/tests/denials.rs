//! What the log keeps of denials, and what the id in a refusal leads to.

use std::collections::BTreeSet;

use serde_json::Value;
use taskpass_proto::ids::JobId;

use super::{Bench, CI, MINUTE, NOW, caller, request};
use crate::domain::audit::Event;
use crate::domain::policy::Wanted;
use crate::operations::open_job::OpenJob;
use crate::ports::store::AuditStore;
use crate::ports::store::audit::{AuditQuery, RecordKey};

/// Asks for a credential that is not there; answers the id in the refusal.
async fn denied(bench: &Bench, attempt: u8, credential: &str) -> String {
    let request = OpenJob {
        wanted: vec![Wanted::whole(credential)],
        ..request(JobId::new(NOW.as_millis(), [attempt; 10]))
    };
    let opened = bench.operations.open_job(&caller(CI), request).await;
    opened.unwrap_err().correlation_id
}

/// The details of the record that an id leads to.
fn explained(bench: &Bench, id: &str) -> Value {
    let key = RecordKey::Decision(id.to_owned());
    let record = bench.store.record(&key).unwrap().unwrap();
    record.details.unwrap()
}

fn details_of(bench: &Bench, event: Event) -> Vec<Value> {
    let query = AuditQuery {
        event: Some(event.as_str().to_owned()),
        limit: 100,
        ..AuditQuery::default()
    };
    let found = bench.store.records(&query).unwrap().records;
    found
        .into_iter()
        .map(|found| found.details.unwrap())
        .collect()
}

#[tokio::test]
async fn the_id_in_a_refusal_explains_the_request_that_was_refused() {
    let bench = Bench::new().await;
    let mut ids = BTreeSet::new();
    for attempt in 0..3 {
        for credential in ["root", "admin"] {
            let id = denied(&bench, attempt, credential).await;
            let wanted = &explained(&bench, &id)["wanted"][0]["name"];
            assert_eq!(wanted, credential);
            ids.insert(id);
        }
    }
    assert_eq!(ids.len(), 2);
    bench.clock.advance(MINUTE);
    bench.operations.flush_denials().await;
    let counts = details_of(&bench, Event::DenialsRepeated);
    assert_eq!(counts, vec![serde_json::json!({ "repeats": 2 }); 2]);
}

#[tokio::test]
async fn a_prober_leaves_a_few_records_with_what_it_tried_and_one_that_says_it_stands_for_more() {
    let bench = Bench::new().await;
    let mut ids = Vec::new();
    for attempt in 0..40 {
        ids.push(denied(&bench, attempt, &format!("guess-{attempt}")).await);
    }
    let records = details_of(&bench, Event::JobDenied);
    assert_eq!(records.len(), 17);
    let shared = |details: &Value| details["different_requests"] == true;
    assert_eq!(records.iter().filter(|details| shared(details)).count(), 1);
    assert!(!shared(&explained(&bench, &ids[15])));
    assert!(ids[16..].iter().all(|id| *id == ids[16]));
    assert!(shared(&explained(&bench, &ids[16])));
    bench.clock.advance(MINUTE);
    bench.operations.flush_denials().await;
    let counts = details_of(&bench, Event::DenialsRepeated);
    let expected = serde_json::json!({ "repeats": 23, "different_requests": true });
    assert_eq!(counts, [expected]);
}
