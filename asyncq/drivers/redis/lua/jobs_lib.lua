-- The counters, the leases and the places of jobs; needs lib.lua before it.

local function counters(id)
  local text = call('HGET', home .. 'cnt', id)
  if not text then
    return 0, 0, 0
  end
  local a, e, c = string.match(text, '(%d+):(%d+):(%d+)')
  return tonumber(a), tonumber(e), tonumber(c)
end

local function set_counters(id, a, e, c)
  if a + e + c == 0 then
    call('HDEL', home .. 'cnt', id)
  else
    call('HSET', home .. 'cnt', id, format('%d:%d:%d', a, e, c))
  end
end

-- Answers what is kept with the lease of a job if the token is still its own, else false.
local function fresh(id, token)
  local held = call('HGET', home .. 'tok', id)
  return held and sub(held, 1, 32) == token and held
end

local function end_lease(base, id)
  call('ZREM', base .. 'lease', id)
  call('HDEL', home .. 'tok', id)
end

local function put_back(base, id, due, crashes)
  call('ZADD', base .. (crashes >= 2 and 'suspect' or 'ready'), due, id)
end

-- Frees a unique key only where it is still this job's.
local function free_key(id)
  local key = call('HGET', home .. 'ukey', id)
  if key then
    call('HDEL', home .. 'ukey', id)
    call('HDEL', home .. 'uniq', key)
  end
end

local function forget(base, id)
  end_lease(base, id)
  call('HDEL', home .. 'rec', id)
  call('HDEL', home .. 'cnt', id)
  free_key(id)
end
