//! The store against real files.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use taskpass_proto::ids::JobId;

use super::*;
use crate::domain::audit::{Event, Record};
use crate::domain::ban::{Ban, BanTarget};
use crate::domain::cause::Cause;
use crate::domain::change::end::{Authority, Ended, Ending, end};
use crate::domain::change::expire::{Expired, expire};
use crate::domain::change::open::{Opened, open};
use crate::domain::change::sample::{self, NOW};
use crate::domain::change::{Current, JobWithLeases, Step};
use crate::domain::job::End;
use crate::domain::lease::LeaseState;
use crate::ports::random::fake::CountingRandom;
use crate::ports::store::audit::{AuditQuery, AuditStore, RecordKey};
use crate::ports::store::bans::BanStore;
use crate::ports::store::jobs::{JobQuery, JobStore, OpenJobsOf, transact};
use crate::ports::store::keys::{KeyStore, Sealed, StoredKey};
use crate::ports::store::policies::{KeptPolicy, PolicyStore};
use crate::ports::store::sessions::{Session, SessionStore};
use crate::ports::store::{StoreError, StoreErrorKind};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn facts() -> InstallationFacts {
    InstallationFacts {
        issuer: "https://taskpass.acme.example".into(),
        spiffe_id: "spiffe://acme.example/broker".into(),
        audit_origin: "taskpass.acme.example/audit".into(),
    }
}

fn store(folder: &Path) -> SqliteStore {
    let random = Arc::new(CountingRandom::default());
    SqliteStore::open(&folder.join("taskpass.db"), &facts(), random).unwrap()
}

fn id(n: u8) -> JobId {
    JobId::new(NOW.as_millis() + u64::from(n), [n; 10])
}

async fn open_one(store: &SqliteStore, n: u8) -> Result<Opened, StoreError> {
    let candidate = sample::candidate_for(id(n), n);
    transact(store, id(n), move |current: &Current<'_>| {
        open(current, &candidate)
    })
    .await
}

async fn end_one(store: &SqliteStore, n: u8, cause: Cause) -> Result<Ended, StoreError> {
    let end_now = End { cause, at: NOW };
    let authority = Authority::Broker;
    let ending = Ending {
        id: id(n),
        authority,
        end: end_now,
        details: json!({}),
    };
    transact(store, id(n), move |current: &Current<'_>| {
        end(current, &ending)
    })
    .await
}

async fn expire_one(store: &SqliteStore, n: u8, after: Duration) -> Expired {
    let change = move |current: &Current<'_>| expire(current, NOW.plus(after), DAY);
    transact(store, id(n), change).await.unwrap()
}

#[tokio::test]
async fn gives_back_what_was_saved_also_after_it_was_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = store(folder.path());
    assert_eq!(open_one(&first, 1).await.unwrap(), Opened::New);
    let saved = first.job(id(1)).unwrap().unwrap();
    let candidate = sample::candidate_for(id(1), 1);
    assert_eq!(saved.job.as_open(), Some(&candidate.opening));
    assert_eq!(saved.leases, candidate.leases);
    let mark = first.mark(saved.leases[0].id).unwrap().unwrap();
    assert_eq!((mark.job_ended, mark.lease), (None, saved.leases[0].state));
    end_one(&first, 1, Cause::Operator).await.unwrap();
    let ended = first.job(id(1)).unwrap().unwrap();
    drop(first);
    let second = store(folder.path());
    assert_eq!(second.job(id(1)).unwrap(), Some(ended.clone()));
    let mark = second.mark(ended.leases[1].id).unwrap().unwrap();
    assert_eq!(mark.job_ended, Some(Cause::Operator));
    assert!(matches!(
        mark.lease,
        LeaseState::Ended {
            cause: Cause::Operator,
            ..
        }
    ));
}

#[tokio::test]
async fn an_answered_change_is_in_the_files_without_any_closing() {
    let folder = tempfile::tempdir().unwrap();
    let store_here = store(folder.path());
    for n in 0..50 {
        open_one(&store_here, n).await.unwrap();
        // What a `kill -9` would leave behind at this moment.
        let copy = tempfile::tempdir().unwrap();
        for name in ["taskpass.db", "taskpass.db-wal"] {
            std::fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
        }
        if n % 10 == 0 {
            let found = store(copy.path());
            assert!(found.job(id(n)).unwrap().is_some());
            let key = RecordKey::Number(3 * u64::from(n) + 3);
            assert_eq!(
                found.record(&key).unwrap().unwrap().leaf.event,
                Event::LeaseIssued
            );
        }
    }
}

