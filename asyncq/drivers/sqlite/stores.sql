-- Locks, limits, slots, signals, results, failed jobs and the outbox.

-- name: lock_acquire
-- One statement decides: the row is written where there was none, where it expired, or where it is this owner's.
INSERT INTO asyncq_locks (key, owner, until) VALUES (:key, :owner, :until)
ON CONFLICT (key) DO UPDATE SET owner = excluded.owner, until = excluded.until
WHERE owner = excluded.owner OR until <= :now

-- name: lock_release
DELETE FROM asyncq_locks WHERE key = ? AND owner = ? AND (until IS NULL OR until > ?)

-- name: lock_extend
UPDATE asyncq_locks SET until = ? WHERE key = ? AND owner = ? AND (until IS NULL OR until > ?)

-- name: lock_owner
SELECT owner FROM asyncq_locks WHERE key = ? AND (until IS NULL OR until > ?)

-- name: lock_force
DELETE FROM asyncq_locks WHERE key = ?

-- name: limit_get
SELECT used, until FROM asyncq_limits WHERE key = ? AND until > ?

-- name: limit_open
INSERT INTO asyncq_limits (key, used, until) VALUES (?, 1, ?)
ON CONFLICT (key) DO UPDATE SET used = 1, until = excluded.until

-- name: limit_hit
UPDATE asyncq_limits SET used = used + 1 WHERE key = ?

-- name: limit_clear
DELETE FROM asyncq_limits WHERE key = ?

-- name: slot_count
SELECT count(*) FROM asyncq_slots WHERE name = ? AND until > ?

-- name: slot_owned
SELECT 1 FROM asyncq_slots WHERE name = ? AND owner = ? AND until > ?

-- name: slot_end
SELECT until FROM asyncq_slots WHERE name = ? AND until > ? ORDER BY until LIMIT 1 OFFSET ?

-- name: slot_tidy
-- What ended goes at each take, since the hits of one busy window may be more than the sweep removes.
DELETE FROM asyncq_slots WHERE name = ? AND until <= ?

-- name: slot_take
INSERT INTO asyncq_slots (name, owner, until) VALUES (?, ?, ?)
ON CONFLICT (name, owner) DO UPDATE SET until = excluded.until

-- name: slot_extend
UPDATE asyncq_slots SET until = ? WHERE name = ? AND owner = ? AND until > ?

-- name: slot_free
DELETE FROM asyncq_slots WHERE name = ? AND owner = ? AND until > ?

-- name: slot_clear
DELETE FROM asyncq_slots WHERE name = ?

-- name: signal_put
INSERT INTO asyncq_signals (name, value, at, until) VALUES (?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET value = excluded.value, at = excluded.at, until = excluded.until

-- name: signal_get
SELECT name, value, at FROM asyncq_signals
WHERE name IN (SELECT value FROM json_each(?)) AND (until IS NULL OR until > ?)

-- name: signal_until
SELECT min(until) FROM asyncq_signals WHERE name IN (SELECT value FROM json_each(?)) AND until > ?

-- name: signal_page
-- A range and no LIKE: the prefix may hold % and _, and the index serves it. U+10FFFF sorts after all that follows.
SELECT name, value, at FROM asyncq_signals
WHERE name >= :prefix AND name < :prefix || char(0x10FFFF) AND (until IS NULL OR until > :now) ORDER BY name

-- name: signal_forget
DELETE FROM asyncq_signals WHERE name = ? AND (until IS NULL OR until > ?)

-- name: result_put
INSERT INTO asyncq_results (id, ttl, until, body) VALUES (?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET ttl = excluded.ttl, until = excluded.until, body = excluded.body

-- name: result_get
SELECT id, body, ttl FROM asyncq_results WHERE id = ? AND until > ?

-- name: result_forget
DELETE FROM asyncq_results WHERE id = ?

-- name: result_prune
DELETE FROM asyncq_results WHERE until <= ?

-- name: failed_add
-- REPLACE and no upsert: a record that comes again is the newest, so its sequence number is new too.
INSERT OR REPLACE INTO asyncq_failed
    (id, connection, queue, name, body, error, traceback, failed_at, attempts, exceptions, crashes, grp, tags)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: failed_get
SELECT id, connection, queue, name, body, error, traceback, failed_at, attempts, exceptions, crashes, grp, tags
FROM asyncq_failed WHERE id IN (SELECT value FROM json_each(?))

-- name: failed_page
SELECT id, connection, queue, name, body, error, traceback, failed_at, attempts, exceptions, crashes, grp, tags
FROM asyncq_failed
WHERE (:queue IS NULL OR queue = :queue) AND (:name IS NULL OR name = :name)
ORDER BY failed_at DESC, seq DESC LIMIT :limit OFFSET :offset

-- name: failed_total
SELECT count(*) FROM asyncq_failed
WHERE (:queue IS NULL OR queue = :queue) AND (:name IS NULL OR name = :name)

-- name: failed_remove
DELETE FROM asyncq_failed WHERE id = ? AND failed_at <= ?

-- name: failed_prune
DELETE FROM asyncq_failed WHERE failed_at < ?

-- name: outbox_put
INSERT INTO asyncq_outbox (id, kind, target, body) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING

-- name: outbox_take
UPDATE asyncq_outbox SET lease_until = :until WHERE seq IN
    (SELECT seq FROM asyncq_outbox WHERE lease_until <= :now ORDER BY seq LIMIT :limit)
RETURNING seq, id, kind, target, body

-- name: outbox_free_at
-- It is nearly always empty, and never long, so it has no index for this.
SELECT min(lease_until) FROM asyncq_outbox

-- name: outbox_done
DELETE FROM asyncq_outbox WHERE id = ?
