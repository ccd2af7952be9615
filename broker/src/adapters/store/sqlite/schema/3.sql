-- What verifiers are told of tokens that no longer count and have not expired. `lease` is null when it is the
-- whole job. The newest row is kept, so that numbers go on after all the others are pruned.
CREATE TABLE revocation (
    number   INTEGER PRIMARY KEY,
    audience TEXT NOT NULL,
    job      BLOB NOT NULL,
    lease    INTEGER,
    until    INTEGER NOT NULL
) STRICT;
