-- Lists jobs of one queue in one state, by due time and id. KEYS: home, base. ARGV: state, offset, limit.
-- Answers now and the columns of each.
local base, state, offset, limit = KEYS[2], next_arg(), next_number(), next_number()
local most, instant, jobs = offset + limit, whole(now), {}

local function add(name, least, last)
  local found = call('ZRANGEBYSCORE', base .. name, least, last, 'WITHSCORES', 'LIMIT', 0, most)
  for i = 1, #found, 2 do
    jobs[#jobs + 1] = { tonumber(found[i + 1]), found[i] }
  end
end

-- Leases lie by their ends, so all of them are read: as many as there are jobs at work.
local function add_leased(least, last)
  for _, id in ipairs(call('ZRANGEBYSCORE', base .. 'lease', least, last)) do
    local held = call('HGET', home .. 'tok', id)
    jobs[#jobs + 1] = held and { tonumber(sub(held, 33)), id }
  end
end

if state == 'reserved' then
  add_leased('(' .. instant, '+inf')
elseif state == 'ready' then
  add('ready', '-inf', instant)
  add('suspect', '-inf', instant)
  add_leased('-inf', instant)
else
  add('ready', '(' .. instant, '+inf')
  add('suspect', '(' .. instant, '+inf')
end
table.sort(jobs, function(a, b)
  return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2])
end)
local found = { instant }
for i = offset + 1, math.min(#jobs, most) do
  local id = jobs[i][2]
  describe(found, base, id, call('HGET', home .. 'rec', id) or '')
end
return found
