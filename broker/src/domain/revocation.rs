//! Revocations: what verifiers are told of tokens that have not expired and no longer count.

use std::time::Duration;

use taskpass_proto::ids::{JobId, LeaseId};

use super::time::UnixMillis;

/// How long after a token's `exp` it may still be accepted somewhere: a verifier's leeway, and how far its
/// clock may be behind, together.
pub const VERIFIER_LEEWAY: Duration = Duration::from_secs(300);

/// Tokens of one audience that no longer count. Never taken back: ends are final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The audience, a URI. Only its verifiers are told.
    pub audience: String,
    /// Whose tokens.
    pub revoked: Revoked,
    /// Not before this can it be forgotten.
    pub until: UnixMillis,
}

/// Whose tokens no longer count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// Every lease of a job, as far as it is for the audience.
    Job(JobId),
    /// Every generation of a lease.
    Lease(LeaseId),
}

/// A revocation with its place in the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedRevocation {
    /// From 1 and without gaps, in the order of commits; 0 before it is durable.
    pub number: u64,
    /// What it says.
    pub revocation: Revocation,
}
