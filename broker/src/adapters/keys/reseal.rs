//! Seals signing keys anew for another epoch of the store.

use super::key_set::{COLUMN, TABLE};
use super::sealing::{Place, Sealer, SealingError};
use crate::ports::random::Random;
use crate::ports::store::keys::StoredKey;

/// Opens each key in the old epoch and seals it in the new one: `epochs` is (old, new).
pub fn for_epoch(
    keys: Vec<StoredKey>,
    sealer: &Sealer,
    epochs: (&[u8], &[u8]),
    random: &dyn Random,
) -> Result<Vec<StoredKey>, SealingError> {
    let seal = |mut key: StoredKey| {
        let place = |epoch| Place {
            table: TABLE,
            row: &key.kid,
            column: COLUMN,
            epoch,
        };
        let private = sealer.open(&key.sealed, place(epochs.0))?;
        let sealed = sealer.seal(&private, place(epochs.1), random)?;
        key.sealed = sealed;
        Ok(key)
    };
    keys.into_iter().map(seal).collect()
}
