//! The store against real files.

mod audit;
mod copies;
mod crash;
mod damage;
mod group;
mod jobs;
mod model;
mod open;
mod revocations;
mod small;

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use serde_json::json;
use taskpass_proto::ids::JobId;

use super::transaction::Transaction;
use super::{InstallationFacts, SqliteStore};
use crate::domain::cause::Cause;
use crate::domain::change::end::{Authority, Ended, Ending, end};
use crate::domain::change::expire::{Expired, expire};
use crate::domain::change::open::{Opened, open};
use crate::domain::change::sample::{self, NOW};
use crate::domain::change::{Current, Due, Saved, Step};
use crate::domain::job::End;
use crate::ports::random::fake::CountingRandom;
use crate::ports::store::StoreError;
use crate::ports::store::jobs::transact;

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

async fn forget(store: &SqliteStore, n: u8) {
    let saved = Saved {
        due: Due::Forget,
        ..Saved::default()
    };
    let change = move |_: &Current<'_>| Step {
        saved: saved.clone(),
        answer: (),
    };
    transact(store, id(n), change).await.unwrap();
}

/// How many jobs of the sample's workload and task a change is told are open.
async fn live(store: &SqliteStore) -> u32 {
    let of = sample::candidate();
    let change = move |current: &Current<'_>| {
        Step::nothing((current.live_jobs)(&of.owner.subject, &of.opening.task))
    };
    transact(store, id(u8::MAX), change).await.unwrap()
}

/// Holds the writer up until all of `together` wait, so that they are one group: after one commit for
/// holding it up comes one for them.
async fn as_one_group<F: Future>(store: &SqliteStore, together: F) -> F::Output {
    let (begin, begun) = mpsc::channel::<()>();
    let (release, held) = mpsc::channel::<()>();
    let hold = move |_: &mut Transaction<'_>| {
        let _ = begin.send(());
        let _ = held.recv();
        Ok(())
    };
    let mut hold = Box::pin(store.writer.write(hold));
    hand_over(&mut hold).await;
    begun.recv().unwrap();
    let mut together = Box::pin(together);
    hand_over(&mut together).await;
    drop(release);
    hold.await.unwrap();
    together.await
}

/// Asks a future once: commands are handed over then, and nobody answers while the writer is held up.
async fn hand_over(future: &mut (impl Future + Unpin)) {
    tokio::select! {
        biased;
        _ = future => panic!("answered before it was written"),
        () = std::future::ready(()) => {}
    }
}
