-- What the database says of itself.

-- name: exists
SELECT to_regclass('asyncq.meta') IS NOT NULL AS tables, EXISTS (SELECT FROM pg_namespace WHERE nspname = $1) AS schema,
    current_setting('server_version_num')::int AS server, pg_is_in_recovery() AS replica

-- name: version
SELECT (SELECT value FROM asyncq.meta WHERE key = 'schema'), (SELECT value FROM asyncq.meta WHERE key = 'identity')

-- name: create
-- `identity` tells one installation from every other one.
CREATE TABLE IF NOT EXISTS asyncq.meta (key text PRIMARY KEY, value text NOT NULL)

-- name: note
INSERT INTO asyncq.meta (key, value) VALUES ('schema', '$1'), ('identity', md5(random()::text || clock_timestamp()::text))
ON CONFLICT (key) DO UPDATE SET value = CASE WHEN meta.key = 'schema' THEN excluded.value ELSE meta.value END

-- name: op
-- What a call answered that ran before.
SELECT answer FROM asyncq.ops WHERE id = $1

-- name: keep
-- Runs a statement and keeps its rows; one that has none did nothing.
WITH answer AS ($statement),
    told AS (INSERT INTO asyncq.ops (id, at, answer)
        SELECT $op, asyncq.now(), (SELECT json_agg(answer) FROM answer)::text WHERE EXISTS (SELECT FROM answer))
SELECT * FROM answer

-- name: keep_again
-- Runs it once more: where its operation is known already, all of this is undone.
WITH answer AS ($statement),
    told AS (INSERT INTO asyncq.ops (id, at, answer)
        SELECT $op, asyncq.now(), (SELECT json_agg(answer) FROM answer)::text)
SELECT * FROM answer

-- name: facts
-- What a transaction keeps alive are rows of its own database.
SELECT current_setting('server_version') AS version, current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('fsync') AS fsync, pg_is_in_recovery() AS replica,
    pg_has_role('pg_read_all_stats', 'USAGE') AS sees_others,
    (SELECT max(age(backend_xmin)) FROM pg_stat_activity WHERE datname = current_database()) AS oldest_xmin,
    (SELECT extract(epoch FROM max(clock_timestamp() - xact_start))::float8 FROM pg_stat_activity
        WHERE datname = current_database() AND state LIKE 'idle in transaction%') AS idle_transaction,
    (SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = to_regclass('asyncq.jobs')) AS dead_rows,
    (SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass('asyncq.jobs')) AS rows

-- name: sweep
SELECT asyncq.sweep($1)

-- name: ring
SELECT asyncq.ring($1::text[])

-- name: installed
SELECT to_regclass('asyncq.meta') IS NOT NULL AS tables

-- name: tell
-- In somebody's transaction: sent when it commits.
SELECT pg_notify('asyncq.bell', t) FROM unnest($1::text[]) t
