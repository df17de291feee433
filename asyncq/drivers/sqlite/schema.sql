-- The tables. Instants are integers, microseconds since 1970; a lease, key or flag without an end has NULL there.
-- Steps are only ever added: a file may be at any of them.

-- name: v1
-- A job waits (token is null) or is leased. Two partial indexes hold the waiting ones in the order of reserve: a job
-- that crashed twice stands in one of its own, so that a heap of them is never walked over to reach the healthy.
-- They end in the columns of their own conditions, since SQLite would read each job's row to see that these hold.
-- The index of leases starts with the queue, so that leases of queues that nobody reads are never walked over either.
CREATE TABLE asyncq_jobs (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    queue TEXT NOT NULL,
    name TEXT NOT NULL,
    due INTEGER NOT NULL,
    lease_until INTEGER,
    token TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    exceptions INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    unique_key TEXT,
    unique_until_at INTEGER,
    grp TEXT,
    tags TEXT,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX asyncq_jobs_waiting ON asyncq_jobs (queue, due, id, token, crashes) WHERE token IS NULL AND crashes < 2;
CREATE INDEX asyncq_jobs_suspect ON asyncq_jobs (queue, due, id, token, crashes) WHERE token IS NULL AND crashes >= 2;
CREATE INDEX asyncq_jobs_leased ON asyncq_jobs (queue, lease_until) WHERE token IS NOT NULL;
CREATE UNIQUE INDEX asyncq_jobs_unique ON asyncq_jobs (unique_key) WHERE unique_key IS NOT NULL;
CREATE TABLE asyncq_outbox (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    lease_until INTEGER NOT NULL DEFAULT 0,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE asyncq_locks (key TEXT PRIMARY KEY, owner TEXT NOT NULL, until INTEGER) STRICT, WITHOUT ROWID;
CREATE INDEX asyncq_locks_until ON asyncq_locks (until) WHERE until IS NOT NULL;
CREATE TABLE asyncq_limits (key TEXT PRIMARY KEY, used INTEGER NOT NULL, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX asyncq_limits_until ON asyncq_limits (until);
CREATE TABLE asyncq_batches (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT,
    options BLOB NOT NULL,
    allow_failures INTEGER NOT NULL,
    callbacks TEXT NOT NULL,
    total INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    failed INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    cancelled_at INTEGER
) STRICT;
CREATE INDEX asyncq_batches_created ON asyncq_batches (created_at);
-- state: 0 unfinished, 1 ended well, 2 and more failed, in the order of failing. The counts of a batch change only
-- together with a member's state.
CREATE TABLE asyncq_batch_members (
    batch TEXT NOT NULL,
    member TEXT NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (batch, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX asyncq_batch_members_failed ON asyncq_batch_members (batch, state) WHERE state >= 2;
CREATE TABLE asyncq_failed (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    connection TEXT NOT NULL,
    queue TEXT NOT NULL,
    name TEXT NOT NULL,
    body BLOB NOT NULL,
    error TEXT NOT NULL,
    traceback TEXT NOT NULL,
    failed_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    exceptions INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    grp TEXT,
    tags TEXT
) STRICT;
CREATE INDEX asyncq_failed_at ON asyncq_failed (failed_at, seq);
CREATE TABLE asyncq_results (id TEXT PRIMARY KEY, ttl REAL NOT NULL, until INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE INDEX asyncq_results_until ON asyncq_results (until);
CREATE TABLE asyncq_signals (name TEXT PRIMARY KEY, value BLOB NOT NULL, at INTEGER NOT NULL, until INTEGER) STRICT;
CREATE INDEX asyncq_signals_until ON asyncq_signals (until) WHERE until IS NOT NULL;

-- name: v2
-- Slots that owners hold until an instant: those of funnels, and the hits of sliding windows, each its own owner.
CREATE TABLE asyncq_slots (
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (name, owner)
) STRICT, WITHOUT ROWID;
CREATE INDEX asyncq_slots_ends ON asyncq_slots (name, until);
CREATE INDEX asyncq_slots_until ON asyncq_slots (until);
