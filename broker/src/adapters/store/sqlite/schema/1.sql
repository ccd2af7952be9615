-- Times are milliseconds since 1970.

-- What an installation is, fixed when its store is initialised.
CREATE TABLE installation (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- What decides about a job comes first, what can be long comes last. From `task` on it is null when the job
-- was closed before it was opened.
CREATE TABLE job (
    id         BLOB PRIMARY KEY,
    ended_at   INTEGER,
    cause      TEXT,
    due_at     INTEGER NOT NULL,
    subject    TEXT NOT NULL,
    holder     BLOB NOT NULL,
    task       TEXT,
    liveness   TEXT,
    anchor     TEXT,
    opened_at  INTEGER,
    ends_by    INTEGER,
    request    BLOB,
    decision   TEXT,
    policy     TEXT,
    parameters TEXT,
    reported   TEXT
) STRICT, WITHOUT ROWID;

-- When the clock may next have something to do for a job.
CREATE INDEX job_due ON job (due_at);

-- Everything that is asked of open jobs is in the index itself.
CREATE INDEX job_open ON job (subject, holder, id, task, liveness) WHERE ended_at IS NULL;

-- A lease's key extends its job's, so that the leases of a job lie together.
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

-- The log commits to `leaf`; `salt` and `details` can be erased without breaking it. `decision` stands on
-- the first record of a decision only.
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
    subject     TEXT NOT NULL,
    holder      BLOB NOT NULL,
    incarnation INTEGER NOT NULL,
    last_seen   INTEGER NOT NULL,
    host        TEXT NOT NULL,
    PRIMARY KEY (subject, holder)
) STRICT, WITHOUT ROWID;

-- `target` is a SPIFFE ID, or the 64 hexadecimal digits of a holder's hash.
CREATE TABLE ban (
    target TEXT PRIMARY KEY,
    since  INTEGER NOT NULL,
    until  INTEGER,
    note   TEXT NOT NULL,
    by     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE signing_key (
    number           INTEGER PRIMARY KEY,
    kid              TEXT NOT NULL UNIQUE,
    algorithm        TEXT NOT NULL,
    public_key       BLOB NOT NULL,
    published_at     INTEGER NOT NULL,
    signs_from       INTEGER NOT NULL,
    kek_id           TEXT NOT NULL,
    sealed_algorithm TEXT NOT NULL,
    nonce            BLOB NOT NULL,
    ciphertext       BLOB NOT NULL
) STRICT;

CREATE TABLE policy (
    hash  TEXT PRIMARY KEY,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE policy_file (
    hash    TEXT NOT NULL,
    place   INTEGER NOT NULL,
    name    TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (hash, place)
) STRICT, WITHOUT ROWID;
