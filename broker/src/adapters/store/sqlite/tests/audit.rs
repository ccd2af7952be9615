//! The audit log.

use super::*;
use crate::domain::audit::{Event, Record};
use crate::ports::store::audit::{AuditQuery, AuditStore, RecordKey};

#[tokio::test]
async fn reads_the_log_both_ways_and_by_decision() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    for n in 1..=4 {
        open_one(&store, n).await.unwrap();
    }
    let all = AuditQuery {
        limit: 5,
        ..AuditQuery::default()
    };
    let page = store.records(&all).unwrap();
    assert_eq!((page.records.len(), page.next), (5, Some(5)));
    let rest = store
        .records(&AuditQuery {
            position: 5,
            limit: 100,
            ..all.clone()
        })
        .unwrap();
    assert_eq!((rest.records.len(), rest.next), (7, None));
    let back = store
        .records(&AuditQuery {
            newest_first: true,
            limit: 2,
            ..all.clone()
        })
        .unwrap();
    assert_eq!(
        back.records.iter().map(|r| r.number).collect::<Vec<_>>(),
        [12, 11]
    );
    let of_job = AuditQuery {
        job: Some(id(2).to_string()),
        limit: 10,
        ..AuditQuery::default()
    };
    assert_eq!(store.records(&of_job).unwrap().records.len(), 3);
    let no_job = AuditQuery {
        job: Some("nonsense".into()),
        ..of_job
    };
    assert!(store.records(&no_job).unwrap().records.is_empty());
    let event = Some("job.opened".to_owned());
    let opened = store
        .records(&AuditQuery {
            event,
            limit: 10,
            ..AuditQuery::default()
        })
        .unwrap();
    assert_eq!(opened.records.len(), 4);
    let found = store
        .record(&RecordKey::Decision("dec-3".into()))
        .unwrap()
        .unwrap();
    assert_eq!(found.leaf.job, Some(id(3).to_string()));
    assert!(store.record(&RecordKey::Number(99)).unwrap().is_none());
}

#[tokio::test]
async fn erased_details_leave_the_leaf_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    open_one(&store, 1).await.unwrap();
    let before = store.record(&RecordKey::Number(1)).unwrap().unwrap();
    let connection = rusqlite::Connection::open(folder.path().join("taskpass.db")).unwrap();
    connection
        .execute("UPDATE audit SET details = NULL, salt = NULL", [])
        .unwrap();
    let after = store.record(&RecordKey::Number(1)).unwrap().unwrap();
    assert_eq!(before.leaf, after.leaf);
    assert_eq!(after.details, None);
}

#[tokio::test]
async fn a_reading_that_looks_long_without_finding_says_where_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    open_one(&store, 1).await.unwrap();
    let many = vec![Record::new(Event::AdminCalled, NOW); 2_500];
    store.append(many).await.unwrap();
    let mut query = AuditQuery {
        newest_first: true,
        event: Some("job.opened".into()),
        limit: 10,
        ..AuditQuery::default()
    };
    let first = store.records(&query).unwrap();
    assert!(first.records.is_empty());
    query.position = first.next.unwrap();
    let second = store.records(&query).unwrap();
    assert_eq!(second.records.len(), 1);
    assert_eq!((second.records[0].number, second.next), (1, None));
}

#[tokio::test]
async fn every_leaf_commits_to_its_details_under_its_own_salt() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let record = Record {
        details: json!({ "why": "because" }),
        ..Record::new(Event::AdminCalled, NOW)
    };
    store
        .append(vec![record.clone(), record.clone()])
        .await
        .unwrap();
    let salts = |t: &mut Transaction<'_>| {
        let sql = "SELECT salt FROM audit ORDER BY number";
        let mut statement = t.connection.prepare(sql)?;
        let salts: Result<Vec<[u8; 32]>, _> = statement.query_map([], |row| row.get(0))?.collect();
        Ok(salts?)
    };
    let salts = store.writer.write(salts).await.unwrap();
    assert_ne!(salts[0], salts[1]);
    for (number, salt) in (1..).zip(salts) {
        let recorded = store.record(&RecordKey::Number(number)).unwrap().unwrap();
        let details = recorded.details.unwrap().to_string();
        assert_eq!(recorded.leaf, record.leaf(&salt, details.as_bytes()));
    }
}