#[tokio::test]
async fn many_at_once_are_all_there_with_dense_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(store(folder.path()));
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..200 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { open_one(&store, n).await.unwrap() });
    }
    assert!(
        tasks
            .join_all()
            .await
            .into_iter()
            .all(|opened| opened == Opened::New)
    );
    assert_eq!(store.count_open().unwrap(), 200);
    let query = AuditQuery {
        limit: 1000,
        ..AuditQuery::default()
    };
    let page = store.records(&query).unwrap();
    let numbers: Vec<u64> = page.records.iter().map(|record| record.number).collect();
    assert_eq!(numbers, (1..=600).collect::<Vec<_>>());
    assert_eq!(page.next, None);
}

#[tokio::test]
async fn a_command_that_fails_harms_none_of_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(store(folder.path()));
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..40 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            if n % 8 == 0 {
                // Longer than a log takes: the database would accept it, the log does not.
                let task = Some("x".repeat(70_000));
                let record = Record {
                    task,
                    ..Record::new(Event::JobDenied, NOW)
                };
                (n, store.append(vec![record]).await.is_ok())
            } else {
                (n, open_one(&store, n).await.is_ok())
            }
        });
    }
    for (n, succeeded) in tasks.join_all().await {
        assert_eq!(succeeded, n % 8 != 0, "{n}");
    }
    assert_eq!(store.count_open().unwrap(), 35);
    let page = store
        .records(&AuditQuery {
            limit: 1000,
            ..AuditQuery::default()
        })
        .unwrap();
    assert_eq!(page.records.last().unwrap().number, 35 * 3);
}

#[tokio::test]
async fn a_full_disk_is_said_and_it_goes_on_when_there_is_space_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taskpass.db");
    let random = Arc::new(CountingRandom::default());
    let store = SqliteStore::open(&path, &facts(), random).unwrap();
    let fill = |t: &mut transaction::Transaction<'_>| {
        Ok(t.connection.pragma_update(None, "max_page_count", 60)?)
    };
    store.writer.write(fill).await.unwrap();
    let mut opened = 0;
    let error = loop {
        match open_one(&store, opened).await {
            Ok(_) => opened += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, StoreErrorKind::Full);
    assert!(
        store.job(id(opened)).unwrap().is_none(),
        "nothing of a failed change is kept"
    );
    assert_eq!(store.count_open().unwrap(), u64::from(opened));
    // Forgetting a job makes room.
    for n in 0..opened {
        let forgotten = transact(&store, id(n), |_: &Current<'_>| Step {
            saved: crate::domain::change::Saved {
                due: crate::domain::change::Due::Forget,
                ..Default::default()
            },
            answer: (),
        });
        forgotten.await.unwrap();
    }
    open_one(&store, opened).await.unwrap();
}

#[tokio::test]
async fn a_store_of_another_installation_or_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taskpass.db");
    let epoch = store(folder.path()).epoch().to_vec();
    assert_eq!(
        store(folder.path()).epoch(),
        epoch,
        "the epoch is drawn once"
    );
    let random = || Arc::new(CountingRandom::default());
    let other = InstallationFacts {
        issuer: "https://other.example".into(),
        ..facts()
    };
    let error = SqliteStore::open(&path, &other, random())
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("https://taskpass.acme.example"), "{error}");
    assert!(error.contains("https://other.example"), "{error}");

    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let error = SqliteStore::open(&path, &facts(), random()).err().unwrap();
    assert!(
        matches!(
            error,
            OpenError::Newer {
                found: 99,
                known: 1,
                ..
            }
        ),
        "{error}"
    );

    std::fs::write(&path, b"no database at all, and longer than a header of one hundred bytes is .......................").unwrap();
    let error = SqliteStore::open(&path, &facts(), random()).err().unwrap();
    assert!(matches!(error, OpenError::NotAStore { .. }), "{error}");
    let missing = folder.path().join("missing");
    let error = SqliteStore::open(&missing.join("x.db"), &facts(), random());
    let error = error.err().unwrap().to_string();
    assert!(error.contains(missing.to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn a_new_store_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let _store = store(folder.path());
    for name in ["taskpass.db", "taskpass.db-wal"] {
        let mode = std::fs::metadata(folder.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
}

#[tokio::test]
async fn what_is_due_comes_in_order_and_each_job_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    for n in 0..3 {
        open_one(&store, n).await.unwrap();
    }
    let at = |seconds| NOW.plus(Duration::from_secs(seconds));
    assert_eq!(store.next_due().unwrap(), Some(at(60)));
    assert!(store.due(at(59), 10).unwrap().is_empty());
    assert_eq!(store.due(at(60), 10).unwrap(), [id(0), id(1), id(2)]);
    assert_eq!(
        expire_one(&store, 1, Duration::from_secs(60)).await,
        Expired::Leases(1)
    );
    assert_eq!(store.due(at(60), 10).unwrap(), [id(0), id(2)]);
    assert_eq!(store.due(at(120), 10).unwrap(), [id(0), id(2), id(1)]);
    end_one(&store, 0, Cause::JobClosed).await.unwrap();
    // Moved lazily: a look finds that it is over, and when it is to be forgotten.
    assert_eq!(
        expire_one(&store, 0, Duration::from_secs(60)).await,
        Expired::Nothing
    );
    assert_eq!(store.due(NOW.plus(DAY), 10).unwrap().last(), Some(&id(0)));
    assert_eq!(expire_one(&store, 0, DAY).await, Expired::Forgotten);
    assert!(store.job(id(0)).unwrap().is_none());
    assert!(!store.due(NOW.plus(DAY * 10), 10).unwrap().contains(&id(0)));
}

#[tokio::test]
async fn live_jobs_are_counted_exactly_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let live = async |store: &SqliteStore| {
        let change = |current: &Current<'_>| {
            let candidate = sample::candidate();
            let live = (current.live_jobs)(&candidate.owner.subject, &candidate.opening.task);
            Step::nothing(live)
        };
        transact(store, id(99), change).await.unwrap()
    };
    let first = store(folder.path());
    for n in 0..5 {
        open_one(&first, n).await.unwrap();
    }
    open_one(&first, 0).await.unwrap();
    assert_eq!(live(&first).await, 5);
    end_one(&first, 0, Cause::JobClosed).await.unwrap();
    end_one(&first, 0, Cause::JobClosed).await.unwrap();
    assert_eq!(live(&first).await, 4);
    drop(first);
    assert_eq!(live(&store(folder.path())).await, 4);
}

