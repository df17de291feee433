-- Batches: a set of members, each with its state, and counts that change only together with a member's state.

-- name: create
INSERT INTO asyncq_batches (id, name, options, allow_failures, callbacks, total, pending, created_at, finished_at)
VALUES (?, ?, ?, ?, ?, 0, 0, ?, ?) ON CONFLICT (id) DO NOTHING

-- name: member
INSERT INTO asyncq_batch_members (batch, member) VALUES (?, ?) ON CONFLICT DO NOTHING

-- name: grown
UPDATE asyncq_batches SET total = total + :added, pending = pending + :added WHERE id = :batch

-- name: open
-- A batch takes members while it is unfinished, or while the asking member itself is.
SELECT 1 FROM asyncq_batches WHERE id = :batch AND (finished_at IS NULL OR EXISTS
    (SELECT 1 FROM asyncq_batch_members WHERE batch = :batch AND member = :by AND state = 0))

-- name: end_member
-- Changes a row at the first end of a member only; everything that follows hangs on that.
UPDATE asyncq_batch_members
SET state = CASE WHEN :failed THEN 2 + (SELECT failed FROM asyncq_batches WHERE id = :batch) ELSE 1 END
WHERE batch = :batch AND member = :member AND state = 0

-- name: count
UPDATE asyncq_batches SET
    pending = pending - 1,
    failed = failed + :failed,
    finished_at = CASE WHEN pending = 1 THEN :now ELSE finished_at END,
    cancelled_at = CASE WHEN :failed AND NOT allow_failures THEN coalesce(cancelled_at, :now) ELSE cancelled_at END
WHERE id = :batch RETURNING pending, failed, callbacks

-- name: cancel
UPDATE asyncq_batches SET cancelled_at = ? WHERE id = ? AND cancelled_at IS NULL

-- name: get
SELECT id, name, options, allow_failures, callbacks, total, pending, failed, created_at, finished_at, cancelled_at
FROM asyncq_batches WHERE id = ?

-- name: failures
SELECT member FROM asyncq_batch_members WHERE batch = ? AND state >= 2 ORDER BY state

-- name: page
SELECT id, name, options, allow_failures, callbacks, total, pending, failed, created_at, finished_at, cancelled_at
FROM asyncq_batches ORDER BY created_at DESC, seq DESC LIMIT ? OFFSET ?

-- name: total
SELECT count(*) FROM asyncq_batches

-- name: remove_members
DELETE FROM asyncq_batch_members WHERE batch = ?

-- name: remove
DELETE FROM asyncq_batches WHERE id = ?

-- name: old
-- NULL for an age compares to NULL, so that kind is left alone. A cancelled batch has the other two kinds as well.
SELECT id FROM asyncq_batches WHERE
    (finished_at IS NOT NULL AND finished_at < :finished)
    OR (finished_at IS NULL AND created_at < :unfinished)
    OR (cancelled_at IS NOT NULL AND cancelled_at < :cancelled)
