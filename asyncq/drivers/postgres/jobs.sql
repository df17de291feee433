-- Jobs: calls of functions, and what is looked up or forgotten. Values stand in the order of their numbers.

-- name: push
SELECT * FROM asyncq.push($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)

-- name: push_one
SELECT asyncq.push_one($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- name: turn
SELECT * FROM asyncq.turn($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, false)

-- name: turn_again
SELECT * FROM asyncq.turn($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, true)

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
SELECT asyncq.free($1, $2)

-- name: settled
SELECT asyncq.settled($1)

-- name: find
SELECT id, queue, name, token IS NOT NULL AND lease_until > asyncq.now() AS reserved, due <= asyncq.now() AS ready,
    due, attempts, exceptions, crashes, body, tags, grp, unique_key
FROM asyncq.find($1)

-- name: cancel
SELECT id FROM asyncq.cancel($1) id

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
-- Of each index no more than the page can need: what it holds in all is never sorted.
WITH t AS (SELECT asyncq.now() AS now)
SELECT j.id, j.queue, j.name, false AS reserved, true AS ready, j.due, j.attempts, j.exceptions, j.crashes, j.body,
    j.tags, j.grp, j.unique_key
FROM t, LATERAL (
    (SELECT * FROM asyncq.jobs WHERE queue = $1 AND token IS NULL AND crashes < 2 AND due <= t.now
        ORDER BY due, id LIMIT $2::bigint + $3::bigint)
    UNION ALL
    (SELECT * FROM asyncq.jobs WHERE queue = $1 AND token IS NULL AND crashes >= 2 AND due <= t.now
        ORDER BY due, id LIMIT $2::bigint + $3::bigint)
    UNION ALL
    (SELECT * FROM asyncq.jobs WHERE queue = $1 AND token IS NOT NULL AND lease_until <= t.now)) j
ORDER BY j.due, j.id LIMIT $2::bigint OFFSET $3::bigint

-- name: page_delayed
WITH t AS (SELECT asyncq.now() AS now)
SELECT j.id, j.queue, j.name, false AS reserved, false AS ready, j.due, j.attempts, j.exceptions, j.crashes, j.body,
    j.tags, j.grp, j.unique_key
FROM t, LATERAL (
    (SELECT * FROM asyncq.jobs WHERE queue = $1 AND token IS NULL AND crashes < 2 AND due > t.now
        ORDER BY due, id LIMIT $2::bigint + $3::bigint)
    UNION ALL
    (SELECT * FROM asyncq.jobs WHERE queue = $1 AND token IS NULL AND crashes >= 2 AND due > t.now
        ORDER BY due, id LIMIT $2::bigint + $3::bigint)) j
ORDER BY j.due, j.id LIMIT $2::bigint OFFSET $3::bigint

-- name: page_reserved
WITH t AS (SELECT asyncq.now() AS now)
SELECT j.* FROM t, LATERAL (
    SELECT id, queue, name, true AS reserved, false AS ready, due, attempts, exceptions, crashes, body, tags, grp,
        unique_key
    FROM asyncq.jobs WHERE queue = $1 AND token IS NOT NULL AND lease_until > t.now
    ORDER BY due, id LIMIT $2 OFFSET $3) j
