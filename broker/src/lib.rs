//! The broker: decides by policy, issues task-scoped credentials, and takes them back.
//!
//! From the outside in: [`app`] puts it together; [`grpc`], [`http`] and [`adapters`] face the outside;
//! [`operations`] are the use cases; [`domain`] and [`ports`] know nothing of any of them.

pub mod adapters;
pub mod app;
pub mod config;
pub mod crash_points;
pub mod domain;
pub mod grpc;
pub mod http;
pub mod operations;
pub mod ports;

pub use app::{Bound, StartError, serve};
