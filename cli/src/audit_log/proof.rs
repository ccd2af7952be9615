//! Checks a file with one record and its proof (C2SP `tlog-proof`).

use std::io;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};
use taskpass_broker::domain::tlog::record_proof::{MAX_PROOF_BYTES, RecordProof};
use taskpass_broker::domain::tlog::{Checkpoint, leaf_hash, verify};

use super::export::details_fit;
use super::read;
use super::report::{Finding, Report};
use super::trusted::Trusted;

/// The extra data: what the proof is about.
#[derive(Debug, Deserialize)]
struct Extra {
    leaf: String,
    salt: Option<String>,
    details: Option<String>,
}

/// Whether these are the first bytes of a proof file.
pub(crate) fn is_proof(path: &Path) -> bool {
    read(path, MAX_PROOF_BYTES as u64).is_ok_and(|bytes| bytes.starts_with(b"c2sp.org/tlog-proof@"))
}

/// Checks a file.
pub(crate) fn check(path: &Path, trusted: &Trusted) -> io::Result<Report> {
    let bytes = read(path, MAX_PROOF_BYTES as u64)?;
    let mut report = Report::of(path);
    if let Err(finding) = examine(&bytes, trusted, &mut report) {
        report.find(finding);
    }
    Ok(report.finish())
}

fn examine(bytes: &[u8], trusted: &Trusted, report: &mut Report) -> Result<(), Finding> {
    let mut milestones = trusted.milestones(report);
    let proof = RecordProof::parse(bytes).map_err(|error| Finding::new(error.to_string()))?;
    let signed = Checkpoint::open(proof.checkpoint.as_bytes(), &trusted.keys)
        .map_err(|error| Finding::new(format!("its checkpoint: {error}")))?;
    report.log(&signed.origin, signed.size);
    let number = proof.index.saturating_add(1);
    let extra = proof.extra.as_deref().map(serde_json::from_slice::<Extra>);
    let Some(Ok(extra)) = extra else {
        let what = "the file has no record beside the proof (`extra`)";
        return Err(Finding::of_record(number, what));
    };
    let leaf = leaf_hash(extra.leaf.as_bytes());
    verify::inclusion(leaf, proof.index, signed.size, &proof.hashes, signed.root).map_err(
        |error| {
            let what = format!("it is not in the log like this: {error}");
            Finding::of_record(number, what)
        },
    )?;
    let are_there = details_fit(&extra.leaf, extra.salt.as_deref(), extra.details.as_deref())
        .map_err(|what| Finding::of_record(number, what))?;
    report.checked(1);
    report.details(are_there);
    let details = extra.details.as_deref().map(serde_json::from_str::<Value>);
    report.record(json!({
        "number": number,
        "leaf": serde_json::from_str::<Value>(&extra.leaf).unwrap_or_default(),
        "details": details.and_then(Result::ok),
    }));
    milestones.pass(signed.size, signed.root);
    milestones.finish(signed.size, report);
    Ok(())
}
