-- Stores jobs. KEYS: home, bases. ARGV: op; for each base its name, how many jobs, the jobs.
-- Answers for each job that was refused its place, and the id of the job that is there instead.
local op = home .. 'op:' .. next_arg()

-- Written before anything else: that most pushes refuse nothing is known already, and to look first would be a call more.
if not call('SET', op, '', 'NX', 'PX', OP_MS) then
  local known = call('GET', op)
  return known ~= '' and cmsgpack.unpack(known) or {}
end

local refused, place = {}, 0

local function refuse(at_place, other)
  refused[#refused + 1] = at_place
  refused[#refused + 1] = other
end

-- Stores many jobs without a unique key, in three calls instead of two for each: the first of an id wins.
local ids, recs, dues, places = {}, {}, {}, {}
local function store(base)
  if #ids == 0 then
    return
  end
  local there, new, set = call('HMGET', home .. 'rec', unpack(ids)), {}, {}
  local seen = {}
  for n, id in ipairs(ids) do
    if there[n] or seen[id] then
      refuse(places[n], id)
    else
      seen[id] = true
      set[#set + 1], set[#set + 2] = id, recs[n]
      new[#new + 1], new[#new + 2] = dues[n], id
    end
  end
  if #new > 0 then
    call('HSET', home .. 'rec', unpack(set))
    call('ZADD', base .. 'ready', unpack(new))
  end
  ids, recs, dues, places = {}, {}, {}, {}
end

for i = 2, #KEYS do
  local base, name, count = KEYS[i], next_arg(), next_number()
  for _ = 1, count do
    local id, kind, due, key, life, rec = next_job()
    if key == '' and count > 1 then
      local n = #ids + 1
      ids[n], recs[n], places[n], dues[n] = id, rec, place, due_of(kind, due)
    else
      store(base) -- what came before it must be there before it
      local other = push(base, id, kind, due, key, life, rec)
      if other then
        refuse(place, other)
      end
    end
    place = place + 1
  end
  store(base)
  announce(base, name)
end
if #refused > 0 then
  call('SET', op, cmsgpack.pack(refused), 'PX', OP_MS)
end
return refused
