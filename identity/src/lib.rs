//! SPIFFE identities.
//!
//! - [`spiffe_id`]: IDs and trust domains, canonical only

pub mod spiffe_id;

pub use spiffe_id::{SpiffeId, TrustDomain};
