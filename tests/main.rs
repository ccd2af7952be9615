//! The product as a whole: one test binary, a module for each promise.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod architecture;
mod audit;
mod audit_page;
mod broker;
mod cli;
mod cookbook;
mod endurance;
mod examples;
mod node;
mod operations_page;
mod policy_page;
mod schema;
mod support;
mod systemd;
