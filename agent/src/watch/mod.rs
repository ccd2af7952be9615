//! Watches what jobs are tied to.
//!
//! - [`process`]: a process, held by its pidfd

pub mod process;
