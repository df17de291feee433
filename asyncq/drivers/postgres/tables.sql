-- The tables. Instants are integers, microseconds since 1970 by the server's clock; what has no end has NULL there.
-- Steps are only ever added: a database may be at any of them. The word asyncq before a dot stands for the schema.

-- name: v1
-- A job waits (token is null) or is leased. Two partial indexes hold the waiting ones in the order of reserve: a job
-- that crashed twice stands in one of its own, so that a heap of them is never walked over to reach the healthy.
-- What a lease changes stands first and has a fixed place: the new version of a row then differs from the old one in a
-- few bytes, and on the same page only those go to the log. Hence the fillfactor too.
CREATE TABLE asyncq.jobs (
    due bigint NOT NULL,
    lease_until bigint NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    exceptions integer NOT NULL DEFAULT 0,
    crashes integer NOT NULL DEFAULT 0,
    token text COLLATE "C",
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    queue text COLLATE "C" NOT NULL,
    name text NOT NULL,
    unique_key text COLLATE "C",
    unique_until bigint,
    grp text,
    tags text,
    body bytea NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX jobs_waiting ON asyncq.jobs (queue, due, id) WHERE token IS NULL AND crashes < 2;
CREATE INDEX jobs_suspect ON asyncq.jobs (queue, due, id) WHERE token IS NULL AND crashes >= 2;
CREATE INDEX jobs_leased ON asyncq.jobs (queue, lease_until) WHERE token IS NOT NULL;
CREATE UNIQUE INDEX jobs_unique ON asyncq.jobs (unique_key) WHERE unique_key IS NOT NULL;
-- What a call answered, for a while: sent again because its answer was lost, it gets the first one.
CREATE TABLE asyncq.ops (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    at bigint NOT NULL,
    answer text
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX ops_at ON asyncq.ops (at);
CREATE TABLE asyncq.outbox (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    kind text NOT NULL,
    target text NOT NULL,
    lease_until bigint NOT NULL DEFAULT 0,
    body bytea NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
CREATE TABLE asyncq.locks (key text COLLATE "C" PRIMARY KEY, owner text NOT NULL, until bigint);
CREATE INDEX locks_until ON asyncq.locks (until) WHERE until IS NOT NULL;
CREATE TABLE asyncq.limits (key text COLLATE "C" PRIMARY KEY, used bigint NOT NULL, until bigint NOT NULL);
CREATE INDEX limits_until ON asyncq.limits (until);
-- Slots that owners hold until an instant: those of funnels, and the hits of sliding windows, each its own owner.
CREATE TABLE asyncq.slots (
    name text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    until bigint NOT NULL,
    PRIMARY KEY (name, owner)
);
CREATE INDEX slots_ends ON asyncq.slots (name, until);
CREATE INDEX slots_until ON asyncq.slots (until);
CREATE TABLE asyncq.batches (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    name text,
    options bytea NOT NULL,
    allow_failures boolean NOT NULL,
    callbacks text NOT NULL,
    total bigint NOT NULL,
    pending bigint NOT NULL,
    failed bigint NOT NULL DEFAULT 0,
    created_at bigint NOT NULL,
    finished_at bigint,
    cancelled_at bigint
) WITH (fillfactor = 50);
CREATE INDEX batches_created ON asyncq.batches (created_at);
-- state: 0 unfinished, 1 ended well, 2 and more failed, in the order of failing. The counts of a batch change only
-- together with a member's state.
CREATE TABLE asyncq.batch_members (
    batch text COLLATE "C" NOT NULL,
    member text COLLATE "C" NOT NULL,
    state bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (batch, member)
);
CREATE INDEX batch_members_failed ON asyncq.batch_members (batch, state) WHERE state >= 2;
CREATE TABLE asyncq.failed (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    connection text NOT NULL,
    queue text NOT NULL,
    name text NOT NULL,
    body bytea NOT NULL,
    error text NOT NULL,
    traceback text NOT NULL,
    failed_at bigint NOT NULL,
    attempts integer NOT NULL,
    exceptions integer NOT NULL,
    crashes integer NOT NULL,
    grp text,
    tags text
);
CREATE INDEX failed_at ON asyncq.failed (failed_at, seq);
CREATE TABLE asyncq.results (
    id text COLLATE "C" PRIMARY KEY,
    ttl double precision NOT NULL,
    until bigint NOT NULL,
    body bytea NOT NULL
);
CREATE INDEX results_until ON asyncq.results (until);
CREATE TABLE asyncq.signals (name text COLLATE "C" PRIMARY KEY, value bytea NOT NULL, at bigint NOT NULL, until bigint)
    WITH (fillfactor = 50);
CREATE INDEX signals_until ON asyncq.signals (until) WHERE until IS NOT NULL;
