-- Webhook endpoints of groups, and what each is still to be told or was told.

CREATE TABLE webhook_endpoints (
    place       INTEGER PRIMARY KEY,
    id          TEXT    NOT NULL UNIQUE,
    group_name  TEXT    NOT NULL,     -- empty once it was removed: it goes when what it was told is gone
    url         TEXT    NOT NULL,
    events      TEXT    NOT NULL,     -- a JSON list
    active      INTEGER NOT NULL,
    sealed      BLOB    NOT NULL,     -- what is signed with, encrypted under the key beside the data
    description TEXT,
    metadata    BLOB,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX webhook_endpoints_by_group ON webhook_endpoints (group_name);

-- A place is never used twice: one that is on its way may be removed meanwhile.
CREATE TABLE webhook_deliveries (
    place     INTEGER PRIMARY KEY AUTOINCREMENT,
    endpoint  INTEGER NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
    operation INTEGER NOT NULL REFERENCES operations ON DELETE CASCADE,
    event     TEXT    NOT NULL UNIQUE,
    body      BLOB    NOT NULL,
    tries     INTEGER NOT NULL,
    -- the last of them: when, and what was answered
    tried_at  INTEGER,
    said      TEXT,
    -- null once it is over: delivered, or given up
    due       INTEGER,
    delivered INTEGER NOT NULL
) STRICT;

-- What is over costs nothing here.
CREATE INDEX webhook_deliveries_by_due ON webhook_deliveries (endpoint, due) WHERE due IS NOT NULL;

CREATE INDEX webhook_deliveries_by_endpoint ON webhook_deliveries (endpoint);

CREATE INDEX webhook_deliveries_by_operation ON webhook_deliveries (operation, endpoint);
