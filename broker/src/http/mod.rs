//! The HTTP faces.
//!
//! - [`introspection`]: RFC 7662 for verifiers, on the workload port
//! - [`discovery`]: `OpenID` discovery and the key set, on the public port; read-only
//! - [`audit_log`]: the audit log's tiles and checkpoint
//! - [`operations`]: health, readiness and metrics, on the operations port
//! - [`problems`]: the one place that tells HTTP callers why not

pub mod audit_log;
pub mod discovery;
pub mod introspection;
pub mod operations;
pub mod problems;
