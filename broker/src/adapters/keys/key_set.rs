//! All signing keys: signs with the current one, recognises what any of them signed, publishes them.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::es256::{ALGORITHM, Es256Key, InvalidKey};
use super::sealing::{Place, Sealer, SealingError};
use crate::adapters::random::SystemSource;
use crate::domain::audit::{Event, Record};
use crate::domain::key_schedule::{KeySchedule, KeyTimes};
use crate::domain::time::UnixMillis;
use crate::domain::token::Claims;
use crate::ports::signer::{Signer, SigningFailed, TokenReader};
use crate::ports::store::StoreError;
use crate::ports::store::keys::{KeyStore, StoredKey};

const TABLE: &str = "signing_key";
const COLUMN: &str = "private";

/// Every signing key of the installation.
pub struct KeySet {
    schedule: KeySchedule,
    sealer: Sealer,
    epoch: Vec<u8>,
    random: SystemSource,
    ring: ArcSwap<Ring>,
}

/// The keys as they stand.
#[derive(Default)]
struct Ring {
    keys: Vec<Arc<Es256Key>>,
    times: Vec<KeyTimes>,
    by_header: HashMap<String, usize>,
}

/// The keys could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A private part does not open.
    #[error(transparent)]
    Sealing(#[from] SealingError),
    /// What was sealed is no key.
    #[error(transparent)]
    Key(#[from] InvalidKey),
}

impl KeySet {
    /// Opens the stored keys. Call [`Self::add_missing`] before the first token.
    pub fn open(
        store: &dyn KeyStore,
        sealer: Sealer,
        epoch: &[u8],
        schedule: KeySchedule,
    ) -> Result<Self, KeySetError> {
        let set = Self {
            schedule,
            sealer,
            epoch: epoch.to_vec(),
            random: SystemSource::default(),
            ring: ArcSwap::default(),
        };
        let mut ring = Ring::default();
        for stored in store.keys()? {
            let private = set.sealer.open(&stored.sealed, set.place(&stored.kid))?;
            let key = Es256Key::from_pkcs8(&private, set.random.for_crypto())?;
            ring.add(Arc::new(key), times(&stored));
        }
        set.ring.store(Arc::new(ring));
        Ok(set)
    }

    /// Makes the keys that the schedule misses at `now`, durable before they are published.
    pub async fn add_missing(
        &self,
        store: &dyn KeyStore,
        now: UnixMillis,
    ) -> Result<usize, KeySetError> {
        let ring = self.ring.load_full();
        let missing = self.schedule.missing(&ring.times, now);
        if missing.is_empty() {
            return Ok(0);
        }
        let mut next = Ring {
            keys: ring.keys.clone(),
            times: ring.times.clone(),
            by_header: ring.by_header.clone(),
        };
        let (mut stored, mut records) = (Vec::new(), Vec::new());
        for times in missing {
            let (key, private) = Es256Key::generate(self.random.for_crypto())?;
            let public = key.public().clone();
            let sealed = self
                .sealer
                .seal(&private, self.place(public.kid()), &self.random)?;
            records.push(Record {
                details: json!({ "kid": public.kid(), "signs_from": times.signs_from }),
                ..Record::new(Event::KeyCreated, now)
            });
            stored.push(StoredKey {
                kid: public.kid().to_owned(),
                algorithm: ALGORITHM.to_owned(),
                public_key: public.point().to_vec(),
                sealed,
                published_at: times.published_at,
                signs_from: times.signs_from,
            });
            next.add(Arc::new(key), times);
        }
        let count = stored.len();
        store.add_keys(stored, records).await?;
        self.ring.store(Arc::new(next));
        Ok(count)
    }

    /// The public keys as a JWK set (RFC 7517, section 5).
    pub fn jwks(&self, now: UnixMillis) -> Value {
        let ring = self.ring.load();
        let published = ring.keys.iter().enumerate();
        let published = published
            .filter(|(index, _)| self.schedule.is_published(&ring.times, *index, now))
            .map(|(_, key)| key.public().jwk());
        json!({ "keys": published.collect::<Vec<_>>() })
    }

    fn place<'a>(&'a self, kid: &'a str) -> Place<'a> {
        Place {
            table: TABLE,
            row: kid,
            column: COLUMN,
            epoch: &self.epoch,
        }
    }
}

impl Signer for KeySet {
    fn sign(&self, claims: &Claims, now: UnixMillis) -> Result<Zeroizing<String>, SigningFailed> {
        let ring = self.ring.load();
        let index = KeySchedule::signing(&ring.times, now).ok_or(SigningFailed::NoKey)?;
        let key = ring.keys.get(index).ok_or(SigningFailed::NoKey)?;
        let published_until = self.schedule.published_until(&ring.times, index);
        if published_until.is_some_and(|until| until.as_seconds() < claims.exp) {
            return Err(SigningFailed::NoKey);
        }
        let payload = serde_json::to_vec(claims).map_err(|_| SigningFailed::Crypto)?;
        key.sign(&payload, self.random.for_crypto())
            .map_err(|_| SigningFailed::Crypto)
    }
}

impl TokenReader for KeySet {
    fn read(&self, token: &str, now: UnixMillis) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let ring = self.ring.load();
        // INVARIANT: a header is compared whole with the only one that each key writes; nothing that a
        // token says of itself (`alg`, `jku`, `crit` …) is ever interpreted.
        let index = *ring.by_header.get(header)?;
        if !self.schedule.is_published(&ring.times, index, now) {
            return None;
        }
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
        if !ring.keys.get(index)?.public().verifies(signed, &signature) {
            return None;
        }
        let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?;
        serde_json::from_slice(&payload).ok()
    }
}

impl Ring {
    fn add(&mut self, key: Arc<Es256Key>, times: KeyTimes) {
        self.by_header
            .insert(key.public().header().to_owned(), self.keys.len());
        self.keys.push(key);
        self.times.push(times);
    }
}

fn times(stored: &StoredKey) -> KeyTimes {
    KeyTimes {
        published_at: stored.published_at,
        signs_from: stored.signs_from,
    }
}
