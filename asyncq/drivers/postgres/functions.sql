-- The functions. A call is one of them, so that it is one round trip and one transaction of its own, behind a pooler
-- of transactions too, and its statements keep their plans in the server. They are made anew at each version.

-- name: now
CREATE OR REPLACE FUNCTION asyncq.now() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
$$

-- name: free_outlived
-- Takes keys whose life is over from the jobs that hold them.
CREATE OR REPLACE FUNCTION asyncq.free_outlived(_keys text[], _now bigint) RETURNS void LANGUAGE plpgsql PLAIN AS $$
BEGIN
    UPDATE asyncq.jobs SET unique_key = NULL, unique_until = NULL
    WHERE unique_key = ANY (_keys) AND unique_until <= _now;
END $$

-- name: holder
-- The job that has an id, or else holds a key.
CREATE OR REPLACE FUNCTION asyncq.holder(_id text, _key text) RETURNS text LANGUAGE plpgsql PLAIN AS $$
DECLARE
    _found text;
BEGIN
    SELECT id INTO _found FROM asyncq.jobs WHERE id = _id;
    IF _found IS NULL THEN
        SELECT id INTO _found FROM asyncq.jobs WHERE unique_key = _key;
    END IF;
    RETURN _found;
END $$

-- name: push_one
-- Stores a job; answers the id of who holds its id or key, where that kept it from being written.
CREATE OR REPLACE FUNCTION asyncq.push_one(
    _op text, _id text, _queue text, _name text, _due bigint, _delay bigint, _key text, _life bigint, _group text,
    _tags text, _body bytea
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    _now bigint := asyncq.now();
    _holder text;
BEGIN
    IF _key IS NOT NULL THEN
        -- Somebody's open transaction may hold the key: who waits for it hears so before the call counts as lost.
        IF _op IS NOT NULL THEN
            PERFORM set_config('lock_timeout', '4s', true);
        END IF;
        PERFORM asyncq.free_outlived(ARRAY[_key], _now);
    END IF;
    LOOP
        INSERT INTO asyncq.jobs (id, queue, name, due, unique_key, unique_until, grp, tags, body)
        VALUES (_id, _queue, _name, coalesce(_due, _now + _delay), _key, _now + _life, _group, _tags, _body)
        ON CONFLICT DO NOTHING;
        EXIT WHEN FOUND;
        _holder := asyncq.holder(_id, _key);
        -- It may have ended between the two looks: then there is room now.
        EXIT WHEN _holder IS NOT NULL;
    END LOOP;
    IF _op IS NOT NULL THEN
        INSERT INTO asyncq.ops (id, at, answer) VALUES (_op, _now, _holder);
    END IF;
    RETURN _holder;
END $$

-- name: push
-- Stores jobs; answers the places (from 1) of those that were not written, and the ids of who holds their id or key.
-- With _each, an id stands twice in the call, and the rows are written one after another. A column of one value holds
-- for all rows: queue, name and delay, which no row is without.
CREATE OR REPLACE FUNCTION asyncq.push(
    _op text, _each boolean, _ids text[], _queues text[], _names text[], _dues bigint[], _delays bigint[],
    _keys text[], _lives bigint[], _groups text[], _tags text[], _bodies bytea[], OUT places int[], OUT holders text[]
) LANGUAGE plpgsql AS $$
DECLARE
    _now bigint := asyncq.now();
    _written text[] := '{}';
    _place int;
    _holder text;
BEGIN
    places := '{}';
    holders := '{}';
    IF _keys IS NOT NULL THEN
        IF _op IS NOT NULL THEN
            PERFORM set_config('lock_timeout', '4s', true);
        END IF;
        PERFORM asyncq.free_outlived(_keys, _now);
    END IF;
    IF NOT _each THEN
        WITH written AS (
            INSERT INTO asyncq.jobs (id, queue, name, due, unique_key, unique_until, grp, tags, body)
            SELECT e.id, coalesce(e.queue, _queues[1]), coalesce(e.name, _names[1]),
                coalesce(e.due, _now + coalesce(e.delay, _delays[1])), e.key, _now + e.life, e.grp, e.tags, e.body
            FROM unnest(_ids, _queues, _names, _dues, _delays, _keys, _lives, _groups, _tags, _bodies)
                AS e (id, queue, name, due, delay, key, life, grp, tags, body)
            ON CONFLICT DO NOTHING RETURNING id)
        SELECT array_agg(id) INTO _written FROM written;
    END IF;
    IF _each OR cardinality(_written) IS DISTINCT FROM cardinality(_ids) THEN
        _written := coalesce(_written, '{}');
        FOR _place IN 1 .. cardinality(_ids) LOOP
            CONTINUE WHEN _ids[_place] = ANY (_written) AND NOT _each;
            _holder := asyncq.push_one(
                NULL, _ids[_place], coalesce(_queues[_place], _queues[1]), coalesce(_names[_place], _names[1]),
                _dues[_place], coalesce(_delays[_place], _delays[1]), _keys[_place], _lives[_place], _groups[_place],
                _tags[_place], _bodies[_place]);
            IF _holder IS NOT NULL THEN
                places := places || _place;
                holders := holders || _holder;
            END IF;
        END LOOP;
    END IF;
    IF _op IS NOT NULL THEN
        INSERT INTO asyncq.ops (id, at, answer) VALUES (_op, _now,
            CASE WHEN cardinality(places) > 0 THEN json_build_array(places, holders)::text END);
    END IF;
END $$

-- name: push_packed
-- Stores jobs in the form of `asyncq.outbox.pack`.
CREATE OR REPLACE FUNCTION asyncq.push_packed(_jobs jsonb[], _now bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    _job jsonb;
BEGIN
    FOREACH _job IN ARRAY _jobs LOOP
        PERFORM asyncq.free_outlived(ARRAY[_job -> 'unique' ->> 'key'], _now);
        INSERT INTO asyncq.jobs (id, queue, name, due, unique_key, unique_until, grp, tags, body)
        VALUES (
            _job ->> 'id', _job ->> 'queue', _job ->> 'name',
            coalesce(((_job ->> 'due_at')::float8 * 1000000)::bigint,
                _now + ((_job ->> 'delay')::float8 * 1000000)::bigint),
            _job -> 'unique' ->> 'key', _now + ((_job -> 'unique' ->> 'ttl')::float8 * 1000000)::bigint,
            _job ->> 'group', nullif((_job -> 'tags')::text, '[]'), decode(_job ->> 'body', 'base64'))
        ON CONFLICT DO NOTHING;
    END LOOP;
END $$

-- name: turn
-- Ends attempts, then leases due jobs with _op as their token; `stale` has the places (from 1) of ends that were
-- refused, those that go back after those that are over. An idle look writes nothing; with _again it asks, too,
-- whether this call ran before and leased what there was.
-- _heads says for each queue where its living part begins, as far as the caller knows: what lies before are dead rows,
-- through which each look would have to walk. NULL looks at all; so does a _leases_from of 0, and with NULL leases are
-- not looked at.
CREATE OR REPLACE FUNCTION asyncq.turn(
    _op text, _ids text[], _tokens text[], _back_ids text[], _back_tokens text[], _delays bigint[], _counts int[],
    _bodies bytea[], _effects text, _queues text[], _heads bigint[], _leases_from bigint, _limit int, _lease bigint,
    _alone boolean, _again boolean, OUT o_now bigint, OUT stale int[], OUT suspects boolean, OUT wait bigint, OUT reclaimed int,
    OUT heads bigint[], OUT o_found int[], OUT o_ids text[], OUT o_names text[], OUT o_attempts int[],
    OUT o_exceptions int[], OUT o_crashes int[], OUT o_bodies bytea[], OUT o_groups text[], OUT o_tags text[],
    OUT o_keys text[]
) LANGUAGE plpgsql PLAIN AS $$
DECLARE
    _place int;
    _queue text;
    _head bigint;
    _left int := _limit;
    _number int;
    _next bigint;
    _suspect bigint;
    _l record;
BEGIN
    o_now := asyncq.now();
    stale := '{}';
    suspects := false;
    reclaimed := 0;
    IF _effects IS NOT NULL THEN
        PERFORM set_config('lock_timeout', '4s', true);
    END IF;
    IF _ids IS NOT NULL OR _back_ids IS NOT NULL THEN
        stale := asyncq.settle(_ids, _tokens, _back_ids, _back_tokens, _delays, _counts, _bodies, _effects);
        o_now := asyncq.now();
    END IF;
    IF _queues IS NOT NULL THEN
        IF _leases_from IS NOT NULL THEN
            UPDATE asyncq.jobs SET token = NULL, lease_until = 0, crashes = crashes + 1
            WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM asyncq.jobs WHERE queue = ANY (_queues) AND token IS NOT NULL
                    AND lease_until > _leases_from AND lease_until <= o_now
                LIMIT 500 FOR UPDATE SKIP LOCKED));
            GET DIAGNOSTICS reclaimed = ROW_COUNT;
            IF reclaimed > 0 THEN
                _heads := NULL;
            END IF;
        END IF;
        o_found := '{}';
        heads := '{}';
        FOR _place IN 1 .. cardinality(_queues) LOOP
            _queue := _queues[_place];
            _head := coalesce(_heads[_place], 0);
            _number := 0;
            IF _alone AND _left > 0 THEN
                WITH picked AS (
                    SELECT ctid FROM asyncq.jobs
                    WHERE queue = _queue AND token IS NULL AND crashes >= 2 AND due <= o_now
                    ORDER BY due, id LIMIT 1 FOR UPDATE SKIP LOCKED),
                leased AS (
                    UPDATE asyncq.jobs j SET token = _op, lease_until = o_now + _lease FROM picked
                    WHERE j.ctid = picked.ctid RETURNING j.*)
                SELECT array_agg(id) AS ids, array_agg(name) AS names, array_agg(attempts) AS attempts,
                    array_agg(exceptions) AS exceptions, array_agg(crashes) AS crashes, array_agg(body) AS bodies,
                    array_agg(grp) AS groups, array_agg(tags) AS tags, array_agg(unique_key) AS keys,
                    count(*)::int AS number INTO _l FROM leased;
                _number := _l.number;
            ELSIF _left > 0 THEN
                WITH picked AS (
                    SELECT ctid FROM asyncq.jobs
                    WHERE queue = _queue AND token IS NULL AND crashes < 2 AND due >= _head AND due <= o_now
                    ORDER BY due, id LIMIT _left FOR UPDATE SKIP LOCKED),
                leased AS (
                    UPDATE asyncq.jobs j SET token = _op, lease_until = o_now + _lease FROM picked
                    WHERE j.ctid = picked.ctid RETURNING j.*)
                SELECT array_agg(id) AS ids, array_agg(name) AS names, array_agg(attempts) AS attempts,
                    array_agg(exceptions) AS exceptions, array_agg(crashes) AS crashes, array_agg(body) AS bodies,
                    array_agg(grp) AS groups, array_agg(tags) AS tags, array_agg(unique_key) AS keys,
                    count(*)::int AS number INTO _l
                FROM (SELECT * FROM leased ORDER BY due, id) sorted;
                _number := _l.number;
            END IF;
            o_found := o_found || _number;
            IF _number > 0 THEN
                _left := _left - _number;
                o_ids := o_ids || _l.ids;
                o_names := o_names || _l.names;
                o_attempts := o_attempts || _l.attempts;
                o_exceptions := o_exceptions || _l.exceptions;
                o_crashes := o_crashes || _l.crashes;
                o_bodies := o_bodies || _l.bodies;
                o_groups := o_groups || _l.groups;
                o_tags := o_tags || _l.tags;
                o_keys := o_keys || _l.keys;
            END IF;
            _next := (SELECT due FROM asyncq.jobs
                WHERE queue = _queue AND token IS NULL AND crashes < 2 AND due >= _head ORDER BY due, id LIMIT 1);
            heads := heads || least(_next, o_now);
            _suspect := (SELECT due FROM asyncq.jobs
                WHERE queue = _queue AND token IS NULL AND crashes >= 2 ORDER BY due, id LIMIT 1);
            IF _suspect <= o_now THEN
                suspects := NOT _alone;
                -- One that is due is no reason to look again soon: it waits for a worker that takes it alone.
                _suspect := (SELECT due FROM asyncq.jobs
                    WHERE queue = _queue AND token IS NULL AND crashes >= 2 AND due > o_now ORDER BY due, id LIMIT 1);
            END IF;
            wait := least(wait, _next, _suspect);
        END LOOP;
        wait := CASE WHEN wait > o_now THEN wait - o_now END;
    END IF;
    IF _op IS NOT NULL AND (_again OR _ids IS NOT NULL OR _back_ids IS NOT NULL OR o_ids IS NOT NULL) THEN
        INSERT INTO asyncq.ops (id, at, answer) VALUES (_op, o_now, array_to_json(stale)::text);
    END IF;