#[tokio::test]
async fn open_jobs_are_found_by_owner_workload_and_holder_page_by_page() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    for n in 1..=6 {
        open_one(&store, n).await.unwrap();
    }
    end_one(&store, 3, Cause::JobClosed).await.unwrap();
    let owner = sample::owner(2);
    let found = |of: OpenJobsOf| store.open_jobs(&of, None, 10).unwrap();
    assert_eq!(found(OpenJobsOf::Owner(owner.clone())), [id(2)]);
    assert_eq!(found(OpenJobsOf::Holder(owner.holder)), [id(2)]);
    assert_eq!(found(OpenJobsOf::Owner(sample::owner(3))), []);
    let of = OpenJobsOf::Subject(owner.subject.clone());
    assert_eq!(found(of.clone()), [id(1), id(2), id(4), id(5), id(6)]);
    assert_eq!(
        store.open_jobs(&of, Some(id(2)), 2).unwrap(),
        [id(4), id(5)]
    );
    assert_eq!(store.announced_owners().unwrap().len(), 5);
}

#[tokio::test]
async fn lists_newest_first_and_page_by_page() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    for n in 1..=5 {
        open_one(&store, n).await.unwrap();
    }
    end_one(&store, 4, Cause::JobClosed).await.unwrap();
    let list = |query: JobQuery| -> Vec<JobId> {
        store
            .list_jobs(&query)
            .unwrap()
            .jobs
            .into_iter()
            .map(|known| known.job.id)
            .collect()
    };
    let two = JobQuery {
        limit: 2,
        ..JobQuery::default()
    };
    assert_eq!(list(two.clone()), [id(5), id(4)]);
    assert_eq!(
        list(JobQuery {
            before: Some(id(4)),
            ..two
        }),
        [id(3), id(2)]
    );
    let all = JobQuery {
        limit: 10,
        ..JobQuery::default()
    };
    assert_eq!(
        list(JobQuery {
            open: Some(false),
            ..all.clone()
        }),
        [id(4)]
    );
    assert_eq!(
        list(JobQuery {
            open: Some(true),
            ..all.clone()
        })
        .len(),
        4
    );
    assert_eq!(
        list(JobQuery {
            task: Some("other".into()),
            ..all.clone()
        }),
        []
    );
    assert_eq!(
        list(JobQuery {
            subject: Some("' OR 1=1 --".into()),
            ..all
        }),
        []
    );
}

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
async fn keeps_bans_sessions_keys_and_policies() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let record = || Record::new(Event::WorkloadBanned, NOW);
    for target in [
        BanTarget::Workload(sample::owner(1).subject),
        BanTarget::Holder(sample::owner(1).holder),
    ] {
        let ban = Ban {
            target: target.clone(),
            since: NOW,
            until: Some(NOW.plus(DAY)),
            note: "leaked".into(),
            by: "uid 0".into(),
        };
        store.ban(ban.clone(), record()).await.unwrap();
        let again = Ban { until: None, ..ban };
        store.ban(again.clone(), record()).await.unwrap();
        assert_eq!(
            store.bans().unwrap(),
            [again],
            "a ban replaces the one on the same target"
        );
        assert!(store.unban(target.clone(), record()).await.unwrap());
        assert!(!store.unban(target, record()).await.unwrap());
    }

    let owner = sample::owner(7);
    assert_eq!(store.session(&owner).unwrap(), None);
    let session = |incarnation| Session {
        owner: owner.clone(),
        incarnation,
        last_seen: NOW,
        host: "node".into(),
    };
    store.touch(session(3)).await.unwrap();
    store.touch(session(2)).await.unwrap();
    assert_eq!(
        store.session(&owner).unwrap(),
        Some(session(3)),
        "it never goes back"
    );

    let key = StoredKey {
        kid: "kid".into(),
        algorithm: "ES256".into(),
        public_key: vec![4],
        sealed: Sealed {
            kek_id: "k".into(),
            algorithm: "A256GCM".into(),
            nonce: vec![1],
            ciphertext: vec![2],
        },
        published_at: NOW,
        signs_from: NOW.plus(DAY),
    };
    store.add_keys(vec![key.clone()], vec![]).await.unwrap();
    assert_eq!(store.keys().unwrap(), [key]);

    let files = vec![("a.toml".to_owned(), b"x".to_vec())];
    let policy = KeptPolicy {
        hash: "h".into(),
        files,
        since: NOW,
    };
    store.keep_policy(policy.clone(), record()).await.unwrap();
    let later = KeptPolicy {
        since: NOW.plus(DAY),
        ..policy.clone()
    };
    store.keep_policy(later, record()).await.unwrap();
    assert_eq!(store.policy("h").unwrap(), Some(policy));
    assert_eq!(store.policy("other").unwrap(), None);
}

