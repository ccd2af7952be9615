//! Signs tokens.

use zeroize::Zeroizing;

use crate::domain::token::Claims;

/// Signs tokens.
pub trait Signer: Send + Sync + 'static {
    /// Signs the claims under the current key: a JWS in compact form.
    ///
    /// Fails when no key may sign for as long as the token lives.
    fn sign(&self, claims: &Claims) -> Result<Zeroizing<String>, SigningFailed>;
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
