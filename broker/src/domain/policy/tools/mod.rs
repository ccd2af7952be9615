//! What operators do with a policy besides letting it decide. Pure, like the rest of the domain.
//!
//! - [`diff`]: what changes in effect from one policy to another
//! - `classes`: the kinds of workloads that a set of patterns tells apart

mod classes;
pub mod diff;
