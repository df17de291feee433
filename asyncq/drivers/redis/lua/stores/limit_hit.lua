-- Counts a hit in a window that starts at its first one. ARGV: key, limit, length in ms.
-- Answers 1 if it was counted, how many are left, and ms until the window opens again.
local window, limit, length = home .. 'limit:' .. next_arg(), next_number(), next_arg()
local count = tonumber(call('GET', window) or 0)
if count >= limit then
  return { 0, 0, count > 0 and call('PTTL', window) or 0 }, true
end
if call('INCR', window) == 1 then
  call('PEXPIRE', window, length)
end
return { 1, limit - count - 1, 0 }
