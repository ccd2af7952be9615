//! Identity as peers meet it: good and bad certificates, real handshakes, files that rotate.

#![allow(
    clippy::unwrap_used,
    clippy::string_slice,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "test code, where a panic is a finding"
)]

mod authority;
mod bundle;
mod bytes;
mod files;
mod matrix;
mod meeting;
mod openssl;
mod recheck;
mod support;
mod svid;
mod workload_api;
