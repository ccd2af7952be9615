//! What the Merkle log costs: beside issuing, and to check.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use taskpass_broker::adapters::keys::audit_key::AuditKey;
use taskpass_broker::adapters::random::SystemSource;
use taskpass_broker::domain::tlog::edge::Tile;
use taskpass_broker::domain::tlog::tile::{Level, TILE_WIDTH, Tree};
use taskpass_broker::domain::tlog::{Checkpoint, Edge, VerifierKey, bundle, leaf_hash};
use taskpass_broker::ports::log_files::CheckpointSigner;

use super::caller::{self, Caller};
use super::figures::{Figure, Figures};
use super::load::{Load, Process};
use super::{AT_ONCE, BenchError, Broker, FACTS, POLICY};
use crate::audit_log::directory;
use crate::audit_log::trusted::Trusted;
use crate::stage::Stage;

/// How often the two brokers take turns.
const TURNS: u32 = 3;
const ORIGIN: &str = "bench.acme.example/audit";

/// A broker of its own, under load.
struct Bench {
    broker: Broker,
    load: Load,
    _folder: tempfile::TempDir,
}

/// Measures `OpenJob` with and without the log being signed meanwhile, in turns.
pub(super) async fn sequencing(each: Duration, figures: &mut Figures) -> Result<(), BenchError> {
    let mut with = Bench::start(each, "").await?;
    // The log is signed at the start, and not again.
    let mut without = Bench::start(each, "[audit]\nsequence_every = \"1d\"\n").await?;
    let mut rates = [0.0, 0.0];
    for _ in 0..TURNS {
        for (bench, rate) in [&with, &without].into_iter().zip(&mut rates) {
            let cost = bench
                .load
                .run(|mut caller| async move { caller.open().await.map(drop) })
                .await?;
            *rate += cost.calls_per_second / f64::from(TURNS);
        }
    }
    with.broker.stop();
    without.broker.stop();
    let [with, without] = rates;
    let name = "OpenJob with the Merkle log ÷ without it, 64 in flight";
    figures.add(Figure::ratio(name, with / without));
    Ok(())
}

/// Measures `audit verify` over a log of so many records.
#[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub(crate) fn verifying(
    records: u64,
    mut progress: impl FnMut(&str),
) -> Result<Figures, BenchError> {
    let folder = tempfile::Builder::new()
        .prefix("taskpass-bench-")
        .tempdir()?;
    progress(&format!("writing a log of {records} records"));
    let key = write_log(folder.path(), records)?;
    let said = |_| BenchError::Said("the key is not readable".to_owned());
    let trusted = Trusted::read(&[key.to_string()], &[]).map_err(said)?;
    progress("verifying it");
    let began = Instant::now();
    let report = directory::verify(folder.path(), &trusted, |_, _| ());
    let took = began.elapsed();
    if !report.is_clean() {
        return Err(BenchError::Said("the log did not verify".to_owned()));
    }
    let mut figures = Figures::default();
    let records = usize::try_from(records).unwrap_or(usize::MAX);
    figures.add(Figure::count("records", records));
    figures.add(Figure::time("audit verify", took));
    Ok(figures)
}

impl Bench {
    async fn start(each: Duration, more: &str) -> Result<Self, BenchError> {
        let folder = tempfile::Builder::new()
            .prefix("taskpass-bench-")
            .tempdir()?;
        let stage = Stage::open(folder.path())?;
        stage.write_policy(POLICY, FACTS)?;
        let broker = Broker::start(&stage, more).await?;
        let identity = caller::identity(&stage, "bench/job")?;
        let load = Load {
            each,
            process: Process::of(broker.child.id()),
            callers: Caller::many(AT_ONCE, broker.ports.workload, &identity)?,
        };
        Ok(Self {
            broker,
            load,
            _folder: folder,
        })
    }
}

/// A log as a broker would have written it.
fn write_log(to: &Path, records: u64) -> Result<VerifierKey, BenchError> {
    let pem = AuditKey::new_pem(&SystemSource::default()).map_err(said)?;
    let signer = AuditKey::from_pem(pem.as_bytes()).map_err(said)?;
    let key = VerifierKey::new(ORIGIN, signer.public_key()).map_err(said)?;
    let (mut edge, mut full) = (Edge::default(), Vec::new());
    for path in Tree(records).tiles(Level::Entries) {
        let first = path.index() * u64::from(TILE_WIDTH);
        let mut bytes = Vec::new();
        for number in first..first + u64::from(path.width()) {
            let entry = leaf(number);
            bundle::push(&mut bytes, entry.as_bytes()).map_err(said)?;
            edge.append(leaf_hash(entry.as_bytes()), &mut full);
        }
        write(to, &path.to_string(), &bytes)?;
        full.drain(..).try_for_each(|tile| write_tile(to, &tile))?;
    }
    edge.partial_tiles()
        .iter()
        .try_for_each(|tile| write_tile(to, tile))?;
    let checkpoint = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: edge.size(),
        root: edge.root(),
    };
    let text = checkpoint.text();
    let line = key.signature_line(&signer.sign(&text));
    write(to, "checkpoint", format!("{text}\n{line}").as_bytes())?;
    Ok(key)
}

/// A record as long as most are.
fn leaf(number: u64) -> String {
    format!(
        r#"{{"v":1,"at":{at},"event":"lease.issued","subject":"spiffe://acme.example/prod/ci/docs/runner","task":"deploy-docs","job":"job_01k8m5v4x8e2rr9t6cz1j3q7yd","lease":"lease_01k8m5v4x8e2rr9t6cz1j3q7yd_1","generation":1,"outcome":"allowed","policy":"{number:064x}","decision":"dec_01k8m5v4x8e2rr9t6cz1j3q7yd","details_sha256":"{number:064x}"}}"#,
        at = 1_760_000_000_000 + number,
    )
}

fn write_tile(to: &Path, tile: &Tile) -> io::Result<()> {
    write(to, &tile.path.to_string(), &tile.bytes())
}

fn write(to: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let path = to.join(name);
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(path, bytes)
}

fn said(error: impl std::fmt::Display) -> BenchError {
    BenchError::Said(format!("{error}"))
}
