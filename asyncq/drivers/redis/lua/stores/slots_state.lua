-- ARGV: name, limit. Answers as a take would, and takes none.
local slots, limit = home .. next_arg(), next_number()
local after = '(' .. whole(now)
local held = call('ZCOUNT', slots, after, '+inf')
if held < limit then
  return { 1, limit - held, 0 }
end
local place = math.max(0, math.min(held - limit, held - 1))
local first = call('ZRANGEBYSCORE', slots, after, '+inf', 'WITHSCORES', 'LIMIT', place, 1)[2]
return { 0, 0, first and tonumber(first) - now or 0 }
