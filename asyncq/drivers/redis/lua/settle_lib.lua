-- Ends of attempts; needs lib.lua, jobs_lib.lua and effects_lib.lua before it.

-- Forgets done jobs that have neither a unique key nor effects; answers the stale ones.
-- ARGV: how many, then id and token of each.
local function forget_plain(base, stale)
  local count = next_number()
  while count > 0 do
    local ids, tokens = {}, {}
    for i = 1, math.min(count, CHUNK) do
      ids[i], tokens[i] = next_arg(), next_arg()
    end
    count = count - #ids
    local held, ours = call('HMGET', home .. 'tok', unpack(ids)), {}
    for i, id in ipairs(ids) do
      if held[i] and sub(held[i], 1, 32) == tokens[i] then
        ours[#ours + 1] = id
      else
        stale[#stale + 1] = id
        stale[#stale + 1] = tokens[i]
      end
    end
    if #ours > 0 then
      call('HDEL', home .. 'tok', unpack(ours))
      call('HDEL', home .. 'rec', unpack(ours))
      call('HDEL', home .. 'cnt', unpack(ours))
      call('ZREM', base .. 'lease', unpack(ours))
    end
  end
end

-- ARGV: delay in µs or '' for the old place, attempts and exceptions to add, new record or ''. An attempt that counts
-- is a verdict, which forgives the crashes.
local function release(base, id, held)
  local delay, attempts, exceptions, rec = next_arg(), next_number(), next_number(), next_arg()
  if not held then
    return
  end
  end_lease(base, id)
  local a, e, c = counters(id)
  if attempts > 0 then
    c = 0
  end
  set_counters(id, a + attempts, e + exceptions, c)
  if rec ~= '' then
    call('HSET', home .. 'rec', id, rec)
  end
  put_back(base, id, delay == '' and sub(held, 33) or whole(now + tonumber(delay)), c)
  wake(base)
end

-- ARGV: how many; for each: place of its base, id, token, 'F' (forget) or 'R' (release) with its fields, effects.
local function settle_rest(first, stale)
  for _ = 1, next_number() do
    local base, id, token, kind = KEYS[first + next_number()], next_arg(), next_arg(), next_arg()
    local held = fresh(id, token)
    if not held then
      stale[#stale + 1] = id
      stale[#stale + 1] = token
    end
    if kind == 'R' then
      release(base, id, held)
    elseif held then
      forget(base, id)
    end
    effects(held)
  end
end

-- ARGV: how many groups; for each: place of its base, the plain ends; then the others.
local function settle(first)
  local stale = {}
  for _ = 1, next_number() do
    forget_plain(KEYS[first + next_number()], stale)
  end
  settle_rest(first, stale)
  return stale
end
