//! Seals secrets that must be used again: AES-256-GCM under keys that are not in the store.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::ports::random::{self, Random, RandomFailed};
use crate::ports::store::keys::Sealed;

const ALGORITHM: &str = "A256GCM";

/// Seals with the first of its keys, and opens with any.
pub struct Sealer {
    keys: Vec<SealingKey>,
}

/// A key that seals others.
pub struct SealingKey {
    id: String,
    key: LessSafeKey,
}

/// The place of a sealed value. It opens nowhere else, not even in a copy of the store with another epoch.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The table.
    pub table: &'a str,
    /// The row's key.
    pub row: &'a str,
    /// The column.
    pub column: &'a str,
    /// The store's epoch.
    pub epoch: &'a [u8],
}

/// A value could not be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealingError {
    /// No sealing key was given.
    #[error("no sealing key is configured; name one under `[[sealing_key]]`")]
    NoKey,
    /// The key that sealed it is not configured any more.
    #[error(
        "the sealing key `{0}` is not configured; add it under `[[sealing_key]]` until nothing is sealed with it"
    )]
    UnknownKey(String),
    /// Another key, another place, or another content.
    #[error(
        "a sealed value of `{table}` does not open with the sealing key `{key}`: another key under the same id, or a changed store"
    )]
    DoesNotOpen {
        /// The key's id.
        key: String,
        /// The value's table.
        table: String,
    },
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomFailed),
}

impl SealingKey {
    /// Takes the 32 bytes of a key.
    pub fn new(id: String, bytes: &[u8; 32]) -> Option<Self> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).ok()?;
        Some(Self {
            id,
            key: LessSafeKey::new(key),
        })
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Sealer {
    /// Takes the keys; the first one seals.
    pub fn new(keys: Vec<SealingKey>) -> Result<Self, SealingError> {
        if keys.is_empty() {
            Err(SealingError::NoKey)
        } else {
            Ok(Self { keys })
        }
    }

    /// Seals a secret for its place.
    pub fn seal(
        &self,
        secret: &[u8],
        place: Place<'_>,
        random: &dyn Random,
    ) -> Result<Sealed, SealingError> {
        let sealing = self.keys.first().ok_or(SealingError::NoKey)?;
        let nonce: [u8; NONCE_LEN] = random::array(random)?;
        let mut ciphertext = Zeroizing::new(secret.to_vec());
        sealing
            .key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                place.associated_data(),
                &mut *ciphertext,
            )
            .map_err(|_| does_not_open(sealing, place))?;
        Ok(Sealed {
            kek_id: sealing.id.clone(),
            algorithm: ALGORITHM.to_owned(),
            nonce: nonce.to_vec(),
            ciphertext: ciphertext.to_vec(),
        })
    }

    /// Whether something was sealed with another key than the one that seals now.
    pub fn is_outdated(&self, sealed: &Sealed) -> bool {
        self.keys
            .first()
            .is_some_and(|sealing| sealing.id != sealed.kek_id)
    }

    /// Opens what was sealed for this place.
    pub fn open(
        &self,
        sealed: &Sealed,
        place: Place<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, SealingError> {
        let key = self
            .keys
            .iter()
            .find(|key| key.id == sealed.kek_id)
            .ok_or_else(|| SealingError::UnknownKey(sealed.kek_id.clone()))?;
        let refused = || does_not_open(key, place);
        if sealed.algorithm != ALGORITHM {
            return Err(refused());
        }
        let nonce = Nonce::try_assume_unique_for_key(&sealed.nonce).map_err(|_| refused())?;
        let mut buffer = Zeroizing::new(sealed.ciphertext.clone());
        let opened = key
            .key
            .open_in_place(nonce, place.associated_data(), &mut buffer)
            .map_err(|_| refused())?;
        Ok(Zeroizing::new(opened.to_vec()))
    }
}

impl Place<'_> {
    /// Each part behind its length, so that no two places have the same bytes.
    fn associated_data(&self) -> Aad<Vec<u8>> {
        let parts = [
            self.table.as_bytes(),
            self.row.as_bytes(),
            self.column.as_bytes(),
            self.epoch,
        ];
        let with_length = |part: &&[u8]| [&(part.len() as u64).to_be_bytes(), *part].concat();
        Aad::from(parts.iter().flat_map(with_length).collect())
    }
}

fn does_not_open(key: &SealingKey, place: Place<'_>) -> SealingError {
    SealingError::DoesNotOpen {
        key: key.id.clone(),
        table: place.table.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::random::fake::CountingRandom;

    const PLACE: Place<'static> = Place {
        table: "signing_key",
        row: "kid",
        column: "sealed",
        epoch: b"epoch",
    };

    fn sealer(keys: &[(&str, u8)]) -> Sealer {
        let keys = keys
            .iter()
            .map(|(id, byte)| SealingKey::new((*id).into(), &[*byte; 32]));
        Sealer::new(keys.map(Option::unwrap).collect()).unwrap()
    }

    #[test]
    fn opens_in_its_place_only() {
        let sealer = sealer(&[("a", 1)]);
        let sealed = sealer
            .seal(b"secret", PLACE, &CountingRandom::default())
            .unwrap();
        assert_eq!(sealer.open(&sealed, PLACE).unwrap().as_slice(), b"secret");
        for elsewhere in [
            Place {
                table: "signing_ke",
                row: "ykid",
                ..PLACE
            },
            Place {
                row: "other",
                ..PLACE
            },
            Place {
                column: "other",
                ..PLACE
            },
            Place {
                epoch: b"other",
                ..PLACE
            },
        ] {
            assert!(sealer.open(&sealed, elsewhere).is_err(), "{elsewhere:?}");
        }
    }

    #[test]
    fn opens_with_an_older_key_that_is_still_configured() {
        let random = CountingRandom::default();
        let sealed = sealer(&[("old", 1)])
            .seal(b"secret", PLACE, &random)
            .unwrap();
        let both = sealer(&[("new", 2), ("old", 1)]);
        assert_eq!(both.open(&sealed, PLACE).unwrap().as_slice(), b"secret");
        assert_eq!(both.seal(b"secret", PLACE, &random).unwrap().kek_id, "new");
        let error = sealer(&[("new", 2)]).open(&sealed, PLACE).unwrap_err();
        assert_eq!(error, SealingError::UnknownKey("old".into()));
        let error = sealer(&[("old", 3)]).open(&sealed, PLACE).unwrap_err();
        assert!(matches!(error, SealingError::DoesNotOpen { .. }));
    }

    #[test]
    fn refuses_what_was_changed() {
        let sealer = sealer(&[("a", 1)]);
        let sealed = sealer
            .seal(b"secret", PLACE, &CountingRandom::default())
            .unwrap();
        for place in 0..sealed.ciphertext.len() {
            let mut changed = sealed.clone();
            changed.ciphertext[place] ^= 1;
            assert!(sealer.open(&changed, PLACE).is_err());
        }
        let no_nonce = Sealed {
            nonce: vec![],
            ..sealed
        };
        assert!(sealer.open(&no_nonce, PLACE).is_err());
    }
}
