-- Locks, limits, slots, signals, results, failed jobs, batches and the outbox.

-- name: lock_acquire
-- One statement decides: the row is written where there was none, where it expired, or where it is this owner's.
INSERT INTO asyncq.locks AS l (key, owner, until) VALUES ($1, $2, asyncq.now() + $3::bigint)
ON CONFLICT (key) DO UPDATE SET owner = excluded.owner, until = excluded.until
WHERE l.owner = excluded.owner OR l.until <= asyncq.now() RETURNING 1 AS one

-- name: lock_release
DELETE FROM asyncq.locks WHERE key = $1 AND owner = $2 AND (until IS NULL OR until > asyncq.now()) RETURNING 1 AS one

-- name: lock_extend
UPDATE asyncq.locks SET until = asyncq.now() + $3::bigint
WHERE key = $1 AND owner = $2 AND (until IS NULL OR until > asyncq.now()) RETURNING 1 AS one

-- name: lock_owner
SELECT owner FROM asyncq.locks WHERE key = $1 AND (until IS NULL OR until > asyncq.now())

-- name: lock_force
DELETE FROM asyncq.locks WHERE key = $1 RETURNING 1 AS one

-- name: limit_hit
SELECT allowed, remaining, retry_after FROM asyncq.limit_hit($1, $2, $3)

-- name: limit_state
SELECT allowed, remaining, retry_after FROM asyncq.limit_state($1, $2)

-- name: limit_clear
DELETE FROM asyncq.limits WHERE key = $1 RETURNING 1 AS one

-- name: slot_take
SELECT allowed, remaining, retry_after FROM asyncq.slot_take($1, $2, $3, $4)

-- name: slot_state
SELECT allowed, remaining, retry_after FROM asyncq.slot_state($1, $2)

-- name: slot_extend
UPDATE asyncq.slots SET until = asyncq.now() + $3::bigint WHERE name = $1 AND owner = $2 AND until > asyncq.now()
RETURNING 1 AS one

-- name: slot_free
DELETE FROM asyncq.slots WHERE name = $1 AND owner = $2 AND until > asyncq.now() RETURNING 1 AS one

-- name: slot_clear
DELETE FROM asyncq.slots WHERE name = $1 RETURNING 1 AS one

-- name: signal_put
INSERT INTO asyncq.signals (name, value, at, until)
SELECT $1, $2, t.now, t.now + $3::bigint FROM (SELECT asyncq.now() AS now) t
ON CONFLICT (name) DO UPDATE SET value = excluded.value, at = excluded.at, until = excluded.until

-- name: signal_get
SELECT name, value, at FROM asyncq.signals
WHERE name = ANY ($1::text[]) AND (until IS NULL OR until > asyncq.now())

-- name: signal_page
-- A range and no LIKE: the prefix may hold % and _, and the index serves it.
SELECT name, value, at FROM asyncq.signals
WHERE name >= $1 AND name < $1 || U&'\+10FFFF' AND (until IS NULL OR until > asyncq.now()) ORDER BY name

-- name: signal_forget
DELETE FROM asyncq.signals WHERE name = ANY ($1::text[]) AND (until IS NULL OR until > asyncq.now()) RETURNING 1 AS one

-- name: result_put
INSERT INTO asyncq.results (id, ttl, until, body) VALUES ($1, $2, asyncq.now() + $3::bigint, $4)
ON CONFLICT (id) DO UPDATE SET ttl = excluded.ttl, until = excluded.until, body = excluded.body

-- name: result_get
SELECT id, body, ttl FROM asyncq.result_get($1)

-- name: result_forget
DELETE FROM asyncq.results WHERE id = ANY ($1::text[])

-- name: result_prune
DELETE FROM asyncq.results WHERE until <= asyncq.now() RETURNING 1 AS one

-- name: failed_add
SELECT asyncq.failed_add(ARRAY(SELECT jsonb_array_elements($1::text::jsonb)))::text AS done

-- name: failed_get
SELECT id, connection, queue, name, body, error, traceback, failed_at, attempts, exceptions, crashes, grp, tags
FROM asyncq.failed WHERE id = ANY ($1::text[])

-- name: failed_page
SELECT id, connection, queue, name, body, error, traceback, failed_at, attempts, exceptions, crashes, grp, tags
FROM asyncq.failed WHERE ($1::text IS NULL OR queue = $1) AND ($2::text IS NULL OR name = $2)
ORDER BY failed_at DESC, seq DESC LIMIT $3 OFFSET $4

-- name: failed_total
SELECT count(*) FROM asyncq.failed WHERE ($1::text IS NULL OR queue = $1) AND ($2::text IS NULL OR name = $2)

-- name: failed_remove
DELETE FROM asyncq.failed WHERE id = ANY ($1::text[]) AND failed_at <= $2 RETURNING 1 AS one

-- name: failed_prune
DELETE FROM asyncq.failed WHERE failed_at < asyncq.now() - $1::bigint RETURNING 1 AS one

-- name: outbox_put
INSERT INTO asyncq.outbox (id, kind, target, body) SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[])
ON CONFLICT (id) DO NOTHING RETURNING 1 AS one

-- name: outbox_take
-- Its rows may be kept as JSON, which holds no bytes; whoever reads them puts them in their order.
UPDATE asyncq.outbox SET lease_until = asyncq.now() + $2::bigint WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM asyncq.outbox WHERE lease_until <= asyncq.now() ORDER BY seq LIMIT $1 FOR UPDATE SKIP LOCKED))
RETURNING seq, id, kind, target, encode(body, 'base64') AS body

-- name: outbox_free_in
SELECT min(lease_until) - asyncq.now() AS free_in FROM asyncq.outbox

-- name: outbox_done
DELETE FROM asyncq.outbox WHERE id = ANY ($1::text[])

-- name: batch_create
SELECT asyncq.batch_create($1, $2, $3, $4, $5, $6, $7) AS created

-- name: batch_grow
SELECT asyncq.batch_grow($1, $2, $3) AS grown

-- name: batch_strike
SELECT job FROM asyncq.batch_strike($1, $2, $3) AS job

-- name: batch_cancel
UPDATE asyncq.batches SET cancelled_at = asyncq.now() WHERE id = $1 AND cancelled_at IS NULL RETURNING 1 AS one

-- name: batch_get
SELECT id, name, options, allow_failures, callbacks, total, pending, failed, created_at, finished_at, cancelled_at,
    ARRAY(SELECT member::text FROM asyncq.batch_members WHERE batch = b.id AND state >= 2 ORDER BY state) AS failures
FROM asyncq.batches b WHERE id = $1

-- name: batch_page
SELECT id, name, options, allow_failures, callbacks, total, pending, failed, created_at, finished_at, cancelled_at,
    ARRAY(SELECT member::text FROM asyncq.batch_members WHERE batch = b.id AND state >= 2 ORDER BY state) AS failures
FROM asyncq.batches b ORDER BY created_at DESC, seq DESC LIMIT $1 OFFSET $2

-- name: batch_total
SELECT count(*) FROM asyncq.batches

-- name: batch_remove
SELECT asyncq.batch_remove($1) AS gone

-- name: batch_old
-- NULL for an age compares to NULL, so that kind is left alone. A cancelled batch has the other two kinds as well.
SELECT id FROM asyncq.batches WHERE
    (finished_at IS NOT NULL AND finished_at < asyncq.now() - $1::bigint)
    OR (finished_at IS NULL AND created_at < asyncq.now() - $2::bigint)
    OR (cancelled_at IS NOT NULL AND cancelled_at < asyncq.now() - $3::bigint)
