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

/// Why a store is not the configured installation's.
#[derive(Debug)]
pub(super) enum NotEstablished {
    /// A fact is configured otherwise than it is stored.
    Other {
        fact: &'static str,
        stored: String,
        configured: String,
    },
    /// The store failed.
    Store(StoreError),
}

/// Writes the facts and a random epoch into a new store, or compares the facts with those of an old one.
pub(super) fn establish(
    connection: &mut Connection,
    facts: &InstallationFacts,
    random: &dyn Random,
) -> Result<Vec<u8>, NotEstablished> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if let Some(epoch) = read(&transaction, "epoch")? {
        refuse_other_facts(&transaction, facts)?;
        return Ok(epoch);
    }
    let epoch: [u8; EPOCH] = random::array(random).map_err(StoreError::from)?;
    write(&transaction, "epoch", &epoch)?;
    for (_, key, value) in named(facts) {
        write(&transaction, key, value.as_bytes())?;
    }
    transaction.commit()?;
    Ok(epoch.to_vec())
}

fn refuse_other_facts(
    connection: &Connection,
    facts: &InstallationFacts,
) -> Result<(), NotEstablished> {
    for (fact, key, configured) in named(facts) {
        let stored = read(connection, key)?.unwrap_or_default();
        if stored != configured.as_bytes() {
            return Err(NotEstablished::Other {
                fact,
                stored: String::from_utf8_lossy(&stored).into_owned(),
                configured: configured.clone(),
            });
        }
    }
    Ok(())
}

/// Each fact: what people call it, its key, its value.
fn named(facts: &InstallationFacts) -> [(&'static str, &'static str, &String); 3] {
    [
        ("issuer", "issuer", &facts.issuer),
        ("SPIFFE ID", "spiffe_id", &facts.spiffe_id),
        ("audit origin", "audit_origin", &facts.audit_origin),
    ]
}

pub(super) fn read(connection: &Connection, key: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    let sql = "SELECT value FROM installation WHERE key = ?1";
    connection
        .query_row(sql, [key], |row| row.get(0))
        .optional()
}

/// Writes a value, whether or not there was one.
pub(super) fn put(connection: &Connection, key: &str, value: &[u8]) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO installation (key, value) VALUES (?1, ?2)";
    connection.execute(sql, params![key, value]).map(drop)
}

fn write(connection: &Connection, key: &str, value: &[u8]) -> rusqlite::Result<()> {
    let sql = "INSERT INTO installation (key, value) VALUES (?1, ?2)";
    connection.execute(sql, params![key, value]).map(drop)
}

impl From<StoreError> for NotEstablished {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<rusqlite::Error> for NotEstablished {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}
