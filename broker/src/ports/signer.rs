//! Signs tokens, and recognises them again.

use zeroize::Zeroizing;

use crate::domain::time::UnixMillis;
use crate::domain::token::Claims;

/// Signs tokens.
pub trait Signer: Send + Sync {
    /// Signs the claims under the key that signs at `now`: a JWS in compact form (RFC 7515, section 7.1).
    fn sign(&self, claims: &Claims, now: UnixMillis) -> Result<Zeroizing<String>, SigningFailed>;
}

/// Recognises tokens that we signed.
pub trait TokenReader: Send + Sync {
    /// The claims of a token whose signature is ours, whatever they say; `None` for anything else.
    fn read(&self, token: &str, now: UnixMillis) -> Option<Claims>;
}

/// No token could be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningFailed {
    /// The cryptographic library refused.
    #[error("the signature could not be computed")]
    Crypto,
    /// A token never outlives the key that signed it.
    #[error("no signing key lives as long as the token would")]
    NoKey,
}
