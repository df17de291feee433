-- Jobs that are pushed, looked up and forgotten. Parameters stand in the order of the question marks.

-- name: push
-- A stored id and a held unique key both write nothing; `by_id` and `by_key` then tell which it was.
INSERT INTO asyncq_jobs (id, queue, name, due, unique_key, unique_until_at, grp, tags, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING

-- name: by_id
SELECT 1 FROM asyncq_jobs WHERE id = ?

-- name: by_key
SELECT id FROM asyncq_jobs WHERE unique_key = ?

-- name: free_outlived
-- The longest life of the key is over: its job stays, without it.
UPDATE asyncq_jobs SET unique_key = NULL, unique_until_at = NULL
WHERE unique_key IN (SELECT value FROM json_each(?)) AND unique_until_at <= ?

-- name: free
UPDATE asyncq_jobs SET unique_key = NULL, unique_until_at = NULL WHERE id = ? AND token = ?

-- name: find
SELECT id, queue, name, token IS NOT NULL AND lease_until > :now, due, attempts, exceptions, crashes, body, tags, grp, unique_key
FROM asyncq_jobs WHERE id IN (SELECT value FROM json_each(:ids))

-- name: cancel
-- A job whose lease ran out waits again, though nobody took it back yet.
DELETE FROM asyncq_jobs
WHERE id IN (SELECT value FROM json_each(:ids)) AND (token IS NULL OR lease_until <= :now) RETURNING id

-- name: clear_waiting
-- One statement for each partial index: none of them holds all jobs of a queue, and a scan would read all queues.
DELETE FROM asyncq_jobs INDEXED BY asyncq_jobs_waiting WHERE queue = ? AND token IS NULL AND crashes < 2

-- name: clear_suspect
DELETE FROM asyncq_jobs INDEXED BY asyncq_jobs_suspect WHERE queue = ? AND token IS NULL AND crashes >= 2

-- name: clear_leased
DELETE FROM asyncq_jobs INDEXED BY asyncq_jobs_leased WHERE queue = ? AND token IS NOT NULL

-- name: sizes
-- Every count walks a part of one index and no table row.
SELECT
    (SELECT count(*) FROM asyncq_jobs INDEXED BY asyncq_jobs_waiting
        WHERE queue = :queue AND token IS NULL AND crashes < 2 AND due <= :now)
    + (SELECT count(*) FROM asyncq_jobs INDEXED BY asyncq_jobs_suspect
        WHERE queue = :queue AND token IS NULL AND crashes >= 2 AND due <= :now)
    + (SELECT count(*) FROM asyncq_jobs INDEXED BY asyncq_jobs_leased
        WHERE queue = :queue AND token IS NOT NULL AND lease_until <= :now),
    (SELECT count(*) FROM asyncq_jobs INDEXED BY asyncq_jobs_waiting
        WHERE queue = :queue AND token IS NULL AND crashes < 2 AND due > :now)
    + (SELECT count(*) FROM asyncq_jobs INDEXED BY asyncq_jobs_suspect
        WHERE queue = :queue AND token IS NULL AND crashes >= 2 AND due > :now),
    (SELECT count(*) FROM asyncq_jobs INDEXED BY asyncq_jobs_leased
        WHERE queue = :queue AND token IS NOT NULL AND lease_until > :now),
    (SELECT min(due) FROM asyncq_jobs INDEXED BY asyncq_jobs_waiting
        WHERE queue = :queue AND token IS NULL AND crashes < 2),
    (SELECT min(due) FROM asyncq_jobs INDEXED BY asyncq_jobs_suspect
        WHERE queue = :queue AND token IS NULL AND crashes >= 2),
    (SELECT min(due) FROM asyncq_jobs INDEXED BY asyncq_jobs_leased
        WHERE queue = :queue AND token IS NOT NULL AND lease_until <= :now)

-- name: queues
-- Hops from one name to the next in each index, instead of reading an entry for every job.
WITH RECURSIVE
    waiting (queue) AS (
        SELECT min(queue) FROM asyncq_jobs INDEXED BY asyncq_jobs_waiting WHERE token IS NULL AND crashes < 2
        UNION ALL
        SELECT (SELECT min(queue) FROM asyncq_jobs INDEXED BY asyncq_jobs_waiting
            WHERE token IS NULL AND crashes < 2 AND queue > waiting.queue) FROM waiting WHERE queue IS NOT NULL),
    suspect (queue) AS (
        SELECT min(queue) FROM asyncq_jobs INDEXED BY asyncq_jobs_suspect WHERE token IS NULL AND crashes >= 2
        UNION ALL
        SELECT (SELECT min(queue) FROM asyncq_jobs INDEXED BY asyncq_jobs_suspect
            WHERE token IS NULL AND crashes >= 2 AND queue > suspect.queue) FROM suspect WHERE queue IS NOT NULL),
    leased (queue) AS (
        SELECT min(queue) FROM asyncq_jobs INDEXED BY asyncq_jobs_leased WHERE token IS NOT NULL
        UNION ALL
        SELECT (SELECT min(queue) FROM asyncq_jobs INDEXED BY asyncq_jobs_leased
            WHERE token IS NOT NULL AND queue > leased.queue) FROM leased WHERE queue IS NOT NULL)
SELECT queue FROM waiting WHERE queue IS NOT NULL
UNION SELECT queue FROM suspect WHERE queue IS NOT NULL
UNION SELECT queue FROM leased WHERE queue IS NOT NULL
ORDER BY queue

-- name: page_ready
-- The two waiting parts are merged in the order of their indexes; only expired leases, which are few, are sorted.
SELECT id, queue, name, 0, due, attempts, exceptions, crashes, body, tags, grp, unique_key FROM asyncq_jobs
    WHERE queue = :queue AND token IS NULL AND crashes < 2 AND due <= :now
UNION ALL
SELECT id, queue, name, 0, due, attempts, exceptions, crashes, body, tags, grp, unique_key FROM asyncq_jobs
    WHERE queue = :queue AND token IS NULL AND crashes >= 2 AND due <= :now
UNION ALL
SELECT id, queue, name, 0, due, attempts, exceptions, crashes, body, tags, grp, unique_key FROM asyncq_jobs
    WHERE queue = :queue AND token IS NOT NULL AND lease_until <= :now
ORDER BY due, id LIMIT :limit OFFSET :offset

-- name: page_delayed
SELECT id, queue, name, 0, due, attempts, exceptions, crashes, body, tags, grp, unique_key FROM asyncq_jobs
    WHERE queue = :queue AND token IS NULL AND crashes < 2 AND due > :now
UNION ALL
SELECT id, queue, name, 0, due, attempts, exceptions, crashes, body, tags, grp, unique_key FROM asyncq_jobs
    WHERE queue = :queue AND token IS NULL AND crashes >= 2 AND due > :now
ORDER BY due, id LIMIT :limit OFFSET :offset

-- name: page_reserved
SELECT id, queue, name, 1, due, attempts, exceptions, crashes, body, tags, grp, unique_key FROM asyncq_jobs
    WHERE queue = :queue AND token IS NOT NULL AND lease_until > :now
ORDER BY due, id LIMIT :limit OFFSET :offset
