//! What an installation is: fixed when its store is initialised, compared at every start.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::ports::random::{self, Random};
use crate::ports::store::StoreError;

/// Bytes of the epoch.
const EPOCH: usize = 16;

/// What an installation is, fixed when its store is initialised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallationFacts {
    /// The issuer's URL.
    pub issuer: String,
    /// The broker's SPIFFE ID.
    pub spiffe_id: String,
    /// The origin of the audit log.
    pub audit_origin: String,
}

/// A fact that is configured otherwise than it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OtherFact {
    pub(super) fact: &'static str,
    pub(super) stored: String,
    pub(super) configured: String,
}

/// Writes the facts and a random epoch into a new store, or compares the facts with those of an old one.
pub(super) fn establish(
    connection: &mut Connection,
    facts: &InstallationFacts,
    random: &dyn Random,
) -> Result<Result<Vec<u8>, OtherFact>, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if let Some(epoch) = read(&transaction, "epoch")? {
        let other = differing(&transaction, facts)?;
        return Ok(other.map_or(Ok(epoch), Err));
    }
    let epoch: [u8; EPOCH] = random::array(random)?;
    write(&transaction, "epoch", &epoch)?;
    for (_, key, value) in named(facts) {
        write(&transaction, key, value.as_bytes())?;
    }
    transaction.commit()?;
    Ok(Ok(epoch.to_vec()))
}

fn differing(
    connection: &Connection,
    facts: &InstallationFacts,
) -> Result<Option<OtherFact>, StoreError> {
    for (fact, key, configured) in named(facts) {
        let stored = read(connection, key)?.unwrap_or_default();
        if stored != configured.as_bytes() {
            return Ok(Some(OtherFact {
                fact,
                stored: String::from_utf8_lossy(&stored).into_owned(),
                configured: configured.clone(),
            }));
        }
    }
    Ok(None)
}

/// Each fact: what people call it, its key, its value.
fn named(facts: &InstallationFacts) -> [(&'static str, &'static str, &String); 3] {
    [
        ("issuer", "issuer", &facts.issuer),
        ("SPIFFE ID", "spiffe_id", &facts.spiffe_id),
        ("audit origin", "audit_origin", &facts.audit_origin),
    ]
}

fn read(connection: &Connection, key: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    let sql = "SELECT value FROM installation WHERE key = ?1";
    connection
        .query_row(sql, [key], |row| row.get(0))
        .optional()
}

fn write(connection: &Connection, key: &str, value: &[u8]) -> rusqlite::Result<()> {
    let sql = "INSERT INTO installation (key, value) VALUES (?1, ?2)";
    connection.execute(sql, params![key, value]).map(drop)
}
