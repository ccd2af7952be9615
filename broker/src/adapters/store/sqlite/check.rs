//! Looks through a store or a backup that no broker needs to have open.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use rusqlite::Connection;
use serde::Serialize;

use super::log_file;
use super::mark::Mark;
use super::open::{OpenError, broken, not_migrated};
use super::{audit_log, connection, files, installation, integrity, restoration, schema};
use crate::domain::time::UnixMillis;
use crate::ports::store::StoreError;
use crate::ports::store::epoch::Restored;

/// What a store or a backup holds, and whether it is sound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoreReport {
    /// The file.
    pub path: PathBuf,
    /// Its bytes, without those of its log.
    pub bytes: u64,
    /// Version of its schema.
    pub schema: i64,
    /// The installation's issuer.
    pub issuer: String,
    /// The broker's SPIFFE ID.
    pub spiffe_id: String,
    /// The audit log's origin.
    pub audit_origin: String,
    /// The epoch, in hexadecimal.
    pub epoch: String,
    /// When the backup was taken; none in a store that is no backup.
    pub backup_taken_at: Option<UnixMillis>,
    /// Why the next start begins a new epoch, as far as the file itself tells.
    pub restored: Option<Restored>,
    /// The number of its last audit record.
    pub last_record: u64,
    /// The number that its mark says it had reached; 0 without a mark.
    pub records_by_mark: u64,
    /// How many it holds of each kind.
    pub counts: BTreeMap<&'static str, u64>,
    /// What is damaged; empty when it is sound.
    pub damage: Vec<String>,
}

/// What is counted.
const COUNTS: [(&str, &str); 9] = [
    ("open jobs", "job WHERE ended_at IS NULL"),
    ("ended jobs", "job WHERE ended_at IS NOT NULL"),
    ("active leases", "lease WHERE state = 'active'"),
    ("ended leases", "lease WHERE state = 'ended'"),
    ("audit records", "audit"),
    ("holders", "session"),
    ("bans", "ban"),
    ("signing keys", "signing_key"),
    ("policies", "policy"),
];

/// Reads every page of a file, and changes nothing of it. A broker may have it open.
pub fn check(path: &Path) -> Result<StoreReport, OpenError> {
    let log = files::beside(path, "-wal");
    let log_damage = log_file::examine(&log).map_err(|source| files::cannot(&log, source))?;
    let bytes = std::fs::metadata(path).map_err(|source| files::cannot(path, source))?;
    let fails = |source: StoreError| broken(path, source);
    let connection = connection::reading(path).map_err(fails)?;
    schema::examine(&connection).map_err(|failed| not_migrated(path, failed))?;
    let mut damage = integrity::findings(&connection).map_err(fails)?;
    damage.extend(log_damage.map(|damage| {
        format!(
            "the log `{}` is damaged at frame {}, with {} commits behind it",
            log.display(),
            damage.frame,
            damage.commits
        )
    }));
    let mut report = StoreReport {
        path: path.to_owned(),
        bytes: bytes.len(),
        schema: 0,
        issuer: String::new(),
        spiffe_id: String::new(),
        audit_origin: String::new(),
        epoch: String::new(),
        backup_taken_at: None,
        restored: None,
        last_record: 0,
        records_by_mark: Mark::of(path).known().records,
        counts: BTreeMap::new(),
        damage,
    };
    match fill(&mut report, &connection) {
        Ok(()) => Ok(report),
        Err(_) if !report.damage.is_empty() => Ok(report),
        Err(error) => Err(fails(error)),
    }
}

fn fill(report: &mut StoreReport, connection: &Connection) -> Result<(), StoreError> {
    let fact = |key: &str| -> Result<String, StoreError> {
        let value = installation::read(connection, key)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&value).into_owned())
    };
    report.schema = schema::version(connection)?;
    if report.schema == 0 {
        report.damage.push("no store was begun in it".to_owned());
        return Ok(());
    }
    report.issuer = fact("issuer")?;
    report.spiffe_id = fact("spiffe_id")?;
    report.audit_origin = fact("audit_origin")?;
    let epoch = installation::read(connection, "epoch")?.unwrap_or_default();
    report.epoch = HEXLOWER.encode(&epoch);
    report.backup_taken_at = restoration::taken_at(connection)?;
    report.restored = restoration::pending(connection)?;
    report.last_record = audit_log::last(connection)?;
    for (what, from) in COUNTS {
        let sql = format!("SELECT count(*) FROM {from}");
        let count: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
        report.counts.insert(what, count.unsigned_abs());
    }
    Ok(())
}
