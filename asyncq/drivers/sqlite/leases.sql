-- The life of a reservation: reclaimed, leased, extended, ended. The fence is (id, token).

-- name: reclaim
-- A lease that ran out goes back to its place, which is the head, and its token is void from here on. In chunks, so
-- that thousands of them (a rack of workers lost its power) do not hold up one reserve.
UPDATE asyncq_jobs SET token = NULL, lease_until = NULL, crashes = crashes + 1 WHERE seq IN (
    SELECT jobs.seq FROM json_each(?) AS asked
    CROSS JOIN asyncq_jobs AS jobs INDEXED BY asyncq_jobs_leased
    WHERE jobs.queue = asked.value AND jobs.token IS NOT NULL AND jobs.lease_until <= ? LIMIT 500)

-- name: lease
-- Each job gets a token of its own: the call's, and its row. RETURNING keeps no order; the caller sorts by the first
-- two columns.
UPDATE asyncq_jobs SET token = ? || seq, lease_until = ? WHERE seq IN (
    SELECT seq FROM asyncq_jobs INDEXED BY asyncq_jobs_waiting
    WHERE queue = ? AND token IS NULL AND crashes < 2 AND due <= ? ORDER BY due, id LIMIT ?)
RETURNING due, id, queue, name, token, attempts, exceptions, crashes, body, grp, tags, unique_key

-- name: lease_alone
UPDATE asyncq_jobs SET token = ? || seq, lease_until = ? WHERE seq IN (
    SELECT seq FROM asyncq_jobs INDEXED BY asyncq_jobs_suspect
    WHERE queue = ? AND token IS NULL AND crashes >= 2 AND due <= ? ORDER BY due, id LIMIT ?)
RETURNING due, id, queue, name, token, attempts, exceptions, crashes, body, grp, tags, unique_key

-- name: ahead
-- The earliest due of the healthy and of the suspects, and the earliest end of a lease, over some queues: one entry
-- of each index for each queue.
SELECT
    min((SELECT due FROM asyncq_jobs INDEXED BY asyncq_jobs_waiting
        WHERE queue = asked.value AND token IS NULL AND crashes < 2 ORDER BY due, id LIMIT 1)),
    min((SELECT due FROM asyncq_jobs INDEXED BY asyncq_jobs_suspect
        WHERE queue = asked.value AND token IS NULL AND crashes >= 2 ORDER BY due, id LIMIT 1)),
    min((SELECT lease_until FROM asyncq_jobs INDEXED BY asyncq_jobs_leased
        WHERE queue = asked.value AND token IS NOT NULL ORDER BY lease_until LIMIT 1))
FROM json_each(?) AS asked

-- name: extend
UPDATE asyncq_jobs SET lease_until = ? WHERE id = ? AND token = ?

-- name: spare
-- Only what was still held when the silence began, and ends too soon after it.
UPDATE asyncq_jobs SET lease_until = ? WHERE seq IN (
    SELECT seq FROM asyncq_jobs INDEXED BY asyncq_jobs_leased
    WHERE token IS NOT NULL AND lease_until > ? AND lease_until < ?)

-- name: forget
DELETE FROM asyncq_jobs WHERE id = ? AND token = ?

-- name: forget_all
-- The same for many at once: ids and tokens as one JSON object.
DELETE FROM asyncq_jobs WHERE seq IN (
    SELECT jobs.seq FROM json_each(?) AS ended CROSS JOIN asyncq_jobs AS jobs
    WHERE jobs.id = ended.key AND jobs.token = ended.value)

-- name: release
-- NULL for due keeps the place, NULL for the body keeps the body. A verdict sets the crashes to 0, a hand-back not.
UPDATE asyncq_jobs SET token = NULL, lease_until = NULL, due = coalesce(?, due), attempts = attempts + ?,
    exceptions = exceptions + ?, crashes = CASE WHEN ? THEN 0 ELSE crashes END, body = coalesce(?, body)
WHERE id = ? AND token = ?

-- name: give_back
-- A reservation that its caller never received goes to its old place as if it had not been made.
UPDATE asyncq_jobs SET token = NULL, lease_until = NULL WHERE id = ? AND token = ?
