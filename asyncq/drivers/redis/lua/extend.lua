-- Restarts leases. KEYS: home, bases. ARGV: lease in µs; how many tokens of reserves under way, these; then for each
-- base how many reservations, id and token of each. Answers the place of each that is no longer held.
allow_when_full()
local ends = whole(now + next_number())
for _ = 1, next_number() do
  local token = next_arg()
  local known = answered(token)
  if known then
    for i = 2, #KEYS do
      for _, id in ipairs(call('ZRANGEBYSCORE', KEYS[i] .. 'lease', known[1], known[1])) do
        if fresh(id, token) then
          call('ZADD', KEYS[i] .. 'lease', ends, id)
        end
      end
    end
    known[1] = ends
    remember(token, known)
  end
end
local lost, place = {}, 0
for i = 2, #KEYS do
  for _ = 1, next_number() do
    local id, token = next_arg(), next_arg()
    if fresh(id, token) then
      call('ZADD', KEYS[i] .. 'lease', 'XX', ends, id)
    else
      lost[#lost + 1] = place
    end
    place = place + 1
  end
end
return lost
