//! Makes RSA keys. Used for nothing else: `ring`, which signs, has no way to make them.
//!
//! The `rsa` crate has an advisory about the timing of its private-key operations (RUSTSEC-2023-0071). None of
//! them is ever called: the primes are found here, once in a signing period, and go to `ring` in PKCS #8, whose
//! checks they have to pass.

use rsa::RsaPrivateKey;
use rsa::pkcs8::EncodePrivateKey;
use rsa::rand_core::{CryptoRng, Error, RngCore};
use zeroize::Zeroizing;

use super::signing_key::InvalidKey;
use crate::ports::random::Random;

/// The size of the modulus; NIST SP 800-57 takes it for good until 2030.
const BITS: usize = 2048;

/// A new RSA key in PKCS #8. Takes a good part of a second.
pub(super) fn generate(random: &dyn Random) -> Result<Zeroizing<Vec<u8>>, InvalidKey> {
    let mut source = Source {
        random,
        has_failed: false,
        filler: 0x9e37_79b9,
    };
    let key = RsaPrivateKey::new(&mut source, BITS).map_err(|_| InvalidKey)?;
    // INVARIANT: a key that was made from bytes which are not random never leaves here.
    if source.has_failed {
        return Err(InvalidKey);
    }
    let document = key.to_pkcs8_der().map_err(|_| InvalidKey)?;
    Ok(Zeroizing::new(document.as_bytes().to_vec()))
}

/// The broker's randomness, as the crate wants it.
struct Source<'a> {
    random: &'a dyn Random,
    has_failed: bool,
    filler: u32,
}

impl RngCore for Source<'_> {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, buffer: &mut [u8]) {
        if self.random.fill(buffer).is_err() {
            self.has_failed = true;
            // Any bytes that differ let the search for primes come to an end; what it finds is thrown away.
            for byte in buffer {
                self.filler ^= self.filler << 13;
                self.filler ^= self.filler >> 17;
                self.filler ^= self.filler << 5;
                *byte = self.filler.to_le_bytes()[0];
            }
        }
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(buffer);
        Ok(())
    }
}

impl CryptoRng for Source<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::random::RandomFailed;

    struct Broken;

    impl Random for Broken {
        fn fill(&self, _: &mut [u8]) -> Result<(), RandomFailed> {
            Err(RandomFailed)
        }
    }

    #[test]
    fn makes_no_key_when_the_randomness_fails() {
        assert!(generate(&Broken).is_err());
    }
}
