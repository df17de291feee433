-- ARGV: key, owner, life in ms or ''. Answers 1 where the lock is the owner's now.
local lock, owner, life = home .. 'lock:' .. next_arg(), next_arg(), next_arg()
local held = call('GET', lock)
if held and held ~= owner then
  return 0, true
end
if life == '' then
  call('SET', lock, owner)
else
  call('SET', lock, owner, 'PX', life)
end
return 1
