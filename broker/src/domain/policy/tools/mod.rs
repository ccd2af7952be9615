//! What operators do with a policy besides letting it decide. Pure, like the rest of the domain.
//!
//! - [`cases`]: tests of a policy, and how much of it they touch
//! - [`diff`]: what changes in effect from one policy to another
//! - [`explain`]: why a request is decided as it is
//! - [`mod@format`]: one canonical form of the files
//! - [`input`]: a request that is kept
//! - [`recorded`]: a decision as the audit log keeps it
//! - [`replay`]: what requests of the past would get from a proposed policy
//! - [`mod@schema`]: JSON Schema of the files, for editors
//! - `classes`: the kinds of workloads that a set of patterns tells apart

pub mod cases;
mod classes;
pub mod diff;
pub mod explain;
pub mod format;
pub mod input;
pub mod recorded;
pub mod replay;
pub mod schema;
