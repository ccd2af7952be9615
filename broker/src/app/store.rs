//! Opens the store with everything that has to be done before anybody is answered.

use std::sync::Arc;

use serde_json::json;
use tokio::task::{JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::adapters::keys::key_set::KeySetError;
use crate::adapters::keys::reseal;
use crate::adapters::keys::sealing::Sealer;
use crate::adapters::store::sqlite::{InstallationFacts, SqliteStore, WholeCheck};
use crate::config::{BrokerConfig, sealing_keys};
use crate::domain::audit::{Event, Record};
use crate::operations::{Operations, restored};
use crate::ports::clock::Clock;
use crate::ports::random::{self, Random};
use crate::ports::store::epoch::Restored;
use crate::ports::store::{Store, StoreError};

/// A store that can be used.
pub(super) struct OpenedStore {
    /// The store.
    pub(super) store: Arc<dyn Store>,
    /// Its epoch.
    pub(super) epoch: Vec<u8>,
    /// What operators are to be told of it; none when it is what was here before.
    pub(super) notice: Option<String>,
    /// The look at every page that is still due.
    pub(super) check: Option<WholeCheck>,
}

/// Opens the store. A backup, or an old copy of it, begins a new epoch first: everything that is open in it ends.
pub(super) async fn open(
    config: &BrokerConfig,
    facts: &InstallationFacts,
    clock: &dyn Clock,
    random: Arc<dyn Random>,
) -> Result<OpenedStore, StartError> {
    let sqlite = SqliteStore::open(&config.store, facts, Arc::clone(&random))?;
    let check = sqlite.whole_check()?;
    let mut opened = OpenedStore {
        epoch: sqlite.epoch().to_vec(),
        store: Arc::new(sqlite),
        notice: None,
        check,
    };
    if let Some(how) = opened.store.restored()? {
        let sealer = sealer(config)?;
        let ended = begin_epoch(&mut opened, how, &sealer, (clock, random.as_ref())).await?;
        let notice = notice(how, ended);
        tracing::warn!(store.path = %config.store.display(), jobs.ended = ended, "{notice}");
        opened.notice = Some(notice);
    }
    Ok(opened)
}

/// The sealing keys that are configured.
pub(super) fn sealer(config: &BrokerConfig) -> Result<Sealer, StartError> {
    let keys = config
        .sealing_keys
        .iter()
        .map(|(id, path)| sealing_keys::read(id, path));
    Ok(Sealer::new(keys.collect::<Result<_, _>>()?)?)
}

/// Looks through a large store while it serves; what is found ends issuing.
pub(super) fn check_while_serving(
    check: WholeCheck,
    operations: &Arc<Operations>,
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
) {
    let (operations, stop) = (Arc::clone(operations), stop.clone());
    tasks.spawn(async move {
        let interrupter = check.interrupter();
        let mut looking = spawn_blocking(move || check.run());
        let found = tokio::select! {
            found = &mut looking => found,
            () = stop.cancelled() => {
                interrupter.interrupt();
                let _ = looking.await;
                return;
            }
        };
        match found {
            Ok(Ok(())) => tracing::info!("the store was looked through and is sound"),
            Ok(Err(error)) => operations.store_was_looked_through(&error),
            Err(error) => tracing::error!(%error, "the store was not looked through"),
        }
    });
}

async fn begin_epoch(
    opened: &mut OpenedStore,
    how: Restored,
    sealer: &Sealer,
    (clock, random): (&dyn Clock, &dyn Random),
) -> Result<u64, StartError> {
    let store = opened.store.as_ref();
    let ended = restored::end_everything(store, clock.now()).await?;
    let epoch: [u8; 16] = random::array(random).map_err(StoreError::from)?;
    let (keys, random) = (store.keys()?, random);
    let keys = reseal::for_epoch(keys, sealer, (&opened.epoch, &epoch), random)
        .map_err(KeySetError::from)?;
    let record = Record {
        details: json!({ "restored": how, "jobs_ended": ended }),
        ..Record::new(Event::StoreRestored, clock.now())
    };
    store.begin_epoch(epoch, keys, record).await?;
    opened.epoch = epoch.to_vec();
    Ok(ended)
}

fn notice(how: Restored, ended: u64) -> String {
    let what = match how {
        Restored::Backup { taken_at } => format!("the store is a backup of {taken_at}"),
        Restored::OlderCopy { has, had } => format!(
            "the store is an old copy: its audit log ends at record {has}, and it had reached {had}"
        ),
    };
    format!(
        "{what}; a new epoch began, and the {ended} jobs that were open in it ended with `store_restored`; \
         bans, ended jobs and retired keys of the time since are not in it"
    )
}
