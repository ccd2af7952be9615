//! What Taskpass is about, without I/O: policy, decision, job, lease, token, audit.
//!
//! Nothing here knows tokio, tonic, files, the clock or the environment. Time and randomness come in as
//! values; decisions go out as values with their reasons.

pub mod audit;
pub mod ban;
pub mod binding;
pub mod cause;
pub mod change;
pub mod clock_guard;
pub mod denial_window;
pub mod job;
pub mod key_schedule;
pub mod lease;
pub mod policy;
pub mod revocability;
pub mod revocation;
pub mod session;
pub mod standing;
pub mod time;
pub mod tlog;
pub mod token;
pub mod token_form;
