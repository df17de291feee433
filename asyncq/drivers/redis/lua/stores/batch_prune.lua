-- Looks at some batches, oldest first. ARGV: offset; ages in µs or '' of finished, unfinished and cancelled ones.
-- Answers how many were forgotten and how many of those looked at are left.
local offset, finished, unfinished, cancelled = next_number(), next_arg(), next_arg(), next_arg()

local function older(instant, age)
  return instant and age ~= '' and tonumber(instant) < now - tonumber(age)
end

local gone, left = 0, 0
for _, id in ipairs(call('ZRANGE', home .. 'batches', offset, offset + CHUNK - 1)) do
  local instants = call('HMGET', home .. 'batch:' .. id, 'finished', 'created', 'cancelled')
  if older(instants[1], finished) or (not instants[1] and older(instants[2], unfinished)) or older(instants[3], cancelled) then
    gone = gone + forget_batch(id)
  else
    left = left + 1
  end
end
return { gone, left }
