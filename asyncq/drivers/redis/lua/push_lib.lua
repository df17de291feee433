-- Storing jobs; needs lib.lua before it.

-- Says whether a life lasts: it ends at an instant in µs, or never where there is none.
local function lasts(till)
  return till == '' or tonumber(till) > now
end

-- Who holds the key now; an outlived one is taken from its job.
local function holder(key)
  local held = call('HGET', home .. 'uniq', key)
  if not held then
    return nil
  end
  local till, id = string.match(held, '^(%d*)\n(.*)$')
  if lasts(till) then
    return id
  end
  call('HDEL', home .. 'ukey', id)
  call('HDEL', home .. 'uniq', key)
  return nil
end

local function due_of(kind, due)
  return whole(kind == 'd' and now + tonumber(due) or tonumber(due))
end

-- Stores a job; answers nothing, or the id of the job that was there. `kind` says whether `due` is a delay ('d') or an
-- instant ('a'), both in µs; `life` is that of the unique key in µs, or ''.
local function push(base, id, kind, due, key, life, rec)
  if key ~= '' then
    local other = call('HEXISTS', home .. 'rec', id) == 1 and id or holder(key)
    if other then
      return other
    end
    call('HSET', home .. 'uniq', key, (life ~= '' and whole(now + tonumber(life)) or '') .. '\n' .. id)
    call('HSET', home .. 'ukey', id, key)
  end
  if call('HSETNX', home .. 'rec', id, rec) == 0 then
    return id
  end
  call('ZADD', base .. 'ready', due_of(kind, due), id)
  return nil
end

-- Reads a job from ARGV: id, kind and instant of its due time, unique key, its life, record.
local function next_job()
  return next_arg(), next_arg(), next_arg(), next_arg(), next_arg(), next_arg()
end

-- Wakes one who waits for this queue. A queue with tokens has had jobs, so its name is known then.
local function announce(base, name)
  if wake(base) then
    call('SADD', home .. 'queues', name)
  end
end
