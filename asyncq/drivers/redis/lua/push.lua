-- Stores jobs. KEYS: home, bases. ARGV: op; for each base its name, how many jobs, the jobs.
-- Answers for each job that was refused its place, and the id of the job that is there instead.
local op = home .. 'op:' .. next_arg()

-- Written before anything else: that most pushes refuse nothing is known already, and to look first would be a call more.
if not call('SET', op, '', 'NX', 'PX', OP_MS) then
  local known = call('GET', op)
  return known ~= '' and cmsgpack.unpack(known) or {}
end

local refused, place = {}, 0
for i = 2, #KEYS do
  local base, name, count = KEYS[i], next_arg(), next_number()
  for _ = 1, count do
    local other = push_next(base)
    if other then
      refused[#refused + 1] = place
      refused[#refused + 1] = other
    end
    place = place + 1
  end
  -- A queue with tokens has had jobs, so its name is known.
  if wake(base) then
    call('SADD', home .. 'queues', name)
  end
end
if place > 0 and #refused > 0 then
  call('SET', op, cmsgpack.pack(refused), 'PX', OP_MS)
end
return refused
