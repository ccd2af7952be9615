//! The interface of the SPIFFE Workload API, for clients and servers.
//!
//! `proto/workload.proto` is our copy of it. The generated code is committed; a test regenerates it
//! with a compiler in pure Rust.

mod endpoint;

use std::fmt;

pub use endpoint::{Endpoint, InvalidEndpoint};
pub use wire::*;

/// The metadata that every request carries, so that a program that can be talked into sending
/// requests of its own making elsewhere cannot be used to reach the API.
pub const SECURITY_HEADER: &str = "workload.spiffe.io";
/// The only value of [`SECURITY_HEADER`].
pub const SECURITY_VALUE: &str = "true";

/// The generated code.
#[allow(
    clippy::all,
    clippy::pedantic,
    missing_docs,
    unreachable_pub,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
mod wire {
    include!("gen/workload.rs");
}

impl fmt::Debug for X509svid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("X509svid")
            .field("spiffe_id", &self.spiffe_id)
            .field("hint", &self.hint)
            .field("x509_svid_key", &"[redacted]")
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Jwtsvid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwtsvid")
            .field("spiffe_id", &self.spiffe_id)
            .field("svid", &"[redacted]")
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ValidateJwtsvidRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidateJwtsvidRequest")
            .field("audience", &self.audience)
            .field("svid", &"[redacted]")
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_and_no_token_is_printed() {
        let (key, token) = ("a-private-key", "a-token");
        let svid = X509svid {
            x509_svid_key: key.into(),
            ..X509svid::default()
        };
        let all = X509svidResponse {
            svids: vec![svid],
            ..X509svidResponse::default()
        };
        let jwt = Jwtsvid {
            svid: token.to_owned(),
            ..Jwtsvid::default()
        };
        let validate = ValidateJwtsvidRequest {
            svid: token.to_owned(),
            ..ValidateJwtsvidRequest::default()
        };
        let bytes = format!("{:?}", key.as_bytes());
        for shown in [format!("{all:?}"), format!("{jwt:?}{validate:?}")] {
            assert!(shown.contains("[redacted]"), "{shown}");
            for secret in [key, token, bytes.as_str()] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
    }
}
