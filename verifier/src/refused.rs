//! Why a token is refused.

/// Why a token is refused. All of them are a 401 with `error="invalid_token"` (RFC 6750, section 3.1), except
/// where [`is_our_trouble`](Self::is_our_trouble): then the server cannot tell, and a 503 is truer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refused {
    /// Not a signed JWT, or longer than any that we make.
    #[error("the token is no JWT of this issuer's")]
    Malformed,
    /// `typ` is another one than RFC 9068's.
    #[error("the token is no access token (RFC 9068): its `typ` is not `at+jwt`")]
    NotAnAccessToken,
    /// The header names an algorithm that its key is not for, or asks for an extension.
    #[error("the token is not signed in the way its key is for")]
    OtherAlgorithm,
    /// No published key has the token's `kid`. Keys are looked up again, at most every ten seconds.
    #[error("the token is signed with a key that the issuer does not publish")]
    UnknownKey,
    /// The key set was never fetched, or is too old.
    #[error("the issuer's keys are not known; the broker has to be reachable")]
    NoKeys,
    /// The signature is not the key's.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// `iss` is another one.
    #[error("the token is of another issuer")]
    OtherIssuer,
    /// `aud` is another one, or more than one.
    #[error("the token is for another audience")]
    OtherAudience,
    /// `exp` is past.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is still to come.
    #[error("the token is not valid yet; compare the clocks")]
    NotYetValid,
    /// It is bound to a client's certificate (RFC 8705), and was presented without or with another.
    #[error("the token is bound to a client certificate that did not come with it")]
    OtherHolder,
    /// Its lease or job has ended.
    #[error("the token's job has ended")]
    Revoked,
    /// Nothing was heard from the broker for too long to tell whether it still counts.
    #[error(
        "nothing was heard from the broker for too long to tell whether the token still counts"
    )]
    Stale,
}

impl Refused {
    /// A stable code, for logs and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::NotAnAccessToken => "not_an_access_token",
            Self::OtherAlgorithm => "other_algorithm",
            Self::UnknownKey => "unknown_key",
            Self::NoKeys => "no_keys",
            Self::BadSignature => "bad_signature",
            Self::OtherIssuer => "other_issuer",
            Self::OtherAudience => "other_audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::OtherHolder => "other_holder",
            Self::Revoked => "revoked",
            Self::Stale => "stale",
        }
    }

    /// Whether the token may be good, and it is this server that cannot tell.
    pub fn is_our_trouble(self) -> bool {
        matches!(self, Self::NoKeys | Self::Stale)
    }
}
