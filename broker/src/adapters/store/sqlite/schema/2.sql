-- How far the Merkle tree over the audit log was signed: one row. `checkpoint` is null before the first one.
CREATE TABLE audit_tree (
    place      INTEGER PRIMARY KEY CHECK (place = 0),
    epoch      BLOB NOT NULL,
    origin     TEXT NOT NULL,
    checkpoint TEXT
) STRICT;
