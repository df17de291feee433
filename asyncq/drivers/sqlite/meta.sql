-- What the file knows about itself: the version of its tables, and the latest instant that anybody saw.

-- name: exists
-- A file of another program, or an empty one, has no such table.
SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'asyncq_meta'

-- name: create
CREATE TABLE IF NOT EXISTS asyncq_meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID

-- name: get
SELECT value FROM asyncq_meta WHERE key = ?

-- name: set
INSERT INTO asyncq_meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value

-- name: stamp
-- Keeps the larger instant and answers it, so that each process learns how far the others saw.
INSERT INTO asyncq_meta (key, value) VALUES ('seen', ?)
ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value) RETURNING value

-- name: sweep_locks
-- Expired rows go a few at a time, once a second, so that keys that are never asked for again do not pile up.
DELETE FROM asyncq_locks WHERE key IN
    (SELECT key FROM asyncq_locks WHERE until IS NOT NULL AND until <= ? ORDER BY until LIMIT 500)

-- name: sweep_limits
DELETE FROM asyncq_limits WHERE key IN
    (SELECT key FROM asyncq_limits WHERE until <= ? ORDER BY until LIMIT 500)

-- name: sweep_slots
DELETE FROM asyncq_slots WHERE (name, owner) IN
    (SELECT name, owner FROM asyncq_slots WHERE until <= ? ORDER BY until LIMIT 500)

-- name: sweep_signals
DELETE FROM asyncq_signals WHERE name IN
    (SELECT name FROM asyncq_signals WHERE until IS NOT NULL AND until <= ? ORDER BY until LIMIT 500)
