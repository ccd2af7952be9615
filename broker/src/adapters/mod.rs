//! The outside as it is, behind the [`crate::ports`].
//!
//! - [`store`]: everything durable

pub mod store;
