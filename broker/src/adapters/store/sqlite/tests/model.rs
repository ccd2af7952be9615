//! Whatever is saved, the store holds what a model in memory holds.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use proptest::prelude::*;

use super::*;
use crate::domain::audit::{Event, Record};
use crate::domain::change::JobWithLeases;
use crate::domain::job::Job;
use crate::domain::lease::Lease;
use crate::domain::time::UnixMillis;
use crate::ports::store::audit::{AuditQuery, AuditStore};
use crate::ports::store::jobs::{JobStore, OpenJobsOf};

const JOBS: u8 = 4;

/// What a change saves, whatever was there before.
#[derive(Debug, Clone)]
struct Change {
    job: u8,
    life: Option<Life>,
    leases: Vec<(u16, bool)>,
    due: Due,
    records: usize,
    /// Saves something that the store refuses.
    fails: bool,
}

#[derive(Debug, Clone, Copy)]
enum Life {
    Open,
    Ended,
    ClosedBeforeOpening,
}

#[derive(Debug, Default)]
struct Model {
    jobs: BTreeMap<JobId, (JobWithLeases, UnixMillis)>,
    records: usize,
}

impl Change {
    fn saved(&self) -> Saved {
        let candidate = sample::candidate_for(id(self.job), self.job + 1);
        let now = End {
            cause: Cause::Operator,
            at: NOW,
        };
        let open = Job::open(candidate.id, candidate.owner.clone(), candidate.opening);
        let job = self.life.map(|life| match life {
            Life::Open => open,
            Life::Ended => open.end(now).unwrap(),
            Life::ClosedBeforeOpening => {
                Job::closed_before_opening(candidate.id, candidate.owner, now)
            }
        });
        let leases = self.leases.iter().map(|(number, ended)| {
            let lease = candidate.leases[usize::from(*number) - 1].clone();
            if *ended {
                lease.end_here(Cause::Ttl, NOW).unwrap()
            } else {
                lease
            }
        });
        let mut records = vec![Record::new(Event::JobOpened, NOW); self.records];
        if self.fails {
            let task = Some("x".repeat(70_000));
            records.push(Record {
                task,
                ..Record::new(Event::JobOpened, NOW)
            });
        }
        Saved {
            leases: leases.collect(),
            job,
            records,
            due: self.due,
        }
    }
}

impl Model {
    fn save(&mut self, change: &Change) {
        if change.fails {
            return;
        }
        let id = id(change.job);
        let saved = change.saved();
        self.records += saved.records.len();
        let before = self.jobs.remove(&id);
        let Some(job) = saved
            .job
            .or(before.as_ref().map(|(known, _)| known.job.clone()))
        else {
            return;
        };
        let (known, due) = before.map(|(known, due)| (known.leases, due)).unzip();
        let due = match (saved.due, due) {
            (Due::Forget, _) => return,
            (Due::At(at), _) | (Due::NoLaterThan(at), None) => at,
            (Due::NoLaterThan(at), Some(due)) => at.min(due),
            (Due::AsBefore, due) => due.unwrap_or_default(),
        };
        let mut leases: BTreeMap<_, Lease> = known
            .unwrap_or_default()
            .into_iter()
            .map(|lease| (lease.id, lease))
            .collect();
        leases.extend(saved.leases.into_iter().map(|lease| (lease.id, lease)));
        let leases = leases.into_values().collect();
        self.jobs.insert(id, (JobWithLeases { job, leases }, due));
    }

    fn open(&self) -> BTreeSet<JobId> {
        let open = self
            .jobs
            .iter()
            .filter(|(_, (known, _))| known.job.as_open().is_some());
        open.map(|(id, _)| *id).collect()
    }
}

async fn assert_agree(store: &SqliteStore, model: &Model) {
    for n in 0..JOBS {
        let expected = model.jobs.get(&id(n)).map(|(known, _)| known.clone());
        assert_eq!(store.job(id(n)).unwrap(), expected);
    }
    let mut due: Vec<_> = model.jobs.iter().map(|(id, (_, at))| (*at, *id)).collect();
    due.sort_unstable();
    assert_eq!(store.next_due().unwrap(), due.first().map(|(at, _)| *at));
    let due: Vec<_> = due.into_iter().map(|(_, id)| id).collect();
    assert_eq!(store.due(UnixMillis::new(u64::MAX), 100).unwrap(), due);
    let open = model.open();
    assert_eq!(store.count_open().unwrap(), open.len() as u64);
    assert_eq!(live(store).await as usize, open.len());
    let of = OpenJobsOf::Subject(sample::owner(1).subject);
    assert!(
        store
            .open_jobs(&of, None, 100)
            .unwrap()
            .into_iter()
            .eq(open)
    );
    let all = AuditQuery {
        limit: 1000,
        ..AuditQuery::default()
    };
    let records = store.records(&all).unwrap().records;
    let numbers = records.iter().map(|record| record.number);
    assert!(
        numbers.eq(1..=model.records as u64),
        "{} records",
        model.records
    );
}

fn changes() -> impl Strategy<Value = Change> {
    let life = prop_oneof![
        Just(None),
        Just(Some(Life::Open)),
        Just(Some(Life::Ended)),
        Just(Some(Life::ClosedBeforeOpening)),
    ];
    let time = (0_u64..5).prop_map(|n| NOW.plus(Duration::from_secs(n)));
    let due = prop_oneof![
        Just(Due::AsBefore),
        time.clone().prop_map(Due::At),
        time.prop_map(Due::NoLaterThan),
        Just(Due::Forget),
    ];
    let leases = proptest::collection::vec((1_u16..=2, any::<bool>()), 0..3);
    let rest = (leases, due, 0_usize..3, proptest::bool::weighted(0.1));
    (0..JOBS, life, rest).prop_map(|(job, life, (leases, due, records, fails))| Change {
        job,
        // A lease hangs off a job: a change that saves one finds the job, or saves it too.
        life: life.or((!leases.is_empty()).then_some(Life::Open)),
        leases,
        due,
        records,
        fails,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn agrees_with_a_model(groups in proptest::collection::vec(proptest::collection::vec(changes(), 1..6), 1..8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut model = Model::default();
        let first = store(folder.path());
        for group in groups {
            for change in &group {
                model.save(change);
            }
            let saves = group.iter().map(|change| {
                let saved = change.saved();
                let save = move |_: &Current<'_>| Step { saved: saved.clone(), answer: () };
                transact(&first, id(change.job), save)
            });
            let outcomes = runtime.block_on(as_one_group(&first, join_all(saves)));
            for (change, outcome) in group.iter().zip(outcomes) {
                prop_assert_eq!(outcome.is_err(), change.fails);
            }
            runtime.block_on(assert_agree(&first, &model));
        }
        drop(first);
        runtime.block_on(assert_agree(&store(folder.path()), &model));
    }
}
