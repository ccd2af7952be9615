//! Signs tokens, and recognises them again.

use zeroize::Zeroizing;

use crate::domain::time::UnixMillis;
use crate::domain::token::Claims;
use crate::domain::token_form::{Algorithm, TokenForm};

/// Signs tokens.
pub trait Signer: Send + Sync {
    /// Whether a key of this algorithm signs at `now`. Asked before anything is recorded.
    fn ready(&self, algorithm: Algorithm, now: UnixMillis) -> Result<(), SigningFailed>;

    /// Signs the claims under the key that signs at `now`: a JWS in compact form (RFC 7515, section 7.1).
    fn sign(
        &self,
        claims: &Claims,
        form: &TokenForm,
        now: UnixMillis,
    ) -> Result<Zeroizing<String>, SigningFailed>;
}

/// Recognises tokens that we signed.
pub trait TokenReader: Send + Sync {
    /// The claims of a token whose signature is ours, whatever they say; `None` for anything else.
    fn read(&self, token: &str, now: UnixMillis) -> Option<Claims>;

    /// Whether the key of a token that was read before is trusted still: an operator may have retired it.
    fn trusts(&self, token: &str, now: UnixMillis) -> bool;
}

/// No token could be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningFailed {
    /// The cryptographic library refused.
    #[error("the signature could not be computed")]
    Crypto,
    /// A token never outlives the key that signed it.
    #[error("no signing key stays published for as long as the token would live")]
    TooLong,
    /// No key of this algorithm signs yet.
    #[error("no {algorithm} key signs yet")]
    NotYet {
        /// Which algorithm.
        algorithm: Algorithm,
        /// When one does, if there is one.
        signs_from: Option<UnixMillis>,
    },
}