END $$

-- name: ahead
-- The earliest due of the healthy and of the suspects, and the earliest end of a lease, over some queues: one entry
-- of each index for each queue. _heads and _leases_from as for `turn`.
CREATE OR REPLACE FUNCTION asyncq.ahead(
    _queues text[], _heads bigint[], _leases_from bigint, OUT now bigint, OUT due bigint, OUT suspect bigint,
    OUT lease bigint
) LANGUAGE plpgsql PLAIN AS $$
DECLARE
    _place int;
    _queue text;
    _head bigint;
BEGIN
    now := asyncq.now();
    FOR _place IN 1 .. cardinality(_queues) LOOP
        _queue := _queues[_place];
        _head := coalesce(_heads[_place], 0);
        due := least(due, (SELECT j.due FROM asyncq.jobs j WHERE j.queue = _queue AND j.token IS NULL AND j.crashes < 2
            AND j.due >= _head ORDER BY j.due, j.id LIMIT 1));
        suspect := least(suspect, (SELECT j.due FROM asyncq.jobs j WHERE j.queue = _queue AND j.token IS NULL
            AND j.crashes >= 2 ORDER BY j.due, j.id LIMIT 1));
        lease := least(lease, (SELECT j.lease_until FROM asyncq.jobs j WHERE j.queue = _queue AND j.token IS NOT NULL
            AND j.lease_until > _leases_from ORDER BY j.lease_until LIMIT 1));
    END LOOP;
