//! What nothing on this machine can be faster than.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};

use super::BenchError;
use super::load::median;

/// Appends 4 KiB and syncs, on the file system of the store.
#[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub(super) fn durable_append(folder: &Path, each: Duration) -> Result<Duration, BenchError> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("floor"))?;
    let block = [0x5a; 4096];
    let mut times = Vec::new();
    let began = Instant::now();
    while began.elapsed() < each {
        let before = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        times.push(before.elapsed());
    }
    Ok(median(&mut times))
}

/// Signs as tokens are signed.
#[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub(super) fn signature(each: Duration) -> Result<Duration, BenchError> {
    let failed = |_| BenchError::Said("no key".into());
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(failed)?;
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random)
        .map_err(|_| BenchError::Said("no key".into()))?;
    let mut times = Vec::new();
    let began = Instant::now();
    while began.elapsed() < each {
        let before = Instant::now();
        pair.sign(&random, &[0x5a; 500]).map_err(failed)?;
        times.push(before.elapsed());
    }
    Ok(median(&mut times))
}
