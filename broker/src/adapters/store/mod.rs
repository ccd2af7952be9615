//! Stores.
//!
//! - [`sqlite`]: embedded, for one broker

pub mod sqlite;