/// Something that may happen to one of a few jobs.
#[derive(Debug, Clone, Copy)]
enum Step1 {
    Open(u8),
    End(u8),
    Expire(u8, u64),
}

fn steps() -> impl Strategy<Value = Vec<Step1>> {
    let step = prop_oneof![
        (0_u8..4).prop_map(Step1::Open),
        (0_u8..4).prop_map(Step1::End),
        (0_u8..4, 0_u64..200_000).prop_map(|(n, after)| Step1::Expire(n, after)),
    ];
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever happens, the store holds what the pure functions say, and one due row for each job.
    #[test]
    fn agrees_with_a_model(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let mut model: std::collections::BTreeMap<JobId, JobWithLeases> =
            std::collections::BTreeMap::new();
        for step in steps {
            let n = match step { Step1::Open(n) | Step1::End(n) | Step1::Expire(n, _) => n };
            let before = model.get(&id(n)).cloned();
            let current = Current { job: before.as_ref(), live_jobs: &|_, _| 0 };
            let saved = match step {
                Step1::Open(n) => {
                    runtime.block_on(open_one(&store, n)).unwrap();
                    open(&current, &sample::candidate_for(id(n), n)).saved
                }
                Step1::End(n) => {
                    runtime.block_on(end_one(&store, n, Cause::Operator)).unwrap();
                    let end_now = End { cause: Cause::Operator, at: NOW };
                    let authority = Authority::Broker;
                    end(&current, &Ending { id: id(n), authority, end: end_now, details: json!({}) }).saved
                }
                Step1::Expire(n, after) => {
                    let after = Duration::from_secs(after);
                    runtime.block_on(expire_one(&store, n, after));
                    expire(&current, NOW.plus(after), DAY).saved
                }
            };
            if saved.due == crate::domain::change::Due::Forget {
                model.remove(&id(n));
            } else if let Some(job) = saved.job.clone().or(before.as_ref().map(|b| b.job.clone())) {
                let mut leases = before.map(|b| b.leases).unwrap_or_default();
                for lease in saved.leases {
                    leases.retain(|old| old.id != lease.id);
                    leases.push(lease);
                }
                leases.sort_by_key(|lease| lease.id);
                model.insert(id(n), JobWithLeases { job, leases });
            }
        }
        for n in 0..4 {
            prop_assert_eq!(store.job(id(n)).unwrap(), model.get(&id(n)).cloned());
        }
        let mut due = store.due(NOW.plus(DAY * 100), 100).unwrap();
        due.sort_unstable();
        prop_assert_eq!(due, model.keys().copied().collect::<Vec<_>>());
    }
}
