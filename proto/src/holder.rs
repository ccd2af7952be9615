//! The secret by which a job's holder is known.

use std::fmt;

use data_encoding::HEXLOWER;
use ring::digest::{SHA256, digest};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// 32 random bytes that one agent or direct client keeps to itself.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct HolderSecret([u8; 32]);

/// What the broker keeps of a [`HolderSecret`]: its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HolderHash([u8; 32]);

/// The secret was not 32 bytes long, or all of them were zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a holder's secret is 32 random bytes")]
pub struct InvalidHolder;

impl HolderSecret {
    /// Takes 32 bytes that came from a random source.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidHolder> {
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| InvalidHolder)?;
        // A client that forgot to fill its buffer would share its jobs with every other such client.
        if bytes == [0; 32] {
            Err(InvalidHolder)
        } else {
            Ok(Self(bytes))
        }
    }

    /// The bytes, for the wire and for the holder's own file.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// What may be stored and shown.
    pub fn hash(&self) -> HolderHash {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, &self.0).as_ref());
        HolderHash(hash)
    }
}

impl HolderHash {
    /// Takes a hash that was stored.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads the 64 hexadecimal digits that [`fmt::Display`] writes.
    pub fn from_hex(text: &str) -> Option<Self> {
        HEXLOWER
            .decode(text.as_bytes())
            .ok()?
            .try_into()
            .ok()
            .map(Self)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for HolderSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HolderSecret([redacted])")
    }
}

impl fmt::Display for HolderHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for HolderHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_not_thirty_two_random_bytes() {
        assert!(HolderSecret::from_bytes(&[1; 31]).is_err());
        assert!(HolderSecret::from_bytes(&[1; 33]).is_err());
        assert!(HolderSecret::from_bytes(&[0; 32]).is_err());
        assert!(HolderSecret::from_bytes(&[1; 32]).is_ok());
    }

    #[test]
    fn prints_the_hash_and_never_the_secret() {
        let secret = HolderSecret::from_bytes(&[0xab; 32]).unwrap();
        assert_eq!(format!("{secret:?}"), "HolderSecret([redacted])");
        let hash = secret.hash();
        assert_eq!(HolderHash::from_hex(&hash.to_string()), Some(hash));
    }
}
