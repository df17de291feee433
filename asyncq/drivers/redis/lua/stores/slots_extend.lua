-- ARGV: name, owner, life in µs. Answers 1 where the slot was still the owner's.
local slots, owner, life = home .. next_arg(), next_arg(), next_number()
if tonumber(call('ZSCORE', slots, owner) or 0) <= now then
  return 0
end
call('ZADD', slots, whole(now + life), owner)
call('PEXPIREAT', slots, whole(math.ceil(call('ZRANGE', slots, -1, -1, 'WITHSCORES')[2] / 1000)))
return 1
