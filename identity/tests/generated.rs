//! The generated code is what `proto/workload.proto` says.
//!
//! After a change of it: `TASKPASS_REGENERATE=1 cargo test -p taskpass-identity --test generated`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

/// Messages with a key or a token print themselves without it.
const SECRET: [&str; 3] = ["X509SVID", "JWTSVID", "ValidateJWTSVIDRequest"];

#[test]
fn generated_code_is_what_the_proto_file_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let descriptors = protox::compile(["workload.proto"], [root.join("proto")]).unwrap();
    let out = tempfile::tempdir().unwrap();
    let mut prost = prost_build::Config::new();
    prost.skip_debug(SECRET).btree_map(["."]);
    tonic_prost_build::configure()
        .out_dir(out.path())
        .compile_fds_with_config(descriptors, prost)
        .unwrap();
    let code = fs::read_to_string(out.path().join("_.rs")).unwrap();
    let committed = root.join("src/gen/workload.rs");
    if regenerate() {
        fs::write(&committed, &code).unwrap();
    }
    assert!(
        fs::read_to_string(committed).unwrap() == code,
        "stale: see the head of this test"
    );
}

#[allow(
    clippy::disallowed_methods,
    reason = "a switch for the person who changes the interface"
)]
fn regenerate() -> bool {
    std::env::var_os("TASKPASS_REGENERATE").is_some()
}
