-- What Tillgate keeps. Times are milliseconds since 1970, money is in smallest units, an operation's id
-- grows with time and carries its partition in bits 12 to 19, so that no table needs a column for it.

CREATE TABLE meta (
    one                 INTEGER PRIMARY KEY CHECK (one = 1),
    schema              INTEGER NOT NULL,
    partitions          INTEGER NOT NULL,
    partition_function  TEXT    NOT NULL,
    credentials_version INTEGER NOT NULL
) STRICT;

CREATE TABLE partitions (
    partition INTEGER PRIMARY KEY,
    fence     INTEGER NOT NULL
) STRICT;

CREATE TABLE credentials (
    place       INTEGER PRIMARY KEY,
    id          TEXT    NOT NULL UNIQUE,
    dialect     TEXT    NOT NULL,
    role        TEXT    NOT NULL,
    network     TEXT    NOT NULL,
    group_name  TEXT    NOT NULL,
    principal   TEXT    NOT NULL,
    subject     TEXT,
    device      TEXT,
    name        TEXT    NOT NULL,
    secret_kind TEXT    NOT NULL,
    secret      BLOB    NOT NULL,
    permissions TEXT,             -- a JSON list; null for all
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER,
    revoked_at  INTEGER
) STRICT;

CREATE TABLE operations (
    id             INTEGER PRIMARY KEY,
    group_name     TEXT    NOT NULL,
    network        TEXT    NOT NULL,
    requester      TEXT    NOT NULL,
    requester_name TEXT    NOT NULL,
    dialect        TEXT    NOT NULL,
    kind           TEXT    NOT NULL,
    request_key    TEXT    NOT NULL,
    body           BLOB    NOT NULL,
    target         TEXT    NOT NULL,
    target_name    TEXT,
    accepted_at    INTEGER NOT NULL,
    deliver_by     INTEGER,
    answer_by      INTEGER NOT NULL,
    request        BLOB    NOT NULL,
    memo           BLOB    NOT NULL,
    -- null while it runs
    ended_at       INTEGER,
    outcome        TEXT,
    cause          TEXT,
    certainty      TEXT,
    answer         BLOB
) STRICT;

-- Finds a repeat after days; the id comes with every index entry, so the newest is its last one.
CREATE INDEX operations_by_key ON operations (group_name, request_key);

-- Running operations first, then by their end. Grows at two ends only, whatever the partition: cheap to write,
-- and read only when somebody starts.
CREATE INDEX operations_by_end ON operations (ended_at);

CREATE TABLE late_answers (
    operation INTEGER NOT NULL REFERENCES operations,
    place     INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    body      BLOB    NOT NULL,
    PRIMARY KEY (operation, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
    group_name   TEXT    NOT NULL,
    device       TEXT    NOT NULL,
    dialect      TEXT    NOT NULL,
    last_seen_at INTEGER NOT NULL,
    PRIMARY KEY (group_name, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE mailboxes (
    operation  INTEGER PRIMARY KEY REFERENCES operations,
    partition  INTEGER NOT NULL,
    place      INTEGER NOT NULL,
    group_name TEXT    NOT NULL,
    principal  TEXT    NOT NULL,
    until      INTEGER NOT NULL
) STRICT;

CREATE INDEX mailboxes_by_partition ON mailboxes (partition, place);

CREATE TABLE members (
    network TEXT NOT NULL,
    member  TEXT NOT NULL,
    groups  TEXT,                 -- a JSON list; null for every group
    PRIMARY KEY (network, member)
) STRICT, WITHOUT ROWID;

CREATE TABLE subjects (
    network TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    side    TEXT    NOT NULL,
    member  TEXT    NOT NULL,
    place   INTEGER NOT NULL,
    PRIMARY KEY (network, subject),
    FOREIGN KEY (network, member) REFERENCES members
) STRICT, WITHOUT ROWID;

CREATE INDEX subjects_by_member ON subjects (network, member);

CREATE TABLE attributes (
    network  TEXT    NOT NULL,
    member   TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    json     TEXT    NOT NULL,
    attested INTEGER NOT NULL,
    sides    TEXT    NOT NULL,    -- a JSON list
    PRIMARY KEY (network, member, name),
    FOREIGN KEY (network, member) REFERENCES members
) STRICT, WITHOUT ROWID;

CREATE TABLE balances (
    network  TEXT    NOT NULL,
    member   TEXT    NOT NULL,
    currency TEXT    NOT NULL,
    opening  INTEGER NOT NULL,
    minor    INTEGER NOT NULL,
    PRIMARY KEY (network, member),
    FOREIGN KEY (network, member) REFERENCES members
) STRICT, WITHOUT ROWID;

-- One row for each debit: an operation takes money once, and what was taken and what is left is the opening balance.
CREATE TABLE ledger (
    operation INTEGER PRIMARY KEY REFERENCES operations,
    network   TEXT    NOT NULL,
    member    TEXT    NOT NULL,
    currency  TEXT    NOT NULL,
    minor     INTEGER NOT NULL CHECK (minor > 0),
    at        INTEGER NOT NULL,
    FOREIGN KEY (network, member) REFERENCES balances
) STRICT;
