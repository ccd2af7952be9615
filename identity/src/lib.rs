//! SPIFFE identities: who a peer is, and who we are.
//!
//! - [`spiffe_id`]: IDs and trust domains, canonical only
//! - [`bundle`]: the roots of each trust domain, never merged
//! - [`svid`]: an X.509-SVID of our own, with its private key
//! - [`verifier`]: decides whether a chain is a trusted X.509-SVID; the same for both directions
//! - [`peer`]: what a connection remembers of its peer, checked again on every call
//! - [`tls`]: configurations for `rustls` that use all of the above, and why a handshake failed
//! - [`source`]: where SVIDs and bundles come from, and how they change
//! - [`workload_api`]: the interface of the SPIFFE Workload API
//! - `ca`: a small certificate authority for `taskpass dev` and tests (feature `ca`)

pub mod bundle;
#[cfg(feature = "ca")]
pub mod ca;
mod certificate;
mod crypto;
mod issuer;
mod leaf;
mod path;
pub mod peer;
pub mod source;
pub mod spiffe_id;
pub mod svid;
pub mod svid_error;
pub mod tls;
pub mod validity;
pub mod verifier;
pub mod workload_api;

pub use bundle::{Bundle, BundleSet};
pub use peer::PeerSvid;
pub use source::{BundleSource, SvidSource};
pub use spiffe_id::{SpiffeId, TrustDomain};
pub use svid::X509Svid;
pub use svid_error::SvidError;
pub use validity::Validity;
pub use verifier::{VerifiedSvid, verify};
