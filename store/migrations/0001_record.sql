-- +goose Up
CREATE TABLE deliveries (
    tool        TEXT NOT NULL,
    id          TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    sender      TEXT NOT NULL,
    header      TEXT NOT NULL,
    body        BLOB NOT NULL,
    PRIMARY KEY (tool, id)
);
CREATE INDEX deliveries_received ON deliveries (received_at);

-- What decides of a deploy is in columns; the whole of it is in body. facets is what reports count by, day by day (in UTC), out of
-- deploys_tally alone.
CREATE TABLE deploys (
    id          TEXT PRIMARY KEY,
    place       TEXT NOT NULL,
    environment TEXT NOT NULL,
    version     TEXT NOT NULL,
    at          BIGINT NOT NULL,
    day         BIGINT NOT NULL,
    live        INTEGER NOT NULL,
    team        TEXT NOT NULL,
    kind        TEXT NOT NULL,
    status      TEXT NOT NULL,
    change      TEXT NOT NULL,
    void        INTEGER NOT NULL,
    sha         TEXT NOT NULL,
    import      TEXT NOT NULL,
    watch       TEXT NOT NULL,
    state       TEXT NOT NULL,
    reverted    INTEGER NOT NULL,
    automatic   INTEGER NOT NULL,
    facets      TEXT NOT NULL,
    body        TEXT NOT NULL
);
CREATE INDEX deploys_place ON deploys (place, at, id);
CREATE INDEX deploys_live ON deploys (place, version, at) WHERE live = 1;
CREATE INDEX deploys_at ON deploys (at, id, import);
CREATE INDEX deploys_tally ON deploys (day, facets, import, at);
CREATE INDEX deploys_sha ON deploys (sha, at) WHERE sha <> '';
CREATE INDEX deploys_import ON deploys (import, place) WHERE import <> '';

CREATE TABLE verifications (
    id          TEXT PRIMARY KEY,
    place       TEXT NOT NULL,
    environment TEXT NOT NULL,
    state       TEXT NOT NULL,
    at          BIGINT NOT NULL,
    due_at      BIGINT,
    ended       BIGINT,
    failed_at   BIGINT,
    sent_at     BIGINT,
    rollback    TEXT NOT NULL,
    incident    TEXT NOT NULL,
    revision    BIGINT NOT NULL,
    baseline    TEXT NOT NULL,
    body        TEXT NOT NULL
);
CREATE INDEX verifications_due ON verifications (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX verifications_place ON verifications (place, at, id);
CREATE INDEX verifications_at ON verifications (at, id);
CREATE INDEX verifications_failed ON verifications (failed_at) WHERE failed_at IS NOT NULL;
CREATE INDEX verifications_sent ON verifications (sent_at) WHERE sent_at IS NOT NULL;

CREATE TABLE evidence (
    verification TEXT PRIMARY KEY,
    at           BIGINT NOT NULL,
    body         BLOB NOT NULL
);
CREATE INDEX evidence_at ON evidence (at);

CREATE TABLE rule_sets (
    hash TEXT PRIMARY KEY,
    body TEXT NOT NULL
);

CREATE TABLE actions (
    key      TEXT PRIMARY KEY,
    kind     TEXT NOT NULL,
    subject  TEXT NOT NULL,
    state    TEXT NOT NULL,
    created  BIGINT NOT NULL,
    due_at   BIGINT NOT NULL,
    attempt  BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    payload  TEXT NOT NULL,
    memory   TEXT NOT NULL,
    problem  TEXT NOT NULL
);
CREATE INDEX actions_due ON actions (due_at) WHERE state = 'waiting';
CREATE INDEX actions_subject ON actions (subject);

CREATE TABLE incidents (
    id       TEXT PRIMARY KEY,
    kind     TEXT NOT NULL,
    opened   BIGINT NOT NULL,
    resolved BIGINT,
    revision BIGINT NOT NULL,
    body     TEXT NOT NULL
);
CREATE INDEX incidents_opened ON incidents (opened, id);
CREATE TABLE incident_places (
    place    TEXT NOT NULL,
    incident TEXT NOT NULL,
    PRIMARY KEY (place, incident)
);

CREATE TABLE holds (
    id    TEXT PRIMARY KEY,
    ended BIGINT,
    body  TEXT NOT NULL
);

CREATE TABLE schedules (
    name TEXT PRIMARY KEY,
    cron TEXT NOT NULL,
    next BIGINT NOT NULL
);

CREATE TABLE tokens (
    hash TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL
);

-- An import is staging until all its rows are there, whole until the kinds of its places are rewritten, then done.
CREATE TABLE imports (
    id     TEXT PRIMARY KEY,
    name   TEXT NOT NULL,
    sender TEXT NOT NULL,
    at     BIGINT NOT NULL,
    state  TEXT NOT NULL
);
-- What did not come by an import belongs to this one.
INSERT INTO imports (id, name, sender, at, state) VALUES ('', '', '', 0, 'done');

CREATE TABLE audit (
    id      TEXT PRIMARY KEY,
    at      BIGINT NOT NULL,
    sender  TEXT NOT NULL,
    what    TEXT NOT NULL,
    subject TEXT NOT NULL,
    reason  TEXT NOT NULL,
    detail  TEXT NOT NULL
);
CREATE INDEX audit_subject ON audit (subject, at);
