//! What the keeper writes and the verifier reads.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::{Notify, watch};

use crate::clock::Clock;
use crate::keys::Keys;
use crate::revocation_set::RevocationSet;
use crate::update::Update;

/// State of one verifier.
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) set: RwLock<RevocationSet>,
    pub(crate) keys: RwLock<Option<KnownKeys>>,
    /// A token came whose key is not known.
    pub(crate) wants_keys: Notify,
    /// Raised with each change.
    changes: watch::Sender<u64>,
}

/// The key set, with its age.
pub(crate) struct KnownKeys {
    pub(crate) keys: Arc<Keys>,
    /// Not used from here on, a time since boot.
    pub(crate) good_until: Duration,
}

impl Shared {
    pub(crate) fn new(clock: Arc<dyn Clock>, max_silence: Duration) -> Self {
        Self {
            clock,
            set: RwLock::new(RevocationSet::new(max_silence)),
            keys: RwLock::new(None),
            wants_keys: Notify::new(),
            changes: watch::Sender::new(0),
        }
    }

    /// Takes what the stream said.
    pub(crate) fn hear(&self, update: &Update) {
        let now = self.clock.since_boot();
        let mut set = self.set.write();
        set.apply(update, now);
        if matches!(update, Update::Progress(_)) {
            set.forget(self.clock.unix_millis());
        }
        drop(set);
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Takes a key set.
    pub(crate) fn learn(&self, keys: Keys, good_for: Duration) {
        *self.keys.write() = Some(KnownKeys {
            keys: Arc::new(keys),
            good_until: self.clock.since_boot() + good_for,
        });
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// The keys, while they are good.
    pub(crate) fn keys(&self) -> Option<Arc<Keys>> {
        let known = self.keys.read();
        let known = known.as_ref()?;
        (self.clock.since_boot() < known.good_until).then(|| Arc::clone(&known.keys))
    }

    pub(crate) fn is_fresh(&self) -> bool {
        self.set.read().is_fresh(self.clock.since_boot())
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
