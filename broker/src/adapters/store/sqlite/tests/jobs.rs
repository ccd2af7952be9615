//! Jobs and leases.

use taskpass_proto::ids::LeaseId;

use super::*;
use crate::domain::change::{Saved, Step};
use crate::domain::job::{Anchor, Liveness, Reported};
use crate::domain::lease::{Lease, LeaseState};
use crate::ports::store::StoreErrorKind;
use crate::ports::store::audit::{AuditStore, RecordKey};
use crate::ports::store::jobs::{JobQuery, JobStore, OpenJobsOf};

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
    let first = store(folder.path());
    for n in 0..5 {
        open_one(&first, n).await.unwrap();
    }
    open_one(&first, 0).await.unwrap();
    assert_eq!(live(&first).await, 5);
    end_one(&first, 0, Cause::JobClosed).await.unwrap();
    end_one(&first, 0, Cause::JobClosed).await.unwrap();
    assert_eq!(live(&first).await, 4);
    forget(&first, 1).await;
    assert_eq!(
        live(&first).await,
        3,
        "a job that was open when it was forgotten"
    );
    drop(first);
    let second = store(folder.path());
    assert_eq!(live(&second).await, 3);
    assert_eq!(second.count_open().unwrap(), 3);
}

#[tokio::test]
async fn forgetting_leaves_nothing_of_a_job_but_its_records() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    open_one(&store, 1).await.unwrap();
    open_one(&store, 2).await.unwrap();
    forget(&store, 1).await;
    assert_eq!(store.job(id(1)).unwrap(), None);
    assert_eq!(store.mark(LeaseId::new(id(1), 1)).unwrap(), None);
    assert_eq!(store.due(NOW.plus(DAY), 10).unwrap(), [id(2)]);
    assert_eq!(store.job(id(2)).unwrap().unwrap().leases.len(), 2);
    assert!(store.record(&RecordKey::Number(1)).unwrap().is_some());
}

#[tokio::test]
async fn a_change_that_saves_something_of_another_job_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let candidate = sample::candidate_for(id(2), 2);
    let change = move |current: &Current<'_>| open(current, &candidate);
    let error = transact(&store, id(1), change).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Other);
    assert!(error.message.contains(&id(2).to_string()), "{error}");
    assert_eq!(store.count_open().unwrap(), 0);
}

#[tokio::test]
async fn an_id_closed_before_it_was_opened_stays_closed() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let closed = End {
        cause: Cause::JobClosed,
        at: NOW,
    };
    let ending = Ending {
        id: id(1),
        authority: Authority::Owner(sample::owner(1)),
        end: closed,
        details: json!({}),
    };
    let change = move |current: &Current<'_>| end(current, &ending);
    transact(&store, id(1), change).await.unwrap();
    assert_eq!(open_one(&store, 1).await.unwrap(), Opened::Ended(closed));
    let job = store.job(id(1)).unwrap().unwrap().job;
    assert_eq!((job.opening(), job.ended()), (None, Some(closed)));
    assert_eq!(live(&store).await, 0);
}

#[tokio::test]
async fn everything_of_an_opening_is_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    for (n, anchor) in (1..).zip([Anchor::Ttl, Anchor::Process, Anchor::Connection]) {
        let mut candidate = sample::candidate_for(id(n), n);
        candidate.opening.anchor = anchor;
        candidate.opening.liveness = Liveness::None;
        candidate.opening.parameters = [("ref", "\"quoted\" \u{1}\n\u{fffd}"), ("", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        candidate.opening.reported = Some(Reported {
            host: "node".into(),
            uid: u32::MAX,
            gid: 0,
            pid: 1,
            executable: "/usr/bin/env".into(),
        });
        let opening = candidate.opening.clone();
        let change = move |current: &Current<'_>| open(current, &candidate);
        transact(&store, id(n), change).await.unwrap();
        let job = store.job(id(n)).unwrap().unwrap().job;
        assert_eq!(job.opening(), Some(&opening));
    }
    assert_eq!(
        store.announced_owners().unwrap(),
        [],
        "nobody announces these"
    );
}

#[tokio::test]
async fn the_mark_of_a_job_is_seen_whatever_its_leases_say() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    open_one(&store, 1).await.unwrap();
    let known = store.job(id(1)).unwrap().unwrap();
    let cause = Cause::WorkloadBanned;
    let saved = Saved {
        job: Some(known.job.end(End { cause, at: NOW }).unwrap()),
        ..Saved::default()
    };
    let change = move |_: &Current<'_>| Step {
        saved: saved.clone(),
        answer: (),
    };
    transact(&store, id(1), change).await.unwrap();
    let lease = &known.leases[0];
    let mark = store.mark(lease.id).unwrap().unwrap();
    assert_eq!((mark.job_ended, mark.lease), (Some(cause), lease.state));
}

#[tokio::test]
async fn the_other_states_of_a_lease_are_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    open_one(&store, 1).await.unwrap();
    let known = store.job(id(1)).unwrap().unwrap();
    let [first, second] = [known.leases[0].clone(), known.leases[1].clone()];
    let intent = Lease::intent(LeaseId::new(id(1), 3), first.terms.clone());
    let unknown = Lease {
        id: LeaseId::new(id(1), 4),
        ..intent.clone()
    };
    let abandoned = Lease {
        id: LeaseId::new(id(1), 5),
        ..intent.clone()
    };
    let leases = vec![
        first.begin_revoking(Cause::Exposure).unwrap(),
        second,
        intent,
        unknown.begin_revoking(Cause::Operator).unwrap(),
        abandoned.abandon(NOW).unwrap(),
    ];
    let saved = Saved {
        leases: leases.clone(),
        ..Saved::default()
    };
    let change = move |_: &Current<'_>| Step {
        saved: saved.clone(),
        answer: (),
    };
    transact(&store, id(1), change).await.unwrap();
    assert_eq!(store.job(id(1)).unwrap().unwrap().leases, leases);
    for lease in leases {
        assert_eq!(store.mark(lease.id).unwrap().unwrap().lease, lease.state);
    }
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
async fn a_listing_that_looks_long_without_finding_says_where_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    open_one(&store, 1).await.unwrap();
    end_one(&store, 1, Cause::JobClosed).await.unwrap();
    // Later ids of somebody else, more than one page looks at.
    let fill = |t: &mut Transaction<'_>| {
        let sql =
            "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number LIMIT 6000)
            INSERT INTO job (id, ended_at, cause, due_at, subject, holder)
            SELECT unhex(printf('0fff%08x70008000%012x', n, n)), 1, 'ttl', 1,
                'spiffe://acme.example/other', zeroblob(32) FROM number";
        Ok(t.connection.execute(sql, [])?)
    };
    assert_eq!(store.writer.write(fill).await.unwrap(), 6000);
    let mut query = JobQuery {
        subject: Some(sample::owner(1).subject.to_string()),
        limit: 10,
        ..JobQuery::default()
    };
    let first = store.list_jobs(&query).unwrap();
    assert!(first.jobs.is_empty() && first.next.is_some());
    query.before = first.next;
    let second = store.list_jobs(&query).unwrap();
    assert_eq!(second.jobs.len(), 1);
    assert_eq!((second.jobs[0].job.id, second.next), (id(1), None));
}