END $$

-- name: settle
-- Ends attempts with all that follows from them; answers the places of those that were refused.
CREATE OR REPLACE FUNCTION asyncq.settle(
    _ids text[], _tokens text[], _back_ids text[], _back_tokens text[], _delays bigint[], _counts int[],
    _bodies bytea[], _effects text
) RETURNS int[] LANGUAGE plpgsql PLAIN AS $$
DECLARE
    _now bigint := asyncq.now();
    _over int[] := '{}';
    _back int[] := '{}';
    _ends int := coalesce(cardinality(_ids), 0);
    _all int := _ends + coalesce(cardinality(_back_ids), 0);
BEGIN
    IF _ids IS NOT NULL THEN
        WITH gone AS (
            DELETE FROM asyncq.jobs j USING unnest(_ids, _tokens) WITH ORDINALITY AS e (id, token, n)
            WHERE j.id = e.id AND j.token = e.token RETURNING e.n::int AS n)
        SELECT coalesce(array_agg(n), '{}') INTO _over FROM gone;
    END IF;
    IF _back_ids IS NOT NULL THEN
        -- NULL for a delay keeps the place, NULL for the body keeps the body. A verdict sets the crashes to 0.
        WITH gone AS (
            UPDATE asyncq.jobs j SET token = NULL, lease_until = 0, due = coalesce(_now + e.delay, j.due),
                attempts = j.attempts + (e.count > 0)::int, exceptions = j.exceptions + (e.count > 1)::int,
                crashes = CASE WHEN e.count > 0 THEN 0 ELSE j.crashes END, body = coalesce(e.body, j.body)
            FROM unnest(_back_ids, _back_tokens, _delays, _counts, _bodies)
                WITH ORDINALITY AS e (id, token, delay, count, body, n)
            WHERE j.id = e.id AND j.token = e.token RETURNING e.n::int + _ends AS n)
        SELECT coalesce(array_agg(n), '{}') INTO _back FROM gone;
    END IF;
    IF _effects IS NOT NULL THEN
        PERFORM asyncq.follow(_effects::jsonb, _over || _back, _now);
    END IF;
    IF cardinality(_over) + cardinality(_back) = _all THEN
        RETURN '{}'::int[];
    END IF;
    RETURN ARRAY(SELECT n FROM generate_series(1, _all) n WHERE n <> ALL (_over || _back));
