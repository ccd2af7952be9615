//! Promises of the broker, each against a real one.

mod admin_access;
mod bound_tokens;
mod crash;
mod denials;
mod ends;
mod identity;
mod introspection;
mod issuing;
mod keys;
pub(crate) mod liveness;
mod operators;
mod ownership;
mod policy_change;
mod policy_past;
mod policy_reload;
mod renewal;
mod revocation_stream;
mod slow_clients;
mod store_failures;
mod verifier_library;
