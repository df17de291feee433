-- Storing jobs; needs lib.lua before it.

-- Who holds the key now; an outlived one is taken from its job.
local function holder(key)
  local held = call('HGET', home .. 'uniq', key)
  if not held then
    return nil
  end
  local till, id = string.match(held, '^(%d*)\n(.*)$')
  if till == '' or tonumber(till) > now then
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

-- Reads a job from ARGV and stores it.
local function push_next(base)
  local id, kind, due, key, life, rec = next_arg(), next_arg(), next_arg(), next_arg(), next_arg(), next_arg()
  return push(base, id, kind, due, key, life, rec)
end