END $$

-- name: follow
-- The effects of those ends whose places are named; each row of each kind has the place of its end as `n`.
CREATE OR REPLACE FUNCTION asyncq.follow(_effects jsonb, _ended int[], _now bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    _strike jsonb;
    _due text[];
BEGIN
    IF _effects ? 'push' THEN
        PERFORM asyncq.push_packed(
            ARRAY(SELECT e -> 'job' FROM jsonb_array_elements(_effects -> 'push') e WHERE (e ->> 'n')::int = ANY (_ended)),
            _now);
    END IF;
    DELETE FROM asyncq.locks l USING jsonb_array_elements(_effects -> 'unlock') e
    WHERE (e ->> 'n')::int = ANY (_ended) AND l.key = e ->> 'key' AND l.owner = e ->> 'owner';
    -- Batches in the order of their ids, so that two calls never wait for each other in a circle.
    FOR _strike IN
        SELECT e FROM jsonb_array_elements(_effects -> 'strike') e WHERE (e ->> 'n')::int = ANY (_ended)
        ORDER BY e ->> 'batch', e ->> 'member'
    LOOP
        _due := asyncq.strike(_strike ->> 'batch', _strike ->> 'member', (_strike ->> 'failed')::boolean);
        PERFORM asyncq.push_packed(_due::jsonb[], _now);
        -- Only here it is known whose queues these are.
        PERFORM pg_notify('asyncq.bell', 'q:' || (job::json ->> 'queue')) FROM unnest(_due) job;
    END LOOP;
    IF _effects ? 'failed' THEN
        PERFORM asyncq.failed_add(
            ARRAY(SELECT e FROM jsonb_array_elements(_effects -> 'failed') e WHERE (e ->> 'n')::int = ANY (_ended)));
    END IF;
    INSERT INTO asyncq.results (id, ttl, until, body)
    SELECT e ->> 'id', (e ->> 'ttl')::float8, _now + ((e ->> 'ttl')::float8 * 1000000)::bigint,
        decode(e ->> 'body', 'base64')
    FROM jsonb_array_elements(_effects -> 'result') e WHERE (e ->> 'n')::int = ANY (_ended)
    ON CONFLICT (id) DO UPDATE SET ttl = excluded.ttl, until = excluded.until, body = excluded.body;
    INSERT INTO asyncq.outbox (id, kind, target, body)
    SELECT e ->> 'id', e ->> 'kind', e ->> 'target', decode(e ->> 'body', 'base64')
    FROM jsonb_array_elements(_effects -> 'outbox') e WHERE (e ->> 'n')::int = ANY (_ended)
    ON CONFLICT (id) DO NOTHING;
END $$

-- name: failed_add
CREATE OR REPLACE FUNCTION asyncq.failed_add(_jobs jsonb[]) RETURNS void LANGUAGE plpgsql PLAIN AS $$
DECLARE
    _job jsonb;
BEGIN
    FOREACH _job IN ARRAY _jobs LOOP
        -- A record that comes again is the newest, so it gets a new number.
        DELETE FROM asyncq.failed WHERE id = _job ->> 'id';
        INSERT INTO asyncq.failed (id, connection, queue, name, body, error, traceback, failed_at,
            attempts, exceptions, crashes, grp, tags)
        VALUES (
            _job ->> 'id', _job ->> 'connection', _job ->> 'queue', _job ->> 'name', decode(_job ->> 'body', 'base64'),
            _job ->> 'error', _job ->> 'traceback',
            coalesce(nullif(((_job ->> 'failed_at')::float8 * 1000000)::bigint, 0), asyncq.now()),
            (_job ->> 'attempts')::int, (_job ->> 'exceptions')::int, (_job ->> 'crashes')::int,
            _job ->> 'group', nullif((_job -> 'tags')::text, '[]'))
        ON CONFLICT (id) DO NOTHING;
    END LOOP;
END $$

-- name: extend
-- Restarts leases, also of all that a call on its way has leased; answers the places of those that were lost.
CREATE OR REPLACE FUNCTION asyncq.extend(
    _ids text[], _tokens text[], _queues text[], _under_way text[], _lease bigint
) RETURNS int[] LANGUAGE plpgsql PLAIN AS $$
DECLARE
    _until bigint := asyncq.now() + _lease;
    _kept int[];
BEGIN
    WITH kept AS (
        UPDATE asyncq.jobs j SET lease_until = _until FROM unnest(_ids, _tokens) WITH ORDINALITY AS e (id, token, n)
        WHERE j.id = e.id AND j.token = e.token RETURNING e.n::int AS n)
    SELECT coalesce(array_agg(n), '{}') INTO _kept FROM kept;
    IF _under_way IS NOT NULL THEN
        UPDATE asyncq.jobs SET lease_until = _until
        WHERE queue = ANY (_queues) AND token = ANY (_under_way) AND lease_until < _until;
    END IF;
    IF cardinality(_kept) = cardinality(_ids) THEN
        RETURN '{}'::int[];
    END IF;
    RETURN ARRAY(SELECT n FROM generate_series(1, cardinality(_ids)) n WHERE n <> ALL (_kept));
END $$

-- name: recover
-- Learns whether a call ran, and keeps it from running later; what it leased goes back as if it had not been.
CREATE OR REPLACE FUNCTION asyncq.recover(_op text, _queues text[], OUT ran boolean, OUT answer text)
LANGUAGE plpgsql PLAIN AS $$
BEGIN
    -- Waits for the call where it is still on its way.
    INSERT INTO asyncq.ops (id, at) VALUES (_op, asyncq.now()) ON CONFLICT (id) DO NOTHING;
    ran := NOT FOUND;
    IF ran THEN
        SELECT o.answer INTO answer FROM asyncq.ops o WHERE o.id = _op;
        UPDATE asyncq.jobs SET token = NULL, lease_until = 0 WHERE queue = ANY (_queues) AND token = _op;
    END IF;
END $$

-- name: settled
-- Whether the end of a job was committed; NULL while a transaction that ends it is open, for which nobody waits here.
CREATE OR REPLACE FUNCTION asyncq.settled(_id text) RETURNS boolean LANGUAGE plpgsql PLAIN AS $$
BEGIN
    PERFORM 1 FROM asyncq.jobs WHERE id = _id FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
        RETURN false;
    END IF;
    -- A statement of its own: it sees what was committed up to now.
    PERFORM 1 FROM asyncq.jobs WHERE id = _id;
    RETURN CASE WHEN NOT FOUND THEN true END;
END $$

-- name: find
CREATE OR REPLACE FUNCTION asyncq.find(_ids text[]) RETURNS SETOF asyncq.jobs LANGUAGE plpgsql PLAIN AS $$
BEGIN
    RETURN QUERY SELECT * FROM asyncq.jobs WHERE id = ANY (_ids);
END $$

-- name: cancel
-- A job whose lease ran out waits again, though nobody took it back yet.
CREATE OR REPLACE FUNCTION asyncq.cancel(_ids text[]) RETURNS SETOF text LANGUAGE plpgsql PLAIN AS $$
BEGIN
    RETURN QUERY DELETE FROM asyncq.jobs j WHERE j.id = ANY (_ids) AND (j.token IS NULL OR j.lease_until <= asyncq.now())
    RETURNING j.id;
END $$

-- name: free
CREATE OR REPLACE FUNCTION asyncq.free(_id text, _token text) RETURNS boolean LANGUAGE plpgsql PLAIN AS $$
BEGIN
    UPDATE asyncq.jobs SET unique_key = NULL, unique_until = NULL WHERE id = _id AND token = _token;
    RETURN FOUND;
END $$

-- name: result_get
CREATE OR REPLACE FUNCTION asyncq.result_get(_id text) RETURNS SETOF asyncq.results LANGUAGE plpgsql PLAIN AS $$
BEGIN
    RETURN QUERY SELECT * FROM asyncq.results r WHERE r.id = _id AND r.until > asyncq.now();
END $$

-- name: batch_due
-- The callbacks of some names, as `asyncq.outbox.pack` wrote them, with ids that a repeat gives again.
CREATE OR REPLACE FUNCTION asyncq.batch_due(_batch text, _callbacks text, _names text[], _member text)
RETURNS text[] LANGUAGE sql AS $$
    SELECT ARRAY(
        SELECT regexp_replace(_callbacks::json ->> name, '^\{"id":"[^"]*"', '{"id":"batch:' || _batch || ':' || name ||
            CASE WHEN name IN ('progress', 'failure') THEN ':' || _member ELSE '' END || '"')
        FROM unnest(_names) WITH ORDINALITY AS e (name, n) WHERE _callbacks::json ->> name IS NOT NULL ORDER BY n)
$$

-- name: strike
-- Counts one end of a member; answers the callbacks that are due by it, for the caller to store.
CREATE OR REPLACE FUNCTION asyncq.strike(_batch text, _member text, _failed boolean) RETURNS text[]
LANGUAGE plpgsql AS $$
DECLARE
    _now bigint := asyncq.now();
    _b asyncq.batches;
    _names text[] := '{progress}';
BEGIN
    SELECT * INTO _b FROM asyncq.batches WHERE id = _batch FOR UPDATE;
    UPDATE asyncq.batch_members SET state = CASE WHEN _failed THEN 2 + coalesce(_b.failed, 0) ELSE 1 END
    WHERE batch = _batch AND member = _member AND state = 0;
    IF NOT FOUND OR _b.id IS NULL THEN
        RETURN '{}'::text[];
    END IF;
    UPDATE asyncq.batches SET pending = pending - 1, failed = failed + _failed::int,
        finished_at = CASE WHEN pending = 1 THEN _now ELSE finished_at END,
        cancelled_at = CASE WHEN _failed AND NOT allow_failures THEN coalesce(cancelled_at, _now) ELSE cancelled_at END
    WHERE id = _batch RETURNING * INTO _b;
    IF _b.pending = 0 AND _b.failed = 0 THEN
        _names := _names || 'then'::text;
    END IF;
    IF _failed AND _b.failed = 1 THEN
        _names := _names || 'catch'::text;
    END IF;
    IF _failed THEN
        _names := _names || 'failure'::text;
    END IF;
    IF _b.pending = 0 THEN
        _names := _names || 'finally'::text;
    END IF;
    RETURN asyncq.batch_due(_batch, _b.callbacks, _names, _member);
END $$

-- name: outbox_due
-- Writes callbacks to the outbox, as `asyncq.outbox.push_row` would.
CREATE OR REPLACE FUNCTION asyncq.outbox_due(_due text[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO asyncq.outbox (id, kind, target, body)
    SELECT 'push:' || (job::json ->> 'id'), 'push', '', convert_to(job, 'UTF8')
    FROM unnest(_due) WITH ORDINALITY AS e (job, n) ORDER BY n
    ON CONFLICT (id) DO NOTHING
$$

-- name: batch_strike
CREATE OR REPLACE FUNCTION asyncq.batch_strike(_batches text[], _members text[], _failed boolean[])
RETURNS SETOF text LANGUAGE plpgsql PLAIN AS $$
DECLARE
    _place int;
    _due text[] := '{}';
BEGIN
    -- All are locked in the order of their ids before the first is counted; the ends keep the order in which they came.
    PERFORM 1 FROM asyncq.batches WHERE id = ANY (_batches) ORDER BY id FOR UPDATE;
    FOR _place IN 1 .. cardinality(_batches) LOOP
        _due := _due || asyncq.strike(_batches[_place], _members[_place], _failed[_place]);
    END LOOP;
    PERFORM asyncq.outbox_due(_due);
    RETURN QUERY SELECT job FROM unnest(_due) WITH ORDINALITY AS e (job, n) ORDER BY n;
END $$

-- name: batch_add
CREATE OR REPLACE FUNCTION asyncq.batch_add(_batch text, _members text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    _added bigint;
BEGIN
    INSERT INTO asyncq.batch_members (batch, member) SELECT _batch, m FROM unnest(_members) m ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS _added = ROW_COUNT;
    UPDATE asyncq.batches SET total = total + _added, pending = pending + _added WHERE id = _batch;
END $$

-- name: batch_create
CREATE OR REPLACE FUNCTION asyncq.batch_create(
    _id text, _name text, _options bytea, _allow_failures boolean, _callbacks text, _created_at bigint, _members text[]
) RETURNS boolean LANGUAGE plpgsql PLAIN AS $$
DECLARE
    _now bigint := asyncq.now();
    _empty boolean := cardinality(_members) = 0;
BEGIN
    INSERT INTO asyncq.batches
        (id, name, options, allow_failures, callbacks, total, pending, created_at, finished_at)
    VALUES (_id, _name, _options, _allow_failures, _callbacks, 0, 0, coalesce(nullif(_created_at, 0), _now),
        CASE WHEN _empty THEN _now END)
    ON CONFLICT (id) DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM asyncq.batch_add(_id, _members);
    IF _empty THEN
        PERFORM asyncq.outbox_due(asyncq.batch_due(_id, _callbacks, '{then,finally}', ''));
    END IF;
    RETURN true;
END $$

-- name: batch_grow
-- A batch takes members while it is unfinished, or while the asking member itself is.
CREATE OR REPLACE FUNCTION asyncq.batch_grow(_batch text, _members text[], _by text) RETURNS boolean
LANGUAGE plpgsql PLAIN AS $$
BEGIN
    PERFORM 1 FROM asyncq.batches WHERE id = _batch FOR UPDATE;
    PERFORM 1 FROM asyncq.batches WHERE id = _batch AND (finished_at IS NULL OR EXISTS (
        SELECT 1 FROM asyncq.batch_members WHERE batch = _batch AND member = _by AND state = 0));
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM asyncq.batch_add(_batch, _members);
    RETURN true;
END $$

-- name: batch_remove
CREATE OR REPLACE FUNCTION asyncq.batch_remove(_batches text[]) RETURNS bigint LANGUAGE plpgsql PLAIN AS $$
DECLARE
    _gone bigint;
BEGIN
    DELETE FROM asyncq.batches WHERE id = ANY (_batches);
    GET DIAGNOSTICS _gone = ROW_COUNT;
    DELETE FROM asyncq.batch_members WHERE batch = ANY (_batches);
    RETURN _gone;
END $$

-- name: limit_state
CREATE OR REPLACE FUNCTION asyncq.limit_state(
    _key text, _limit bigint, OUT allowed boolean, OUT remaining bigint, OUT retry_after bigint
) LANGUAGE plpgsql PLAIN AS $$
DECLARE
    _now bigint := asyncq.now();
    _w asyncq.limits;
BEGIN
    SELECT * INTO _w FROM asyncq.limits WHERE key = _key AND until > _now;
    remaining := greatest(0, _limit - coalesce(_w.used, 0));
    allowed := remaining > 0;
    retry_after := CASE WHEN allowed THEN 0 ELSE coalesce(_w.until - _now, 0) END;
END $$

-- name: limit_hit
CREATE OR REPLACE FUNCTION asyncq.limit_hit(
    _key text, _limit bigint, _per bigint, OUT allowed boolean, OUT remaining bigint, OUT retry_after bigint
) LANGUAGE plpgsql PLAIN AS $$
DECLARE
    _now bigint := asyncq.now();
    _used bigint;
BEGIN
    IF _limit > 0 THEN
        INSERT INTO asyncq.limits AS w (key, used, until) VALUES (_key, 1, _now + _per)
        ON CONFLICT (key) DO UPDATE SET
            used = CASE WHEN w.until <= _now THEN 1 ELSE w.used + 1 END,
            until = CASE WHEN w.until <= _now THEN _now + _per ELSE w.until END
        WHERE w.until <= _now OR w.used < _limit RETURNING used INTO _used;
    END IF;
    IF _used IS NULL THEN
        SELECT s.allowed, s.remaining, s.retry_after INTO allowed, remaining, retry_after
        FROM asyncq.limit_state(_key, _limit) s;
        allowed := false;
        remaining := 0;
    ELSE
        allowed := true;
        remaining := greatest(0, _limit - _used);
        retry_after := 0;
    END IF;
END $$

-- name: slot_state
CREATE OR REPLACE FUNCTION asyncq.slot_state(
    _name text, _limit bigint, OUT allowed boolean, OUT remaining bigint, OUT retry_after bigint
) LANGUAGE plpgsql PLAIN AS $$
DECLARE
    _now bigint := asyncq.now();
    _held bigint := (SELECT count(*) FROM asyncq.slots WHERE name = _name AND until > _now);
BEGIN
    remaining := greatest(0, _limit - _held);
    allowed := remaining > 0;
    retry_after := 0;
    IF NOT allowed AND _held > 0 THEN
        -- There is room when so many have ended that fewer than the limit are left, which may have been lowered.
        SELECT coalesce(max(s.until) - _now, 0) INTO retry_after FROM (
            SELECT until FROM asyncq.slots WHERE name = _name AND until > _now
            ORDER BY until OFFSET least(_held - _limit, _held - 1) LIMIT 1) s;
    END IF;
END $$

-- name: slot_take
-- Who counts and then takes must be alone with the name meanwhile.
CREATE OR REPLACE FUNCTION asyncq.slot_take(
    _name text, _owner text, _limit bigint, _ttl bigint, OUT allowed boolean, OUT remaining bigint,
    OUT retry_after bigint
) LANGUAGE plpgsql PLAIN AS $$
DECLARE
    _now bigint;
    _owned boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('asyncq.slots'), hashtext(_name));
    _now := asyncq.now();
    _owned := EXISTS (SELECT 1 FROM asyncq.slots WHERE name = _name AND owner = _owner AND until > _now);
    SELECT s.allowed, s.remaining, s.retry_after INTO allowed, remaining, retry_after
    FROM asyncq.slot_state(_name, _limit) s;
    IF NOT (allowed OR _owned) THEN
        RETURN;
    END IF;
    DELETE FROM asyncq.slots WHERE name = _name AND until <= _now;
    INSERT INTO asyncq.slots (name, owner, until) VALUES (_name, _owner, _now + _ttl)
    ON CONFLICT (name, owner) DO UPDATE SET until = excluded.until;
    allowed := true;
    remaining := greatest(0, remaining - (NOT _owned)::int);
    retry_after := 0;
END $$

-- name: sweep
-- Forgets what is over: some of it at a time, and nothing that another one is at.
CREATE OR REPLACE FUNCTION asyncq.sweep(_ops_before bigint) RETURNS boolean LANGUAGE plpgsql PLAIN AS $$
DECLARE
    _now bigint := asyncq.now();
    _gone bigint;
    _more boolean := false;
BEGIN
    DELETE FROM asyncq.ops WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM asyncq.ops WHERE at < _now - _ops_before LIMIT 10000 FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS _gone = ROW_COUNT;
    _more := _gone = 10000;
    DELETE FROM asyncq.locks WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM asyncq.locks WHERE until <= _now LIMIT 1000 FOR UPDATE SKIP LOCKED));
    DELETE FROM asyncq.limits WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM asyncq.limits WHERE until <= _now LIMIT 1000 FOR UPDATE SKIP LOCKED));
    DELETE FROM asyncq.slots WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM asyncq.slots WHERE until <= _now LIMIT 10000 FOR UPDATE SKIP LOCKED));
    DELETE FROM asyncq.signals WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM asyncq.signals WHERE until <= _now LIMIT 1000 FOR UPDATE SKIP LOCKED));
    DELETE FROM asyncq.results WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM asyncq.results WHERE until <= _now LIMIT 1000 FOR UPDATE SKIP LOCKED));
    RETURN _more;
END $$

-- name: ring
-- Tells all who listen. A commit with a notification waits for every other such commit until it is on the disk; so it
-- is one of its own, which need not be on the disk.
CREATE OR REPLACE FUNCTION asyncq.ring(_topics text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pg_notify('asyncq.bell', t) FROM unnest(_topics) t;
END $$
