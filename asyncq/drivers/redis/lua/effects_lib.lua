-- What follows from the end of an attempt; needs lib.lua and push_lib.lua before it. The stores' own scripts use the same functions.

local function unlock(key, owner)
  if call('GET', home .. 'lock:' .. key) == owner then
    return call('DEL', home .. 'lock:' .. key)
  end
  return 0
end

local function failed_indexes(queue, name)
  return { 'failed:at', 'failed:q:' .. queue, 'failed:n:' .. name, 'failed:qn:' .. queue .. '\n' .. name }
end

local function forget_failed(id)
  local known = call('HGET', home .. 'failed:ix', id)
  if known then
    local queue, name = string.match(known, '^([^\n]*)\n(.*)$')
    for _, index in ipairs(failed_indexes(queue, name)) do
      call('ZREM', home .. index, id)
    end
    call('HDEL', home .. 'failed:ix', id)
    return call('HDEL', home .. 'failed', id)
  end
  return 0
end

-- ARGV: id, instant in µs or '' for now, queue, name, record.
local function keep_failed(held)
  local id, instant, queue, name, rec = next_arg(), next_arg(), next_arg(), next_arg(), next_arg()
  if not held then
    return
  end
  forget_failed(id)
  if instant == '' then
    instant = whole(now)
  end
  call('HSET', home .. 'failed', id, instant .. '\n' .. rec)
  call('HSET', home .. 'failed:ix', id, queue .. '\n' .. name)
  for _, index in ipairs(failed_indexes(queue, name)) do
    call('ZADD', home .. index, instant, id)
  end
end

-- ARGV: id, life in ms, record.
local function keep_result(held)
  local id, life, rec = next_arg(), next_arg(), next_arg()
  if held then
    call('SET', home .. 'result:' .. id, rec, 'PX', life)
    call('PUBLISH', home .. 'result:' .. id, '')
  end
end

local function write_row(id, kind, target, body)
  if call('HEXISTS', home .. 'outbox:row', id) == 0 then
    call('HSET', home .. 'outbox:row', id, cmsgpack.pack({ kind, target, body }))
    call('ZADD', home .. 'outbox', call('INCR', home .. 'outbox:seq'), id)
  end
end

-- ARGV: id, kind, target, body.
local function keep_row(held)
  local id, kind, target, body = next_arg(), next_arg(), next_arg(), next_arg()
  if held then
    write_row(id, kind, target, body)
  end
end

-- Counts the end of a member, at its first end only; answers the names of the callbacks that are due by it.
local function count_end(batch, member, failed)
  local members, counts = home .. 'members:' .. batch, home .. 'batch:' .. batch
  if call('HGET', members, member) ~= '0' then
    return {}
  end
  local pending = call('HINCRBY', counts, 'pending', -1)
  local failures = failed and call('HINCRBY', counts, 'failed', 1) or tonumber(call('HGET', counts, 'failed'))
  call('HSET', members, member, failed and 1 + failures or 1)
  if pending == 0 then
    call('HSET', counts, 'finished', whole(now))
  end
  if failed and call('HGET', counts, 'allow') == '0' then
    call('HSETNX', counts, 'cancelled', whole(now))
  end
  local due = { 'progress' }
  local function add(name, holds)
    due[#due + 1] = holds and name or nil
  end
  add('then', pending == 0 and failures == 0)
  add('catch', failed and failures == 1)
  add('failure', failed)
  add('finally', pending == 0)
  return due
end

-- Answers the callbacks of these names as they were packed, with ids that a repeat gives again.
local function callbacks(batch, member, names)
  local found = {}
  for _, name in ipairs(names) do
    local packed = call('HGET', home .. 'batch:' .. batch, 'cb:' .. name)
    if packed then
      local callback, id = cmsgpack.unpack(packed), 'batch:' .. batch .. ':' .. name
      callback.id = (name == 'progress' or name == 'failure') and id .. ':' .. member or id
      found[#found + 1] = callback
    end
  end
  return found
end

-- Writes callbacks to the outbox; answers the bodies of their rows.
local function write_callbacks(found)
  local bodies = {}
  for _, callback in ipairs(found) do
    local id = string.match(callback.id, '^[%w_.:-]+$') and '"' .. callback.id .. '"' or cjson.encode(callback.id)
    bodies[#bodies + 1] = callback.before .. id .. callback.after
    write_row('push:' .. callback.id, 'push', '', bodies[#bodies])
  end
  return bodies
end

-- ARGV: batch, member, 1 if it failed. The callbacks that are due become jobs at once.
local function strike(held)
  local batch, member, failed = next_arg(), next_arg(), next_arg() == '1'
  if not held then
    return
  end
  for _, job in ipairs(callbacks(batch, member, count_end(batch, member, failed))) do
    push(job.base, job.id, job.kind, job.due, job.key, job.life, job.rec)
    announce(job.base, job.queue)
  end
end

local function push_effect(held)
  local base, queue = next_arg(), next_arg()
  if held then
    push(base, next_job())
    announce(base, queue)
  else
    at = at + 6
  end
end

local function unlock_effect(held)
  local key, owner = next_arg(), next_arg()
  if held then
    unlock(key, owner)
  end
end

local APPLY = {
  push = push_effect,
  unlock = unlock_effect,
  strike = strike,
  failed = keep_failed,
  result = keep_result,
  outbox = keep_row,
}

-- ARGV: how many; for each its kind and its fields. `held` is false for a stale end: nothing is done then.
local function effects(held)
  for _ = 1, next_number() do
    APPLY[next_arg()](held)
  end
end
