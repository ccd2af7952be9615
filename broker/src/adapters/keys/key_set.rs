//! All signing keys: signs with the current one, recognises what any of them signed, publishes them.

use std::sync::Arc;

use arc_swap::ArcSwap;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::ring::Ring;
use super::sealing::{Place, Sealer, SealingError};
use super::signing_key::{InvalidKey, SigningKey};
use crate::adapters::random::SystemSource;
use crate::domain::audit::{Event, Record};
use crate::domain::key_schedule::{KeySchedule, KeyTimes};
use crate::domain::time::UnixMillis;
use crate::domain::token::Claims;
use crate::domain::token_form::{Algorithm, TokenForm};
use crate::ports::signer::{Signer, SigningFailed, TokenReader};
use crate::ports::store::StoreError;
use crate::ports::store::keys::{KeyStore, SavedKeys, StoredKey};

/// Where private keys are sealed.
pub(super) const TABLE: &str = "signing_key";
/// See [`TABLE`].
pub(super) const COLUMN: &str = "private";

/// Every signing key of the installation.
pub struct KeySet {
    pub(super) schedule: KeySchedule,
    pub(super) store: Arc<dyn KeyStore>,
    pub(super) random: SystemSource,
    pub(super) ring: ArcSwap<Ring>,
    /// One change at a time, from looking at the keys to having saved them.
    pub(super) changing: Mutex<()>,
    sealer: Sealer,
    epoch: Vec<u8>,
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
    /// What was sealed is no key, or none could be made.
    #[error(transparent)]
    Key(#[from] InvalidKey),
}

impl KeySet {
    /// Opens the stored keys, and seals anew what an older sealing key sealed, so that it can be taken away.
    /// Call [`Self::keep_up`] before the first token.
    pub async fn open(
        store: Arc<dyn KeyStore>,
        sealer: Sealer,
        epoch: &[u8],
        schedule: KeySchedule,
        now: UnixMillis,
    ) -> Result<Self, KeySetError> {
        let set = Self {
            schedule,
            sealer,
            epoch: epoch.to_vec(),
            random: SystemSource::default(),
            ring: ArcSwap::default(),
            changing: Mutex::default(),
            store,
        };
        let mut ring = Ring::default();
        let mut saved = SavedKeys::default();
        let mut records = Vec::new();
        for stored in set.store.keys()? {
            let private = set.sealer.open(&stored.sealed, set.place(&stored.kid))?;
            let key = SigningKey::from_pkcs8(stored.algorithm, &private, &set.random)?;
            ring.add(key, stored.times);
            if set.sealer.is_outdated(&stored.sealed) {
                let sealed = set
                    .sealer
                    .seal(&private, set.place(&stored.kid), &set.random)?;
                records.push(Record {
                    details: json!({
                        "kid": stored.kid, "from": stored.sealed.kek_id, "to": sealed.kek_id,
                    }),
                    ..Record::new(Event::KeyResealed, now)
                });
                saved.changed.push(StoredKey { sealed, ..stored });
            }
        }
        if !records.is_empty() {
            set.store.save_keys(saved, records).await?;
        }
        set.ring.store(Arc::new(ring));
        Ok(set)
    }

    /// The public keys as a JWK set (RFC 7517, section 5).
    pub fn jwks(&self, now: UnixMillis) -> Value {
        let ring = self.ring.load();
        let published = ring.chains().flat_map(|(_, chain)| {
            let keys = chain.keys.iter().enumerate();
            keys.filter(|(at, _)| self.schedule.is_published(&chain.times, *at, now))
                .map(|(_, key)| key.public().jwk().clone())
        });
        json!({ "keys": published.collect::<Vec<_>>() })
    }

    /// The algorithms of the published keys.
    pub fn algorithms(&self, now: UnixMillis) -> Vec<Algorithm> {
        let ring = self.ring.load();
        let published = ring.chains().filter(|(_, chain)| {
            (0..chain.keys.len()).any(|at| self.schedule.is_published(&chain.times, at, now))
        });
        published.map(|(algorithm, _)| algorithm).collect()
    }

    /// Seals a key's private part for its place in the store.
    pub(super) fn sealed(
        &self,
        key: &SigningKey,
        private: &[u8],
        times: KeyTimes,
    ) -> Result<StoredKey, KeySetError> {
        let public = key.public();
        let place = self.place(public.kid());
        Ok(StoredKey {
            kid: public.kid().to_owned(),
            algorithm: public.algorithm(),
            public_key: public.as_bytes().to_vec(),
            sealed: self.sealer.seal(private, place, &self.random)?,
            times,
        })
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
    fn ready(&self, algorithm: Algorithm, now: UnixMillis) -> Result<(), SigningFailed> {
        let ring = self.ring.load();
        let times = ring.times(algorithm);
        if KeySchedule::signing(times, now).is_some() {
            return Ok(());
        }
        let next = KeySchedule::next(times, now).and_then(|at| times.get(at));
        Err(SigningFailed::NotYet {
            algorithm,
            signs_from: next.map(|key| key.signs_from),
        })
    }

    fn sign(
        &self,
        claims: &Claims,
        form: &TokenForm,
        now: UnixMillis,
    ) -> Result<Zeroizing<String>, SigningFailed> {
        // INVARIANT: a key stays published for this long after it last signed, so a token that lived longer
        // could outlive the key that verifies it.
        if now.plus(self.schedule.published_after).as_seconds() < claims.exp {
            return Err(SigningFailed::TooLong);
        }
        let ring = self.ring.load();
        let chain = ring.chain(form.algorithm);
        let key = chain.and_then(|chain| {
            chain
                .keys
                .get(KeySchedule::signing(&chain.times, now)?)
                .cloned()
        });
        let Some(key) = key else {
            self.ready(form.algorithm, now)?;
            return Err(SigningFailed::Crypto);
        };
        let payload = serde_json::to_vec(claims).map_err(|_| SigningFailed::Crypto)?;
        key.sign(form.shape, &payload, &self.random)
            .map_err(|_| SigningFailed::Crypto)
    }
}

impl TokenReader for KeySet {
    fn read(&self, token: &str, now: UnixMillis) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let ring = self.ring.load();
        let key = ring.published(header, &self.schedule, now)?;
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
        if !key.public().verifies(signed, &signature) {
            return None;
        }
        let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?;
        serde_json::from_slice(&payload).ok()
    }

    fn trusts(&self, token: &str, now: UnixMillis) -> bool {
        token.split_once('.').is_some_and(|(header, _)| {
            let ring = self.ring.load();
            ring.published(header, &self.schedule, now).is_some()
        })
    }
}
