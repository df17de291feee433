-- ARGV: key, limit. Answers as a hit would, and counts none.
local window, limit = home .. 'limit:' .. next_arg(), next_number()
local left = limit - tonumber(call('GET', window) or 0)
if left > 0 then
  return { 1, left, 0 }
end
return { 0, 0, math.max(0, call('PTTL', window)) }
