//! Signing keys, as operators handle them.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::key_schedule::change::Patience;
use crate::domain::key_schedule::{KeyState, KeyTimes};
use crate::domain::time::UnixMillis;
use crate::domain::token_form::Algorithm;

/// Lists signing keys, and changes them on an operator's word, durably and with a record.
#[async_trait]
pub trait KeyDesk: Send + Sync {
    /// Every key that is not forgotten yet, by algorithm and age.
    fn list(&self, now: UnixMillis) -> Vec<ListedKey>;

    /// Rotates the keys of an algorithm.
    async fn rotate(
        &self,
        algorithm: Algorithm,
        order: &Order,
        now: UnixMillis,
    ) -> Result<Rotated, OrderFailed>;

    /// Takes a key out of use at once: tokens of its are recognised no more.
    async fn retire(
        &self,
        kid: &str,
        order: &Order,
        now: UnixMillis,
    ) -> Result<Retired, OrderFailed>;
}

/// The public documents, as files.
pub trait PublicDocuments: Send + Sync {
    /// Each with its path under the issuer's URL, as it is at this time.
    fn documents(&self) -> Vec<(String, Vec<u8>)>;

    /// How long verifiers may keep them.
    fn max_age(&self) -> Duration;
}

/// A key, as operators are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedKey {
    /// Its RFC 7638 thumbprint.
    pub kid: String,
    /// How it signs.
    pub algorithm: Algorithm,
    /// Where it is in its life.
    pub state: KeyState,
    /// Since when, from when, and how it ended early.
    pub times: KeyTimes,
    /// When it stops being published; none while no other follows it.
    pub published_until: Option<UnixMillis>,
}

/// Who asks for a change of keys, and why: for the audit log.
#[derive(Debug, Clone)]
pub struct Order {
    /// Who.
    pub by: String,
    /// Why.
    pub note: String,
    /// Whether to wait until verifiers know the next key.
    pub patience: Patience,
}

/// What a rotation came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// The key that signs next, or now.
    pub next: ListedKey,
    /// Whether one was under way already: nothing has changed.
    pub is_under_way: bool,
    /// From when every verifier's copy of the key set has the key.
    pub known_from: UnixMillis,
}

/// What retiring a key came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retired {
    /// The key.
    pub key: ListedKey,
    /// Whether it was the one that signed.
    pub was_signing: bool,
    /// The key that signs now, and from when every verifier's copy of the key set has it.
    pub signing: Option<(ListedKey, UnixMillis)>,
}

/// A change of keys that an operator asked for did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderFailed {
    /// No key has this id.
    #[error("there is no signing key `{0}`")]
    Unknown(String),
    /// It is over already.
    #[error("the signing key `{kid}` is {} already", state.as_str())]
    Over {
        /// Its id.
        kid: String,
        /// How.
        state: KeyState,
    },
    /// Verifiers may not know the key that would follow at once.
    #[error("the next key signs at once, and verifiers may not know it yet")]
    NextNotKnown {
        /// When they all know it, if it is published already.
        known_from: Option<UnixMillis>,
    },
    /// The keys could not be changed; what the store or the keys said.
    #[error("{0}")]
    Failed(String),
}
