-- ARGV: key, owner, life in ms or ''. Answers 1 where the lock is still the owner's.
local lock, owner, life = home .. 'lock:' .. next_arg(), next_arg(), next_arg()
if call('GET', lock) ~= owner then
  return 0
end
if life == '' then
  call('PERSIST', lock)
else
  call('PEXPIRE', lock, life)
end
return 1
