//! The tables.
//!
//! Keys grow with time, so that rows are added at the right edge of their trees, and there are few
//! indexes: each costs as much as a table with every write.

/// One step for each version of the schema, in order; never changed once released.
pub(super) const MIGRATIONS: [&str; 1] = [r"
CREATE TABLE installation (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE job (
    id        BLOB PRIMARY KEY,
    subject   TEXT NOT NULL,
    holder    BLOB NOT NULL,
    task      TEXT,
    announced INTEGER NOT NULL,
    due_at    INTEGER NOT NULL,
    ended_at  INTEGER,
    cause     TEXT,
    opening   TEXT
) STRICT, WITHOUT ROWID;

-- Everything that is asked of open jobs is in the index itself.
CREATE INDEX open_job ON job (subject, holder, id, task, announced) WHERE ended_at IS NULL;

-- A lease's key extends its job's, so that the two lie together.
CREATE TABLE lease (
    job        BLOB NOT NULL,
    number     INTEGER NOT NULL,
    state      TEXT NOT NULL,
    cause      TEXT,
    ended_at   INTEGER,
    generation INTEGER,
    issued_at  INTEGER,
    expires_at INTEGER,
    terms      TEXT NOT NULL,
    PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;

-- Exactly one row a job: when the clock may next have something to do for it.
CREATE TABLE due (
    at  INTEGER NOT NULL,
    job BLOB NOT NULL,
    PRIMARY KEY (at, job)
) STRICT, WITHOUT ROWID;

-- The log commits to leaf; salt and details can be erased without breaking it.
CREATE TABLE audit (
    number   INTEGER PRIMARY KEY,
    job      BLOB,
    decision TEXT,
    leaf     TEXT NOT NULL,
    salt     BLOB,
    details  TEXT
) STRICT;
CREATE INDEX audit_job ON audit (job) WHERE job IS NOT NULL;
CREATE INDEX audit_decision ON audit (decision) WHERE decision IS NOT NULL;

CREATE TABLE session (
    holder      BLOB NOT NULL,
    subject     TEXT NOT NULL,
    incarnation INTEGER NOT NULL,
    last_seen   INTEGER NOT NULL,
    host        TEXT NOT NULL,
    PRIMARY KEY (holder, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE ban (
    workload TEXT,
    holder   BLOB,
    since    INTEGER NOT NULL,
    until    INTEGER,
    note     TEXT NOT NULL,
    by       TEXT NOT NULL,
    CHECK ((workload IS NULL) <> (holder IS NULL)),
    UNIQUE (workload),
    UNIQUE (holder)
) STRICT;

CREATE TABLE signing_key (
    number       INTEGER PRIMARY KEY,
    kid          TEXT NOT NULL UNIQUE,
    algorithm    TEXT NOT NULL,
    public_key   BLOB NOT NULL,
    kek_id       TEXT NOT NULL,
    sealed_with  TEXT NOT NULL,
    nonce        BLOB NOT NULL,
    ciphertext   BLOB NOT NULL,
    published_at INTEGER NOT NULL,
    signs_from   INTEGER NOT NULL
) STRICT;

CREATE TABLE policy (
    hash  TEXT PRIMARY KEY,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE policy_file (
    hash    TEXT NOT NULL,
    name    TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (hash, name)
) STRICT, WITHOUT ROWID;
"];
