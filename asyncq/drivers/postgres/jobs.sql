-- Jobs: calls of functions, and what is looked up or forgotten. Values stand in the order of their numbers.

-- name: push
SELECT * FROM asyncq.push($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)

-- name: turn
SELECT * FROM asyncq.turn($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)

-- name: turned
-- What a call leased that ran before, in its order.
SELECT id, queue, name, attempts, exceptions, crashes, body, grp, tags, unique_key, asyncq.now() AS at
FROM asyncq.jobs WHERE queue = ANY ($2::text[]) AND token = $1
ORDER BY array_position($2::text[], queue::text), due, id

-- name: settle
SELECT asyncq.settle($1, $2, $3, $4, $5, $6, $7, $8)

-- name: extend
SELECT asyncq.extend($1, $2, $3, $4, $5)

-- name: recover
SELECT ran, answer FROM asyncq.recover($1, $2)

-- name: ahead
SELECT now, due, suspect, lease FROM asyncq.ahead($1, $2, $3)

-- name: free
UPDATE asyncq.jobs SET unique_key = NULL, unique_until = NULL WHERE id = $1 AND token = $2 RETURNING 1 AS one

-- name: find
SELECT id, queue, name, token IS NOT NULL AND lease_until > asyncq.now() AS reserved, due <= asyncq.now() AS ready,
    due, attempts, exceptions, crashes, body, tags, grp, unique_key
FROM asyncq.jobs WHERE id = ANY ($1::text[])

-- name: cancel
-- A job whose lease ran out waits again, though nobody took it back yet.
DELETE FROM asyncq.jobs WHERE id = ANY ($1::text[]) AND (token IS NULL OR lease_until <= asyncq.now()) RETURNING id

-- name: clear
-- Some at a time: a million at once would hold its locks for long.
DELETE FROM asyncq.jobs WHERE ctid = ANY (ARRAY(SELECT ctid FROM asyncq.jobs WHERE queue = $1 LIMIT 10000))
RETURNING 1 AS one

-- name: sizes
WITH t AS (SELECT asyncq.now() AS now)
SELECT q AS queue, t.now,
    (SELECT count(*) FROM asyncq.jobs WHERE queue = q AND token IS NULL AND crashes < 2 AND due <= t.now)
    + (SELECT count(*) FROM asyncq.jobs WHERE queue = q AND token IS NULL AND crashes >= 2 AND due <= t.now)
    + (SELECT count(*) FROM asyncq.jobs WHERE queue = q AND token IS NOT NULL AND lease_until <= t.now) AS ready,
    (SELECT count(*) FROM asyncq.jobs WHERE queue = q AND token IS NULL AND crashes < 2 AND due > t.now)
    + (SELECT count(*) FROM asyncq.jobs WHERE queue = q AND token IS NULL AND crashes >= 2 AND due > t.now) AS delayed,
    (SELECT count(*) FROM asyncq.jobs WHERE queue = q AND token IS NOT NULL AND lease_until > t.now) AS reserved,
    least(
        (SELECT min(due) FROM asyncq.jobs WHERE queue = q AND token IS NULL AND crashes < 2),
        (SELECT min(due) FROM asyncq.jobs WHERE queue = q AND token IS NULL AND crashes >= 2),
        (SELECT min(due) FROM asyncq.jobs WHERE queue = q AND token IS NOT NULL AND lease_until <= t.now)) AS oldest
FROM unnest($1::text[]) q, t

-- name: queues
-- Hops from one name to the next in each index, instead of reading an entry for every job.
WITH RECURSIVE
    waiting (queue) AS (
        SELECT min(queue) FROM asyncq.jobs WHERE token IS NULL AND crashes < 2
        UNION ALL
        SELECT (SELECT min(queue) FROM asyncq.jobs WHERE token IS NULL AND crashes < 2 AND queue > waiting.queue)
        FROM waiting WHERE queue IS NOT NULL),
    suspect (queue) AS (
        SELECT min(queue) FROM asyncq.jobs WHERE token IS NULL AND crashes >= 2
        UNION ALL
        SELECT (SELECT min(queue) FROM asyncq.jobs WHERE token IS NULL AND crashes >= 2 AND queue > suspect.queue)
        FROM suspect WHERE queue IS NOT NULL),
    leased (queue) AS (
        SELECT min(queue) FROM asyncq.jobs WHERE token IS NOT NULL
        UNION ALL
        SELECT (SELECT min(queue) FROM asyncq.jobs WHERE token IS NOT NULL AND queue > leased.queue)
        FROM leased WHERE queue IS NOT NULL)
SELECT queue FROM waiting WHERE queue IS NOT NULL
UNION SELECT queue FROM suspect WHERE queue IS NOT NULL
UNION SELECT queue FROM leased WHERE queue IS NOT NULL
ORDER BY queue

-- name: page_ready
WITH t AS (SELECT asyncq.now() AS now)
SELECT j.* FROM t, LATERAL (
    SELECT id, queue, name, false AS reserved, true AS ready, due, attempts, exceptions, crashes, body, tags, grp,
        unique_key
    FROM asyncq.jobs WHERE queue = $1 AND
        ((token IS NULL AND due <= t.now) OR (token IS NOT NULL AND lease_until <= t.now))
    ORDER BY due, id LIMIT $2 OFFSET $3) j

-- name: page_delayed
WITH t AS (SELECT asyncq.now() AS now)
SELECT j.* FROM t, LATERAL (
    SELECT id, queue, name, false AS reserved, false AS ready, due, attempts, exceptions, crashes, body, tags, grp,
        unique_key
    FROM asyncq.jobs WHERE queue = $1 AND token IS NULL AND due > t.now ORDER BY due, id LIMIT $2 OFFSET $3) j

-- name: page_reserved
WITH t AS (SELECT asyncq.now() AS now)
SELECT j.* FROM t, LATERAL (
    SELECT id, queue, name, true AS reserved, false AS ready, due, attempts, exceptions, crashes, body, tags, grp,
        unique_key
    FROM asyncq.jobs WHERE queue = $1 AND token IS NOT NULL AND lease_until > t.now
    ORDER BY due, id LIMIT $2 OFFSET $3) j
