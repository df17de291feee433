-- Reserving; needs lib.lua and jobs_lib.lua before it.

-- Takes back leases that ran out: to their old place, the token void, one crash more. In chunks, so that thousands of
-- them (a rack of workers lost its power) do not hold up one reserve.
local function reclaim(base)
  local ids = call('ZRANGEBYSCORE', base .. 'lease', '-inf', whole(now), 'LIMIT', 0, CHUNK)
  for _, id in ipairs(ids) do
    local held = call('HGET', home .. 'tok', id)
    end_lease(base, id)
    if held and call('HEXISTS', home .. 'rec', id) == 1 then
      local a, e, c = counters(id)
      set_counters(id, a, e, c + 1)
      put_back(base, id, sub(held, 33), c + 1)
    end
  end
end

-- What the caller learns of one leased job, in four columns: id, counters, record, and 1 if it holds its unique key,
-- which only a job with extras has, and an outlived one has lost.
local function tell(items, id, count, rec)
  local first = string.find(rec, '\n', 1, true)
  local has = sub(rec, first + 1, first + 1) == '[' and call('HEXISTS', home .. 'ukey', id) == 1
  items[#items + 1] = id
  items[#items + 1] = count or ''
  items[#items + 1] = rec
  items[#items + 1] = has and 1 or 0
end

-- Leases up to `room` due jobs of one queue from the set `name`, until `ends`; answers how many.
local function lease(base, name, room, token, ends, items)
  local found = call('ZRANGEBYSCORE', base .. name, '-inf', whole(now), 'WITHSCORES', 'LIMIT', 0, room)
  if #found == 0 then
    return 0
  end
  local ids, leases, tokens = {}, {}, {}
  for i = 1, #found, 2 do
    local id = found[i]
    ids[#ids + 1] = id
    leases[#leases + 1] = ends
    leases[#leases + 1] = id
    tokens[#tokens + 1] = id
    tokens[#tokens + 1] = token .. found[i + 1]
  end
  call('ZREM', base .. name, unpack(ids))
  local recs = call('HMGET', home .. 'rec', unpack(ids))
  local counts = call('HMGET', home .. 'cnt', unpack(ids))
  call('ZADD', base .. 'lease', unpack(leases))
  call('HSET', home .. 'tok', unpack(tokens))
  local taken = 0
  for i, id in ipairs(ids) do
    if recs[i] then
      tell(items, id, counts[i], recs[i])
      taken = taken + 1
    else -- nothing is stored under this id: it must not come up at each reserve
      end_lease(base, id)
    end
  end
  return taken
end

local function head(base, name, least)
  local found = call('ZRANGEBYSCORE', base .. name, least, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  return found[2] and tonumber(found[2])
end

-- Puts together what a caller learns: now, whether suspects are due, µs until the next job is due or -1, and for each
-- queue its jobs. Queues that still have ready ones wake another worker.
local function answer_of(from, alone, jobs)
  local suspects, soonest, left = 0, nil, false
  for i = from, #KEYS do
    local base = KEYS[i]
    local due, bad = head(base, 'ready', '-inf'), head(base, 'suspect', '-inf')
    if bad and bad <= now then
      suspects = 1
      -- A suspect that is due is no reason to look again soon: it waits for a worker that takes it alone.
      bad = head(base, 'suspect', '(' .. whole(now))
    end
    if due and due <= now then
      left = true
      if call('EXISTS', base .. 'notify') == 0 then
        allow_when_full() -- the first write of a reserve that leased nothing
        call('LPUSH', base .. 'notify', '1')
      end
    end
    for _, instant in ipairs({ due or false, bad or false }) do
      if instant and (not soonest or instant < soonest) then
        soonest = instant
      end
    end
  end
  local wait = -1
  if soonest and not left then
    wait = soonest - now
  end
  return { whole(now), alone and 0 or suspects, whole(wait), jobs }
end

-- Reserves over the bases KEYS[from] to the last one. Answers as `answer_of` says, when the leases end, and whether there
-- are any. Its first write takes away, so a server without memory lets it add.
local function reserve(from, token, lease_us, limit, alone)
  local ends, jobs, leased = whole(now + lease_us), {}, false
  for i = from, #KEYS do
    reclaim(KEYS[i])
  end
  local room = alone and 1 or limit
  for i = from, #KEYS do
    local base, items = KEYS[i], {}
    while room > 0 do
      local asked = math.min(room, CHUNK)
      local taken = lease(base, alone and 'suspect' or 'ready', asked, token, ends, items)
      room = room - taken
      if taken < asked then
        break
      end
    end
    jobs[#jobs + 1] = items
    leased = leased or #items > 0
  end
  return answer_of(from, alone, jobs), ends, leased
end

-- Answers a repeated reserve: what the first one leased and nobody took back meanwhile, in the same order.
local function again(from, token, ends, alone)
  local jobs = {}
  for i = from, #KEYS do
    local found, items = {}, {}
    for _, id in ipairs(call('ZRANGEBYSCORE', KEYS[i] .. 'lease', ends, ends)) do
      local held, rec = fresh(id, token), call('HGET', home .. 'rec', id)
      if rec and held then
        found[#found + 1] = { tonumber(sub(held, 33)), id, rec }
      end
    end
    table.sort(found, function(a, b)
      return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2])
    end)
    for _, one in ipairs(found) do
      tell(items, one[2], call('HGET', home .. 'cnt', one[2]), one[3])
    end
    jobs[#jobs + 1] = items
  end
  return answer_of(from, alone, jobs)
end
